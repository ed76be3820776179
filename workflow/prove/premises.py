"""Premises: can what a property speaks of happen at all?

Promises: what is called impossible is impossible in every run; whatever is not known to be impossible counts as possible.
"""

from __future__ import annotations

import z3

from workflow.prove.limits import SMALL, limit
from workflow.prove.model import Model
from workflow.prove.monitors import Monitor
from workflow.prove.rules import Rule
from workflow.states.definition import Property, StatePath


def is_possible(model: Model, rule: Property, reached: frozenset[StatePath]) -> bool:
    """Tell whether the premise of a property can come true; `reached` are the leaves that `reachable` gives of a model without instants."""
    monitor = Monitor(model, rule)
    if "event" not in rule.body:
        return "state" not in rule.body or any(monitor.within(leaf, str(rule.body["state"])) for leaf in reached)
    return any(may_be_taken(one) for one in model.rules if (one.source is None or one.source in reached) and _is_premise(monitor, one))


def _is_premise(monitor: Monitor, rule: Rule) -> bool:
    """Tell whether a rule is what the property is about; a state beside `never` is where it must not happen."""
    is_about = monitor.happens(rule, *monitor.events)
    return is_about if monitor.rule.kind == "never" else monitor.is_asked(rule)


def reachable(model: Model) -> frozenset[StatePath]:
    """Name the leaves to which rules lead that can be taken at all."""
    edges: dict[StatePath | None, set[StatePath]] = {}
    for rule in model.rules:
        if rule.source != rule.target and may_be_taken(rule):
            edges.setdefault(rule.source, set()).add(rule.target)
    reached, waiting = set[StatePath](), [*edges.get(None, ())]
    while waiting:
        leaf = waiting.pop()
        if leaf not in reached:
            reached.add(leaf)
            waiting += edges.get(leaf, ())
    return frozenset(reached)


def may_be_taken(rule: Rule) -> bool:
    """Tell whether a rule can be taken in some situation, reached or not; a doubt counts as yes."""
    if z3.is_false(rule.guard):
        return False
    solver = z3.SimpleSolver()
    limit(solver, SMALL)
    return bool(solver.check(rule.guard, *(formula for _, formula in rule.promised)) != z3.unsat)
