"""Calendars: from YAML or stored data to a value, with every fault at once; the only importer of `holidays`.

Promises: public holidays are looked up once, when an author's calendar is read. The stored form has every day off as a date
with its name, and says which versions of the holiday rules and of the zone data it was made with; reading it needs neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files

from workflow.load.catalogues import catalogue_from_data, read_catalogue
from workflow.load.reading import Source, open_data, open_source, refuse_faults
from workflow.states.calendar import Calendar
from workflow.states.findings import Findings, quote
from workflow.states.node import Node
from workflow.states.semantics import canonical, digest_of
from workflow.states.shapes import Key, ListOf, Record, Text, judge

__all__ = ["calendar_from_data", "catalogue_from_data", "read_calendar", "read_catalogue"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_YEARS = 50
"""Nobody knows the holidays of the century after; and a range is walked day by day."""

_HOUR = Text(pattern=r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", what="a time of day from 00:00 to 23:59")
_NAME = Text(pattern=r"[a-z][a-z0-9_-]*", what="a name of lower-case letters, digits, - and _", max_length=64)
_CODE = Text(max_length=16)
_HOLIDAYS = Record(
    what="public holidays",
    keys={
        "country": Key(shape=_CODE, description="an ISO 3166 code such as BE", is_required=True),
        "subdivision": Key(shape=_CODE, description="a part of the country with holidays of its own"),
        "language": Key(shape=_CODE, description="the language of the holidays' names, such as en_US or fr"),
    },
)
_COMMON = {
    "calendar": Key(shape=_NAME, description="its name", is_required=True),
    "title": Key(shape=Text(max_length=254), description="for people"),
    "description": Key(shape=Text(), description="for people"),
    "zone": Key(shape=Text(max_length=64), description="an IANA time zone such as Europe/Brussels", is_required=True),
    "working_days": Key(shape=ListOf(item=Text(choices=WEEKDAYS), least=1), description="the weekdays worked", is_required=True),
    "hours": Key(
        shape=Record(
            what="office hours",
            keys={
                "from": Key(shape=_HOUR, description="when the office opens", is_required=True),
                "to": Key(shape=_HOUR, description="when it closes", is_required=True),
            },
        ),
        description="the local office hours, which working time (16bh) counts",
        is_required=True,
    ),
    "days_off": Key(
        shape=Record(what="a day off", keys={}, others=Text(max_length=254)), description="a name for each date, or range of dates A/B"
    ),
    "from": Key(shape=_CODE, description="the first date for which days off are known", is_required=True),
    "horizon": Key(shape=_CODE, description="the last date for which days off are known", is_required=True),
}
WRITTEN = Record(what="a calendar", keys={**_COMMON, "holidays": Key(shape=_HOLIDAYS, description="public holidays to be looked up")})
"""The form that people write."""
STORED = Record(
    what="a stored calendar",
    keys={
        **_COMMON,
        "tzdata": Key(shape=_CODE, description="the version of the zone data", is_required=True),
        "made_with": Key(shape=Record(what="a list of sources", keys={}, others=Text(max_length=254)), description="sources of holidays"),
    },
)
"""The form that is published: no holidays to look up any more."""


def read_calendar(source: Source, *, name: str = "<string>") -> Calendar:
    """Read a calendar that a person wrote.

    Args:
        source: a path, or the YAML itself as text or bytes.
        name: how findings call it when `source` is no path.

    Returns:
        The calendar with every day off as a date; `data` is its stored form, `digest` the SHA-256 of that in canonical JSON.

    Raises:
        DefinitionError: with all findings.
    """
    root, findings = open_source(source, name=name)
    judge(root, WRITTEN, findings)
    return _Reading(root, findings).calendar(tzdata_version=str(import_module("tzdata").IANA_VERSION))


def calendar_from_data(data: Mapping[str, object]) -> Calendar:
    """Read a stored calendar; gives the value that `read_calendar` gave when it was published.

    Raises:
        DefinitionError: with all findings, at line 1.
    """
    root, findings = open_data(data, kind="calendar")
    judge(root, STORED, findings)
    recorded = root.get("tzdata")
    return _Reading(root, findings).calendar(tzdata_version=(recorded and recorded.text) or "")


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Name every zone of the tzdata package."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())


class _Reading:
    """One calendar while it is read. Values that are faulty are left out and noted, so that the rest can be judged."""

    def __init__(self, root: Node, findings: Findings) -> None:
        self.root = root
        self.findings = findings
        self.starts, self.horizon = self._date("from"), self._date("horizon")

    def calendar(self, *, tzdata_version: str) -> Calendar:
        """Give the calendar, or raise all that is wrong with it."""
        self._judge_zone()
        self._judge_period()
        opens, closes = self._hours()
        weekdays = self._weekdays()
        days_off = dict(self._holidays())
        # A range such as the closing between the years does not rename the holidays in it.
        days_off = {**dict(self._days_off()), **days_off}
        refuse_faults(self.findings)
        starts, horizon = self.starts or date.min, self.horizon or date.max
        if not any(day.isoweekday() in weekdays and day not in days_off for day in _days(starts, horizon)):
            self.findings.note(self.root, "no-working-day", "No day is worked between the first date and the horizon.")
            refuse_faults(self.findings)
        data = self._data(days_off, tzdata_version)
        return Calendar(
            name=self._text("calendar"),
            zone=self._text("zone"),
            tzdata=tzdata_version,
            weekdays=weekdays,
            opens=opens,
            closes=closes,
            days_off=dict(sorted(days_off.items())),
            horizon=horizon,
            starts=starts,
            digest=digest_of(canonical(data)),
            data=data,
        )

    def _data(self, days_off: Mapping[date, str], tzdata_version: str) -> dict[str, object]:
        kept = {key: self.root.entries[key].plain() for key in ("title", "description", "made_with") if key in self.root.entries}
        if (said := self.root.get("holidays")) is not None:
            kept["made_with"] = {"package": f"holidays {version('holidays')}", **{key: node.text for key, node in said.entries.items()}}
        weekdays = self._weekdays()
        return {
            **kept,
            **{key: self._text(key) for key in ("calendar", "zone", "from", "horizon")},
            "tzdata": tzdata_version,
            "working_days": [name for number, name in enumerate(WEEKDAYS, 1) if number in weekdays],
            "hours": self.root.entries["hours"].plain(),
            "days_off": {day.isoformat(): name for day, name in sorted(days_off.items())},
        }

    def _text(self, key: str) -> str:
        node = self.root.get(key)
        return (node and node.text) or ""

    def _date(self, key: str) -> date | None:
        node = self.root.get(key)
        return None if node is None else self._read_date(node.text, node)

    def _read_date(self, text: str | None, where: Node | tuple[int, int]) -> date | None:
        if text is None:
            return None
        # Python would read 20261224 and 2026-W52-4 too.
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            with suppress(ValueError):
                return date.fromisoformat(text)
        self.findings.note(where, "invalid-date", f"{quote(text)} is no date; write it like 2026-12-24.")
        return None

    def _judge_zone(self) -> None:
        node = self.root.get("zone")
        if node is not None and node.text is not None and node.text not in zones():
            message = f"{quote(node.text)} is no time zone of the IANA database.{self.findings.hint(node.text, _near(node.text))}"
            self.findings.note(node, "unknown-zone", message)

    def _judge_period(self) -> None:
        if self.starts is None or self.horizon is None:
            return
        place = self.root.entries["horizon"]
        if self.horizon < self.starts:
            self.findings.note(place, "dates-out-of-order", f"The horizon {self.horizon} comes before the first date {self.starts}.")
        if self.horizon.year - self.starts.year > MAX_YEARS:
            message = f"The calendar spans more than {MAX_YEARS} years; nobody knows the holidays of all of them."
            self.findings.note(place, "period-too-long", message)
            self.horizon = None

    def _hours(self) -> tuple[time, time]:
        node = self.root.get("hours") or Node(value={})
        read = [_time(part.text) if (part := node.get(key)) is not None else None for key in ("from", "to")]
        opens, closes = read[0] or time.min, read[1] or time.max
        if None not in read and closes <= opens:
            message = f"The office closes at {closes:%H:%M}, not after it opens at {opens:%H:%M}; office hours lie within one day."
            self.findings.note(node, "hours-out-of-order", message)
        return opens, closes

    def _weekdays(self) -> frozenset[int]:
        names = self.root.get("working_days") or Node(value=())
        found: set[int] = set()
        for node in names.items:
            if node.text not in WEEKDAYS:
                continue
            number = WEEKDAYS.index(node.text) + 1
            if number in found:
                self.findings.note(node, "duplicate-value", f"{node.text} is listed twice.")
            found.add(number)
        return frozenset(found)

    def _days_off(self) -> Iterator[tuple[date, str]]:
        node = self.root.get("days_off") or Node(value={})
        seen: dict[date, str] = {}
        for key, name in node.entries.items():
            place = node.place_of(key)
            for day in self._range(key, place):
                if day in seen:
                    self.findings.note(place, "duplicate-value", f"{day} is a day off already, by {seen[day]}.")
                seen[day] = quote(key)
                yield day, name.text or ""

    def _range(self, text: str, place: tuple[int, int]) -> Iterator[date]:
        """Give the days of ``2026-12-24`` or of ``2026-12-24/2027-01-02``."""
        first_text, slash, last_text = text.partition("/")
        first = self._read_date(first_text, place)
        last = self._read_date(last_text, place) if slash else first
        if first is None or last is None:
            return
        if last < first:
            self.findings.note(place, "dates-out-of-order", f"The range {quote(text)} ends before it begins.")
        elif self.starts and self.horizon and not self.starts <= first <= last <= self.horizon:
            message = f"{quote(text)} lies outside the calendar, which runs from {self.starts} to {self.horizon}."
            self.findings.note(place, "outside-horizon", message)
        elif self.starts and self.horizon:
            yield from _days(first, last)

    def _holidays(self) -> Iterator[tuple[date, str]]:
        """Look the public holidays up."""
        node = self.root.get("holidays")
        country = node and node.get("country")
        if node is None or country is None or country.text is None or self.starts is None or self.horizon is None:
            return
        # Takes a sixth of a second to import, and only authors' calendars need it.
        import holidays  # noqa: PLC0415  # see above

        try:
            known = holidays.country_holidays(country.text)
        except NotImplementedError:
            message = f"The public holidays of {quote(country.text)} are not known; write a code of ISO 3166 such as BE, in capitals."
            self.findings.note(country, "unknown-country", message)
            return
        subdivision = self._one_of(node, "subdivision", known.subdivisions)
        language = self._one_of(node, "language", known.supported_languages)
        if not known.start_year <= self.starts.year <= self.horizon.year <= known.end_year:
            message = f"The public holidays of {country.text} are known from {known.start_year} to {known.end_year} only."
            self.findings.note(country, "outside-horizon", message)
            return
        if language is None and "en_US" in known.supported_languages:
            language = "en_US"
        years = range(self.starts.year, self.horizon.year + 1)
        found = holidays.country_holidays(country.text, subdiv=subdivision, language=language, years=years)
        yield from ((day, name) for day, name in sorted(found.items()) if self.starts <= day <= self.horizon)

    def _one_of(self, node: Node, key: str, known: tuple[str, ...]) -> str | None:
        said = node.get(key)
        if said is None or said.text is None:
            return None
        if said.text in known:
            return said.text
        self.findings.note(
            said, f"unknown-{key}", f"{quote(said.text)} is no {key} of these holidays.{self.findings.hint(said.text, known)}"
        )
        return None


def _time(text: str | None) -> time | None:
    try:
        return time.fromisoformat(text or "")
    except ValueError:
        return None


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _near(zone: str) -> frozenset[str]:
    """Give the zones of the same part of the world, so that a hint compares few names; all zones share a few prefixes."""
    area = zone.partition("/")[0].casefold()
    return frozenset(one for one in zones() if one.partition("/")[0].casefold() == area) or zones()
