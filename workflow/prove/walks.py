"""Runs of a model, made step by step without a search: which rules are taken is given, everything else is left to the solver.

Promises: a walk is a run of the model, whole guards and instants included; a way that the solver does not find feasible is no walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, permutations

import z3

from workflow.prove.model import Group, Model, Rule
from workflow.prove.monitors import Monitor
from workflow.prove.system import Mentions
from workflow.prove.terms import Formula
from workflow.prove.words import at_step
from workflow.states.definition import StatePath

MANY_WALKS = 4
"""Walks to one leaf that are kept, each over another last step."""
HELPERS = 8
"""Steps in between that are tried where a step cannot be taken yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rule by its place: the group, and its number there; it means the same in a variant of the model."""

    group: Group
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A run: its steps with the values before each, what must hold, and the values now."""

    steps: tuple[Step, ...] = ()
    rules: tuple[Rule, ...] = ()
    before: tuple[Mapping[str, Formula], ...] = ()
    values: Mapping[str, Formula] = field(default_factory=dict)
    conditions: tuple[Formula, ...] = ()
    leaf: StatePath | None = None


@dataclass
class Walker:
    """Goes through one model."""

    model: Model
    mentions: Mentions = field(default_factory=Mentions)
    _by_leaf: dict[StatePath | None, list[Group]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort what may happen by where."""
        for group in self.model.groups():
            self._by_leaf.setdefault(group.leaf, []).append(group)

    def rule(self, step: Step) -> Rule | None:
        """Give the rule of a step, None when this model has none there."""
        rules = self.model.of(step.group) if step.group in self._by_leaf.get(step.group.leaf, ()) else ()
        return rules[step.index] if step.index < len(rules) else None

    def steps_from(self, leaf: StatePath | None) -> Iterator[Step]:
        """Name every step that may be taken in a leaf."""
        for group in self._by_leaf.get(leaf, ()):
            yield from (Step(group=group, index=index) for index in range(len(self.model.of(group))))

    def taken(self, walk: Walk, step: Step, *, goal: Formula | None = None, is_trusted: bool = False) -> Walk | None:
        """Go one step further, so that `goal` holds of it; None when that cannot be (not asked where it is trusted)."""
        rule = self.rule(step)
        if rule is None or rule.source != walk.leaf:
            return None
        number = len(walk.steps)
        parts = [rule.guard, *(formula for _, formula in rule.promised), *([] if goal is None else [goal])]
        further = []
        for part in reversed(parts):
            further.append(self.written(part, walk.values, number))
            if z3.is_false(further[-1]):
                return None
        conditions = (*walk.conditions, *further)
        if not is_trusted and not is_feasible(conditions):
            return None
        values = {name: self.written(value, walk.values, number) for name, value in rule.updates.items()}
        return Walk(
            steps=(*walk.steps, step),
            rules=(*walk.rules, rule),
            before=(*walk.before, walk.values),
            values={**walk.values, **values},
            conditions=conditions,
            leaf=rule.target,
        )

    def helped(self, walk: Walk, step: Step, *, most: int = HELPERS) -> Iterator[Walk]:
        """Give walks from which a step may be possible: as it is, or after steps in between that write what its guard reads."""
        yield walk
        rule = self.rule(step)
        if rule is None:
            return
        read = self.mentions.variables(rule.guard).union(*(self.mentions.variables(one) for _, one in rule.promised))
        helpers = islice(self._helpers(walk.leaf, read), most)
        ways = list(chain.from_iterable(permutations(list(helpers), count) for count in (1, 2)))
        for way in ways:
            found: Walk | None = walk
            for helper in way:
                found = self.taken(found, helper) if found is not None else None
            if found is not None:
                yield found

    def written(self, formula: Formula, values: Mapping[str, Formula], number: int) -> Formula:
        """Write a formula with the values of a walk and the inputs of a step."""
        words, pairs = self.model.words, []
        for name in self.mentions.of(formula):
            kind, _, said = name.partition(":")
            if kind == "i":
                pairs.append((words.inputs[said], at_step(words.inputs[said], number)))
            else:
                pairs.append((words.var(said), values[said] if said in values else self._first(said)))
        return z3.simplify(z3.substitute(formula, *pairs)) if pairs else formula

    def _first(self, name: str) -> Formula:
        initial = self.model.words.initial[name]
        return z3.substitute(initial, *((one, at_step(one, 0)) for one in self.model.words.inputs.values()))

    def _helpers(self, leaf: StatePath | None, read: frozenset[str]) -> Iterator[Step]:
        steps = [step for step in self.steps_from(leaf) if step.group.kind in {"event", "reported", "fired"}]
        found = [(step, rule) for step in steps if (rule := self.rule(step)) is not None and rule.source == rule.target]
        useful = [(len(read & rule.updates.keys()), step) for step, rule in found if rule.kind != "stale"]
        yield from (step for count, step in sorted(useful, key=lambda one: -one[0]) if count)


def is_feasible(conditions: Iterable[Formula]) -> bool:
    """Tell whether conditions can hold together."""
    left = [one for one in conditions if not z3.is_true(one)]
    if any(z3.is_false(one) for one in left):
        return False
    solver = z3.SimpleSolver()
    solver.set("timeout", 2000)
    solver.add(left)
    return bool(solver.check() == z3.sat)


def every_leaf(model: Model) -> dict[StatePath, list[Walk]]:
    """Walk to every leaf that can be reached so, by several ways where there are several."""
    walker = Walker(model)
    found: dict[StatePath, list[Walk]] = {}
    seen: set[tuple[StatePath, str, StatePath]] = set()
    waiting = [Walk()]
    while waiting:
        walk = waiting.pop(0)
        for step in walker.steps_from(walk.leaf):
            rule = walker.rule(step)
            if rule is None or rule.target == walk.leaf or len(found.get(rule.target, ())) >= MANY_WALKS:
                continue
            way = (rule.source or StatePath(""), rule.event, rule.target)
            if way in seen:
                continue
            further = next((one for start in walker.helped(walk, step) if (one := walker.taken(start, step)) is not None), None)
            if further is not None:
                seen.add(way)
                found.setdefault(rule.target, []).append(further)
                waiting.append(further)
    return found


def breach(walker: Walker, monitor: Monitor, walk: Walk, step: Step, *, is_helped: bool = True) -> Walk | None:
    """Say how a step after a walk breaks a property, None when it does not; without help the watcher must have seen the walk."""
    rule = walker.rule(step)
    goal = None if rule is None else _goal(walker, monitor, rule)
    if goal is None:
        return None
    starts = (watched(walker, monitor, one) for one in walker.helped(walk, step)) if is_helped else iter((walk,))
    for start in starts:
        found = walker.taken(start, step, goal=goal)
        if found is not None:
            return found
    return None


def is_broken(walker: Walker, monitor: Monitor, steps: Sequence[Step], *, is_last_only: bool = False) -> Walk | None:
    """Go a way and say where it breaks a property first; None when it does not, or cannot be gone."""
    walk: Walk | None = Walk()
    for number, step in enumerate(steps):
        rule = walker.rule(step)
        if rule is None or walk is None:
            return None
        goal = _goal(walker, monitor, rule) if number == len(steps) - 1 or not is_last_only else None
        found = None if goal is None else walker.taken(watched(walker, monitor, walk), step, goal=goal)
        if found is not None:
            return found
        walk = walker.taken(walk, step, is_trusted=is_last_only)
    return None


def taken_by(walker: Walker, walk: Walk) -> Walk | None:
    """Give a walk as this walker goes it: the same where its rules are the same, gone again where they are not."""
    rules = [walker.rule(step) for step in walk.steps]
    if all(rule is not None and is_alike(rule, old) for rule, old in zip(rules, walk.rules, strict=True)):
        return walk
    way: Walk | None = Walk()
    for step in walk.steps:
        way = walker.taken(way, step) if way is not None else None
    return way


def is_alike(rule: Rule, other: Rule) -> bool:
    """Tell whether two rules are the same, those of two models of one solver included."""
    return rule is other or key_of(rule) == key_of(other)


def key_of(rule: Rule) -> object:
    """Say what a rule is; formulas of one solver are the same when their ids are."""
    uses = tuple((use.kind, use.name, use.to, use.link, use.done, use.failed, tuple(sorted(use.params.items()))) for use in rule.uses)
    updates = frozenset((name, value.get_id()) for name, value in rule.updates.items())
    promised = tuple(formula.get_id() for _, formula in rule.promised)
    at = None if rule.at is None else rule.at.get_id()
    named = (rule.kind, rule.event, rule.source, rule.target, rule.timer, rule.report, rule.is_heard)
    return (named, rule.guard.get_id(), updates, promised, uses, rule.armed, at)


def _goal(walker: Walker, monitor: Monitor, rule: Rule) -> Formula | None:
    """Say when a step breaks a property, or where it leads does."""
    seen, resting = monitor.see(rule), monitor.rests(rule.target)
    goals = [] if seen.broken is None else [seen.broken]
    if resting is not None:
        after = [(walker.model.words.var(name), value) for name, value in {**rule.updates, **seen.updates}.items()]
        goals.append(z3.substitute(resting, *after))
    return z3.Or(goals) if goals else None


def watched(walker: Walker, monitor: Monitor, walk: Walk) -> Walk:
    """Let a watcher see a walk from its beginning."""
    memory: dict[str, Formula] = {}
    for number, (rule, values) in enumerate(zip(walk.rules, walk.before, strict=True)):
        updates = monitor.see(rule).updates
        memory |= {name: walker.written(value, {**values, **memory}, number) for name, value in updates.items()}
    return replace(walk, values={**walk.values, **memory})
