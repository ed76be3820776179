"""Documents: content-addressed, several versions live, and a new calendar reaches live deadlines."""

from __future__ import annotations

from datetime import UTC, date, datetime

import orjson
import pytest

from tests.engine.conftest import ADMIN, House
from workflow.audit.canonical import canonical
from workflow.errors import NotFoundError
from workflow.load import read_calendar
from workflow.ports import Document
from workflow.states.instance import Actor, Event
from workflow.states.semantics import digest_of

TEXT = """
definition: reviews
language: 1
calendar: office
subject: applicant
roles: {boss: {}}
events:
  begin: {by: [applicant]}
  approve: {by: [boss]}
  overdue: {by: engine}
start: {event: begin}
states:
  waiting:
    timers: [{name: late, after: 2bd, event: overdue}]
    transitions: [{event: approve, target: done}, {event: overdue, target: overdue}]
  overdue: {outcome: failure}
  done: {outcome: success}
"""


def calendar(*days_off: date) -> Document:
    lines = "".join(f'\n  {day.isoformat()}: "Closed"' for day in days_off)
    text = f"""
calendar: office
title: Office
zone: Europe/Brussels
working_days: [monday, tuesday, wednesday, thursday, friday]
hours: {{from: "09:00", to: "17:00"}}
from: 2026-01-01
horizon: 2028-12-31
days_off: {"{}" if not lines else ""}{lines}
""".encode()
    read = read_calendar(text, name="office.yaml")
    return Document(
        kind="calendar", name=read.name, digest=read.digest, text_digest=digest_of(text), content=canonical(read.data), text=text
    )


@pytest.fixture
def reviewing(house):
    house.engine.publish(calendar(), actor=ADMIN)
    house.publish(TEXT)
    house.id = house.engine.start("reviews", Event.of("begin", Actor.of("ana"))).instance.id
    return house


def due(house: House) -> datetime:
    (timer,) = house.engine.situation(house.id).timers
    return timer.due_at


def test_a_new_holiday_moves_a_live_deadline(reviewing):
    """Publishing a calendar with a new day off moves the deadline of what is under way, and an entry says from when to when."""
    assert due(reviewing) == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    reviewing.engine.publish(calendar(date(2026, 11, 24)), actor=ADMIN)
    assert due(reviewing) == datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
    entry = reviewing.said(reviewing.id)[-1]
    assert entry["kind"] == "calendar:changed"
    assert entry["moved"] == [{"timer": "waiting.late", "before": "2026-11-25T09:00:00.000000Z", "after": "2026-11-26T09:00:00.000000Z"}]
    reviewing.clock.wait(days=2, hours=1)
    assert reviewing.engine.tick().fired == 0, "the old deadline is none any more"
    reviewing.clock.wait(days=1)
    assert reviewing.engine.tick().fired == 1


def test_a_deadline_that_comes_forward_is_not_missed(reviewing):
    """When a day off is taken back, the deadline comes forward and the sweep meets it."""
    reviewing.engine.publish(calendar(date(2026, 11, 24)), actor=ADMIN)
    reviewing.engine.publish(calendar(), actor=ADMIN)
    assert due(reviewing) == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    reviewing.clock.wait(days=2)
    assert reviewing.engine.tick().fired == 1


def test_a_calendar_that_moves_nothing_leaves_no_entry(reviewing):
    """A day off that concerns no running deadline changes nothing in the instance's history; the next entry names the new digest."""
    reviewing.engine.publish(calendar(date(2027, 3, 1)), actor=ADMIN)
    assert len(reviewing.engine.history(reviewing.id)) == 1
    reviewing.engine.fire(reviewing.id, Event.of("approve", Actor.of("b", "boss")))
    first, second = reviewing.said(reviewing.id)
    assert first["documents"]["calendar"] != second["documents"]["calendar"]
    assert first["documents"]["definition"] == second["documents"]["definition"]


def test_a_document_is_read_back_as_it_was_published(reviewing):
    """Documents are found by digest and by name, byte for byte."""
    published = calendar()
    with reviewing.store.unit() as uow:
        assert uow.document(published.digest) == published
        assert uow.newest("calendar", "office") == published
        assert uow.newest("calendar", "nothing") is None
        content = orjson.loads(uow.newest("definition", "reviews").content)
    assert content["definition"] == "reviews"


def test_a_definition_without_its_calendar_does_not_start(house):
    """A definition whose calendar was never published is told so by name."""
    house.publish(TEXT)
    with pytest.raises(NotFoundError, match="no calendar 'office'"):
        house.engine.start("reviews", Event.of("begin", Actor.of("ana")))


def test_publications_are_entries_of_the_systems_chain(reviewing):
    """Who published what, with its digests, is in the system's chain."""
    said = [entry["payload"] for entry in reviewing.said("system")]
    assert [(p["document"], p["name"]) for p in said] == [("calendar", "office"), ("definition", "reviews")]
    assert all(entry["actor"] == "admin" for entry in reviewing.said("system"))
