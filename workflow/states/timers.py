"""Timers: what is armed, disarmed, paused and resumed when an instance moves.

Promises: pure; a timer is armed exactly while its state is active, and its `due_at` follows from its base, its remaining
budget and the calendar alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from workflow.states import deadlines
from workflow.states.calendar import Calendar
from workflow.states.definition import Definition, StatePath, TimerType
from workflow.states.instance import Timer, make_timer


def order(timer: Timer) -> tuple[datetime, int]:
    """Sort key of due timers: by due instant, then by declaration. Only for running timers."""
    if timer.due_at is None:
        raise ValueError(f"The timer {timer.key} is paused and has no place in the order.")
    return timer.due_at, timer.index


def arm(type_: TimerType, *, at: datetime, is_paused: bool, calendar: Calendar | None) -> Timer:
    """Arm a timer whose budget starts at `at`."""
    budget = deadlines.budget(type_.after)
    due_at = None if is_paused else deadlines.due(at, budget, type_.after.kind, calendar)
    return make_timer(
        key=type_.key, event=type_.event, state=type_.state, index=type_.index, armed_at=at, base_at=at, remaining=budget, due_at=due_at
    )


def pause_or_resume(
    definition: Definition, kept: Iterable[Timer], *, paused: Collection[StatePath], at: datetime, calendar: Calendar | None
) -> list[tuple[Timer, Timer]]:
    """Give (before, after) of each kept timer that this move pauses or resumes."""
    moved = []
    for timer in kept:
        was, is_ = timer.due_at is None, timer.state in paused
        if is_ and not was:
            moved.append((timer, _paused(definition, timer, at, calendar)))
        elif was and not is_:
            moved.append((timer, _resumed(definition, timer, at, calendar)))
    return moved


def recalculate(definition: Definition, timers: Iterable[Timer], calendar: Calendar | None) -> list[tuple[Timer, Timer]]:
    """Give (before, after) of each running timer whose due instant is another one under `calendar`."""
    moved = []
    for timer in timers:
        kind = _type(definition, timer).after.kind
        if timer.due_at is None or kind == "elapsed":
            continue
        due_at = deadlines.due(timer.base_at, timer.remaining, kind, calendar)
        if due_at != timer.due_at:
            moved.append((timer, replace(timer, due_at=due_at)))
    return moved


# A step may be older than the timer's last move: a late report fires a deadline at an instant before an event that is already
# recorded. What was counted up to that move stays counted, and once; so a budget never grows and never shrinks by a late report.


def _paused(definition: Definition, timer: Timer, at: datetime, calendar: Calendar | None) -> Timer:
    at, kind = max(at, timer.base_at), _type(definition, timer).after.kind
    left = deadlines.left(timer.base_at, timer.remaining, at, kind, calendar)
    return replace(timer, base_at=at, remaining=left, due_at=None)


def _resumed(definition: Definition, timer: Timer, at: datetime, calendar: Calendar | None) -> Timer:
    at, kind = max(at, timer.base_at), _type(definition, timer).after.kind
    return replace(timer, base_at=at, due_at=deadlines.due(at, timer.remaining, kind, calendar))


def _type(definition: Definition, timer: Timer) -> TimerType:
    for type_ in definition.states[timer.state].timers:
        if type_.key == timer.key:
            return type_
    raise LookupError(f"The definition {definition.name} has no timer {timer.key}.")
