"""Deadlines explained: the counted stretches sum to the engine's own figure, on every kind of day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.histories import Recorded
from tests.support.worlds import calendar, world
from workflow.audit.entry import Head, Witnessed, record_witnessed
from workflow.audit.explain import explain
from workflow.errors import AuditError
from workflow.states.definition import Digest
from workflow.states.instance import Actor
from workflow.states.verdict import Kind

TEXT = """
definition: asks
language: 1
calendar: office
subject: person
roles: {team: {}, clerk: {}}
events:
  ask: {by: [person]}
  wonder: {by: [team]}
  tell: {by: [person]}
  pass: {by: [team]}
  close: {by: [clerk]}
  again: {by: [person]}
  remind: {by: engine}
  breach: {by: engine}
  lapse: {by: engine}
  mailed: {by: engine}
  stale: {by: engine}
start: {event: ask}
states:
  requested:
    paused_in: [wanted]
    entry: [{mail: received, done: mailed}]
    timers:
      - {name: remind, after: 1bd, event: remind}
      - {name: breach, after: 2bd, event: breach}
      - {name: hours, after: 10bh, event: remind}
      - {name: stale, after: PT90M, since: mailed, event: stale}
    transitions:
      - {event: remind, actions: [{mail: reminder}]}
      - {event: breach, actions: [{mail: breach}]}
      - {event: stale, actions: [{mail: stale}]}
      - {event: close, target: closed}
    states:
      waiting: {transitions: [{event: wonder, target: wanted}, {event: pass, target: passed}]}
      wanted:
        timers: [{name: silence, after: P3D, event: lapse}]
        transitions: [{event: tell, target: waiting}, {event: lapse, target: closed}]
      passed: {transitions: [{event: wonder, target: wanted}]}
  closed:
    waits_forever: nothing is due
    transitions: [{event: again, target: requested}]
"""
PERSON, TEAM, CLERK = Actor.of("ana"), Actor.of("ben", "team"), Actor.of("cy", "clerk")
ACTORS = {"wonder": TEAM, "tell": PERSON, "pass": TEAM, "close": CLERK, "again": PERSON}
FRIDAY = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)  # 16:30 in Brussels
PLAIN = calendar()
HOLIDAY = replace(calendar(d2026_03_09="Founders' Day", d2026_10_26="Autumn Day"), digest=Digest("d" * 64))
CALENDARS = {one.digest: one for one in (PLAIN, HOLIDAY)}
WORLD = world(TEXT, calendar=PLAIN)


def explained(run: Recorded, **more):
    return explain(
        run.entries,
        definitions={run.world.definition.digest: run.world.definition},
        calendars=CALENDARS,
        now=run.now,
        calendar=run.world.calendar.digest,
        **more,
    )


def begun(at: datetime = FRIDAY) -> Recorded:
    run = Recorded(world=WORLD, now=at)
    run.begin(PERSON)
    return run


def one(run: Recorded, timer: str):
    """Give the newest life of a deadline."""
    return [deadline for deadline in explained(run) if deadline.timer == timer][-1]


def test_a_weekend_does_not_count():
    """Friday 16:30 plus one working day is Monday 16:30, and the explanation says what happened between."""
    run = begun()
    run.wait(days=3)
    run.sweep()
    found = one(run, "requested.remind")
    assert (found.end, found.due_at, found.computed_due_at) == ("fired", FRIDAY + timedelta(days=3), FRIDAY + timedelta(days=3))
    said = [(segment.reason, segment.counted) for segment in found.stretches[0].segments]
    assert said == [
        ("working day", timedelta(hours=7, minutes=30)),
        ("weekend", timedelta()),
        ("working day", timedelta(hours=16, minutes=30)),
    ]
    assert found.counted == found.budget == timedelta(days=1)
    assert (found.stretches[0].calendar, found.stretches[0].calendar_digest) == ("office", PLAIN.digest)


def test_a_pause_is_named_with_its_entry():
    """While the applicant is asked the deadline stands still; the entry that paused it is named."""
    run = begun()
    run.wait(minutes=30)
    run.fire("wonder", TEAM)
    run.wait(days=1)
    run.fire("tell", PERSON)
    found = one(run, "requested.breach")
    assert [(s.is_paused, s.opened_by) for s in found.stretches] == [(False, 1), (True, 2), (False, 3)]
    assert [(move.entry, move.after is None) for move in found.moves] == [(2, True), (3, False)]
    assert found.stretches[0].counted == timedelta(minutes=30)
    assert (found.end, found.agrees, found.due_at) == ("running", True, run.due("requested.breach"))


def test_a_new_calendar_counts_the_whole_stretch_anew():
    """A holiday that is published later moves the deadline, and the explanation names it."""
    run = begun()
    run.publish(HOLIDAY)
    run.wait(days=2)
    found = one(run, "requested.remind")
    assert found.due_at == run.due("requested.remind") == FRIDAY + timedelta(days=4)
    assert [(move.entry, move.after) for move in found.moves] == [(2, FRIDAY + timedelta(days=4))]
    run.wait(days=3)
    run.sweep()
    assert "Founders' Day" in {segment.reason for segment in one(run, "requested.remind").stretches[0].segments}


def test_a_deadline_since_a_report_counts_from_the_performance():
    """The mail server's instant starts the clock; one that is ahead of ours is believed too."""
    run = begun()
    effect = run.steps[0].effects[0]
    run.report(effect, "mailed", at=run.now + timedelta(seconds=7))
    found = one(run, "requested.stale")
    assert (found.armed_at, found.agrees) == (run.now + timedelta(seconds=7), True)


def test_a_disarmed_and_a_reached_deadline():
    """What became of each deadline is said: left in time, or reached although nobody has swept yet."""
    run = begun()
    run.fire("close", CLERK)
    assert {deadline.end for deadline in explained(run)} == {"disarmed"}
    late = begun()
    late.wait(days=3)
    assert [one(late, f"requested.{name}").end for name in ("remind", "breach", "hours")] == ["reached", "running", "running"]


def test_a_deadline_that_stands_still_is_said_to_be_paused():
    """While the applicant is asked nothing is due: the stretches end with one that does not count, and there is no due instant."""
    run = begun()
    run.wait(minutes=30)
    run.fire("wonder", TEAM)
    run.wait(days=1)
    found = one(run, "requested.remind")
    assert (found.end, found.due_at, found.computed_due_at, found.ended_by) == ("paused", None, None, None)
    assert [(s.is_paused, s.ends_at) for s in found.stretches] == [(False, FRIDAY + timedelta(minutes=30)), (True, run.now)]
    assert found.counted == timedelta(minutes=30)


def test_a_second_report_arms_a_deadline_again():
    """A mail that is sent twice starts its deadline twice; a second report of an earlier instant gives the first life nothing."""
    run = begun()
    effect = run.steps[0].effects[0]
    run.report(effect, "mailed", at=run.now)
    run.wait(hours=1)
    run.report(effect, "mailed", at=run.now)
    run.report(effect, "mailed", at=run.now - timedelta(minutes=20))
    lives = [deadline for deadline in explained(run) if deadline.timer == "requested.stale"]
    assert [(life.end, life.counted) for life in lives] == [
        ("armed again", timedelta(hours=1)),
        ("armed again", timedelta(minutes=-20)),
        ("running", timedelta(minutes=20)),
    ]
    assert [segment.reason for segment in lives[1].stretches[0].segments] == ["the report is of an earlier instant"]
    assert all(life.agrees for life in lives)


def test_a_refusal_takes_nothing_from_a_deadline():
    """An entry that changed no state says nothing about deadlines; they are explained as without it."""
    run = begun()
    without = explained(run)
    seen = Witnessed(kind=Kind.REFUSED, event="close", actor=PERSON.id, occurred_at=run.now, state="requested.waiting")
    head = Head(sequence=run.entries[-1].sequence, hash=run.entries[-1].entry_hash)
    digests = {"definition": WORLD.definition.digest, "calendar": PLAIN.digest}
    run.entries.append(record_witnessed(seen, run.instance.id, after=head, recorded_at=run.now, digests=digests))
    assert explained(run) == without


def test_a_deadline_without_a_calendar_is_explained():
    """Elapsed time needs no calendar, and a history that names none is explained all the same."""
    bare = TEXT.replace("calendar: office\n", "").replace("1bd", "P1D").replace("2bd", "P2D").replace("10bh", "PT10H")
    run = Recorded(world=world(bare), now=FRIDAY)
    run.begin(PERSON)
    definitions = {run.world.definition.digest: run.world.definition}
    found = {one.timer: one for one in explain(run.entries, definitions=definitions, calendars={}, now=run.now)}
    assert (found["requested.remind"].due_at, found["requested.remind"].agrees) == (FRIDAY + timedelta(days=1), True)
    assert found["requested.remind"].stretches[0].calendar == ""


def test_a_history_that_begins_in_the_middle_is_an_audit_error():
    """A deadline that is moved and was never armed: the beginning of the history is missing, and that is said."""
    run = begun()
    run.fire("wonder", TEAM)
    with pytest.raises(AuditError, match=r"Entry 2 moves the deadline requested\.\w+, which was not armed"):
        explain(run.entries[1:], definitions={}, calendars=CALENDARS, now=run.now)


def test_outside_office_hours_does_not_count():
    """Working time runs in office hours only, and says so."""
    run = begun()
    run.wait(days=4)
    run.sweep()
    found = one(run, "requested.hours")
    assert found.counted == timedelta(hours=10)
    assert {segment.reason for segment in found.stretches[0].segments} == {"office hours", "outside office hours", "weekend"}


def test_a_history_that_names_an_unknown_document_is_an_audit_error():
    """Nothing is guessed: a calendar or a definition that is not at hand is said to be missing."""
    run = begun()
    with pytest.raises(AuditError, match="calendar"):
        explain(run.entries, definitions={}, calendars={}, now=run.now)
    with pytest.raises(AuditError, match="does not have"):
        explain(run.entries, definitions={}, calendars=CALENDARS, now=run.now)


def test_a_forged_due_instant_does_not_agree():
    """A recorded instant that does not follow from the history is told apart from the one that does."""
    run = begun()
    forged = [
        replace(row, canonical=row.canonical.replace(b"2026-03-09T15:30:00.000000Z", b"2026-03-12T15:30:00.000000Z")) for row in run.entries
    ]
    found = {d.timer: d for d in explain(forged, definitions={WORLD.definition.digest: WORLD.definition}, calendars=CALENDARS, now=run.now)}
    assert not found["requested.remind"].agrees
    assert found["requested.breach"].agrees


ACTS = st.lists(
    st.tuples(
        st.sampled_from([*ACTORS, "wonder", "tell", "publish", "mailed", "sweep"]),
        st.one_of(
            st.integers(min_value=0, max_value=4 * 86_400_000_000).map(lambda n: timedelta(microseconds=n)),
            st.integers(min_value=0, max_value=96).map(lambda n: timedelta(hours=n)),
        ),
    ),
    max_size=14,
)
# Two days before clocks go forward and back in Brussels, a year's end, and an ordinary Friday.
STARTS = st.sampled_from([FRIDAY, datetime(2026, 3, 27, 22, 10, tzinfo=UTC), datetime(2026, 10, 23, 0, 50, tzinfo=UTC)])


@given(start=STARTS, acts=ACTS)
def test_the_explanation_is_the_engines_own_figure(start, acts):
    """For any history, with pauses, new calendars, reports and days of 23 and 25 hours: every due instant is computed again."""
    run = begun(start)
    for act, pause in acts:
        run.now += pause
        if act == "publish":
            run.publish(HOLIDAY if run.world.calendar is PLAIN else PLAIN)
        elif act == "sweep":
            run.sweep()
        elif act == "mailed":
            sent = [effect for step in run.steps for effect in step.effects if effect.done]
            run.report(sent[-1], "mailed", at=run.now - timedelta(seconds=90))
        else:
            run.fire(act, ACTORS[act])
    run.sweep()
    found = explained(run)
    alive = {d.timer: d.computed_due_at for d in found if d.ended_by is None}
    assert alive == run.due_now()
    for deadline in found:
        assert deadline.agrees, deadline
        for stretch in deadline.stretches:
            assert sum((s.counted for s in stretch.segments), timedelta()) == stretch.counted
            if not stretch.is_paused and stretch.segments and stretch.counted >= timedelta():
                assert sum((s.elapsed for s in stretch.segments), timedelta()) == stretch.ends_at - stretch.starts_at
        if deadline.end == "fired":
            pauses = sum(move.after is None for move in deadline.moves)
            # Budgets have whole seconds: a pause rounds up what is left. A deadline in a clock's gap is the jump.
            assert deadline.budget <= deadline.counted < deadline.budget + timedelta(seconds=pauses, hours=1)
