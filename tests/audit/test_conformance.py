"""Conformance without an engine: what a replay says of histories that no engine would have written.

The engine's own histories, and forgeries of them, are replayed in `tests/engine/test_replay.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson

from tests.support.histories import Recorded
from tests.support.worlds import calendar, world
from workflow.audit.delegations import Delegations
from workflow.audit.entry import EntryRow, Head, Witnessed, record_witnessed
from workflow.audit.replay import Replayed, replay, walk
from workflow.states.definition import Digest, RoleName
from workflow.states.instance import Actor, ActorId, Delegation
from workflow.states.verdict import Kind

TEXT = """
definition: asks
language: 1
calendar: office
subject: person
roles: {team: {}}
fields: {level: integer}
events:
  ask: {by: [person], payload: {level: {type: integer}}}
  close: {by: [team]}
  mailed: {by: engine}
  late: {by: engine}
  stale: {by: engine}
start: {event: ask, set: {level: event.level}, guard: {when: event.level > 0, code: low}}
states:
  open:
    entry: [{mail: received, done: mailed}]
    timers:
      - {name: late, after: 2bd, event: late}
      - {name: link, after: PT5M, since: mailed, event: stale}
      - {name: slow, after: 3bd, since: mailed, event: late}
    transitions:
      - {event: close, target: closed}
      - {event: late, actions: [{mail: late}]}
      - {event: stale, actions: [{mail: stale}]}
  closed: {outcome: success}
"""
PLAIN = calendar()
HOLIDAY = replace(calendar(d2026_03_03="Strike"), digest=Digest("d" * 64))
SHORT = replace(calendar(), horizon=datetime(2026, 3, 3, tzinfo=UTC).date(), digest=Digest("e" * 64))
WORLD = world(TEXT, calendar=PLAIN)
PERSON, TEAM = Actor.of("ana"), Actor.of("ben", "team")


def begun() -> Recorded:
    run = Recorded(world=WORLD)
    run.begin(PERSON, level=1)
    return run


def replayed(rows: list[EntryRow], **calendars) -> Replayed:
    known = {one.digest: one for one in (PLAIN, HOLIDAY, *calendars.values())}
    return replay(
        rows,
        subject=ActorId("ana"),
        worlds=lambda documents: replace(WORLD, calendar=known.get(documents.get("calendar"))),
        delegations=Delegations(),
    )


def saying(row: EntryRow, **changes) -> EntryRow:
    """Let an entry say something else."""
    return replace(row, canonical=orjson.dumps(orjson.loads(row.canonical) | changes, option=orjson.OPT_SORT_KEYS))


def witnessed(run: Recorded, kind: Kind, state: str | None, **more) -> EntryRow:
    """Add an entry that changed no state."""
    last = run.entries[-1]
    seen = Witnessed(kind=kind, event="", actor=ActorId("engine"), occurred_at=run.now, state=state, **more)
    digests = {"definition": WORLD.definition.digest, "calendar": run.world.calendar.digest}
    head = Head(sequence=last.sequence, hash=last.entry_hash)
    run.entries.append(record_witnessed(seen, last.instance_id, after=head, recorded_at=run.now, digests=digests))
    return run.entries[-1]


def illegal(rows: list[EntryRow], **calendars) -> tuple[int, str]:
    found = replayed(rows, **calendars).illegal
    assert found is not None
    return found.sequence, found.code


def test_an_empty_history_has_nothing_illegal():
    """Who has no entries has done nothing wrong."""
    found = replayed([])
    assert (found.count, found.situation, found.illegal) == (0, None, None)


def test_every_entry_is_seen_with_what_it_led_to():
    """Walking gives one stage for each entry, and ends with the first illegal one."""
    run = begun()
    run.wait(hours=1).fire("close", TEAM)
    stages = list(walk(run.entries, subject=ActorId("ana"), worlds=lambda _: WORLD, delegations=Delegations()))
    assert [(one.before is None, one.after.instance.state, one.illegal) for one in stages] == [
        (True, "open", None),
        (False, "closed", None),
    ]
    forged = [saying(run.entries[0], to="closed"), *run.entries[1:]]
    (only,) = walk(forged, subject=ActorId("ana"), worlds=lambda _: WORLD, delegations=Delegations())
    assert (only.illegal.code, only.before, only.after) == ("to", None, None)


def test_a_start_that_the_guard_refuses_is_named():
    """What the definition refuses at the door cannot have begun."""
    run = begun()
    assert illegal([saying(run.entries[0], payload={"level": 0})]) == (1, "low")


def test_summed_refusals_are_compared_with_the_place():
    """A summary of refusals stands where the instance was, and fires nothing."""
    run = begun()
    witnessed(run, Kind.REFUSALS_COUNTED, "open", payload={"count": 3})
    assert replayed(run.entries).illegal is None
    assert replayed(run.entries).count == 2
    witnessed(run, Kind.REFUSALS_COUNTED, "closed", payload={"count": 3})
    assert illegal(run.entries) == (3, "to")


def test_a_new_calendar_moves_deadlines_by_an_entry():
    """Deadlines that a calendar moves are an entry; one that says so and moves nothing, or moves them in silence, is named."""
    run = begun()
    run.publish(HOLIDAY)
    run.wait(hours=1).fire("close", TEAM)
    assert [row.kind for row in run.entries] == ["instance:started", "calendar:changed", "event:accepted"]
    assert replayed(run.entries).illegal is None
    silent = [run.entries[0], replace(run.entries[2], sequence=2)]
    assert illegal(silent) == (2, "calendar_not_applied")
    nothing = saying(run.entries[1], documents={"definition": WORLD.definition.digest, "calendar": PLAIN.digest})
    assert illegal([run.entries[0], nothing]) == (2, "nothing_moved")


def test_a_calendar_that_does_not_reach_far_enough_is_named():
    """A deadline that the named calendar cannot give was never computed by it."""
    run = begun()
    documents = {"definition": WORLD.definition.digest, "calendar": SHORT.digest}
    assert illegal([saying(run.entries[0], documents=documents)], short=SHORT) == (1, "deadline_unknown")
    run.wait(hours=1).fire("close", TEAM)
    assert illegal([run.entries[0], saying(run.entries[1], documents=documents)], short=SHORT) == (2, "deadline_unknown")


def test_a_report_that_no_action_makes_is_named():
    """A report is one of an action of the definition, and starts what it says and nothing else."""
    run = begun()
    run.wait(minutes=1)
    run.report(run.steps[0].effects[0], "mailed", at=run.now)
    assert replayed(run.entries).illegal is None
    report = run.entries[1]
    assert sorted(one["timer"] for one in orjson.loads(report.canonical)["armed"]) == ["open.link", "open.slow"]
    assert illegal([run.entries[0], saying(replace(report, event="stale"), event="stale")]) == (2, "unknown_report")
    later = [{"timer": "open.link", "due_at": "2026-03-02T11:00:00.000000Z"}, {"timer": "open.slow", "due_at": None}]
    assert illegal([run.entries[0], saying(report, armed=later)]) == (2, "armed")
    strange = [*orjson.loads(report.canonical)["armed"], {"timer": "open.gone", "due_at": None}]
    assert illegal([run.entries[0], saying(report, armed=strange)]) == (2, "armed")


def test_an_entry_of_another_definition_is_named():
    """A history is of one definition, whose digest each entry names."""
    run = begun()
    run.wait(hours=1).fire("close", TEAM)
    other = world(TEXT.replace("mail: late", "mail: too_late"), calendar=PLAIN)

    def worlds(documents):
        return WORLD if documents["definition"] == WORLD.definition.digest else other

    rows = [run.entries[0], saying(run.entries[1], documents={"definition": other.definition.digest})]
    found = replay(rows, subject=ActorId("ana"), worlds=worlds, delegations=Delegations())
    assert (found.count, found.illegal.code) == (1, "other_definition")


def granted(id_: str, at: datetime, kind: Kind = Kind.GRANTED, role: str | None = "team") -> EntryRow:
    payload = {"id": id_}
    if kind is Kind.GRANTED:
        payload |= {"principal": "ben", "deputy": "dee", "role": role, "scope": None}
        payload |= {"starts_at": "2026-03-02T09:00:00+00:00", "ends_at": "2026-03-09T09:00:00+00:00"}
    seen = Witnessed(kind=kind, event="", actor=ActorId("ben"), occurred_at=at, payload=payload)
    return record_witnessed(seen, "system", after=Head(), recorded_at=at, digests={})


def test_a_delegation_counts_from_its_grant_to_its_end():
    """The system's chain says who could act for whom, and when; an end of what nobody granted says nothing."""
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    ended_at = at + timedelta(days=2)
    known = Delegations.read(
        [granted("d1", at), granted("d2", at, role=None), granted("d1", ended_at, Kind.ENDED), granted("d9", ended_at, Kind.ENDED)]
    )
    assert [one.id for one in known.at(at - timedelta(seconds=1))] == []
    assert [one.id for one in known.at(at)] == ["d1", "d2"]
    assert [one.id for one in known.at(ended_at)] == ["d1", "d2"]
    assert [one.id for one in known.at(ended_at + timedelta(seconds=1))] == ["d2"]
    assert known.at(at)[0] == Delegation(
        id="d1",
        principal=ActorId("ben"),
        deputy=ActorId("dee"),
        role=RoleName("team"),
        scope=None,
        starts_at=at,
        ends_at=at + timedelta(days=7),
    )


def test_at_the_instant_of_a_grant_or_an_end_both_sides_are_possible():
    """Two chains do not say which of two things of one instant came first."""
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    ended_at = at + timedelta(days=2)
    known = Delegations.read([granted("d1", at), granted("d1", ended_at, Kind.ENDED)])
    possible = {
        moment: [tuple(one.id for one in side) for side in known.possible_at(moment)] for moment in (at, at + timedelta(hours=1), ended_at)
    }
    assert possible == {at: [("d1",), ()], at + timedelta(hours=1): [("d1",)], ended_at: [("d1",), ()]}
