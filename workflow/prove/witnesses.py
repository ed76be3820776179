"""Timers that bound what a property asks for.

Promises: a witness is never longer than what is asked, and never pauses where the clock of the property does not.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.states.definition import Definition, Property, StatePath, TimerType, Unit
from workflow.states.durations import read_duration
from workflow.states.moves import paused_in


def witnesses(definition: Definition, rule: Property) -> Iterator[TimerType]:
    """Give the timers that may bound a bounded response: not longer, and paused at most where its clock is."""
    unit = read_duration(str(rule.body.get("within", "")))
    if rule.kind != "always" or unit is None:
        return
    clock = find_timer(definition, str(rule.body.get("clock", "")))
    state = definition.resolve(str(rule.body["state"])) if "state" in rule.body else None
    begun = [t for one in definition.states.values() for t in one.timers if _begins(t, state, str(rule.body.get("event", "")))]
    found = [timer for timer in begun if _bounds(definition, timer, unit, clock)]
    yield from sorted(found, key=lambda timer: (clock is None or timer.key != clock.key, -timer.after.amount))


def find_timer(definition: Definition, name: str) -> TimerType | None:
    """Find the timer that a property calls its clock."""
    holder, _, timer = name.rpartition(".")
    path = definition.resolve(holder) if holder else StatePath("")
    state = definition.states[path] if path is not None else None
    return next((t for t in state.timers if t.name == timer), None) if state else None


def _begins(timer: TimerType, state: StatePath | None, event: str) -> bool:
    """Tell whether a timer may start with what the property asks about."""
    return timer.since == event if timer.since is not None else state is None or timer.state == state


def _bounds(definition: Definition, timer: TimerType, unit: Unit, clock: TimerType | None) -> bool:
    if timer.after.kind != unit.kind or timer.after.amount > unit.amount:
        return False
    pausing = {leaf.path for leaf in definition.leaves() if timer.state in paused_in(definition, leaf.path)}
    counted = {leaf.path for leaf in definition.leaves() if clock is not None and clock.state in paused_in(definition, leaf.path)}
    return pausing <= counted
