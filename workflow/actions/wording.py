"""Dates and durations as people write them, in the languages of the shipped templates.

Promises: pure functions. An instant is always written with its zone and offset, so that a reader elsewhere cannot mistake it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

FALLBACK = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What one language needs for dates and durations; `units` are (one, many) for days, hours, minutes, seconds."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    date: str
    clock: str
    first: str
    units: tuple[tuple[str, str], ...]


WORDS = {
    "en": Words(
        weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
        date="{weekday} {day} {month} {year}, {clock}",
        clock="{hour:02}:{minute:02}",
        first="1",
        units=(("day", "days"), ("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
    ),
    "fr": Words(
        weekdays=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        months=("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"),
        date="{weekday} {day} {month} {year} à {clock}",
        clock="{hour} h {minute:02}",
        first="1er",
        units=(("jour", "jours"), ("heure", "heures"), ("minute", "minutes"), ("seconde", "secondes")),
    ),
    "de": Words(
        weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
        months=("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"),
        date="{weekday}, {day}. {month} {year}, {clock}",
        clock="{hour}:{minute:02} Uhr",
        first="1",
        units=(("Tag", "Tage"), ("Stunde", "Stunden"), ("Minute", "Minuten"), ("Sekunde", "Sekunden")),
    ),
}


def words_of(language: str) -> Words:
    """Give the words of a language; ``fr-BE`` reads as ``fr``, an unknown one as English."""
    return WORDS.get(language.lower().partition("-")[0], WORDS[FALLBACK])


def write_instant(instant: datetime, *, language: str, zone: str) -> str:
    """Write an instant to the minute in the reader's language and zone, with the zone's name and offset.

    ``Monday 23 November 2026, 16:30 (Europe/Brussels, UTC+01:00)``.
    """
    words = words_of(language)
    local = instant.astimezone(ZoneInfo(zone))
    date = words.date.format(
        weekday=words.weekdays[local.weekday()],
        day=words.first if local.day == 1 else local.day,
        month=words.months[local.month - 1],
        year=local.year,
        clock=words.clock.format(hour=local.hour, minute=local.minute),
    )
    if zone == "UTC":
        return f"{date} (UTC)"
    offset = local.strftime("%z")
    return f"{date} ({zone}, UTC{offset[:3]}:{offset[3:5]})"


def write_duration(seconds: int, *, language: str) -> str:
    """Write a duration in the largest unit that divides it: ``5 minutes``, ``90 minutes``, ``1 hour``, ``2 days``."""
    words = words_of(language)
    for size, (one, many) in zip((86_400, 3_600, 60, 1), words.units, strict=True):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {one if count == 1 else many}"
    raise AssertionError  # every whole number of seconds is divisible by one second
