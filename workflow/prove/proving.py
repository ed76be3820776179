"""Proofs: each property of a definition, from a coarse model to a fine one, until one of them answers.

Promises: nothing is passed over. PROVEN is for all runs; REFUTED has a timeline, which the real engine confirms where it is asked;
everything else is UNKNOWN with its reason, a counterexample that the engine does not follow included.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import z3

from workflow.prove.model import Model
from workflow.prove.monitors import Monitor, UnencodedError, monitor_of, witnesses
from workflow.prove.solve import Answer, decide, follow
from workflow.prove.system import Mentions, System, system_of
from workflow.prove.timeline import timeline_of
from workflow.prove.verdicts import Confirm, Happening, Outcome, Report, Verdict
from workflow.prove.words import Mode
from workflow.states.definition import Definition, Property, TimerType
from workflow.states.known import Known
from workflow.states.machine import Table

COARSE, TIMED, EXACT = Mode(), Mode(has_instants=True), Mode(has_instants=True, has_deadlines=True)
SECONDS = 20.0
"""For one property, its counterexamples included."""


@dataclass
class Prover:
    """Proves properties of one definition; the models are made once each."""

    definition: Definition
    known: Known
    confirm: Confirm | None = None
    seconds: float = SECONDS
    _models: dict[Mode, tuple[Model, Mentions]] = field(default_factory=dict)
    _table: Table = field(init=False)

    def __post_init__(self) -> None:
        """Compile the definition."""
        self._table = Table(self.definition, self.known)

    def prove(self, rule: Property) -> Verdict:
        """Give the verdict on one property."""
        begun = time.monotonic()
        verdict = self._of_field(rule) if rule.kind == "field" else self._of_runs(rule, until=begun + self.seconds)
        return replace(verdict, seconds=time.monotonic() - begun)

    def _of_field(self, rule: Property) -> Verdict:
        """A mark of a value is a matter of the definition alone: every field and payload value of the name must have it."""
        name, wanted = str(rule.body["name"]), str(rule.body["is"])
        found = [one for one in self.definition.fields.values() if one.name == name]
        found += [one for type_ in self.definition.events.values() for one in type_.payload.values() if one.name == name]
        bare = [one for one in found if not (one.is_secret if wanted == "secret" else one.is_personal or one.is_secret)]
        if not found:
            return Verdict(rule=rule, outcome=Outcome.UNKNOWN, reason=f"There is no value {name!r}.")
        if bare:
            return Verdict(rule=rule, outcome=Outcome.REFUTED, reason=f"The definition does not mark {name} as {wanted} everywhere.")
        return Verdict(rule=rule, outcome=Outcome.PROVEN, reason="by inspection of every value of that name")

    def _of_runs(self, rule: Property, *, until: float) -> Verdict:
        reasons: list[str] = []
        best: Verdict | None = None
        for mode, witness in self._ways(rule):
            if time.monotonic() > until:
                reasons.append("time was over")
                break
            model, mentions = self._model(mode)
            try:
                monitor = monitor_of(model, rule, witness)
            except UnencodedError as error:
                reasons.append(str(error))
                continue
            system = system_of(monitor, mentions)
            answer = decide(system, until=min(until, time.monotonic() + self.seconds * 0.7))
            if answer.is_safe:
                return self._proven(rule, system, answer, mode, witness)
            if answer.is_safe is None:
                reasons.append("the solver did not decide in time")
                continue
            refuted = self._refuted(rule, system, answer, monitor, mode)
            if refuted is not None and refuted.outcome is Outcome.REFUTED:
                return refuted
            best = refuted or best
        if best is not None:
            return best
        return Verdict(rule=rule, outcome=Outcome.UNKNOWN, reason="; ".join(dict.fromkeys(reasons)) or "no model of it was found")

    def _ways(self, rule: Property) -> Iterator[tuple[Mode, TimerType | None]]:
        """Give the models to try: without instants where that can be enough, then exact ones."""
        is_timed = "later_than" in rule.body
        for witness in witnesses(self.definition, rule):
            yield COARSE, witness
        if not is_timed and "within" not in rule.body:
            yield COARSE, None
        if is_timed:
            yield TIMED, None
        yield EXACT, None

    def _model(self, mode: Mode) -> tuple[Model, Mentions]:
        if mode not in self._models:
            self._models[mode] = (Model(self._table, self.known, mode), Mentions())
        return self._models[mode]

    def _proven(self, rule: Property, system: System, answer: Answer, mode: Mode, witness: TimerType | None) -> Verdict:
        how = {COARSE: "for all runs, whenever deadlines fall", TIMED: "for all runs and instants", EXACT: "for all runs, with deadlines"}[
            mode
        ]
        bound = f", bounded by the timer {witness.key}" if witness is not None else ""
        is_vacuous = not system.rests and all(arc.broken is None for arc in system.arcs)
        reason = "by inspection: no step could break it" if is_vacuous else how + bound
        return Verdict(rule=rule, outcome=Outcome.PROVEN, reason=reason, given=system.given(answer.kept), opaque=system.opaque(answer.kept))

    def _refuted(self, rule: Property, system: System, answer: Answer, monitor: Monitor, mode: Mode) -> Verdict | None:
        """Tell the run, and let the engine follow it; None when the model itself does not allow it."""
        moves = follow(system, answer.arcs, answer.kept, wishes=_wishes(monitor.model))
        if moves is None:
            return None
        timeline = timeline_of(monitor.model, moves)
        opaque = system.opaque_in(part for arc in answer.arcs for part in arc.parts)
        if self.confirm is None:
            return _unconfirmed(rule, timeline, is_exact=mode == EXACT and not opaque)
        replayed = self.confirm(rule, timeline)
        outcome = Outcome.REFUTED if replayed.is_confirmed else Outcome.UNKNOWN
        reason = replayed.reason if replayed.is_confirmed else f"a counterexample that the engine does not confirm: {replayed.reason}"
        return Verdict(rule=rule, outcome=outcome, reason=reason, opaque=opaque, timeline=timeline, replayed=replayed)


def prove(definition: Definition, known: Known, *, confirm: Confirm | None = None, seconds: float = SECONDS) -> Report:
    """Give the verdict on every property of a definition.

    Args:
        definition: loaded and so checked.
        known: the kinds of checks and actions that it may name.
        confirm: replays a counterexample on the real engine; without it a counterexample stays unconfirmed.
        seconds: limit of time for one property.
    """
    prover = Prover(definition, known, confirm=confirm, seconds=seconds)
    verdicts = tuple(prover.prove(rule) for rule in definition.policy)
    return Report(definition=definition.name, digest=definition.digest, verdicts=verdicts)


def _unconfirmed(rule: Property, timeline: tuple[Happening, ...], *, is_exact: bool) -> Verdict:
    """Without an engine to ask, only a run of a model that leaves nothing open refutes."""
    outcome = Outcome.REFUTED if is_exact else Outcome.UNKNOWN
    return Verdict(rule=rule, outcome=outcome, reason="a counterexample of the model; no engine was asked", timeline=timeline)


def _wishes(model: Model) -> tuple[z3.BoolRef, ...]:
    """Say what makes a counterexample easier to read: nobody acts for another, and people hold the roles by which they are let in."""
    words = model.words
    return (z3.Not(z3.Or(words.input("for.anybody", bool), words.input("actor.is_deputy", bool))),)
