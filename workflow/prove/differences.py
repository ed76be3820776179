"""Two definitions whose steps are compared: where does the one take a step that the other does not take there?

Promises: what the model does not look into (how long a working day is, what a check does inside, which values a schema lets pass) is
never called the same.
"""

from __future__ import annotations

from dataclasses import replace

import z3

from workflow.prove.rules import Rule
from workflow.prove.terms import Formula
from workflow.prove.walks import key_of
from workflow.states.definition import ROOT, Definition, EventType, State, Transition


def is_seen_whole(old: Definition, new: Definition) -> bool:
    """Tell whether all that differs is what the model follows exactly: who may, guards, targets, effects, and fields no longer set."""
    same = old.fields == new.fields and old.checks == new.checks and old.roles == new.roles and old.erasure == new.erasure
    events = {name: _bare_event(one) for name, one in old.events.items()} == {name: _bare_event(one) for name, one in new.events.items()}
    states = [_bare_state(one) for one in old.states.values()] == [_bare_state(one) for one in new.states.values()]
    return same and events and states and all(map(_is_same_or_less, _every_transition(old), _every_transition(new)))


def _every_transition(definition: Definition) -> list[Transition]:
    return [definition.start, *(one for state in definition.states.values() for one in state.transitions)]


def _is_same_or_less(old: Transition, new: Transition) -> bool:
    """Tell whether nothing is written otherwise: of values that are sealed the model knows only whether they are set."""
    return set(new.assignments) <= set(old.assignments)


def _bare_event(type_: EventType) -> EventType:
    return replace(type_, by=(), decision=None, may_also_decide=())


def _bare_state(state: State) -> State:
    return replace(state, transitions=tuple(_bare(one) for one in state.transitions), entry=(), exit=())


def _bare(transition: Transition) -> Transition:
    return Transition(event=transition.event, source=ROOT, index=transition.index, quorum=transition.quorum)


def beyond(rule: Rule, other: Rule | None) -> Formula:
    """Say when a rule is taken where another in its place is not; always where they differ in more than that."""
    if other is None or not _is_same_but_guard(rule, other):
        return rule.guard
    return z3.And(rule.guard, z3.Not(z3.And(other.guard, *(formula for _, formula in other.promised))))


def _is_same_but_guard(rule: Rule, other: Rule) -> bool:
    return key_of(replace(rule, guard=other.guard, promised=other.promised)) == key_of(other)
