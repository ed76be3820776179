"""Which states follow from which: the flat graph of a definition's leaves.

Promises: pure; guards count as satisfiable, transitions that an earlier one always wins over do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from workflow.states.definition import Definition, EventName, State, StatePath, TimerType, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A transition that leaves one leaf for another, or for itself."""

    source: StatePath
    target: StatePath
    transition: Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What holds in each leaf of a definition.

    Attributes:
        start: the leaf entered first.
        handled: which events a leaf handles, and which state of its lineage does: the innermost one that mentions it.
        edges: the transitions with a target, by the leaf they leave.
        timed: events that a timer fires.
    """

    start: StatePath | None
    handled: Mapping[StatePath, Mapping[EventName, StatePath]]
    edges: Mapping[StatePath, tuple[Edge, ...]]
    timed: frozenset[EventName]

    @staticmethod
    def of(definition: Definition) -> Graph:
        """Derive the graph."""
        by_leaf = {leaf.path: _handled(definition, leaf.path) for leaf in definition.leaves()}
        tried = {path: tuple(_tried(state)) for path, state in definition.states.items()}
        return Graph(
            start=definition.start.target,
            handled=by_leaf,
            edges={leaf: tuple(_edges(leaf, definition.lineage(leaf), tried, by_leaf[leaf])) for leaf in by_leaf},
            timed=frozenset(timer.event for state in definition.states.values() for timer in state.timers),
        )

    def reached(self, along: Callable[[Edge], bool] = lambda _: True) -> frozenset[StatePath]:
        """Give the leaves that can be reached from the start along edges that fit."""
        seen: set[StatePath] = set()
        waiting = [self.start] if self.start is not None else []
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen.add(path)
                waiting += [edge.target for edge in self.edges.get(path, ()) if along(edge)]
        return frozenset(seen)

    def leading_to(self, goals: Iterable[StatePath]) -> frozenset[StatePath]:
        """Give the leaves from which one of the goals can be reached, the goals included."""
        before: dict[StatePath, set[StatePath]] = {}
        for edges in self.edges.values():
            for edge in edges:
                before.setdefault(edge.target, set()).add(edge.source)
        seen: set[StatePath] = set()
        waiting = list(goals)
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen.add(path)
                waiting += before.get(path, ())
        return frozenset(seen)


def masked(transitions: Iterable[Transition]) -> Iterator[tuple[Transition, Transition]]:
    """Give the transitions of one state that are never tried, each with the earlier one that always wins."""
    seen: dict[EventName, list[Transition]] = {}
    for transition in transitions:
        earlier = seen.setdefault(transition.event, [])
        conditions = {rule.source.strip() for rule in transition.guards}
        winner = next((one for one in earlier if {rule.source.strip() for rule in one.guards} <= conditions), None)
        if winner is not None:
            yield transition, winner
        earlier.append(transition)


def timers_running(definition: Definition, leaf: StatePath) -> Iterator[TimerType]:
    """Give the timers that run in a leaf, its own and those of its ancestors, the root's included, unless they are paused there."""
    lineage = definition.lineage(leaf)
    for path in lineage:
        state = definition.states[path]
        if not state.paused_in.intersection(lineage):
            yield from state.timers


def _handled(definition: Definition, leaf: StatePath) -> dict[EventName, StatePath]:
    found: dict[EventName, StatePath] = {}
    for path in definition.lineage(leaf):
        for transition in definition.states[path].transitions:
            found.setdefault(transition.event, path)
    return found


def _tried(state: State) -> Iterator[Transition]:
    """Give the transitions of a state that have a target and can be taken."""
    hidden = {transition.index for transition, _ in masked(state.transitions)}
    return (one for one in state.transitions if one.target is not None and one.index not in hidden)


def _edges(
    leaf: StatePath, lineage: Iterable[StatePath], tried: Mapping[StatePath, tuple[Transition, ...]], handled: Mapping[EventName, StatePath]
) -> Iterator[Edge]:
    for path in lineage:
        for transition in tried[path]:
            if transition.target is not None and handled[transition.event] == path:
                yield Edge(source=leaf, target=transition.target, transition=transition)
