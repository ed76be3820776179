"""Durations as written: elapsed, working days, or working time.

Promises: pure; what a duration means on a calendar is decided elsewhere.
"""

from __future__ import annotations

import re

from workflow.states.definition import Unit

MAX_DAYS = 3_660
"""Ten years; a longer wait in an onboarding is a mistake, and dates would run out."""

_ELAPSED = re.compile(r"P(?=.)(?:(?P<W>\d+)W)?(?:(?P<D>\d+)D)?(?:T(?=.)(?:(?P<H>\d+)H)?(?:(?P<M>\d+)M)?(?:(?P<S>\d+)S)?)?", re.ASCII)
_WORKING = re.compile(r"(\d+)(bd|bh)", re.ASCII)
_SECONDS = {"W": 604_800, "D": 86_400, "H": 3_600, "M": 60, "S": 1}


def read_duration(text: str) -> Unit | None:
    """Read ``PT5M``, ``P1DT2H``, ``2bd`` or ``16bh``; None when it is nothing like that, is zero or exceeds `MAX_DAYS`."""
    if found := _WORKING.fullmatch(text):
        amount = _number(found[1])
        unit = Unit(kind="working_days", amount=amount, text=text)
        if found[2] == "bh":
            unit = Unit(kind="working_time", amount=amount * 3_600, text=text)
        return unit if amount > 0 and unit.amount <= MAX_DAYS * (1 if found[2] == "bd" else 86_400) else None
    if found := _ELAPSED.fullmatch(text):
        seconds = sum(_number(found[letter]) * size for letter, size in _SECONDS.items() if found[letter])
        return Unit(kind="elapsed", amount=seconds, text=text) if 0 < seconds <= MAX_DAYS * 86_400 else None
    return None


def is_duration(text: str) -> bool:
    """Tell whether a text is written like a duration, whatever its amount."""
    return _ELAPSED.fullmatch(text) is not None or _WORKING.fullmatch(text) is not None


def _number(digits: str) -> int:
    """Read digits; absurdly many of them are just a number that is too large."""
    return int(digits) if len(digits) <= 12 else 10**12  # noqa: PLR2004  # more seconds than MAX_DAYS have
