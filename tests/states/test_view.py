"""What an expression sees of one decision."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.worlds import KNOWN, MONDAY, world
from workflow.states.definition import Digest, EventName, FieldName, FieldType, StatePath
from workflow.states.guards import leaves_of
from workflow.states.instance import ActorId, Instance, InstanceId, Tally
from workflow.states.view import View, seen

DEFINITION = world("""
definition: seen
language: 1
subject: applicant
roles: {}
fields:
  email: email
  city: {type: string, personal: false, because: It is a large one.}
  level: integer
  ok: boolean
  seen_at: instant
  day: date
  tags: {type: choice, values: [a, b], many: true}
events:
  begin: {by: [applicant]}
  enter: {by: [applicant], payload: {level: {field: level}, ok: boolean, at: instant, tags: {field: tags}, day: date}}
start: {event: begin}
states:
  open:
    waits_forever: a test
    tally: [enter]
    transitions: [{event: enter, target: done}]
  done: {outcome: success}
""").definition


def view(*, payload=None, facts=None, fields=None, personal=(), tallies=None, **more) -> View:
    instance = Instance(
        id=InstanceId("one"),
        definition="seen",
        digest=Digest("0" * 64),
        state=StatePath("open"),
        subject=ActorId("ana"),
        fields=fields or {},
        personal=frozenset(map(FieldName, personal)),
        tallies=tallies or {},
        started_at=MONDAY,
        recorded_at=MONDAY,
    )
    return View(
        definition=DEFINITION, instance=instance, event=EventName("enter"), now=MONDAY, payload=payload or {}, facts=facts or {}, **more
    )


@pytest.mark.parametrize(
    ("leaf", "unset"),
    [
        ("instance.city", ""),
        ("instance.level", 0),
        ("instance.ok", False),
        ("instance.day", ""),
        ("instance.tags", []),
        ("instance.seen_at", None),
        ("event.level", 0),
        ("event.ok", False),
        ("event.at", None),
        ("event.tags", []),
        ("event.day", ""),
        ("has.city", False),
        ("has.email", False),
        ("count.enter", 0),
        ("distinct_actors.enter", 0),
        ("facts.code.ok", None),
        ("actor.is_subject", False),
        ("actor.is_deputy", False),
    ],
)
def test_what_is_unset_reads_as_its_zero(leaf, unset):
    """Text reads as empty, numbers as zero, booleans as false; an instant and a fact have no zero, and so are an error."""
    assert view().look_up(leaf) == unset


def test_what_is_set_is_seen():
    """Fields, payload, facts, counts and who acts, each under its full name."""
    one = view(
        fields={"city": "Ghent", "level": 3, "ok": True, "seen_at": "2026-03-02T08:00:00Z", "day": "2026-03-02", "tags": ("a", "b")},
        personal=["email"],
        payload={"level": 5, "ok": True, "at": "2026-03-02T09:00:00+01:00", "tags": ["b"], "day": "2026-03-03"},
        facts={"code.ok": True, "code.tries": 2},
        tallies={EventName("enter"): Tally(count=3, actors=(ActorId("ana"), ActorId("ben")))},
        is_subject=True,
        is_deputy=True,
    )
    found = {
        leaf: one.look_up(leaf)
        for leaf in (*leaves_of(DEFINITION, KNOWN, DEFINITION.events[EventName("enter")]), "facts.code.ok", "facts.code.tries")
    }
    assert found == {
        "now": MONDAY,
        "instance.state": "open",
        "instance.city": "Ghent",
        "instance.level": 3,
        "instance.ok": True,
        "instance.seen_at": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "instance.day": "2026-03-02",
        "instance.tags": ["a", "b"],
        **{f"has.{name}": True for name in ("email", "city", "level", "ok", "seen_at", "day", "tags")},
        "count.enter": 3,
        "distinct_actors.enter": 2,
        "event.name": "enter",
        "event.level": 5,
        "event.ok": True,
        "event.at": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "event.tags": ["b"],
        "event.day": "2026-03-03",
        "facts.code.ok": True,
        "facts.code.tries": 2,
        "actor.is_subject": True,
        "actor.is_deputy": True,
    }


def test_personal_and_secret_values_have_no_leaf():
    """There is no name by which an expression could ask for them."""
    leaves = leaves_of(DEFINITION, KNOWN, DEFINITION.events[EventName("enter")])
    assert "instance.email" not in leaves


def test_foreign_values_are_seen_as_text():
    """A value of no type that CEL has is seen as it is written."""
    assert seen(datetime(2026, 3, 2, tzinfo=UTC).date(), FieldType.DATE, is_many=False) == "2026-03-02"
    assert seen((1, 2), FieldType.INTEGER, is_many=True) == ["1", "2"]
    assert seen("not a list", FieldType.STRING, is_many=True) == []
