"""What two definitions have in common: where a step of the one can be no other step in the other.

Promises: cautious. Whatever a rule of the model is made of is compared by equality; in doubt two places are not alike. A test compares
this with the rules themselves, mutant by mutant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from workflow.states.definition import Definition, EventName, StatePath, Transition
from workflow.states.machine import Table
from workflow.states.moves import tallied_by


class Alike:
    """Two definitions, part by part."""

    def __init__(self, old: Table, new: Table) -> None:
        """Compare events and states once; groups are asked for later."""
        self._old, self._new = old, new
        before, after = old.definition, new.definition
        names, paths = before.events.keys() | after.events.keys(), before.states.keys() | after.states.keys()
        self._events = {name for name in names if before.events.get(name) != after.events.get(name)}
        self._frames = {path for path in paths if _frame(before, path) != _frame(after, path)}
        self._moved = {path for path in paths if _transitions(before, path) != _transitions(after, path)}

    @cached_property
    def is_comparable(self) -> bool:
        """Tell whether both speak of the same things: fields, roles, checks, stages, and what an erasure fires."""
        before, after = self._old.definition, self._new.definition
        same = before.fields == after.fields and before.roles == after.roles and before.checks == after.checks
        return same and before.subject == after.subject and before.erasure == after.erasure and _stages(before) == _stages(after)

    def at(self, leaf: StatePath | None, names: Iterable[EventName]) -> bool:
        """Tell whether these events do the same in a leaf, or at the start where there is none."""
        if not self._events.isdisjoint(names) or self._is_touched(leaf):
            return False
        return all(self._is_same(leaf, name) for name in names)

    def _is_same(self, leaf: StatePath | None, name: EventName) -> bool:
        before: tuple[Transition, ...]
        after: tuple[Transition, ...]
        if leaf is None:
            before, after = (self._old.definition.start,), (self._new.definition.start,)
        else:
            before, after = _ways(self._old, leaf, name), _ways(self._new, leaf, name)
        is_moved = leaf is None or not self._moved.isdisjoint(self._new.definition.lineage(leaf))
        return not (is_moved and before != after) and not any(self._is_touched(one.target) for one in after)

    def _is_touched(self, path: StatePath | None) -> bool:
        """Tell whether a state or one around it differs in more than its transitions; one that only one of them has does."""
        if path is None:
            return False
        return path in self._frames or not self._frames.isdisjoint(self._new.definition.lineage(path))


def _ways(table: Table, leaf: StatePath, name: EventName) -> tuple[Transition, ...]:
    return tuple(arrow.transition for arrow in table.arrows(leaf, name))


def _frame(definition: Definition, path: StatePath) -> object:
    """Give all of a state but its transitions, and what these let it count."""
    state = definition.states.get(path)
    return None if state is None else (replace(state, transitions=()), tallied_by(state))


def _transitions(definition: Definition, path: StatePath) -> tuple[Transition, ...]:
    state = definition.states.get(path)
    return () if state is None else state.transitions


def _stages(definition: Definition) -> set[str]:
    return {type_.decision for type_ in definition.events.values() if type_.decision is not None}
