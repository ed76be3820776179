"""Variables that have one value only, leaf by leaf: an account that was not made before anybody asked for it, a timer that is not running.

Promises: what is named is so in every run; whatever could be otherwise is left out. It is found by following every rule from the start
until nothing new is found, without a search.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import z3

from workflow.prove.model import Model
from workflow.prove.rules import Rule
from workflow.prove.system import Mentions
from workflow.prove.terms import FALSE, TRUE, Formula
from workflow.states.definition import StatePath

OF_WATCHERS = "m."
"""What watchers remember begins so; the rules of a model say nothing of it."""
Values = dict[str, bool]
"""Variable -> its only value."""


@dataclass
class Constants:
    """The truth values of one model that are known in a leaf."""

    model: Model
    mentions: Mentions
    known: dict[StatePath, Values] = field(default_factory=dict)
    """Leaf -> what has one value there; a leaf that is not named is never reached."""
    _seen: dict[tuple[int, frozenset[tuple[str, bool]]], Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Follow every rule until nothing changes."""
        initial = self.model.words.initial
        names = (name for name, sort in self.model.words.sorts.items() if sort is bool and not name.startswith(OF_WATCHERS))
        first = {name: z3.is_true(initial[name]) for name in names if z3.is_true(initial[name]) or z3.is_false(initial[name])}
        by_leaf: dict[StatePath | None, list[Rule]] = {}
        for rule in self.model.rules:
            by_leaf.setdefault(rule.source, []).append(rule)
        waiting: list[StatePath | None] = [None]
        while waiting:
            leaf = waiting.pop(0)
            for rule in by_leaf.get(leaf, ()):
                after = self._after(rule, first if leaf is None else self.known[leaf])
                if after is not None and self._joined(rule.target, after) and rule.target not in waiting:
                    waiting.append(rule.target)

    def said(self, leaf: StatePath, names: frozenset[str] | None = None) -> Formula:
        """Say what these variables are in a leaf, or all of them."""
        if leaf not in self.known:
            return FALSE
        found = [(self.model.words.var(name), is_so) for name, is_so in sorted(self.known[leaf].items()) if names is None or name in names]
        return z3.And([one if is_so else z3.Not(one) for one, is_so in found]) if found else TRUE

    def against(self, rule: Rule) -> frozenset[str]:
        """Name the variables that keep a rule from being taken where it begins; none where it can be taken for all that is known."""
        known = self.known.get(rule.source, {}) if rule.source is not None else {}
        if rule.source is not None and known and not z3.is_false(self._with(rule.guard, known)):
            return frozenset()
        return frozenset(name for name in self.mentions.variables(rule.guard) if name in known)

    def _joined(self, leaf: StatePath, values: Values) -> bool:
        """Let a leaf be reached with values too; tells whether less is known of it now."""
        if leaf not in self.known:
            self.known[leaf] = dict(values)
            return True
        lost = [name for name, is_so in self.known[leaf].items() if values.get(name) is not is_so]
        for name in lost:
            del self.known[leaf][name]
        return bool(lost)

    def _after(self, rule: Rule, before: Values) -> Values | None:
        """Give what is known after a rule, None when it cannot be taken there."""
        if z3.is_false(self._with(rule.guard, before)):
            return None
        after = dict(before)
        for name, value in rule.updates.items():
            if not z3.is_bool(value):
                continue
            then = self._with(value, before)
            after.pop(name, None)
            if z3.is_true(then) or z3.is_false(then):
                after[name] = z3.is_true(then)
        return after

    def _with(self, formula: Formula, values: Mapping[str, bool]) -> Formula:
        """Work a formula out as far as known values go."""
        if z3.is_true(formula) or z3.is_false(formula):
            return formula
        names = [name for name in self.mentions.variables(formula) if name in values]
        key = (formula.get_id(), frozenset((name, values[name]) for name in names))
        if key not in self._seen:
            pairs = [(self.model.words.var(name), TRUE if values[name] else FALSE) for name in names]
            self._seen[key] = z3.simplify(z3.substitute(formula, *pairs)) if pairs else formula
        return self._seen[key]
