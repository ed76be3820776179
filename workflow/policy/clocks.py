"""The clocks that properties are measured by.

Promises: pure; a deadline that a calendar does not know is None, never a guess.
"""

from __future__ import annotations

from datetime import datetime

from workflow.errors import DeadlineError
from workflow.states import deadlines
from workflow.states.axis import UnitKind
from workflow.states.calendar import Calendar
from workflow.states.definition import Definition, StatePath, TimerType, Unit
from workflow.states.durations import read_duration
from workflow.states.instance import Remaining


def due(start: datetime, remaining: Remaining, kind: UnitKind, calendar: Calendar | None) -> datetime | None:
    """Give the instant at which a budget runs out, None when the calendar does not know it."""
    try:
        return deadlines.due(start, remaining, kind, calendar)
    except DeadlineError:
        return None


def unit_of(text: object) -> Unit:
    """Read a duration that the loader has accepted."""
    unit = read_duration(str(text))
    if unit is None:
        raise ValueError(f"{text!r} is no duration; the loader should have said so.")
    return unit


def timer_of(definition: Definition, name: str) -> TimerType | None:
    """Find the timer that a property names as its clock, ``state.timer``."""
    holder, _, timer = name.rpartition(".")
    path = definition.resolve(holder) if holder else StatePath("")
    state = definition.states[path] if path is not None else None
    return next((t for t in state.timers if t.name == timer), None) if state else None
