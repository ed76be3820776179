"""Timers and instants of the model.

Promises: sound for every calendar. Elapsed time is exact. Working time is not computed: a deadline in working days or hours lies
somewhere after its start, later rungs of one ladder not before earlier ones, and never in a pause; so a proof holds whatever days
are worked. A deadline fires before the run goes on, as `states.step.settle` has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import z3

from workflow.prove.terms import FALSE, TRUE, Formula
from workflow.prove.words import Mode, Words
from workflow.states.definition import Definition, EventName, StatePath, TimerKey, TimerType
from workflow.states.moves import Move, paused_in

_ZERO = z3.RealVal(0)


@dataclass
class Clocks:
    """The timers of a definition over the model's words."""

    definition: Definition
    words: Words
    mode: Mode
    _calm: dict[StatePath, Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Declare what each timer needs."""
        self.words.declare("now", float)
        self._timers = {path: state.timers for path, state in self.definition.states.items()}
        for timer in self._every():
            self.words.declare(f"armed.{timer.key}", bool)
            self.words.declare(f"due.{timer.key}", float)

    @property
    def now(self) -> Formula | None:
        """Give the instant of this step, None without instants."""
        return self.words.input("t", float) if self.mode.has_instants else None

    @property
    def performed_at(self) -> Formula | None:
        """Give the instant at which the effect was performed that this step reports."""
        return self.words.input("performed", float) if self.mode.has_instants else None

    def running(self, leaf: StatePath) -> Iterator[TimerType]:
        """Give the timers that may run in a leaf: those of its own and its ancestors' that do not pause there."""
        paused = paused_in(self.definition, leaf)
        return (timer for path in self.definition.lineage(leaf) if path not in paused for timer in self._timers[path])

    def begins(self) -> Formula:
        """Say that a run begins at the instant zero or later."""
        return self.words.input("t", float) >= self.words.var("now") if self.mode.has_instants else TRUE

    def settled(self, leaf: StatePath) -> Formula:
        """Say the same of a leaf once; see `_settled`."""
        if leaf not in self._calm:
            self._calm[leaf] = self._settled(leaf)
        return self._calm[leaf]

    def _settled(self, leaf: StatePath) -> Formula:
        """Say that time does not run backwards and that no deadline is reached at the instant of this step."""
        if not self.mode.has_instants:
            return TRUE
        t = self.words.input("t", float)
        later = [t >= self.words.var("now")]
        if self.mode.has_deadlines:
            later += [z3.Implies(self._armed(timer), self._due(timer) > t) for timer in self.running(leaf)]
        return z3.And(later)

    def fires(self, leaf: StatePath, timer: TimerType) -> tuple[Formula, Formula | None]:
        """Say when a timer fires, and at which instant that is."""
        if not self.mode.has_deadlines:
            first = [z3.Not(self._armed(other)) for other in self.running(leaf) if _is_rung_before(other, timer)]
            if not self.mode.has_instants:
                return z3.And(self._armed(timer), *first), None
            t, at = self.words.input("t", float), self.words.input("fired", float)
            return z3.And(self._armed(timer), *first, t >= self.words.var("now"), at <= t), at
        t, due, now = self.words.input("t", float), self._due(timer), self.words.var("now")
        others = [other for other in self.running(leaf) if other.key != timer.key]
        is_next = [z3.Implies(self._armed(other), _is_before(due, timer, self._due(other), other)) for other in others]
        return z3.And(self._armed(timer), t >= now, t >= due, z3.Or(t == now, t == due), *is_next), due

    def is_performed(self, key: str) -> Formula:
        """Say that a report speaks of a performance between the queueing of its message and now."""
        if not self.mode.has_instants:
            return TRUE
        performed = self.words.input("performed", float)
        return z3.And(performed <= self.words.input("t", float), performed >= self.words.var(f"queued.{key}"))

    def queued(self, key: str, at: Formula | None) -> dict[str, Formula]:
        """Note when a message was queued: at the instant of its step, or later when the step was made up for later."""
        if at is None:
            return {}
        return {f"queued.{key}": at}

    def passed(self) -> dict[str, Formula]:
        """Say what time it is after the step."""
        return {"now": self.words.input("t", float)} if self.mode.has_instants else {}

    def moved(
        self, move: Move, leaf: StatePath | None, *, at: Formula | None, spent: TimerType | None, report: EventName | None
    ) -> tuple[dict[str, Formula], frozenset[TimerKey]]:
        """Give what becomes of the timers, and which start anew."""
        updates: dict[str, Formula] = {}
        gone = set(move.left)
        if spent is not None:
            updates[f"armed.{spent.key}"] = FALSE
        updates |= {f"armed.{timer.key}": FALSE for path in move.left for timer in self._timers[path]}
        if leaf is not None and move.entered:
            updates |= self._paused_or_resumed(leaf, move, gone, at)
        waiting = [t for path in self.definition.lineage(move.leaf) for t in self._timers[path] if report is not None and t.since == report]
        arming = [*move.arming, *waiting]
        updates |= {f"armed.{timer.key}": TRUE for timer in arming}
        if self.mode.has_deadlines and at is not None:
            updates |= self._deadlines(arming, move.paused, at)
        return updates, frozenset(timer.key for timer in arming)

    def _paused_or_resumed(self, leaf: StatePath, move: Move, gone: set[StatePath], at: Formula | None) -> dict[str, Formula]:
        """While a timer is paused, `due` holds what is left of it."""
        if not self.mode.has_deadlines or at is None:
            return {}
        updates: dict[str, Formula] = {}
        was = paused_in(self.definition, leaf)
        resumed: list[TimerType] = []
        for path in self.definition.lineage(leaf):
            for timer in self._timers[path] if path not in gone and (path in was) != (path in move.paused) else ():
                if path not in was:
                    updates[f"due.{timer.key}"] = self._due(timer) - at
                elif timer.after.kind == "elapsed":
                    updates[f"due.{timer.key}"] = self._due(timer) + at
                else:
                    resumed.append(timer)
        return updates | self._ladder(resumed, at)

    def _deadlines(self, arming: list[TimerType], paused: frozenset[StatePath], at: Formula) -> dict[str, Formula]:
        elapsed = [timer for timer in arming if timer.after.kind == "elapsed"]
        exact = {f"due.{t.key}": z3.RealVal(t.after.amount) + (_ZERO if t.state in paused else at) for t in elapsed}
        return exact | self._ladder([timer for timer in arming if timer.after.kind != "elapsed"], at)

    def _ladder(self, timers: list[TimerType], at: Formula) -> dict[str, Formula]:
        """Put working time somewhere after its start, each rung of a ladder not before the one below it."""
        updates: dict[str, Formula] = {}
        last: dict[tuple[StatePath, str], Formula] = {}
        for timer in sorted(timers, key=lambda t: (t.state, t.after.kind, t.after.amount, t.index)):
            wait = self.words.input(f"working.{timer.key}", float)
            base = last.get((timer.state, timer.after.kind), at)
            last[timer.state, timer.after.kind] = updates[f"due.{timer.key}"] = base + z3.If(wait > 0, wait, _ZERO)
        return updates

    def _every(self) -> Iterator[TimerType]:
        return (timer for timers in self._timers.values() for timer in timers)

    def _armed(self, timer: TimerType) -> Formula:
        return self.words.var(f"armed.{timer.key}")

    def _due(self, timer: TimerType) -> Formula:
        return self.words.var(f"due.{timer.key}")


def _is_rung_before(other: TimerType, timer: TimerType) -> bool:
    """Tell whether `other` always fires before `timer`: they start together, pause together, and it is shorter."""
    if other.key == timer.key or other.state != timer.state or other.since is not None or timer.since is not None:
        return False
    return other.after.kind == timer.after.kind and (other.after.amount, other.index) < (timer.after.amount, timer.index)


def _is_before(due: Formula, timer: TimerType, other_due: Formula, other: TimerType) -> Formula:
    return due <= other_due if timer.index < other.index else due < other_due
