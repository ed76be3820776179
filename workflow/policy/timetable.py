"""Ladders of deadlines as timetables: what happens when, for one instant at which a state is entered.

Promises: pure; the same arithmetic by which the engine computes deadlines. A timetable says what comes when nothing else happens: no
pause, no report but the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from workflow.policy.clocks import due
from workflow.states.calendar import Calendar
from workflow.states.deadlines import budget
from workflow.states.definition import Definition, EventName, StatePath, TimerType, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One deadline of a ladder.

    Attributes:
        timer: its name within its state.
        after: how long after the beginning.
        event: what happens then.
        due_at: aware UTC; None when the calendar does not know it.
    """

    timer: str
    after: Unit
    event: EventName
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The deadlines of one state that begin to run together, in the order in which they come.

    Attributes:
        state: whose deadlines they are; empty for the whole onboarding.
        since: the event whose report starts them; None when it is the entry of the state.
        rungs: by when they are due.
        pauses: the states in which they stand still.
    """

    state: StatePath
    since: EventName | None
    rungs: tuple[Rung, ...]
    pauses: tuple[StatePath, ...] = ()


def ladders(definition: Definition, at: datetime | None = None, *, calendar: Calendar | None = None) -> tuple[Ladder, ...]:
    """Give every ladder of a definition, as a timetable when an instant is given.

    Args:
        definition: whose timers.
        at: when each ladder begins, aware; without it no rung has an instant.
        calendar: for working time.
    """
    return tuple(ladder for path in definition.states for ladder in _of(definition, path, at, calendar))


def _of(definition: Definition, path: StatePath, at: datetime | None, calendar: Calendar | None) -> Iterator[Ladder]:
    state = definition.states[path]
    pauses = tuple(one for one in definition.states if one in state.paused_in)
    for since in dict.fromkeys(timer.since for timer in state.timers):
        rungs = [_rung(timer, at, calendar) for timer in state.timers if timer.since == since]
        rungs.sort(key=lambda rung: rung.due_at.timestamp() if rung.due_at else float("inf"))
        yield Ladder(state=path, since=since, rungs=tuple(rungs), pauses=pauses)


def _rung(timer: TimerType, at: datetime | None, calendar: Calendar | None) -> Rung:
    due_at = None if at is None else due(at, budget(timer.after), timer.after.kind, calendar)
    return Rung(timer=timer.name, after=timer.after, event=timer.event, due_at=due_at)
