"""Responses as watchers, and which watcher a property has.

Promises: see `workflow.prove.monitors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import z3

from workflow.prove.model import Model
from workflow.prove.monitors import (
    Absence,
    Always,
    ByWhom,
    Demanded,
    EarlierThan,
    LaterThan,
    Monitor,
    MoreThan,
    Precedence,
    Required,
    SameActor,
    Seen,
    UnencodedError,
)
from workflow.prove.rules import Rule
from workflow.prove.terms import FALSE, TRUE, Formula
from workflow.prove.witnesses import find_timer
from workflow.states.definition import Property, StatePath, TimerType


@dataclass
class Response(Monitor):
    """``always: {state|event, leads_to, within, clock}``.

    Without `within`: an onboarding does not end while something is owed. With it: a *witness*, a timer that started no later than
    what is owed, is not longer and does not pause more, must be running as long as something is owed. The run does not go past
    it, so what follows is in time. Without a witness the clock is kept itself (elapsed time only).
    """

    witness: TimerType | None = None

    def __post_init__(self) -> None:
        """Remember whether something is owed."""
        self.model.words.declare("m.owed", bool)
        self._is_timed = "within" in self.body and self.witness is None
        if self._is_timed:
            clock = find_timer(self.definition, self.text("clock")) if "clock" in self.body else None
            if self.unit("within").kind != "elapsed":
                raise UnencodedError("No single timer bounds this working time.")
            if clock is not None and self.definition.states[clock.state].paused_in:
                raise UnencodedError("Its clock pauses, and no single timer bounds it.")
            self.model.words.declare("m.due", float)
        wanted = self.body.get("leads_to", ())
        listed = [wanted] if isinstance(wanted, str) else [str(one) for one in wanted] if isinstance(wanted, Sequence) else []
        self._states = [name for name in listed if self.definition.resolve(name) is not None]
        self._events = set(listed) - set(self._states)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        owed = self.model.words.var("m.owed")
        is_noted = rule.is_heard or rule.kind == "idle"
        in_answer = any(self.within(rule.target, state) for state in self._states)
        is_answered = rule.kind != "idle" and rule.is_heard and (rule.event in self._events or in_answer)
        asks = is_noted and self._asks(rule) and not in_answer
        left = FALSE if is_answered else owed
        then = TRUE if asks else left
        if self._is_timed:
            return self._timed(rule, is_answered=is_answered, asks=asks, then=then)
        if self.witness is not None:
            return Seen(updates={"m.owed": then}, broken=self._uncovered(rule, left, then))
        ends = rule.is_heard and rule.kind != "idle" and self.definition.states[rule.target].outcome is not None
        return Seen(updates={"m.owed": then}, broken=then if ends else None)

    def guess(self, leaf: StatePath) -> Formula | None:
        """Suppose that the witness runs as long as something is owed; outside of its state nothing is."""
        witness, words = self.witness, self.model.words
        if witness is None:
            return None
        is_there = self.definition.is_within(leaf, witness.state)
        return z3.Implies(words.var("m.owed"), words.var(f"armed.{witness.key}") if is_there else FALSE)

    def _asks(self, rule: Rule) -> bool:
        if "state" in self.body:
            return self.entered(rule, self.text("state"))
        return self.happens(rule, *self.events) and rule.kind != "stale"

    def _uncovered(self, rule: Rule, left: Formula, then: Formula) -> Formula | None:
        witness = self.witness
        if witness is None or rule.kind == "idle":
            return None
        armed = rule.updates.get(f"armed.{witness.key}", self.model.words.var(f"armed.{witness.key}"))
        begins_anew = left if witness.key in rule.armed else FALSE
        return z3.Or(z3.And(then, z3.Not(armed)), begins_anew)

    def _timed(self, rule: Rule, *, is_answered: bool, asks: bool, then: Formula) -> Seen:
        words = self.model.words
        owed, due = words.var("m.owed"), words.var("m.due")
        broken: Formula | None = None
        if is_answered or rule.kind == "idle":
            broken = z3.And(owed, TRUE if rule.at is None else rule.at > due)
        updates = {"m.owed": then}
        if asks and rule.at is not None:
            fresh = rule.at + self.unit("within").amount
            updates["m.due"] = fresh if is_answered else z3.If(z3.And(owed, due < fresh), due, fresh)
        return Seen(updates=updates, broken=broken)


_NEVER: Mapping[str, type[Monitor]] = {
    "before": Precedence,
    "same_actor_as": SameActor,
    "later_than": LaterThan,
    "earlier_than": EarlierThan,
    "more_than": MoreThan,
    "actor": ByWhom,
    "state": Absence,
}


def monitor_of(model: Model, rule: Property, witness: TimerType | None = None) -> Monitor:
    """Make the watcher of a property.

    Raises:
        UnencodedError: there is none for it; says why.
    """
    match rule.kind:
        case "never":
            for key, make in _NEVER.items():
                if key in rule.body:
                    return make(model, rule)
        case "always":
            return Response(model, rule, witness=witness)
        case "requires":
            return Required(model, rule)
        case "cel":
            return Demanded(model, rule) if "event" in rule.body else Always(model, rule)
        case "field":
            pass
    raise UnencodedError(f"There is no model for a {rule.kind} property of this form.")
