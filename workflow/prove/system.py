"""A model with a watcher, cut down to few variables and refined where the cut shows.

Promises: a cut only ever allows more: a variable that is not kept is free in every step, and so is what a guard says of it. So
what is safe in a cut is safe; a run of a cut is a run of the model once every variable that its guards mention is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import z3

from workflow.prove.monitors import Monitor
from workflow.prove.rules import Rule
from workflow.prove.terms import TRUE, Formula
from workflow.prove.words import Words
from workflow.states.definition import StatePath

FEW = 6
"""So many variables of the guards that lead to a breach are kept from the beginning."""

_OF_P = ("p.", "decided.", "m.did")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """A rule with what it does to the watcher; `broken` says when it breaks the property.

    `own` is what the definition demands, `parts` the same and what checks promise; `guard` is what a cut keeps of it.
    """

    rule: Rule
    own: tuple[Formula, ...]
    parts: tuple[Formula, ...]
    updates: dict[str, Formula]
    broken: Formula | None
    guard: Formula = TRUE


_LEFT_OPEN = frozenset({"opaque", "value", "computed"})
"""Kinds of inputs that stand for an expression which was not translated, or for what it computes."""


@dataclass(slots=True)
class Mentions:
    """Which constants an expression mentions, remembered for each part of it."""

    parts: dict[int, tuple[Formula, ...]] = field(default_factory=dict)
    _seen: dict[int, frozenset[str]] = field(default_factory=dict)
    alive: list[Formula] = field(default_factory=list)
    """Every expression that something is remembered of: an id is given again to another expression once the first is gone."""

    def of(self, expression: Formula) -> frozenset[str]:
        """Name the variables (``v:``) and inputs (``i:``) of an expression."""
        found = self._seen.get(expression.get_id())
        if found is None:
            found = frozenset().union(*map(self.of, expression.children()))
            if z3.is_const(expression) and expression.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                found = frozenset({expression.decl().name()})
            self._seen[expression.get_id()] = found
            self.alive.append(expression)
        return found

    def variables(self, expression: Formula) -> frozenset[str]:
        """Name the variables of an expression."""
        return frozenset(name[2:] for name in self.of(expression) if name.startswith("v:"))


@dataclass(slots=True)
class System:
    """All arcs of a model with a watcher, and where resting breaks the property."""

    words: Words
    arcs: tuple[Arc, ...]
    rests: dict[StatePath, Formula]
    leaves: tuple[StatePath, ...]
    mentions: Mentions

    def beginning(self) -> frozenset[str]:
        """Give the variables to begin with: those that the property speaks of, and their own sources."""
        broken = [*self.rests.values(), *(arc.broken for arc in self.arcs if arc.broken is not None)]
        kept = self.closed(frozenset().union(*map(self.mentions.variables, broken)))
        wider = self._with(kept, (part for arc in self.arcs if arc.broken is not None for part in arc.own))
        return wider if len(wider) <= len(kept) + FEW else kept

    def closed(self, kept: frozenset[str]) -> frozenset[str]:
        """Add the variables from which kept ones are computed."""
        while True:
            values = (value for arc in self.arcs for name, value in arc.updates.items() if name in kept)
            wider = kept.union(*map(self.mentions.variables, values))
            if wider == kept:
                return kept
            kept = wider

    def refined(self, kept: frozenset[str], arcs: Sequence[Arc]) -> frozenset[str]:
        """Add the variables that the guards of a run mention: those of the last step that mentions any, because less is often enough."""
        wider = (self._with(kept, arc.parts) for arc in reversed(arcs))
        return next((one for one in wider if one != kept), kept)

    def _with(self, kept: frozenset[str], parts: Iterable[Formula]) -> frozenset[str]:
        """Add what guards mention; the person *p* only where the property is about them, because *p* may as well be nobody here."""
        more = frozenset().union(*map(self.mentions.variables, parts))
        is_about_p = any(name.startswith(_OF_P) for name in kept)
        return self.closed(kept | {name for name in more if is_about_p or not name.startswith(_OF_P)})

    def given(self, kept: frozenset[str]) -> tuple[str, ...]:
        """Name what checks promise about the variables that a proof has looked at."""
        said = {(words, formula.get_id()): formula for arc in self.arcs for words, formula in arc.rule.promised}
        return tuple(sorted({words for (words, _), formula in said.items() if self.mentions.variables(formula) & kept}))

    def opaque(self, kept: frozenset[str]) -> tuple[str, ...]:
        """Name the expressions that a proof has left open in what it has looked at."""
        return self.opaque_in(part for arc in self.cut(kept).arcs for part in (arc.guard, *arc.updates.values()))

    def opaque_in(self, formulas: Iterable[Formula]) -> tuple[str, ...]:
        """Name the expressions that formulas, or the states of the property, leave open."""
        names = frozenset().union(*map(self.mentions.of, (*formulas, *self.rests.values())))
        return tuple(sorted({words for name in names for kind, _, words in (name[2:].partition(":"),) if kind in _LEFT_OPEN}))

    def cut(self, kept: frozenset[str]) -> Cut:
        """Keep some variables only; arcs that no longer differ become one, and those that change nothing go."""
        found: dict[tuple[object, ...], Arc] = {}
        for arc in self.arcs:
            updates = {name: value for name, value in arc.updates.items() if name in kept and not _is_same(name, value)}
            if arc.rule.source == arc.rule.target and arc.broken is None and not updates:
                continue
            parts = self._kept_parts(arc, updates, kept)
            key = (
                arc.rule.source,
                arc.rule.target,
                frozenset(part.get_id() for part in parts),
                frozenset((name, value.get_id()) for name, value in updates.items()),
                None if arc.broken is None else arc.broken.get_id(),
            )
            if key not in found:
                guard = z3.And(parts) if parts else TRUE
                found[key] = Arc(rule=arc.rule, own=arc.own, parts=arc.parts, updates=updates, broken=arc.broken, guard=guard)
        names = tuple(name for name in self.words.sorts if name in kept)
        return Cut(words=self.words, arcs=tuple(found.values()), kept=names, rests=self.rests, leaves=self.leaves, mentions=self.mentions)

    def _kept_parts(self, arc: Arc, updates: dict[str, Formula], kept: frozenset[str]) -> list[Formula]:
        """Give the parts of a guard that say something of kept variables, or of inputs that matter through other parts."""
        said = [*updates.values(), *([] if arc.broken is None else [arc.broken])]
        names = frozenset(f"v:{name}" for name in kept).union(*map(self.mentions.of, said))
        rest = list(arc.parts)
        chosen: list[Formula] = []
        while True:
            more = [part for part in rest if not names.isdisjoint(self.mentions.of(part))]
            if not more:
                return chosen
            chosen += more
            rest = [part for part in rest if all(part is not one for one in more)]
            names = names.union(*map(self.mentions.of, more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A system of which some variables are kept."""

    words: Words
    arcs: tuple[Arc, ...]
    kept: tuple[str, ...]
    rests: dict[StatePath, Formula]
    leaves: tuple[StatePath, ...]
    mentions: Mentions

    def inputs(self) -> dict[str, Formula]:
        """Give the constants that are free in a step: inputs, and variables that are not kept."""
        said = [arc.guard for arc in self.arcs]
        said += [value for arc in self.arcs for value in arc.updates.values()]
        said += [arc.broken for arc in self.arcs if arc.broken is not None] + list(self.rests.values())
        names = frozenset().union(*map(self.mentions.of, said))
        free = {f"v:{name}": self.words.var(name) for name in self.words.sorts if name not in self.kept}
        free |= {f"i:{name}": const for name, const in self.words.inputs.items()}
        initial = frozenset().union(*(self.mentions.of(self.words.initial[name]) for name in self.kept))
        return {name: const for name, const in free.items() if name in names or name in initial}


def system_of(monitor: Monitor, mentions: Mentions, plain: Sequence[Arc] | None = None) -> System:
    """Join a model and a watcher; `plain` are the model's arcs where they are known already."""
    model = monitor.model
    arcs = tuple(watched_arcs(monitor, plain_arcs(model.rules, mentions) if plain is None else plain))
    leaves = tuple(leaf.path for leaf in model.definition.leaves())
    rests = {leaf: broken for leaf in leaves if (broken := monitor.rests(leaf)) is not None and not z3.is_false(broken)}
    return System(words=model.words, arcs=arcs, rests=rests, leaves=leaves, mentions=mentions)


def plain_arcs(rules: Iterable[Rule], mentions: Mentions) -> Iterator[Arc]:
    """Give the rules that may be taken as arcs that nobody watches yet."""
    for rule in rules:
        own = _parts(rule.guard, mentions)
        parts = (*own, *(part for _, formula in rule.promised for part in _parts(formula, mentions)))
        if not any(z3.is_false(part) for part in parts):
            yield Arc(rule=rule, own=own, parts=parts, updates=rule.updates, broken=None)


def watched_arcs(monitor: Monitor, arcs: Iterable[Arc]) -> Iterator[Arc]:
    """Let a watcher see arcs that nobody watches yet."""
    for arc in arcs:
        seen = monitor.see(arc.rule)
        broken = None if seen.broken is None or z3.is_false(seen.broken) else seen.broken
        yield Arc(rule=arc.rule, own=arc.own, parts=arc.parts, updates={**arc.rule.updates, **seen.updates}, broken=broken, guard=arc.guard)


def _parts(formula: Formula, mentions: Mentions) -> tuple[Formula, ...]:
    """Part a guard into what must hold together; one that mentions nothing is worked out."""
    found = mentions.parts.get(formula.get_id())
    if found is None:
        flat = (part if mentions.of(part) else z3.simplify(part) for part in _flat(formula))
        found = mentions.parts[formula.get_id()] = tuple(part for part in flat if not z3.is_true(part))
        mentions.alive.append(formula)
    return found


def _flat(formula: Formula) -> Iterator[Formula]:
    if z3.is_and(formula):
        for part in formula.children():
            yield from _flat(part)
    else:
        yield formula


def _is_same(name: str, value: Formula) -> bool:
    return bool(z3.is_const(value) and value.decl().name() == f"v:{name}")
