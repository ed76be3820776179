"""Working time, by example: the cases people argue about."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from workflow.errors import DeadlineError
from workflow.states.calendar import Calendar
from workflow.states.deadlines import Segment, budget, counted, due, is_working_day, left, segments
from workflow.states.definition import Digest, Unit
from workflow.states.instance import Remaining

WEEK = frozenset({1, 2, 3, 4, 5})
EVERY_DAY = frozenset(range(1, 8))
CLOSING = {date(2026, 12, day): "Year-end closing" for day in (24, 28, 29, 30, 31)}
BELGIAN = {
    date(2026, 4, 6): "Easter Monday",
    date(2026, 5, 1): "Labour Day",
    date(2026, 12, 25): "Christmas Day",
    date(2027, 1, 1): "New Year's Day",
    **CLOSING,
}
ZONE = {"Europe/Brussels": BELGIAN, "Asia/Kolkata": {date(2026, 1, 26): "Republic Day"}}


def calendar(zone: str = "Europe/Brussels", *, weekdays: frozenset[int] = WEEK, opens: time = time(9), closes: time = time(17)) -> Calendar:
    return Calendar(
        name="office",
        zone=zone,
        tzdata="test",
        weekdays=weekdays,
        opens=opens,
        closes=closes,
        days_off=ZONE.get(zone, {}),
        horizon=date(2030, 12, 31),
        digest=Digest("0" * 64),
        data={},
    )


def at(text: str, zone: str = "Europe/Brussels", *, fold: int = 0) -> datetime:
    """Read a wall-clock time of a zone as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        pytest.param("2026-11-27 16:30", 1, "2026-11-30 16:30", id="a Friday afternoon and one day is Monday afternoon"),
        pytest.param("2026-11-23 09:00", 2, "2026-11-25 09:00", id="an ordinary Monday"),
        pytest.param("2026-11-28 11:00", 1, "2026-12-01 00:00", id="a Saturday counts from Monday 00:00"),
        pytest.param("2026-11-29 23:59", 2, "2026-12-02 00:00", id="so does a Sunday night"),
        pytest.param("2026-11-30 00:00", 5, "2026-12-07 00:00", id="five days from Monday 00:00 skip the weekend they touch"),
        pytest.param("2026-04-02 10:00", 1, "2026-04-03 10:00", id="Good Friday is no Belgian public holiday"),
        pytest.param("2026-04-02 10:00", 2, "2026-04-07 10:00", id="Easter Monday is"),
        pytest.param("2026-12-23 15:00", 1, "2027-01-04 15:00", id="the closing days between the years"),
        pytest.param("2026-12-30 15:00", 1, "2027-01-05 00:00", id="a start on a closing day"),
        pytest.param("2026-03-27 16:30", 1, "2026-03-30 16:30", id="over the short Sunday in March"),
        pytest.param("2026-10-23 16:30", 1, "2026-10-26 16:30", id="over the long Sunday in October"),
        pytest.param("2028-02-28 08:00", 1, "2028-02-29 08:00", id="a leap day"),
    ],
)
def test_working_days_in_brussels(start, days, expected):
    """A working day runs from 00:00 to 24:00, so n days later it is the same wall-clock time."""
    assert due(at(start), Remaining(days=days), "working_days", calendar()) == at(expected)


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        pytest.param("Europe/Brussels", "2026-03-28 02:30", "2026-03-29 03:00", id="a gap in Europe"),
        pytest.param("America/New_York", "2026-03-07 02:30", "2026-03-08 03:00", id="a gap in New York"),
        pytest.param("America/Sao_Paulo", "2018-11-03 00:00", "2018-11-04 01:00", id="a day that begins at 01:00"),
        pytest.param("Africa/Cairo", "2023-04-27 00:20", "2023-04-28 01:00", id="another one"),
        pytest.param("Europe/Brussels", "2026-10-24 02:30", "2026-10-25 02:30", id="the first pass in Europe"),
        pytest.param("America/New_York", "2026-10-31 01:30", "2026-11-01 01:30", id="the first pass in New York"),
        pytest.param("America/Sao_Paulo", "2018-02-16 23:30", "2018-02-17 23:30", id="a repeated hour before midnight"),
        pytest.param("Asia/Kolkata", "2026-01-24 18:15", "2026-01-25 18:15", id="half an hour off"),
        pytest.param("Asia/Kolkata", "2026-01-25 18:15", "2026-01-27 18:15", id="Republic Day"),
    ],
)
def test_clock_changes(zone, start, expected):
    """A deadline in skipped time is the instant of the jump; in repeated time it is the first pass."""
    office = calendar(zone, weekdays=EVERY_DAY)
    assert due(at(start, zone), Remaining(days=1), "working_days", office) == at(expected, zone)


def test_a_day_that_does_not_exist_is_passed_in_an_instant():
    """Samoa had no 30 December 2011; the deadline on it moves to the next working day."""
    office = calendar("Pacific/Apia", weekdays=WEEK)
    assert due(at("2011-12-29 10:00", "Pacific/Apia"), Remaining(days=1), "working_days", office) == at("2012-01-02 00:00", "Pacific/Apia")


def test_the_second_pass_of_a_repeated_hour_stands_still_at_its_end():
    """A start in the second 02:30 counts from 03:00, so that a later start never gives an earlier deadline."""
    start = at("2026-10-25 02:30", fold=1)
    assert due(start, Remaining(days=1), "working_days", calendar(weekdays=EVERY_DAY)) == at("2026-10-26 03:00")


@pytest.mark.parametrize(
    ("start", "seconds", "expected"),
    [
        pytest.param("2026-11-23 10:00", 3600, "2026-11-23 11:00", id="within a day"),
        pytest.param("2026-11-23 07:00", 3600, "2026-11-23 10:00", id="before opening"),
        pytest.param("2026-11-23 16:00", 3600, "2026-11-23 17:00", id="a budget ends at closing time, not at the next opening"),
        pytest.param("2026-11-23 17:00", 3600, "2026-11-24 10:00", id="after closing"),
        pytest.param("2026-11-27 16:30", 57600, "2026-12-01 16:30", id="sixteen hours are two days"),
        pytest.param("2026-12-23 16:00", 7200, "2027-01-04 10:00", id="over the closing days"),
    ],
)
def test_working_time(start, seconds, expected):
    """Working time runs in office hours only."""
    assert due(at(start), Remaining(seconds=seconds), "working_time", calendar()) == at(expected)


def test_office_hours_at_night_know_the_clock_change():
    """An hour of working time that the clock skips has passed when it jumps."""
    office = calendar(weekdays=EVERY_DAY, opens=time(1), closes=time(5))
    assert due(at("2026-03-29 01:30"), Remaining(seconds=5400), "working_time", office) == at("2026-03-29 03:00")
    assert due(at("2026-10-25 01:30"), Remaining(seconds=5400), "working_time", office) == at("2026-10-25 03:00", fold=0)


def test_elapsed_time_needs_no_calendar():
    """Five minutes are five minutes, also when clocks change."""
    start = at("2026-03-29 01:58")
    assert due(start, budget(Unit(kind="elapsed", amount=300, text="PT5M")), "elapsed", None) == start + timedelta(minutes=5)
    assert left(start, Remaining(seconds=300), start + timedelta(seconds=100, microseconds=1), "elapsed", None) == Remaining(seconds=200)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (Unit(kind="elapsed", amount=300, text="PT5M"), Remaining(seconds=300)),
        (Unit(kind="working_days", amount=2, text="2bd"), Remaining(days=2)),
        (Unit(kind="working_time", amount=57600, text="16bh"), Remaining(seconds=57600)),
    ],
)
def test_a_budget_has_the_unit_of_its_duration(unit, expected):
    """Only working days are counted in days."""
    assert budget(unit) == expected


def test_left_is_days_and_wall_clock_seconds():
    """Paused on Monday at 10:00, a deadline of Wednesday 09:00 has one day and 23 hours left."""
    remaining = left(at("2026-11-23 09:00"), Remaining(days=2), at("2026-11-23 10:00"), "working_days", calendar())
    assert remaining == Remaining(days=1, seconds=23 * 3600)
    assert due(at("2026-12-05 12:00"), remaining, "working_days", calendar()) == at("2026-12-08 23:00")


def test_nothing_is_left_of_a_passed_deadline():
    """What is left is never negative, and nothing left is due at once."""
    now = at("2026-11-26 10:00")
    for kind, remaining in (
        ("working_days", Remaining(days=2)),
        ("working_time", Remaining(seconds=3600)),
        ("elapsed", Remaining(seconds=1)),
    ):
        assert left(at("2026-11-23 09:00"), remaining, now, kind, calendar()) == Remaining()
        assert due(now, Remaining(), kind, calendar()) == now


def test_a_deadline_past_the_horizon_is_refused():
    """Nothing is guessed beyond the dates a calendar knows, and the error says what to publish."""
    with pytest.raises(DeadlineError) as raised:
        due(at("2030-12-31 10:00"), Remaining(days=1), "working_days", calendar())
    assert raised.value.known_until == date(2030, 12, 31)
    assert "'office' knows working days from 2000-01-01 to 2030-12-31" in raised.value.explain()
    assert "Publish a newer version" in raised.value.explain()


@pytest.mark.parametrize("start", ["1999-12-31 10:00", "2031-01-01 10:00"])
@pytest.mark.parametrize("kind", ["working_days", "working_time"])
def test_a_start_outside_the_calendar_is_refused(start, kind):
    """A start before the first or after the last known date cannot be counted from."""
    with pytest.raises(DeadlineError, match="outside the calendar"):
        due(at(start), Remaining(seconds=1), kind, calendar())


def test_working_units_need_a_calendar():
    """Without a calendar there are no working days."""
    with pytest.raises(DeadlineError) as raised:
        due(at("2026-11-23 10:00"), Remaining(days=1), "working_days", None)
    assert "Name a calendar" in raised.value.explain()


def test_is_working_day():
    """A date is worked, or it is not, or the calendar does not know it."""
    assert is_working_day(date(2026, 4, 3), calendar())
    assert not is_working_day(date(2026, 4, 6), calendar())
    assert not is_working_day(date(2026, 4, 4), calendar())
    with pytest.raises(DeadlineError):
        is_working_day(date(2031, 1, 1), calendar())


def told(found: tuple[Segment, ...]) -> list[tuple[str, float, float]]:
    return [(s.reason, s.elapsed / timedelta(hours=1), s.counted / timedelta(hours=1)) for s in found]


def test_segments_name_weekends_and_holidays():
    """From Thursday before Easter to Tuesday: every stretch says why it counts or not."""
    found = segments(at("2026-04-02 10:00"), at("2026-04-07 10:00"), kind="working_days", calendar=calendar())
    assert told(found) == [("working day", 38, 38), ("weekend", 48, 0), ("Easter Monday", 24, 0), ("working day", 10, 10)]


def test_segments_of_office_hours():
    """Nights are outside office hours."""
    found = segments(at("2026-11-23 16:00"), at("2026-11-24 10:00"), kind="working_time", calendar=calendar())
    assert told(found) == [("office hours", 1, 1), ("outside office hours", 16, 0), ("office hours", 1, 1)]


def test_segments_of_a_long_and_of_a_short_day():
    """On a day of 25 hours the second pass does not count; on one of 23 the skipped hour counts in an instant."""
    office = calendar(weekdays=EVERY_DAY)
    long = segments(at("2026-10-25 00:00"), at("2026-10-26 00:00"), kind="working_days", calendar=office)
    assert told(long) == [("working day", 3, 3), ("clocks went back: repeated time", 1, 0), ("working day", 21, 21)]
    short = segments(at("2026-03-29 00:00"), at("2026-03-30 00:00"), kind="working_days", calendar=office)
    assert told(short) == [("working day", 2, 2), ("clocks went forward: skipped time", 0, 1), ("working day", 21, 21)]


def test_elapsed_time_is_one_segment():
    """Elapsed time always counts."""
    start = at("2026-11-23 16:00")
    assert told(segments(start, start + timedelta(hours=2), kind="elapsed", calendar=None)) == [("elapsed", 2, 2)]
    assert segments(start, start, kind="elapsed", calendar=None) == ()


def test_counted_is_what_a_period_takes():
    """Friday 16:30 to Monday 16:30 takes one day."""
    assert counted(at("2026-11-27 16:30"), at("2026-11-30 16:30"), kind="working_days", calendar=calendar()) == timedelta(days=1)


def test_many_calendars_do_not_pile_up():
    """Prepared calendars are kept for a bounded number of values, and each answers for itself."""
    answers = {due(at("2026-11-27 16:30"), Remaining(days=1), "working_days", calendar(opens=time(0, n % 60))) for n in range(150)}
    assert answers == {at("2026-11-30 16:30")}
