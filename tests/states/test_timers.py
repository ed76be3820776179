"""Timers: armed, paused, resumed, moved by a calendar; `due_at` follows from base, budget and calendar alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.worlds import MONDAY, Run, calendar, world
from workflow.errors import DeadlineError
from workflow.states import timers
from workflow.states.definition import EventName, StatePath, TimerKey
from workflow.states.instance import Actor, Remaining, Timer
from workflow.states.step import recalendar
from workflow.states.verdict import Kind, Refused, Step

ANA, BEN = Actor.of("ana"), Actor.of("ben", "boss")
TEXT = """
definition: clocks
language: 1
subject: applicant
calendar: office
roles: {boss: {}}
events:
  begin: {by: [applicant]}
  ask: {by: [boss]}
  answer: {by: [applicant]}
  fresh: {by: [boss]}
  send: {by: [boss]}
  finish: {by: [boss]}
  sent: {by: engine}
  first: {by: engine}
  second: {by: engine}
  link_dead: {by: engine}
start: {event: begin}
initial: open
states:
  open:
    initial: waiting
    paused_in: [asked]
    timers:
      - {name: days, after: 2bd, event: first}
      - {name: hours, after: 10bh, event: first}
      - {name: plain, after: PT36H, event: second}
      - {name: twin, after: PT36H, event: first}
      - {name: link, since: sent, after: PT5M, event: link_dead}
    transitions:
      - {event: first}
      - {event: second}
      - {event: send, actions: [{mail: link, link: way, done: sent}]}
      - {event: fresh, target: waiting, reenter: true}
      - {event: finish, target: done}
    states:
      waiting: {transitions: [{event: ask, target: asked}, {event: link_dead, target: asked}]}
      asked: {waits_forever: a test, transitions: [{event: answer, target: waiting}, {event: link_dead, target: waiting}]}
  done: {outcome: success}
"""
OFFICE = calendar()


@pytest.fixture
def run():
    started = Run(world(TEXT, calendar=OFFICE))
    assert isinstance(started.begin(ANA), Step)
    return started


def left(run, name):
    return next(t for t in run.situation.timers if t.key == f"open.{name}").remaining


def test_every_unit_has_its_own_clock(run):
    """Two working days, ten hours of office time and thirty-six elapsed hours are three different instants."""
    assert run.due("open.days") == MONDAY + timedelta(days=2)
    # Brussels is an hour ahead: Monday 10:00 to 17:00 are seven hours, three more on Tuesday from 9:00.
    assert run.due("open.hours") == datetime(2026, 3, 3, 11, 0, tzinfo=UTC)
    assert run.due("open.plain") == MONDAY + timedelta(hours=36)


def test_a_pause_keeps_the_rest_of_each_unit(run):
    """A paused timer has no due instant; what is left is whole days and seconds, working seconds, or seconds."""
    step = run.wait(hours=4).fire("ask", BEN)
    assert {new.due_at for _, new in step.moved} == {None}
    assert left(run, "days") == Remaining(days=1, seconds=20 * 3600)
    assert left(run, "hours") == Remaining(seconds=6 * 3600)
    assert left(run, "plain") == Remaining(seconds=32 * 3600)
    run.wait(days=30).fire("answer", ANA)
    assert run.due("open.plain") == run.now + timedelta(hours=32)
    assert run.armed == {"open.days", "open.hours", "open.plain", "open.twin"}


def test_a_pause_at_the_very_instant_comes_too_late(run):
    """A deadline is reached at its instant, so an event in the same instant finds it fired."""
    due = run.due("open.plain")
    run.now = due
    run.fire("ask", BEN)
    fired = [step.event.name for step in run.steps if step.kind is Kind.FIRED and step.occurred_at == due]
    assert fired == ["second", "first"]
    assert "open.plain" not in run.armed


def test_on_equal_instants_the_order_of_declaration_counts(run):
    """`plain` is declared before `twin`."""
    plain, twin = (next(t for t in run.situation.timers if t.key == f"open.{name}") for name in ("plain", "twin"))
    assert plain.due_at == twin.due_at
    assert timers.order(plain) < timers.order(twin)


def test_a_paused_timer_has_no_order(run):
    """Whoever sorts paused timers has made a mistake."""
    run.fire("ask", BEN)
    with pytest.raises(ValueError, match="paused"):
        timers.order(run.situation.timers[0])


def test_a_timer_armed_by_a_report_in_a_paused_state_waits(run):
    """A report starts its timer also while it is paused; the full budget runs from the resume."""
    (effect,) = run.fire("send", BEN).effects
    run.fire("ask", BEN)
    run.report(effect, "sent")
    assert run.due("open.link") is None
    run.wait(hours=9).fire("answer", ANA)
    assert run.due("open.link") == run.now + timedelta(minutes=5)


def test_a_late_report_gives_no_deadline_more_time(run):
    """A report of the past fires a deadline of the past; what it pauses had not begun then, and keeps its whole budget."""
    (effect,) = run.fire("send", BEN).effects
    sent_at = run.now
    run.wait(hours=2).fire("fresh", BEN)
    entered_at = run.now
    run.wait(hours=1).report(effect, "sent", at=sent_at)
    assert run.steps[-1].event.name == "link_dead"
    assert run.steps[-1].occurred_at < entered_at
    assert left(run, "plain") == Remaining(seconds=36 * 3600)
    run.wait(hours=1).fire("answer", ANA)
    assert run.due("open.plain") == run.now + timedelta(hours=36)


def test_a_late_report_counts_no_time_twice(run):
    """What was counted before a pause stays counted when a deadline of the past resumes: it runs again from the pause at the earliest."""
    (effect,) = run.fire("send", BEN).effects
    sent_at = run.now
    # Paused at nine hours; the report is recorded an hour later and starts the paused timer, which never fires while paused.
    run.wait(hours=9).fire("ask", BEN)
    paused_at = run.now
    timer = next(t for t in run.situation.timers if t.key == "open.plain")
    ((old, new),) = timers.pause_or_resume(
        run.world.definition, [timer], paused=frozenset(), at=sent_at + timedelta(minutes=5), calendar=OFFICE
    )
    assert old.remaining == Remaining(seconds=27 * 3600)
    assert (new.base_at, new.due_at) == (paused_at, paused_at + timedelta(hours=27))
    assert effect.link == "way"


def test_what_is_neither_paused_nor_resumed_is_left_alone(run):
    """A move that changes nothing about a pause moves no timer."""
    assert timers.pause_or_resume(run.world.definition, run.situation.timers, paused=frozenset(), at=run.now, calendar=OFFICE) == []
    run.fire("ask", BEN)
    paused = frozenset({StatePath("open")})
    assert timers.pause_or_resume(run.world.definition, run.situation.timers, paused=paused, at=run.now, calendar=OFFICE) == []


def test_a_new_calendar_moves_working_time_only(run):
    """Running deadlines in working days and hours follow the new holiday; elapsed ones do not; the step says from where to where."""
    strike = replace(calendar(d2026_03_03="Strike"), digest="d" * 64)
    before = {t.key: t.due_at for t in run.situation.timers}
    step = recalendar(replace(run.world, calendar=strike), run.situation, now=run.now)
    assert step.kind is Kind.CALENDAR_CHANGED
    assert {old.key for old, _ in step.moved} == {"open.days", "open.hours"}
    after = {t.key: t.due_at for t in step.after.timers}
    assert {key: after[key] - before[key] for key in after} == {
        "open.days": timedelta(days=1),
        "open.hours": timedelta(days=1),
        "open.plain": timedelta(0),
        "open.twin": timedelta(0),
    }
    assert (step.from_state, step.to_state, step.after.instance.version) == ("open.waiting", "open.waiting", run.instance.version)


def test_a_new_calendar_leaves_paused_deadlines_their_rest(run):
    """What is left of a paused deadline is days and seconds, whatever the calendar; only the resume looks at one."""
    run.fire("ask", BEN)
    strike = replace(calendar(d2026_03_03="Strike"), digest="d" * 64)
    step = recalendar(replace(run.world, calendar=strike), run.situation, now=run.now)
    assert step.moved == ()
    assert step.after.timers == run.situation.timers
    assert step.after.instance.calendar_digest == "d" * 64


def test_a_new_calendar_that_changes_no_deadline_moves_none(run):
    """A holiday beyond the deadlines leaves them where they are; the calendar is in force all the same."""
    later = replace(calendar(d2026_06_01="Far away"), digest="d" * 64)
    step = recalendar(replace(run.world, calendar=later), run.situation, now=run.now)
    assert (step.moved, step.after.timers) == ((), run.situation.timers)
    assert step.after.instance.calendar_digest == "d" * 64


def test_the_same_calendar_is_no_news(run):
    """Neither the calendar by which the deadlines were computed, nor none at all."""
    assert recalendar(run.world, run.situation, now=run.now) is None
    assert recalendar(replace(run.world, calendar=None), run.situation, now=run.now) is None


def test_a_deadline_beyond_the_horizon_is_a_refusal(run):
    """What the calendar does not know is not guessed: the event is refused, says what is needed, and changes nothing."""
    run.now = datetime(2029, 12, 28, 9, tzinfo=UTC)
    run.sweep()
    before = run.situation
    answer = run.fire("fresh", BEN)
    assert isinstance(answer, Refused)
    assert [(r.code, r.needed) for r in answer.reasons] == [("deadline_unknown", "a calendar that reaches further")]
    assert run.situation == before
    assert isinstance(run.may("fresh", BEN), Refused), "`may` says so too"


def test_a_start_beyond_the_horizon_is_a_refusal():
    """An onboarding whose first deadline is not known does not begin."""
    late = Run(world(TEXT, calendar=OFFICE), now=datetime(2029, 12, 28, 9, tzinfo=UTC))
    assert [reason.code for reason in late.begin(ANA).reasons] == ["deadline_unknown"]


def test_without_a_calendar_working_time_is_unknown():
    """A definition whose calendar is not published starts nothing that needs it."""
    assert [reason.code for reason in Run(world(TEXT)).begin(ANA).reasons] == ["deadline_unknown"]


def test_a_timer_of_another_definition_is_told(run):
    """A stored timer that the definition does not know is an error, not a guess."""
    stranger = Timer(
        key=TimerKey("open.gone"),
        event=EventName("first"),
        state=StatePath("open"),
        index=9,
        armed_at=MONDAY,
        base_at=MONDAY,
        remaining=Remaining(days=1),
        due_at=MONDAY,
    )
    with pytest.raises(LookupError, match=r"open\.gone"):
        timers.recalculate(run.world.definition, [stranger], OFFICE)
    assert run.world.definition.timer(TimerKey("open.gone")) is None
    assert run.world.definition.timer(TimerKey("open.days")).after.text == "2bd"


def test_a_deadline_before_the_calendar_begins_is_unknown():
    """A deadline that needs dates from before the calendar is not guessed either."""
    early = replace(OFFICE, starts=datetime(2026, 3, 3, tzinfo=UTC).date(), digest="e" * 64)
    assert [reason.code for reason in Run(world(TEXT, calendar=early)).begin(ANA).reasons] == ["deadline_unknown"]
    with pytest.raises(DeadlineError):
        timers.arm(
            next(t for t in world(TEXT).definition.states[StatePath("open")].timers if t.name == "days"),
            at=MONDAY,
            is_paused=False,
            calendar=early,
        )
