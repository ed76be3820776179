"""Runs of a model, made step by step without a search: which rules are taken is given, everything else is left to the solver.

Promises: a walk is a run of the model, whole guards and instants included; a way that the solver does not find feasible is no walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import z3

from workflow.prove.limits import SMALL, limit
from workflow.prove.model import Model
from workflow.prove.monitors import Monitor
from workflow.prove.rules import Group, Rule
from workflow.prove.system import Mentions
from workflow.prove.terms import Formula
from workflow.prove.words import at_step
from workflow.states.definition import StatePath

MANY_WALKS = 4
"""Walks to one leaf that are kept, each over another last step."""
ENABLING = 4
"""Steps that are tried to make such a step possible."""
OTHERWISE = 3
"""Ways on which a deadline is gone to from one leaf."""
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

    def known(self) -> frozenset[str]:
        """Name the variables that are true now, whatever the solver chooses."""
        return frozenset(name for name, value in self.values.items() if z3.is_true(value))


@dataclass
class Walker:
    """Goes through one model."""

    model: Model
    mentions: Mentions = field(default_factory=Mentions)
    _by_leaf: dict[StatePath | None, dict[Group, None]] = field(default_factory=dict)
    _beginnings: dict[str, Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort what may happen by where."""
        for group in self.model.groups():
            self._by_leaf.setdefault(group.leaf, {})[group] = None

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

    def helped(self, walk: Walk, step: Step, *, goal: Formula | None = None, most: int = HELPERS) -> Iterator[Walk]:
        """Give walks from which a step may be possible: as it is, or after steps in between that write what its guard and a goal read."""
        yield walk
        rule = self.rule(step)
        if rule is None:
            return
        helpers = list(islice(self._helpers(walk, self.read_by(rule, goal)), most))
        first = [(helper, found) for helper in helpers if (found := self.taken(walk, helper)) is not None]
        yield from (found for _, found in first)
        for done, found in first:
            for helper in helpers:
                further = self.taken(found, helper) if helper != done else None
                if further is not None:
                    yield further
        yield from self._enabled(walk, [helper for helper in helpers if all(helper != done for done, _ in first)])

    def _enabled(self, walk: Walk, blocked: Sequence[Step]) -> Iterator[Walk]:
        """Take steps that cannot be taken yet after others that make them possible: a report after what is reported of."""
        for step in blocked:
            rule = self.rule(step)
            for enabling in islice(self._helpers(walk, self.read_by(rule)), ENABLING) if rule is not None else ():
                found = self.taken(walk, enabling)
                further = self.taken(found, step) if found is not None else None
                if further is not None:
                    yield further

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
        if name not in self._beginnings:
            words, initial = self.model.words, self.model.words.initial[name]
            read = [words.inputs[one.removeprefix("i:")] for one in self.mentions.of(initial)]
            self._beginnings[name] = z3.substitute(initial, *((one, at_step(one, 0)) for one in read))
        return self._beginnings[name]

    def read_by(self, rule: Rule, goal: Formula | None = None) -> frozenset[str]:
        """Name the variables that say whether a rule can be taken, and whether a goal is reached by it."""
        asked = [rule.guard, *(one for _, one in rule.promised), *([] if goal is None else [goal])]
        return frozenset().union(*map(self.mentions.variables, asked)) - {"now"}

    def _helpers(self, walk: Walk, read: frozenset[str]) -> Iterator[Step]:
        """Name the steps that stay and write what is read, those that write most of it first."""
        steps = [step for step in self.steps_from(walk.leaf) if step.group.kind in {"event", "reported", "fired"}]
        found = [(step, rule) for step in steps if (rule := self.rule(step)) is not None and rule.source == rule.target]
        useful = [(sum(self._is_news(walk, rule, name) for name in read), step) for step, rule in found if rule.kind != "stale"]
        yield from (step for count, step in sorted(useful, key=lambda one: -one[0]) if count)

    def _is_news(self, walk: Walk, rule: Rule, name: str) -> bool:
        """Tell whether a rule gives a variable another value than it has now."""
        value = rule.updates.get(name)
        return value is not None and not value.eq(walk.values.get(name, self.model.words.initial[name]))


def is_feasible(conditions: Iterable[Formula]) -> bool:
    """Tell whether conditions can hold together."""
    left = [one for one in conditions if not z3.is_true(one)]
    if any(z3.is_false(one) for one in left):
        return False
    solver = z3.SimpleSolver()
    limit(solver, SMALL)
    solver.add(left)
    return bool(solver.check() == z3.sat)


def every_leaf(model: Model) -> dict[StatePath, list[Walk]]:
    """Walk to every leaf that can be reached so, by several ways where there are several, and by each that brings something new."""
    walker = Walker(model)
    found: dict[StatePath, list[Walk]] = {}
    known: dict[StatePath, frozenset[str]] = {}
    seen: set[tuple[StatePath, str, StatePath]] = set()
    waiting = [Walk()]
    while waiting:
        walk = waiting.pop(0)
        for step in walker.steps_from(walk.leaf):
            rule = walker.rule(step)
            if rule is None or rule.target == walk.leaf:
                continue
            way = (rule.source or StatePath(""), rule.event, rule.target)
            brought = walk.known() | {name for name, value in rule.updates.items() if z3.is_true(value)}
            is_news = not (brought - {name for name in rule.updates if not z3.is_true(rule.updates[name])}) <= known.get(
                rule.target, frozenset()
            )
            if not is_news and (way in seen or len(found.get(rule.target, ())) >= MANY_WALKS):
                continue
            further = _ways(walker, walk, step, rule)
            if further:
                seen.add(way)
                known[rule.target] = known.get(rule.target, frozenset()) | further[0].known()
                found.setdefault(rule.target, []).extend(further)
                waiting.append(further[0])
    return found


def _ways(walker: Walker, walk: Walk, step: Step, rule: Rule) -> list[Walk]:
    """Go a step; a deadline also in other ways, where something else has happened just before: what it finds there may differ."""
    found: list[Walk] = []
    before: list[Rule] = []
    for start in walker.helped(walk, step):
        if start.rules and any(start.rules[-1] is one for one in before):
            continue
        one = walker.taken(start, step)
        if one is not None:
            found.append(one)
            before += start.rules[-1:]
            if rule.kind != "fired" or len(found) == OTHERWISE or len(start.steps) == len(walk.steps):
                break
    return found


def breach(walker: Walker, monitor: Monitor, walk: Walk, step: Step, *, is_helped: bool = True) -> Walk | None:
    """Say how a step after a walk breaks a property, None when it does not; without help the watcher must have seen the walk."""
    rule = walker.rule(step)
    goal = None if rule is None else goal_of(walker, monitor, rule)
    if goal is None:
        return None
    starts = (watched(walker, monitor, one) for one in walker.helped(walk, step, goal=goal)) if is_helped else iter((walk,))
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
        goal = goal_of(walker, monitor, rule) if number == len(steps) - 1 or not is_last_only else None
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


def goal_of(walker: Walker, monitor: Monitor, rule: Rule) -> Formula | None:
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
