"""The reader's language and zone.

Promises: texts in code and templates are English and are looked up in the catalogues (``locale/<language>.po``); one that is missing
there shows in English. An instant is always written with its zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "fr": "Français", "de": "Deutsch"}
"""The languages of the pages, each in its own name."""
FOLDER = Path(__file__).parent / "locale"


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


def negotiate(accepted: str) -> str:
    """Choose a language from an ``Accept-Language`` header (RFC 9110 §12.5.4), the first one of ours; English when none is."""
    wanted: list[tuple[float, str]] = []
    for part in accepted[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((-float(quality or 1), tag.replace("-", "_")))
        except ValueError:
            continue
    preferred = [tag for _, tag in sorted(wanted, key=lambda pair: pair[0]) if tag]
    found = negotiate_locale(preferred, list(LANGUAGES), sep="_")
    return found if found in LANGUAGES else "en"


@cache
def zones() -> frozenset[str]:
    """Name every zone that a reader may choose."""
    return frozenset(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/"))) | {"UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """For whom a page is written."""

    language: str = "en"
    zone: str = "Europe/Brussels"

    def say(self, text: str, /, **values: object) -> str:
        """Give a text in the reader's language."""
        return say(self.language, text, **values)

    def instant(self, at: datetime) -> str:
        """Write an instant to the minute in the reader's zone, with the zone named: ``24 Nov 2026, 16:30 (Europe/Brussels)``."""
        local = at.astimezone(ZoneInfo(self.zone))
        return f"{format_datetime(local, 'd MMM y, HH:mm', locale=self.language)} ({self.zone})"

    def day(self, at: datetime) -> str:
        """Write the day of an instant: ``Tuesday, 24 November 2026``."""
        return str(format_date(at.astimezone(ZoneInfo(self.zone)), "full", locale=self.language))

    def clock(self, at: datetime) -> str:
        """Write the time of day of an instant."""
        return str(format_time(at.astimezone(ZoneInfo(self.zone)), "HH:mm", locale=self.language))

    def within(self, at: datetime, now: datetime) -> str:
        """Write how far away an instant is, in words: ``in 3 hours``, ``2 days ago``."""
        away = at - now
        if abs(away) < timedelta(minutes=1):
            return self.say("now")
        return str(format_timedelta(away, add_direction=True, locale=self.language, threshold=1.1))
