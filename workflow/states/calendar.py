"""The working calendar as a value.

Promises: days off are materialised dates up to a stated horizon; nothing is guessed beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time

from workflow.states.definition import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When an office works.

    Attributes:
        zone: IANA name; `tzdata` the version of the zone data it was published with.
        weekdays: ISO weekdays worked, 1 = Monday.
        opens, closes: local office hours, for working time (``16bh``); a working *day* runs from 00:00 to 24:00.
        days_off: date -> name of the holiday.
        horizon: the last date for which days off are known; a deadline past it is refused.
        starts: the first date for which days off are known; a deadline from before it is refused.
    """

    name: str
    zone: str
    tzdata: str
    weekdays: frozenset[int]
    opens: time
    closes: time
    days_off: Mapping[date, str]
    horizon: date
    digest: Digest
    data: Mapping[str, object] = field(repr=False, compare=False)
    starts: date = date(2000, 1, 1)
