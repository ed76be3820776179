"""The axis of a calendar: instants as places on a line that grows only while people work.

Promises: positions never run backwards as time goes on, so that deadlines computed through them never do. `deadlines` is
the room's door; what the axis does at a clock change is said there.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from workflow.errors import DeadlineError
from workflow.states.calendar import Calendar

UnitKind = Literal["elapsed", "working_days", "working_time"]

SECOND = 1_000_000
DAY_SECONDS = 86_400
DAY = DAY_SECONDS * SECOND

WEEKEND = "weekend"
OUTSIDE_HOURS = "outside office hours"
REPEATED = "clocks went back: repeated time"


@lru_cache(maxsize=256)
def zone_of(key: str) -> ZoneInfo:
    """Read a zone from the tzdata package.

    `ZoneInfo(key)` would prefer the files of the machine, whose version nobody pins: two machines of one installation
    could then compute different deadlines from the same calendar.
    """
    with files("tzdata").joinpath("zoneinfo", *key.split("/")).open("rb") as stream:
        return ZoneInfo.from_file(stream, key=key)


_AXES: dict[int, tuple[Calendar, Axis]] = {}
_AXES_LIMIT = 64


def axis_of(calendar: Calendar | None) -> Axis:
    """Give the axis of a calendar, made once for each value.

    Kept by identity, with the value itself so that its id stays its own: a calendar holds mappings and cannot be hashed.
    """
    if calendar is None:
        raise DeadlineError("A duration in working time needs a calendar.", calendar="")
    known = _AXES.get(id(calendar))
    if known is None:
        if len(_AXES) >= _AXES_LIMIT:
            _AXES.clear()
        known = _AXES.setdefault(id(calendar), (calendar, Axis(calendar)))
    return known[1]


class Axis:
    """A calendar made ready for arithmetic: positions are microseconds on working days, or within office hours.

    `working` are the ordinals of all working days from the first to the last date known; a day's index in it is its place.
    """

    __slots__ = ("calendar", "closes", "first", "last", "length", "opens", "working", "zone")

    def __init__(self, calendar: Calendar) -> None:
        """List the working days; a millisecond or so for a century."""
        self.calendar = calendar
        self.zone = zone_of(calendar.zone)
        self.first, self.last = calendar.starts.toordinal(), calendar.horizon.toordinal()
        self.opens, self.closes = _of_day(calendar.opens), _of_day(calendar.closes)
        self.length = self.closes - self.opens
        off = {day.toordinal() for day in calendar.days_off}
        # date.toordinal() is 1 on a Monday, so the ISO weekday follows without making dates.
        self.working = [day for day in range(self.first, self.last + 1) if (day - 1) % 7 + 1 in calendar.weekdays and day not in off]

    def is_working(self, day: int) -> bool:
        """Tell whether the day with this ordinal is worked."""
        index = bisect_left(self.working, day)
        return index < len(self.working) and self.working[index] == day

    def know(self, day: int) -> None:
        """Refuse a day outside the dates the calendar knows."""
        if not self.first <= day <= self.last:
            raise self.unknown(f"{date.fromordinal(day)} lies outside the calendar {self.calendar.name!r}.")

    def unknown(self, message: str) -> DeadlineError:
        """Make the error for a day that the calendar does not know."""
        return DeadlineError(message, calendar=self.calendar.name, known_from=self.calendar.starts, known_until=self.calendar.horizon)

    def position(self, instant: datetime, *, kind: UnitKind) -> int:
        """Give the place of an instant on the axis of its kind."""
        return self.day_position(instant) if kind == "working_days" else self.time_position(instant)

    def day_position(self, instant: datetime) -> int:
        """Give the place of an instant among working days; on a day off that of the next working day's 00:00."""
        day, clock = self.wall(instant)
        self.know(day)
        index = bisect_left(self.working, day)
        is_working = index < len(self.working) and self.working[index] == day
        return index * DAY + clock if is_working else index * DAY

    def time_position(self, instant: datetime) -> int:
        """Give the place of an instant within office hours; outside them that of the next opening."""
        day, clock = self.wall(instant)
        self.know(day)
        index = bisect_left(self.working, day)
        is_working = index < len(self.working) and self.working[index] == day
        return index * self.length + (min(max(clock - self.opens, 0), self.length) if is_working else 0)

    def day_instant(self, position: int) -> datetime:
        """Give the instant of a place among working days."""
        index, clock = divmod(position, DAY)
        day = self.day(index)
        instant, is_skipped = self.instant_of(day, clock)
        if is_skipped:
            # A gap over midnight can push the deadline out of its day and into a day off.
            landed = instant.astimezone(self.zone).toordinal()
            if landed != day and not self.is_working(landed):
                return self.instant(self.day(index + 1), 0)
        return instant

    def time_instant(self, position: int) -> datetime:
        """Give the first instant that reaches a place within office hours: a full day ends at closing time."""
        index, clock = divmod(position - 1, self.length)
        return self.instant(self.day(index), self.opens + clock + 1)

    def day(self, index: int) -> int:
        """Give the ordinal of the n-th working day."""
        if index >= len(self.working):
            raise self.unknown("The deadline lies past the last working day of the calendar.")
        return self.working[index]

    def wall(self, instant: datetime) -> tuple[int, int]:
        """Give day and microseconds since 00:00 on the wall clock; the second pass of a repeated time is its end."""
        local = instant.astimezone(self.zone)
        if local.fold:
            local = self.fold_end(instant).astimezone(self.zone)
        return local.toordinal(), ((local.hour * 60 + local.minute) * 60 + local.second) * SECOND + local.microsecond

    def instant(self, day: int, clock: int) -> datetime:
        """Give the UTC instant of a wall-clock time: the first when it is repeated, the jump when it is skipped."""
        return self.instant_of(day, clock)[0]

    def instant_of(self, day: int, clock: int) -> tuple[datetime, bool]:
        """Give the UTC instant of a wall-clock time, and whether clocks skip that time."""
        wall = datetime.fromordinal(day) + timedelta(microseconds=clock)
        before = wall.replace(tzinfo=self.zone).utcoffset() or timedelta()
        after = wall.replace(tzinfo=self.zone, fold=1).utcoffset() or timedelta()
        instant = (wall - before).replace(tzinfo=UTC)
        if after > before:
            return self.jump((wall - after).replace(tzinfo=UTC), instant), True
        return instant, False

    def fold_end(self, instant: datetime) -> datetime:
        """Give the end of the second pass in which an instant lies."""
        local = instant.astimezone(self.zone)
        length = (local.replace(fold=0).utcoffset() or timedelta()) - (local.utcoffset() or timedelta())
        return self.jump(instant - length, instant) + length

    def offset(self, instant: datetime) -> timedelta:
        """Give the zone's offset at an instant."""
        return instant.astimezone(self.zone).utcoffset() or timedelta()

    def jump(self, low: datetime, high: datetime) -> datetime:
        """Find the clock change after `low` and not after `high`; zones change at whole seconds."""
        low, high = low.replace(microsecond=0), high.replace(microsecond=0)
        before = self.offset(low)
        while (distance := (high - low) // timedelta(seconds=1)) > 1:
            middle = low + timedelta(seconds=distance // 2)
            low, high = (middle, high) if self.offset(middle) == before else (low, middle)
        return high

    def cuts(self, start: datetime, end: datetime, *, kind: UnitKind) -> list[datetime]:
        """Give start, end and every instant between at which counting may begin or stop."""
        clocks = (0,) if kind == "working_days" else (0, self.opens, self.closes)
        days = range(start.astimezone(self.zone).toordinal() - 1, end.astimezone(self.zone).toordinal() + 2)
        found = {self.instant(day, clock) for day in days for clock in clocks}
        borders = [self.instant(day, 0) for day in days]
        for begins, ends in pairwise(borders):
            if (length := self.offset(begins) - self.offset(ends)) and ends > begins:
                change = self.jump(begins, ends)
                found |= {change, change + max(length, timedelta())}
        return [start, *sorted(cut for cut in found if start < cut < end), end]

    def reason(self, instant: datetime) -> str:
        """Say why time does not count at an instant."""
        local = instant.astimezone(self.zone)
        if local.isoweekday() not in self.calendar.weekdays:
            return WEEKEND
        if local.date() in self.calendar.days_off:
            return self.calendar.days_off[local.date()]
        return REPEATED if local.fold else OUTSIDE_HOURS


def _of_day(clock: time) -> int:
    """Give microseconds since 00:00."""
    return ((clock.hour * 60 + clock.minute) * 60 + clock.second) * SECOND + clock.microsecond
