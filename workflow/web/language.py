"""The reader's language and zone.

Promises: texts in code and templates are English and are looked up in the catalogues (``locale/<language>.po``); one that is missing
there shows in English. An instant is always written with its zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from unicodedata import combining, normalize
from zoneinfo import ZoneInfo, available_timezones

from babel.core import Locale, negotiate_locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "fr": "Français", "de": "Deutsch"}
"""The languages of the pages, each in its own name."""
FOLDER = Path(__file__).parent / "locale"
LONGEST_ACCEPTED = 200
"""So much of a browser's list of languages is read."""
# RFC 9110 §12.4.2: a quality is 0 to 1 with at most three digits behind the point.
_RANGE = re.compile(r"(?P<tag>[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*)(\s*;\s*[qQ]=(?P<quality>0(\.\d{0,3})?|1(\.0{0,3})?))?")
_PLACE = re.compile(r"\{\d\}")


@cache
def texts_of(language: str) -> dict[str, str]:
    """Give the translations of a language by the English text; empty for English."""
    path = FOLDER / f"{language}.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string and not message.fuzzy}


def say(language: str, text: str, /, **values: object) -> str:
    """Give a text in a language, with ``{name}`` replaced by values."""
    found = texts_of(language).get(text, text)
    return found.format(**values) if values else found


@cache
def patterns_of(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Give the translations of sentences with values in them (``{0}``), as patterns of the English ones; the most exact first."""
    with_values = [(text, said) for text, said in texts_of(language).items() if "{0}" in text]
    with_values.sort(key=lambda pair: (-len(_PLACE.sub("", pair[0])), pair[0]))
    return tuple(
        (re.compile(_PLACE.sub("(.*?)", re.escape(text).replace(r"\{", "{").replace(r"\}", "}")), re.DOTALL), said)
        for text, said in with_values
    )


def negotiate(accepted: str) -> str:
    """Choose a language from an ``Accept-Language`` header (RFC 9110 §12.5.4), the first one of ours; English when none is."""
    wanted: list[tuple[float, str]] = []
    for part in accepted[:LONGEST_ACCEPTED].split(","):
        if found := _RANGE.fullmatch(part.strip()):
            tag, quality = found["tag"], float(found["quality"] or 1)
            if quality > 0:
                wanted.append((-quality, tag.replace("-", "_")))
    preferred = [tag for _, tag in sorted(wanted, key=lambda pair: pair[0])]
    chosen = (negotiate_locale(preferred, list(LANGUAGES), sep="_") or "").lower()
    return chosen if chosen in LANGUAGES else "en"


def collated(text: str) -> str:
    """Give the form by which words are sorted for people: accents and case do not count."""
    return "".join(one for one in normalize("NFKD", text) if not combining(one)).casefold()


@cache
def zones() -> frozenset[str]:
    """Name every zone that a reader may choose."""
    return frozenset(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/"))) | {"UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """For whom a page is written."""

    language: str = "en"
    zone: str = "Europe/Brussels"

    @property
    def _locale(self) -> str:
        # English as it is written in Europe: the day before the month.
        return "en_GB" if self.language == "en" else self.language

    def say(self, text: str, /, **values: object) -> str:
        """Give a text in the reader's language."""
        return say(self.language, text, **values)

    def country(self, code: str) -> str:
        """Give the name of a country by its ISO 3166 code; empty where it has none."""
        return str(Locale(self.language).territories.get(code, ""))

    def instant(self, at: datetime) -> str:
        """Write an instant to the minute in the reader's zone, with the zone named: ``24 Nov 2026, 16:30 (Europe/Brussels)``."""
        local = at.astimezone(ZoneInfo(self.zone))
        return f"{format_skeleton('yMMMd', local, locale=self._locale)}, {self.clock(at)} ({self.zone})"

    def day(self, at: datetime) -> str:
        """Write the day of an instant: ``Tuesday, 24 November 2026``."""
        return str(format_date(at.astimezone(ZoneInfo(self.zone)), "full", locale=self._locale))

    def clock(self, at: datetime) -> str:
        """Write the time of day of an instant."""
        return str(format_time(at.astimezone(ZoneInfo(self.zone)), "HH:mm", locale=self.language))

    def within(self, at: datetime, now: datetime) -> str:
        """Write how far away an instant is, in words: ``in 3 hours``, ``2 days ago``."""
        away = at - now
        if abs(away) < timedelta(minutes=1):
            return self.say("now")
        return str(format_timedelta(away, add_direction=True, locale=self.language, threshold=1.1))
