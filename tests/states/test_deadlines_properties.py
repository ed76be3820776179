"""Working time, as laws: against a slow reference, and under pauses anywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.states.calendar import Calendar
from workflow.states.deadlines import counted, due, is_working_day, left, segments
from workflow.states.definition import Digest
from workflow.states.instance import Remaining

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
# Instants worth standing near: clock changes of each zone, by the UTC minute of the change.
CHANGES = {
    "Europe/Brussels": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "America/Sao_Paulo": ["2018-02-18T02:00", "2018-11-04T03:00"],
    "Africa/Cairo": ["2023-04-27T22:00", "2023-10-26T21:00"],
    "America/St_Johns": ["2008-03-09T03:31", "2008-11-02T02:31"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Asia/Kolkata": ["2026-01-26T00:00"],
}
KINDS = st.sampled_from(["working_days", "working_time"])


@st.composite
def places(draw):
    """Give a calendar and a whole-minute instant near a clock change of its zone."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=UTC)
    near = change.date()
    # Never two weeks without a working day: the reference walks minute by minute.
    weekdays = draw(st.frozensets(st.integers(1, 7), min_size=2))
    days_off = draw(st.frozensets(st.integers(-4, 6), max_size=3))
    opens = draw(st.integers(0, 22 * 60))
    closes = draw(st.integers(opens + 30, 24 * 60 - 1))
    calendar = Calendar(
        name="office",
        zone=zone,
        tzdata="test",
        weekdays=weekdays,
        opens=time(opens // 60, opens % 60),
        closes=time(closes // 60, closes % 60),
        days_off={near + timedelta(days=n): f"Holiday {n}" for n in days_off},
        horizon=near + timedelta(days=900),
        starts=near - timedelta(days=60),
        digest=Digest("0" * 64),
        data={},
    )
    minutes = draw(st.integers(-90, 90) | st.integers(-3 * 1440, 3 * 1440))
    return calendar, change + minutes * MINUTE


def later(draw_minutes=20_000):
    """Give a distance in whole minutes, small ones often."""
    return st.integers(0, 200).map(lambda n: n * MINUTE) | st.integers(0, draw_minutes).map(lambda n: n * MINUTE)


def budgets(kind: str, most: int = 5) -> st.SearchStrategy[Remaining]:
    """Give budgets of whole minutes."""
    if kind == "working_days":
        return st.builds(Remaining, days=st.integers(0, most), seconds=st.integers(0, 1439).map(lambda n: n * 60))
    return st.builds(Remaining, seconds=st.integers(1, 24 * 60).map(lambda n: n * 60))


def walk(start: datetime, calendar: Calendar, kind: str):
    """Walk minute by minute, with the working minutes so far: the reference, slow and plain.

    It holds a hand on the furthest wall-clock minute seen. Whatever the hand passes for the first time counts, if it is
    worked; so repeated time counts once and skipped time counts when the clock jumps.
    """
    zone = ZoneInfo(calendar.zone)
    now = start - timedelta(hours=6)
    wall = hand = now.astimezone(zone).replace(tzinfo=None)
    done = 0
    while True:
        if now >= start:
            yield now, done
        now += MINUTE
        # The minute itself passes, and then the clock may jump.
        passed, wall = wall + MINUTE, now.astimezone(zone).replace(tzinfo=None)
        while hand < max(passed, wall):
            done += now > start and is_worked(hand, calendar, kind)
            hand += MINUTE


def is_worked(wall: datetime, calendar: Calendar, kind: str) -> bool:
    """Tell whether a wall-clock minute counts."""
    if wall.isoweekday() not in calendar.weekdays or wall.date() in calendar.days_off:
        return False
    return kind == "working_days" or calendar.opens <= wall.time() < calendar.closes


def reference(start: datetime, remaining: Remaining, kind: str, calendar: Calendar) -> datetime:
    """Give the deadline by walking."""
    wanted = remaining.days * 1440 + remaining.seconds // 60
    zone = ZoneInfo(calendar.zone)
    for now, done in walk(start, calendar, kind):
        local = now.astimezone(zone)
        is_day = local.isoweekday() in calendar.weekdays and local.date() not in calendar.days_off
        # In a second pass the hand stands at its end: nothing is due there that was not due before it.
        if done >= wanted and not local.fold and (kind == "working_time" or is_day):
            return now
    raise AssertionError("the walk has no end")


@given(data=st.data(), place=places(), kind=KINDS)
@settings(max_examples=60, deadline=None)
def test_due_agrees_with_a_walk_by_the_minute(data, place, kind):
    """The arithmetic gives what a walk minute by minute gives."""
    calendar, start = place
    remaining = data.draw(budgets(kind, most=3))
    if kind == "working_time":
        remaining = replace(remaining, seconds=data.draw(st.integers(1, 300)) * 60)
    assert due(start, remaining, kind, calendar) == reference(start, remaining, kind, calendar)


@given(data=st.data(), place=places(), kind=KINDS, wait=later(4000))
@settings(max_examples=60, deadline=None)
def test_counted_agrees_with_a_walk_by_the_minute(data, place, kind, wait):
    """What a period takes is what the walk counts, unless it begins where the hand is ahead."""
    calendar, start = place
    walked = next(done for now, done in walk(start, calendar, kind) if now == start + wait)
    assert counted(start, start + wait, kind=kind, calendar=calendar) == walked * MINUTE


@given(data=st.data(), place=places(), kind=KINDS, wait=later())
def test_a_later_start_never_gives_an_earlier_deadline(data, place, kind, wait):
    """Deadlines grow with their start and with their budget."""
    calendar, start = place
    remaining = data.draw(budgets(kind))
    assert due(start, remaining, kind, calendar) <= due(start + wait, remaining, kind, calendar)
    more = replace(remaining, seconds=remaining.seconds + 60)
    assert due(start, remaining, kind, calendar) <= due(start, more, kind, calendar)


@given(data=st.data(), place=places(), kind=KINDS)
def test_a_deadline_is_worked_and_not_before_its_start(data, place, kind):
    """Nobody owes an answer on a day off, nor before being asked."""
    calendar, start = place
    found = due(start, data.draw(budgets(kind)), kind, calendar)
    assert found >= start
    local = found.astimezone(ZoneInfo(calendar.zone))
    if kind == "working_days":
        assert is_working_day(local.date(), calendar)


@given(place=places(), one=st.integers(0, 5), two=st.integers(0, 5))
def test_days_add_up(place, one, two):
    """A days and then B days are A + B days, up to the wall-clock time that a clock change skips on the way."""
    calendar, start = place
    between = due(start, Remaining(days=one), "working_days", calendar)
    then = due(between, Remaining(days=two), "working_days", calendar)
    at_once = due(start, Remaining(days=one + two), "working_days", calendar)
    jump = counted(start, between, kind="working_days", calendar=calendar) - timedelta(days=one)
    assert then >= at_once
    if not jump:
        assert then == at_once


@given(data=st.data(), place=places(), kind=KINDS, wait=later(), micro=st.integers(0, 999_999))
def test_left_and_due_are_inverse(data, place, kind, wait, micro):
    """Pausing and resuming at one instant moves a deadline by less than a second, and by nothing at whole seconds."""
    calendar, start = place
    remaining = data.draw(budgets(kind))
    promised = due(start, remaining, kind, calendar)
    for now in (start + wait, start + wait + timedelta(microseconds=micro)):
        kept = left(start, remaining, now, kind, calendar)
        if now >= promised:
            assert kept == Remaining()
            continue
        again = due(now, kept, kind, calendar)
        assert promised <= again
        assert counted(promised, again, kind=kind, calendar=calendar) < SECOND
        if not now.microsecond:
            assert again == promised


@given(data=st.data(), place=places(), kind=KINDS, pauses=st.lists(st.tuples(later(3000), later(3000)), max_size=5))
def test_pauses_neither_gain_nor_lose(data, place, kind, pauses):
    """The time worked between pauses is the budget, exactly, wherever the pauses begin and end."""
    calendar, start = place
    remaining = data.draw(budgets(kind))
    total = timedelta(days=remaining.days, seconds=remaining.seconds)
    worked, base, kept = timedelta(), start, remaining
    for run, rest in pauses:
        now = base + run
        if now >= due(base, kept, kind, calendar):
            break
        kept, before = left(base, kept, now, kind, calendar), kept
        worked += counted(base, now, kind=kind, calendar=calendar)
        # A skipped day (Pacific/Apia, 30 December 2011) counts as a whole and may take more than was left.
        assert timedelta(days=kept.days, seconds=kept.seconds) == max(total - worked, timedelta()), before
        base = now + rest
    end = due(base, kept, kind, calendar)
    worked += counted(base, end, kind=kind, calendar=calendar)
    skipped = sum((s.counted for s in segments(base, end, kind=kind, calendar=calendar) if not s.elapsed), timedelta())
    assert total <= worked <= total + skipped


@given(place=places(), kind=KINDS, wait=later(), micro=st.integers(0, 999_999))
def test_segments_sum_to_the_period_and_to_what_it_takes(place, kind, wait, micro):
    """Segments touch one another and sum to the microsecond, on days of any length."""
    calendar, start = place
    end = start + wait + timedelta(microseconds=micro)
    found = segments(start, end, kind=kind, calendar=calendar)
    assert sum((s.elapsed for s in found), timedelta()) == end - start
    assert sum((s.counted for s in found), timedelta()) == counted(start, end, kind=kind, calendar=calendar)
    for one, two in pairwise(found):
        assert one.ends_at == two.starts_at
    for segment in found:
        assert segment.counted in {timedelta(), segment.elapsed} or not segment.elapsed


@given(place=places(), days=st.integers(1, 60))
def test_a_holiday_more_never_makes_a_deadline_earlier(place, days):
    """A newer calendar with one more day off can only move a deadline away."""
    calendar, start = place
    newer = replace(calendar, days_off={**calendar.days_off, start.date() + timedelta(days=1): "New"})
    remaining = Remaining(days=days % 20)
    assert due(start, remaining, "working_days", calendar) <= due(start, remaining, "working_days", newer)


def test_the_reference_itself_knows_a_friday():
    """The walk agrees with the sentence of the design: Friday 16:30 and one day is Monday 16:30."""
    calendar = Calendar(
        name="office",
        zone="Europe/Brussels",
        tzdata="test",
        weekdays=frozenset({1, 2, 3, 4, 5}),
        opens=time(9),
        closes=time(17),
        days_off={},
        horizon=date(2027, 1, 1),
        digest=Digest("0" * 64),
        data={},
    )
    friday = datetime(2026, 11, 27, 15, 30, tzinfo=UTC)
    assert reference(friday, Remaining(days=1), "working_days", calendar) == datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
