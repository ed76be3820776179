"""The arrows of a definition, as values, for every kind of picture.

Promises: pure, and in declaration order, so that the same definition always gives the same picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workflow.states.definition import ROOT, Definition, EventName, State, StatePath, Transition

EVERYWHERE = "everywhere"
"""How pictures call the root state, whose transitions hold in every state."""
START = "start"
"""How pictures call the point before the first state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """One transition as it is drawn.

    Attributes:
        source: the state that declares it; the root for those that hold everywhere; None for the start.
        target: the state as it was written, possibly compound; None when it is internal.
        event: what takes it.
        label: the event, with the duration of the timers that fire it and the codes of its guards.
    """

    source: StatePath | None
    target: StatePath | None
    event: EventName
    label: str


def arrows(definition: Definition) -> tuple[Arrow, ...]:
    """Give every transition, the start first; several rules of one event with the same ends are one arrow."""
    start = Arrow(source=None, target=_end(definition.start), event=definition.start.event, label=definition.start.event)
    found = [start, *(_arrow(definition, one) for state in definition.states.values() for one in state.transitions)]
    return tuple(dict.fromkeys(found))


def leaving(definition: Definition, state: State) -> tuple[Arrow, ...]:
    """Give the arrows that one state declares itself."""
    return tuple(dict.fromkeys(_arrow(definition, one) for one in state.transitions))


def inner(definition: Definition, state: State) -> Iterator[State]:
    """Give the children of a state in declaration order."""
    return (definition.states[path] for path in state.children)


def _arrow(definition: Definition, transition: Transition) -> Arrow:
    durations = "".join(f" after {text}" for text in _durations(definition, transition))
    codes = dict.fromkeys("if" if rule.code == "guard_false" else rule.code for rule in transition.guards)
    quorum = [f"{transition.quorum.need} times"] if transition.quorum else []
    marks = ", ".join([*codes, *quorum])
    label = f"{transition.event}{durations}" + (f" [{marks}]" if marks else "")
    return Arrow(source=transition.source, target=_end(transition), event=transition.event, label=label)


def _end(transition: Transition) -> StatePath | None:
    end = transition.declared_target or transition.target
    return None if end == ROOT else end


def _durations(definition: Definition, transition: Transition) -> tuple[str, ...]:
    """Name the durations of the timers that this transition may be taken by: those above, in, and below its state."""
    source = transition.source
    near = (
        timer
        for state in definition.states.values()
        for timer in state.timers
        if timer.event == transition.event and (definition.is_within(state.path, source) or definition.is_within(source, state.path))
    )
    return tuple(dict.fromkeys(timer.after.text for timer in near))
