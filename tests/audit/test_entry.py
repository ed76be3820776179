"""Entries: what the history says of a step, and of what was no step."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import rfc8785

from tests.support.worlds import MONDAY, Run, calendar, world
from workflow.audit.chain import verify
from workflow.audit.commitment import commit, opens
from workflow.audit.entry import FORM, EntryRow, Head, Witnessed, record_step, record_witnessed
from workflow.errors import Reason
from workflow.states.definition import Digest
from workflow.states.instance import Actor, ActorId, Delegation, Grant, InstanceId
from workflow.states.step import recalendar
from workflow.states.verdict import Kind

ANA, BEN = Actor.of("ana"), Actor.of("ben", "boss")
TEXT = """
definition: entries
language: 1
subject: applicant
calendar: office
roles: {boss: {}}
fields: {email: email, tags: {type: choice, values: [a, b], many: true}, codes: {type: string, many: true}}
checks: {code: {}}
events:
  begin: {by: [applicant], payload: {email: {field: email}, tags: {field: tags}, codes: {field: codes}, pin: secret}}
  approve: {by: [boss], decision: approval, checks: [code], payload: {rationale: text, code: secret}}
  ask: {by: [boss]}
  answer: {by: [applicant]}
  sent: {by: engine}
  rung: {by: engine}
  late: {by: engine, auto: true}
start: {event: begin, set: {email: event.email, tags: event.tags, codes: event.codes}}
states:
  open:
    initial: waiting
    paused_in: [asked]
    entry: [{mail: link, link: way, done: sent}]
    timers: [{name: rung, after: 1bd, event: rung}, {name: late, after: 2bd, event: late}]
    transitions:
      - {event: rung, actions: [{mail: reminder, to: boss}]}
      - {event: late, target: done}
      - {event: sent}
    states:
      waiting:
        waits_forever: a test
        transitions: [{event: approve, guard: facts.code.ok, target: done}, {event: ask, target: asked}]
      asked: {waits_forever: a test, transitions: [{event: answer, target: waiting}]}
  done: {outcome: success}
"""
DIGESTS = {"definition": Digest("d" * 64), "calendar": Digest("c" * 64)}
OFFICE = calendar()


class Salts(dict):
    """A salt for every slot, known to the test."""

    def __missing__(self, slot: str) -> bytes:
        return hashlib.sha256(slot.encode()).digest()


class Book:
    """A run whose steps are recorded one after the other."""

    def __init__(self) -> None:
        self.run = Run(world(TEXT, calendar=OFFICE))
        self.rows: list[EntryRow] = []
        self.run.begin(ANA, email="ana@example.org", tags=["a"], codes=["x", "y"], pin="1234")

    def write(self) -> list[dict]:
        for step in self.run.steps[len(self.rows) :]:
            self.rows.append(record_step(step, after=self.head, recorded_at=self.run.now, digests=DIGESTS, salts=Salts()))
        return [orjson.loads(row.canonical) for row in self.rows]

    @property
    def head(self) -> Head:
        return Head(sequence=self.rows[-1].sequence, hash=self.rows[-1].entry_hash) if self.rows else Head()


@pytest.fixture
def book():
    return Book()


def test_a_start_is_the_first_entry(book):
    """Everything that is known of the start, and nothing that is secret or personal."""
    (said,) = book.write()
    assert said == {
        "form": FORM,
        "kind": "instance:started",
        "event": "begin",
        "actor": "ana",
        "on_behalf_of": None,
        "roles": ["applicant"],
        "from": None,
        "to": "open.waiting",
        "facts": {},
        "payload": {"tags": ["a"]},
        "personal": {
            "field:email": commit("ana@example.org", Salts()["field:email"]),
            "field:codes": commit(["x", "y"], Salts()["field:codes"]),
        },
        "effects": [{"kind": "mail", "name": "link", "to": "subject", "serial": 1, "link": "way"}],
        "suppressed": [],
        "armed": [
            {"timer": "open.rung", "due_at": "2026-03-03T09:00:00.000000Z"},
            {"timer": "open.late", "due_at": "2026-03-04T09:00:00.000000Z"},
        ],
        "disarmed": [],
        "moved": [],
        "instance": "one",
        "sequence": 1,
        "previous": "",
        "occurred_at": "2026-03-02T09:00:00.000000Z",
        "recorded_at": "2026-03-02T09:00:00.000000Z",
        "documents": dict(DIGESTS),
    }


def test_the_row_says_what_the_entry_says(book):
    """The columns beside the bytes are projections of them."""
    said = book.write()[0]
    (row,) = book.rows
    assert (row.kind, row.event, row.actor, row.from_state, row.to_state) == ("instance:started", "begin", "ana", None, "open.waiting")
    assert (row.instance_id, row.sequence, row.on_behalf_of, row.occurred_at, row.recorded_at) == ("one", 1, None, MONDAY, MONDAY)
    assert row.differs_from(said) is None
    assert row.entry_hash == hashlib.sha256(b"\x00" + row.canonical).digest()
    assert row.canonical == rfc8785.dumps(said)


def test_a_decision_shows_its_grounds(book):
    """Facts, roles, both people of a deputyship, and the rationale as a commitment that its salt opens."""
    run = book.run
    run.holders = {"boss": ("ben",)}
    run.delegations = (
        Delegation(
            id="1",
            principal=ActorId("ben"),
            deputy=ActorId("dee"),
            role=None,
            scope=None,
            starts_at=MONDAY,
            ends_at=MONDAY + timedelta(days=1),
        ),
    )
    run.fire("approve", Actor.of("dee"), rationale="A good reason.", code="999999", facts={"code.ok": True, "code.tries": 1})
    said = book.write()[-1]
    assert (said["actor"], said["on_behalf_of"], said["roles"]) == ("dee", "ben", ["boss"])
    assert said["facts"] == {"code.ok": True, "code.tries": 1}
    assert said["disarmed"] == ["open.rung", "open.late"]
    ((slot, commitment),) = said["personal"].items()
    assert slot == "payload:rationale"
    assert opens(commitment, "A good reason.", Salts()[slot])
    assert not opens(commitment, "A bad reason.", Salts()[slot])
    assert "999999" not in repr(book.rows)


def test_a_pause_and_a_resume_are_said(book):
    """Each moved deadline with its instant before and after; none while it stands still."""
    run = book.run
    run.wait(hours=1).fire("ask", BEN)
    run.wait(hours=2).fire("answer", ANA)
    paused, resumed = book.write()[1:]
    assert paused["moved"][0] == {"timer": "open.rung", "before": "2026-03-03T09:00:00.000000Z", "after": None}
    assert resumed["moved"][0] == {"timer": "open.rung", "before": None, "after": "2026-03-03T11:00:00.000000Z"}


def test_a_deadline_says_when_it_was_reached_and_when_it_was_recorded(book):
    """What was overtaken is said to be suppressed; what the engine decided by itself is said to be automatic."""
    book.run.wait(days=5).sweep()
    rung, late = book.write()[1:]
    assert (rung["kind"], rung["actor"], rung["occurred_at"]) == ("timer:fired", "engine", "2026-03-03T09:00:00.000000Z")
    assert rung["recorded_at"] == late["recorded_at"] == "2026-03-07T09:00:00.000000Z"
    assert (rung["effects"], rung["suppressed"]) == ([], [{"kind": "mail", "name": "reminder", "to": "boss"}])
    assert ("automatic" in rung, late["automatic"]) == (False, True)


def test_a_report_says_which_message_it_speaks_of(book):
    """By the serial of its effect."""
    (effect,) = book.run.steps[0].effects
    book.run.report(effect, "sent")
    said = book.write()[-1]
    assert (said["kind"], said["event"], said["payload"]) == ("effect:reported", "sent", {"serial": 1})


def test_a_new_calendar_says_what_it_moved(book):
    """The entry names the deadlines, and nobody but the engine acted."""
    strike = replace(calendar(d2026_03_03="Strike"), digest=Digest("e" * 64))
    step = recalendar(replace(book.run.world, calendar=strike), book.run.situation, now=book.run.now)
    row = record_step(step, after=Head(sequence=4, hash=b"\x01" * 32), recorded_at=MONDAY, digests=DIGESTS, salts={})
    said = orjson.loads(row.canonical)
    assert (said["kind"], said["actor"], said["sequence"], said["previous"]) == ("calendar:changed", "engine", 5, "01" * 32)
    assert said["moved"][0] == {"timer": "open.rung", "before": "2026-03-03T09:00:00.000000Z", "after": "2026-03-04T09:00:00.000000Z"}
    assert said["personal"] == {}


def test_entries_of_one_onboarding_are_a_chain(book):
    """Each contains the hash of the one before."""
    book.run.wait(hours=1).fire("ask", BEN)
    book.run.wait(hours=2).fire("answer", ANA)
    book.run.wait(days=7).sweep()
    book.write()
    assert verify(book.rows) == 5


def test_a_personal_value_without_a_salt_is_an_error(book):
    """A commitment that could be guessed is not written."""
    with pytest.raises(KeyError):
        record_step(book.run.steps[0], after=Head(), recorded_at=MONDAY, digests=DIGESTS, salts={})


def test_a_refusal_tells_the_history_more_than_the_actor():
    """The precise code stands beside the public one; messages are for people and are not kept."""
    seen = Witnessed(
        kind=Kind.REFUSED,
        event="enter",
        actor=ActorId("ana"),
        occurred_at=MONDAY,
        state="open.waiting",
        on_behalf_of=ActorId("ben"),
        roles=(Grant.read("team:north"),),
        facts={"code.ok": False},
        reasons=(
            Reason(code="wrong_code", message="The code is not right.", private="code_replayed", field="code"),
            Reason(code="wrong_state", message="Not now."),
        ),
        payload={"level": 3},
        withheld=("code", "note"),
    )
    row = record_witnessed(seen, InstanceId("one"), after=Head(), recorded_at=MONDAY + timedelta(seconds=1), digests=DIGESTS)
    said = orjson.loads(row.canonical)
    assert said["reasons"] == [
        {"code": "code_replayed", "public": "wrong_code", "field": "code"},
        {"code": "wrong_state", "public": "wrong_state"},
    ]
    assert (said["from"], said["to"]) == ("open.waiting", "open.waiting")
    assert (said["roles"], said["on_behalf_of"], said["facts"]) == (["team:north"], "ben", {"code.ok": False})
    assert (said["payload"], said["withheld"]) == ({"level": 3}, ["code", "note"])
    assert row.differs_from(said) is None
    assert b"not right" not in row.canonical


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("instance", "two"),
        ("sequence", 2),
        ("kind", "event:accepted"),
        ("event", "other"),
        ("actor", "eve"),
        ("on_behalf_of", "eve"),
        ("from", "done"),
        ("to", "done"),
        ("occurred_at", "2026-03-02T09:00:00.000001Z"),
        ("recorded_at", "2026-03-02T09:00:00Z"),
    ],
)
def test_every_projection_is_compared(book, column, value):
    """Whichever column says something else than the bytes, it is named."""
    said = book.write()[0]
    assert book.rows[0].differs_from({**said, column: value}) == column
    assert book.rows[0].differs_from({key: one for key, one in said.items() if key != column}) in {column, None}


def test_instants_are_written_in_utc():
    """Also when a host's clock gives another zone."""
    local = datetime.fromisoformat("2026-03-02T10:00:00.5+01:00")
    seen = Witnessed(kind=Kind.EXPORTED, event="export", actor=ActorId("ana"), occurred_at=local)
    row = record_witnessed(seen, InstanceId("system"), after=Head(), recorded_at=local, digests={})
    assert orjson.loads(row.canonical)["occurred_at"] == "2026-03-02T09:00:00.500000Z"
    assert row.occurred_at == datetime(2026, 3, 2, 9, 0, 0, 500_000, tzinfo=UTC)
