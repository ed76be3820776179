"""Properties held against what the engine recorded: expressions over the situation that an event found, and time limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.support.worlds import OFFICE_DAYS
from workflow import bootstrap, load
from workflow.audit.delegations import Delegations
from workflow.audit.entry import EntryRow
from workflow.audit.replay import walk
from workflow.engine.archive import Archive
from workflow.policy.expressed import Expressed, Expressions
from workflow.policy.moments import broken_moments
from workflow.policy.retime import retimed
from workflow.policy.stored import Rechecked, recheck
from workflow.policy.translating import Words
from workflow.settings import development_keys
from workflow.states.definition import Definition, Digest, StatePath, TimerKey
from workflow.states.instance import Actor, Event, Instance
from workflow.states.machine import Table
from workflow.testing.clock import VirtualClock

OFFICE = f"calendar: desk-office\n{OFFICE_DAYS}"
DESK = """\
definition: desk
language: 1
calendar: desk-office
subject: guest
roles: {clerk: {}}
fields:
  is_urgent: boolean
  seen_at: instant
events:
  ask: {by: [guest], payload: {is_urgent: {field: true}}}
  look: {by: [clerk]}
  shut: {by: [clerk]}
  told: {by: engine}
  late: {by: engine}
start: {event: ask, set: {is_urgent: event.is_urgent}}
states:
  waiting:
    initial: here
    entry: [{mail: request_received, done: told}]
    paused_in: [away]
    timers: [{name: slow, after: P30D, event: late}, {name: slower, after: 20bd, event: late}]
    transitions:
      - {event: late}
      - {event: shut, target: closed}
    states:
      here: {transitions: [{event: look, target: away}]}
      away: {waits_forever: They come back., transitions: [{event: look, set: {seen_at: now}, target: here}]}
  closed: {outcome: success}
policy:
  - {name: seen lately, cel: {event: look, holds: "now - instance.seen_at < duration('1h')"}}
  - {name: urgent ones are told, requires: {event: shut, when: instance.is_urgent, effect: mail.request_received}}
  - {name: urgent ones are not looked at again, cel: {event: look, state: away, holds: "!instance.is_urgent"}}
  - {name: closed in time, always: {state: waiting, leads_to: [closed], within: 2bd}}
"""
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CLERK = Actor.of("cleo", "clerk")
KNOWN = bootstrap.known()


@dataclass(frozen=True)
class Case:
    """One onboarding: what was recorded, and the instance before each entry."""

    archive: Archive
    instance: Instance
    rows: list[EntryRow]
    before: dict[int, Instance]

    @property
    def definition(self) -> Definition:
        return self.archive.table(self.instance.digest).definition

    def moments(self, name: str) -> list[str]:
        """Say how entries break a property of the definition."""
        rule = next(one for one in self.definition.policy if one.name == name)
        return list(broken_moments(rule, self.definition, KNOWN, [row.canonical for row in self.rows], self.before))

    def expressed(self, table: Table) -> dict[str, int]:
        """Judge all expressions of a policy: the entry that breaks each first."""
        judging = Expressed(Expressions.of(table, KNOWN), self.instance.subject)
        for stage in walk(self.rows, subject=self.instance.subject, worlds=self.archive.world, delegations=Delegations(())):
            judging.see(stage)
        judging.end()
        return {name: one.sequence for name, one in judging.found.items()}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """An urgent one that was looked at twice and shut after two days, and one that nobody looked at and that was shut at once."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "desk.yaml").write_text(DESK, encoding="utf-8")
    (folder / "desk-office.yaml").write_text(OFFICE, encoding="utf-8")
    clock = VirtualClock(MONDAY)
    with bootstrap.open_engine(f"sqlite:///{folder / 'desk.db'}", keys=development_keys(), clock=clock, upgrade=True) as engine:
        bootstrap.publish(engine, folder / "desk.yaml")
        found: dict[str, tuple[str, dict[int, Instance]]] = {}
        for name, is_urgent in (("urgent", True), ("calm", False)):
            made = engine.start("desk", Event.of("ask", Actor.of(name), {"is_urgent": is_urgent}), subject=name)
            found[name] = str(made.instance.id), {}  # type: ignore[union-attr]  # accepted

        def fire(name: str, event: str) -> None:
            id_, before = found[name]
            instance = engine.get(id_)
            before[instance.head + 1] = instance
            engine.fire(id_, Event.of(event, CLERK))

        fire("calm", "shut")
        for event in ("look", "look"):
            clock.advance(timedelta(minutes=1))
            fire("urgent", event)
        clock.advance(timedelta(days=1))
        (folder / "desk-office.yaml").write_text(
            OFFICE.replace("from: 2026", "days_off: {2026-11-25: It rains in}\nfrom: 2026"), encoding="utf-8"
        )
        bootstrap.publish(engine, folder / "desk.yaml")
        clock.advance(timedelta(days=1, hours=1))
        engine.tick()
        fire("urgent", "shut")
        archive = Archive(engine)
        yield {name: Case(archive, engine.get(id_), list(archive.entries(id_)), before) for name, (id_, before) in found.items()}


def test_an_expression_of_an_event_is_asked_of_the_situation_that_it_found(cases: dict[str, Case]) -> None:
    """By entry the judge of stored histories and the one of a proof's run say the same; what cannot be computed does not hold."""
    urgent, calm = cases["urgent"], cases["calm"]
    assert 2 == len(urgent.moments("seen lately"))
    assert ["look was accepted in waiting.away, where this does not hold: !instance.is_urgent"] == urgent.moments(
        "urgent ones are not looked at again"
    )
    assert ["shut happened without mail.request_received."] == urgent.moments("urgent ones are told")
    assert [] == [
        why for name in ("seen lately", "urgent ones are told", "urgent ones are not looked at again") for why in calm.moments(name)
    ]
    table = urgent.archive.table(urgent.instance.digest)
    assert {"seen lately": 2, "urgent ones are not looked at again": 3, "urgent ones are told": 5} == urgent.expressed(table)
    assert {} == calm.expressed(table)


def test_an_entry_without_its_situation_is_not_judged(cases: dict[str, Case]) -> None:
    """Where nobody knows what an event found, nothing is said of it."""
    urgent = cases["urgent"]
    blind = Case(urgent.archive, urgent.instance, urgent.rows, {})
    assert [] == blind.moments("seen lately")


def test_a_history_without_entries_keeps_every_property(cases: dict[str, Case]) -> None:
    """Nothing happened, nothing rests, and nothing is overdue."""
    calm = cases["calm"]
    empty = Case(calm.archive, calm.instance, [], {})
    assert {} == empty.expressed(calm.archive.table(calm.instance.digest))
    assert Rechecked() == recheck(calm.definition, [], subject="calm", calendars=calm.archive.calendar)


def test_a_time_limit_is_counted_by_the_calendar_that_each_entry_names(cases: dict[str, Case]) -> None:
    """A day off that was declared meanwhile moves what is still to come; by the calendar of the first entry it would be late."""
    urgent = cases["urgent"]
    as_it_was = recheck(urgent.definition, urgent.rows, subject="urgent", calendars=urgent.archive.calendar)
    assert ((), None) == (as_it_was.violations, as_it_was.stopped)
    first = urgent.archive.calendar(Digest(orjson.loads(urgent.rows[0].canonical)["documents"]["calendar"]))
    unmoved = recheck(urgent.definition, urgent.rows, subject="urgent", calendars=lambda _digest: first)
    assert [("closed in time", 5)] == [(one.rule.name, one.sequence) for one in unmoved.violations]
    assert "by Wed 25 Nov 09:00:00; shut came at Wed 25 Nov 10:02:00" in unmoved.violations[0].detail


def test_a_history_in_states_that_are_not_there_is_judged_no_further(cases: dict[str, Case]) -> None:
    """What a definition does not have is named with its entry; what was found before stays."""
    urgent = cases["urgent"]
    text = DESK.replace("away", "gone_out")
    parsed, findings = load.parsed(text.encode(), name="desk.yaml", known=KNOWN)
    assert parsed is not None, findings
    found = recheck(parsed.definition, urgent.rows, subject="urgent", calendars=urgent.archive.calendar)
    assert "Entry 2 names the state 'waiting.away', which the definition does not have." == found.stopped


def test_a_paused_deadline_is_timed_with_its_pauses(cases: dict[str, Case]) -> None:
    """It stands still where the definition says so, goes on behind it, and while it stands still it is due at no instant."""
    definition = cases["urgent"].definition
    here, away = StatePath("waiting.here"), StatePath("waiting.away")

    def due(key: str, *visits: tuple[int, StatePath]) -> datetime | None:
        type_ = definition.timer(TimerKey(key))
        assert type_ is not None
        places = iter([(MONDAY + timedelta(days=day), leaf) for day, leaf in visits])
        return retimed(type_, armed_at=MONDAY, visits=places, by=definition, calendar=None).due_at

    assert MONDAY + timedelta(days=30) == due("waiting.slow", (0, here))
    assert MONDAY + timedelta(days=35) == due("waiting.slow", (0, here), (2, away), (3, away), (7, here), (8, here))
    assert None is due("waiting.slow", (0, here), (2, away))


def test_an_entry_is_said_in_the_words_of_a_version_with_other_names(cases: dict[str, Case]) -> None:
    """Events, roles with their scopes, findings of checks and fields are renamed; what is called as before stays."""
    names = {"events": {"look": "peek"}, "roles": {"clerk": "keeper"}, "checks": {"proof": "letter"}, "fields": {"email": "address"}}
    words = Words(new=cases["urgent"].definition, names=names)
    said = {
        "event": "look",
        "roles": ["clerk:paris", "boss"],
        "facts": {"proof.valid": True, "phone.ok": False},
        "personal": {"field:email": "c1", "payload:note": "c2"},
    }
    assert {
        "event": "peek",
        "roles": ["keeper:paris", "boss"],
        "facts": {"letter.valid": True, "phone.ok": False},
        "personal": {"field:address": "c1", "payload:note": "c2"},
    } == words.said(said)
    assert said is Words(new=words.new).said(said)
