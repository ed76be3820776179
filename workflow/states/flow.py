"""Where an onboarding can get to when guards, roles and timers are taken seriously.

Promises: pure, and on the safe side: a way is closed only when its guard holds in no case that can occur there, when nobody can fire its
event there, or when its timer does not run there. What is not known counts as open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from workflow.states.cases import Cases, Fixed, Guarded, may_be
from workflow.states.check_cases import Choices
from workflow.states.check_events import reported
from workflow.states.definition import Definition, EventName, FieldName, RoleName, StatePath, Transition
from workflow.states.reach import Graph, timers_running
from workflow.states.values import Part, Unset

SetFields = frozenset[FieldName]
_FREE: Fixed = {}
MAX_JUDGED = 30_000
"""Transitions judged, each once for every leaf and whatever may be set there; a definition that takes more is not followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One transition that can be taken in a leaf; `target` is the leaf itself when it is internal."""

    source: StatePath
    target: StatePath
    guarded: Guarded

    @property
    def transition(self) -> Transition:
        """The transition."""
        return self.guarded.transition


@dataclass(slots=True)
class Flow:
    """What can be reached.

    Attributes:
        set_in: leaf that can be reached -> the fields that may be set there.
        ways: leaf that can be reached -> the transitions that can be taken there.
    """

    cases: Cases
    graph: Graph
    choices: Choices
    set_in: dict[StatePath, SetFields] = field(default_factory=dict)
    ways: dict[StatePath, tuple[Way, ...]] = field(default_factory=dict)
    judged: int = 0
    _fired: Mapping[StatePath, frozenset[EventName]] = field(default_factory=dict)
    _judged: dict[tuple[object, ...], bool] = field(default_factory=dict)

    @staticmethod
    def of(cases: Cases, graph: Graph, choices: Choices) -> Flow | None:
        """Follow every way from the start until nothing new is reached; None when that takes too long."""
        flow = Flow(cases=cases, graph=graph, choices=choices)
        anywhere = _fired_anywhere(cases.definition)
        flow._fired = {leaf: anywhere | {timer.event for timer in timers_running(cases.definition, leaf)} for leaf in graph.handled}
        start = flow.start()
        waiting = deque([start] if start is not None else ())
        while waiting:
            leaf, arriving = waiting.popleft()
            before = flow.set_in.get(leaf)
            now = arriving if before is None else arriving | before
            if now != before:
                flow.set_in[leaf] = now
                flow.ways[leaf] = tuple(flow.open_ways(leaf, now))
                waiting += [(way.target, after(now, way.transition)) for way in flow.ways[leaf]]
                if flow.judged > MAX_JUDGED:
                    return None
        return flow

    @property
    def definition(self) -> Definition:
        """What is judged."""
        return self.cases.definition

    def start(self) -> tuple[StatePath, SetFields] | None:
        """Give the first leaf, with the fields that may be set in it."""
        start = self.choices.start.transition
        given = frozenset(name for name, one in self.definition.fields.items() if one.default is not None)
        return None if start.target is None else (start.target, after(given, start))

    def open_ways(self, leaf: StatePath, fields: SetFields) -> Iterator[Way]:
        """Give the transitions that can be taken in a leaf in which these fields may be set."""
        for name, source in self.graph.handled[leaf].items():
            if self.may_happen(name, leaf, fields):
                for guarded in self.choices.by_source[source, name]:
                    self.judged += 1
                    if self.is_open(guarded, leaf, fields):
                        yield Way(source=leaf, target=guarded.transition.target or leaf, guarded=guarded)

    def may_happen(self, name: EventName, leaf: StatePath, fields: SetFields, *, without: Collection[RoleName] = ()) -> bool:
        """Tell whether an event can occur in a leaf: the engine fires it there, or somebody can hold a role that may."""
        event = self.definition.events[name]
        if event.is_engine:
            return name in self._fired[leaf]
        return any(role not in without and self.can_be_held(role, fields) for role in event.by)

    def can_be_held(self, role: RoleName, fields: SetFields) -> bool:
        """Tell whether anybody can hold a role: nobody holds it for a value that is not chosen yet."""
        scope = self.definition.roles[role].scope
        return scope is None or scope in fields

    def is_open(self, guarded: Guarded, leaf: StatePath, fields: SetFields, fixed: Fixed = _FREE) -> bool:
        """Tell whether the guards of a transition may hold in a leaf; `fixed` says what variables are besides."""
        if not guarded.read:
            return True
        wanted = _known_here(guarded, leaf, fields)
        key = (guarded.transition.source, guarded.transition.index, *wanted.items(), *fixed.items())
        if key not in self._judged:
            self._judged[key] = may_be(guarded.holding(), {**wanted, **fixed})
        return self._judged[key]

    def reached(self, along: Callable[[Way], bool]) -> frozenset[StatePath]:
        """Give the leaves that can be reached from the start along ways that fit."""
        start = self.choices.start.transition.target
        return self.reached_from(() if start is None else (start,), along)

    def reached_from(self, leaves: Iterable[StatePath], along: Callable[[Way], bool]) -> frozenset[StatePath]:
        """Give the leaves that can be reached from some along ways that fit, themselves included."""
        seen: set[StatePath] = set()
        waiting = list(leaves)
        while waiting:
            leaf = waiting.pop()
            if leaf not in seen:
                seen.add(leaf)
                waiting += [way.target for way in self.ways.get(leaf, ()) if along(way)]
        return frozenset(seen)

    def leading_to(self, goals: Iterable[StatePath]) -> frozenset[StatePath]:
        """Give the leaves from which one of the goals can be reached, the goals included."""
        before: dict[StatePath, set[StatePath]] = {}
        for way in (way for ways in self.ways.values() for way in ways):
            before.setdefault(way.target, set()).add(way.source)
        seen: set[StatePath] = set()
        waiting = list(goals)
        while waiting:
            leaf = waiting.pop()
            if leaf not in seen:
                seen.add(leaf)
                waiting += before.get(leaf, ())
        return frozenset(seen)


def _known_here(guarded: Guarded, leaf: StatePath, fields: SetFields) -> dict[str, tuple[Part, ...]]:
    """Say what a guard reads that has one value here: the state, and the fields that are not set on any way to it."""
    found: dict[str, tuple[Part, ...]] = {}
    for read in sorted(guarded.read):
        prefix, _, name = read.partition(".")
        if read == "instance.state":
            found[read] = (leaf,)
        elif prefix in {"instance", "has"} and FieldName(name) not in fields:
            found |= {f"instance.{name}": (Unset.UNSET,), f"has.{name}": (False,)}
    return found


def after(fields: SetFields, transition: Transition) -> SetFields:
    """Give the fields that may be set after a transition; an internal one may also not be taken, so it clears nothing."""
    cleared = frozenset(one.field for one in transition.assignments if one.is_cleared and transition.target is not None)
    return (fields - cleared) | {one.field for one in transition.assignments if not one.is_cleared}


def _fired_anywhere(definition: Definition) -> frozenset[EventName]:
    """Give the events that the engine may fire in any state: reports, conflicts of unique values, and an erasure."""
    conflicts = (one.unique_on_conflict for one in definition.fields.values())
    return reported(definition) | {name for name in (*conflicts, definition.erasure) if name is not None}
