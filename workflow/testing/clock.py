"""A clock that is a value: tests and the demo say what time it is.

Promises: time moves only when told, never backwards by itself; safe to read from several threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from workflow.states.durations import read_duration

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday morning, for tests that do not care."""


@dataclass(slots=True)
class VirtualClock:
    """Implements the `Clock` port."""

    instant: datetime = START
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        """Refuse a start without a zone."""
        self.set(self.instant)

    def now(self) -> datetime:
        """Give the present instant, in UTC."""
        with self._lock:
            return self.instant

    def set(self, instant: datetime) -> datetime:
        """Make it `instant`, which may also be earlier; gives it in UTC.

        Raises:
            ValueError: the instant has no zone.
        """
        if instant.tzinfo is None:
            raise ValueError("An instant needs a zone.")
        with self._lock:
            self.instant = instant.astimezone(UTC)
            return self.instant

    def advance(self, by: timedelta | str) -> datetime:
        """Let time pass: a `timedelta`, or elapsed time as definitions write it (``PT5M``, ``P1DT2H``).

        Raises:
            ValueError: it would go backwards, or is no duration.
        """
        delta = by if isinstance(by, timedelta) else _elapsed(by)
        if delta < timedelta(0):
            raise ValueError("Time does not go backwards; use `set` for a clock that is put right.")
        with self._lock:
            self.instant += delta
            return self.instant


def _elapsed(text: str) -> timedelta:
    unit = read_duration(text)
    if unit is None or unit.kind != "elapsed":
        raise ValueError(f"{text!r} is no elapsed duration such as PT5M.")
    return timedelta(seconds=unit.amount)
