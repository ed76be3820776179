"""Deadlines: when a budget of time runs out, what is left of it, and why a stretch did not count.

Promises: pure functions of instants and a calendar; no clock is read. Elapsed time is exact seconds of UTC. Working days
and working time are measured on an *axis*: a number that grows with local wall-clock time on working days (for working
time: within office hours) and stands still otherwise.

- A working day is 86,400 wall-clock seconds, from local 00:00 to 24:00, also when it lasts 23 or 25 hours.
- Where clocks go forward, the skipped wall-clock time is counted in that one instant; a deadline that falls into the gap is
  the instant at which the clock jumps.
- Where clocks go back, the first pass of the repeated time counts, and the second stands still at its end.

So the axis never runs backwards: a later start never gives an earlier deadline, and pausing never loses time. `Remaining`
has whole seconds; what is left at a pause is rounded up, so one pause gives away less than a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import assert_never

from workflow.states.axis import DAY_SECONDS, SECOND, Axis, UnitKind, axis_of
from workflow.states.calendar import Calendar
from workflow.states.definition import Unit
from workflow.states.instance import Remaining, make_remaining

SKIPPED = "clocks went forward: skipped time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of a period, counted or not, and why.

    Attributes:
        starts_at, ends_at: aware UTC; equal for wall-clock time that was skipped.
        reason: ``working day``, ``office hours``, ``elapsed`` when counted; otherwise ``weekend``, a holiday's name, ...
        counted: what the stretch takes from a budget; zero when it does not count.
    """

    starts_at: datetime
    ends_at: datetime
    reason: str
    counted: timedelta

    @property
    def is_counted(self) -> bool:
        """Tell whether the stretch takes anything from a budget."""
        return bool(self.counted)

    @property
    def elapsed(self) -> timedelta:
        """Real time from start to end."""
        return self.ends_at - self.starts_at


def budget(unit: Unit) -> Remaining:
    """Give the full budget of a duration."""
    if unit.kind == "working_days":
        return make_remaining(days=unit.amount)
    return make_remaining(seconds=unit.amount)


def due(start: datetime, remaining: Remaining, kind: UnitKind, calendar: Calendar | None) -> datetime:
    """Say when a budget that begins to run at `start` runs out.

    Args:
        start: aware UTC.
        remaining: the budget; whole working days and wall-clock seconds for ``working_days``, else seconds.
        kind: of the timer's duration.
        calendar: needed for everything but ``elapsed``.

    Returns:
        Aware UTC, never before `start`, and on a working day (in office hours for ``working_time``).

    Raises:
        DeadlineError: the deadline lies outside the dates the calendar knows, or there is no calendar.
    """
    if kind == "elapsed":
        return start + timedelta(days=remaining.days, seconds=remaining.seconds)
    axis = axis_of(calendar)
    if kind == "working_days":
        return axis.day_instant(axis.day_position(start) + (remaining.days * DAY_SECONDS + remaining.seconds) * SECOND)
    if kind == "working_time":
        amount = _working_seconds(remaining, axis) * SECOND
        # Nothing left means due at once: the end of the budget may be last Friday's closing time.
        return max(start, axis.time_instant(axis.time_position(start) + amount)) if amount else start
    assert_never(kind)


def left(base_at: datetime, remaining: Remaining, now: datetime, kind: UnitKind, calendar: Calendar | None) -> Remaining:
    """Say what is left, at `now`, of a budget that has been running since `base_at`.

    ``due(now, left(base_at, remaining, now))`` is ``due(base_at, remaining)`` again while that lies ahead; when the period
    is no whole number of seconds, it is less than a second later. Nothing is left of a deadline that has passed.

    Raises:
        DeadlineError: an instant lies outside the dates the calendar knows, or there is no calendar.
    """
    spent = _spent(base_at, now, kind=kind, calendar=calendar)
    total = remaining.days * DAY_SECONDS + remaining.seconds
    if kind == "working_time":
        total = _working_seconds(remaining, axis_of(calendar))
    seconds = max(0, -((spent - total * SECOND) // SECOND))
    if kind == "working_days":
        return Remaining(days=seconds // DAY_SECONDS, seconds=seconds % DAY_SECONDS)
    return Remaining(seconds=seconds)


def counted(start: datetime, end: datetime, *, kind: UnitKind, calendar: Calendar | None) -> timedelta:
    """Say how much of a budget the period from `start` to `end` takes; negative when `end` comes first.

    Raises:
        DeadlineError: an instant lies outside the dates the calendar knows, or there is no calendar.
    """
    return timedelta(microseconds=_spent(start, end, kind=kind, calendar=calendar))


def segments(start: datetime, end: datetime, *, kind: UnitKind, calendar: Calendar | None) -> tuple[Segment, ...]:
    """Divide a period into counted and not-counted stretches, in order.

    Their `elapsed` sum to ``end - start`` and their `counted` to ``counted(start, end)``, both exactly, on days of 23 and
    25 hours too: skipped wall-clock time is a segment without length that counts.

    Raises:
        DeadlineError: an instant lies outside the dates the calendar knows, or there is no calendar.
    """
    if end <= start:
        return ()
    if kind == "elapsed":
        return (Segment(starts_at=start, ends_at=end, reason="elapsed", counted=end - start),)
    axis = axis_of(calendar)
    found: list[Segment] = []
    cuts = axis.cuts(start, end, kind=kind)
    for begins, ends in pairwise(cuts):
        for segment in _stretch(axis, begins, ends, kind=kind):
            _append(found, segment)
    return tuple(found)


def is_working_day(day: date, calendar: Calendar) -> bool:
    """Tell whether people work on a date.

    Raises:
        DeadlineError: the calendar does not know the date.
    """
    axis = axis_of(calendar)
    axis.know(day.toordinal())
    return axis.is_working(day.toordinal())


def _spent(start: datetime, end: datetime, *, kind: UnitKind, calendar: Calendar | None) -> int:
    """Give the microseconds a period takes from a budget."""
    if kind == "elapsed":
        return (end - start) // timedelta(microseconds=1)
    axis = axis_of(calendar)
    return axis.position(end, kind=kind) - axis.position(start, kind=kind)


def _working_seconds(remaining: Remaining, axis: Axis) -> int:
    """Give a budget of working time; days do not occur in one, and would mean days of office hours."""
    return remaining.days * (axis.length // SECOND) + remaining.seconds


def _stretch(axis: Axis, begins: datetime, ends: datetime, *, kind: UnitKind) -> tuple[Segment, ...]:
    """Judge a stretch in which nothing changes but, at its end, perhaps the clock."""
    elapsed = ends - begins
    takes = timedelta(microseconds=axis.position(ends, kind=kind) - axis.position(begins, kind=kind))
    if not takes:
        return (Segment(starts_at=begins, ends_at=ends, reason=axis.reason(begins), counted=takes),)
    works = "working day" if kind == "working_days" else "office hours"
    is_running = axis.position(begins + elapsed / 2, kind=kind) > axis.position(begins, kind=kind)
    base = elapsed if is_running else timedelta()
    running = Segment(starts_at=begins, ends_at=ends, reason=works if is_running else axis.reason(begins), counted=base)
    if takes == base:
        return (running,)
    return (running, Segment(starts_at=ends, ends_at=ends, reason=SKIPPED, counted=takes - base))


def _append(found: list[Segment], segment: Segment) -> None:
    """Add a segment, joined with the one before when they say the same."""
    if found and found[-1].reason == segment.reason and found[-1].is_counted == segment.is_counted:
        last = found.pop()
        segment = Segment(starts_at=last.starts_at, ends_at=segment.ends_at, reason=segment.reason, counted=last.counted + segment.counted)
    found.append(segment)
