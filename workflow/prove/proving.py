"""Proofs: each property of a definition, from a coarse model to a fine one, until one of them answers.

Promises: nothing is passed over. PROVEN is for all runs; REFUTED has a timeline, which the real engine confirms where it is asked;
everything else is UNKNOWN with its reason, a counterexample that the engine does not follow included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import z3

from workflow.prove.certificate import Certificate, first_leak, unkept
from workflow.prove.constants import Constants
from workflow.prove.model import Model
from workflow.prove.monitors import Monitor, UnencodedError
from workflow.prove.premises import is_possible, reachable
from workflow.prove.responses import monitor_of
from workflow.prove.solve import Answer, Budget, decide, follow, little
from workflow.prove.spread import spread
from workflow.prove.system import Arc, Mentions, System, plain_arcs, system_of
from workflow.prove.timeline import timeline_of
from workflow.prove.verdicts import Confirm, Happening, Outcome, Report, Verdict
from workflow.prove.witnesses import witnesses
from workflow.prove.words import Mode
from workflow.states.definition import Definition, Property, StatePath, TimerType, has_mark, listed, values_named
from workflow.states.known import Known
from workflow.states.machine import Table

COARSE, TIMED, EXACT = Mode(), Mode(has_instants=True), Mode(has_instants=True, has_deadlines=True)
SECONDS = 600.0
"""For one property, its counterexamples included; what ends a proof on any machine is the work."""
WORK = 40_000_000
"""For one question to the solver, by its own count: three times what the hardest property of the reference definition takes."""

GUESSES = 8
"""How often what a watcher supposes is narrowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a property was proven: in which model, by which witness, and what is so in each leaf (None when that is not known)."""

    rule: Property
    mode: Mode
    witness: TimerType | None
    certificate: Certificate | None


@dataclass
class Prover:
    """Proves properties of one definition; the models are made once each."""

    definition: Definition
    known: Known
    confirm: Confirm | None = None
    seconds: float = SECONDS
    work: int = WORK
    is_certified: bool = False
    proofs: dict[str, Proof] = field(default_factory=dict)
    """How each property was proven, by its name; with certificates when `is_certified`."""
    _models: dict[Mode, tuple[Model, Mentions]] = field(default_factory=dict)
    _arcs: dict[Mode, tuple[Arc, ...]] = field(default_factory=dict)
    _known: dict[Mode, Constants] = field(default_factory=dict)
    _table: Table = field(init=False)

    def __post_init__(self) -> None:
        """Compile the definition."""
        self._table = Table(self.definition, self.known)

    @cached_property
    def _reached(self) -> frozenset[StatePath]:
        return reachable(self._model(COARSE)[0])

    def warm(self) -> None:
        """Work out the models beforehand, for processes that share them."""
        for mode in (COARSE, TIMED):
            self._plain(mode)
        _ = self._reached
        self._constants(self._model(COARSE)[0])

    def prove(self, rule: Property) -> Verdict:
        """Give the verdict on one property."""
        begun = time.monotonic()
        verdict = self._of_field(rule) if rule.kind == "field" else self._of_runs(rule, until=begun + self.seconds)
        return replace(verdict, seconds=time.monotonic() - begun)

    def _of_field(self, rule: Property) -> Verdict:
        """A mark of a value is a matter of the definition alone: every field and payload value of the name must have it."""
        wanted = str(rule.body["is"])
        for name in listed(rule.body["name"]):
            found = list(values_named(self.definition, name, wanted))
            if not found:
                return Verdict(rule=rule, outcome=Outcome.UNKNOWN, reason=f"There is no value {name!r}.")
            if any(not has_mark(one, wanted) for one in found):
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
            system = system_of(monitor, mentions, self._plain(mode))
            answer = self._guessed(system, monitor) or decide(system, budget=self._budget(until))
            if answer.is_safe:
                certificate = self._certificate(system, answer, until) if self.is_certified else None
                self.proofs[rule.name] = Proof(rule=rule, mode=mode, witness=witness, certificate=certificate)
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

    def _budget(self, until: float) -> Budget:
        """Give what one property may cost; whoever has less work to give does not look for long runs either."""
        return Budget(work=self.work, until=until) if self.work >= WORK else little(self.work, until)

    def _guessed(self, system: System, monitor: Monitor) -> Answer | None:
        """Prove a property by what its watcher supposes of each leaf, where every step keeps that; then nothing need be searched.

        Where a step does not keep it that cannot be taken anyway, what the step needs and never has is supposed too.
        """
        guess = {leaf: monitor.guess(leaf) for leaf in system.leaves}
        if system.rests or any(one is None for one in guess.values()):
            return None
        names = system.beginning().union(*map(system.mentions.variables, guess.values()))
        constants, known = self._constants(monitor.model), frozenset[str]()
        for _ in range(GUESSES):
            told = {leaf: z3.And(constants.said(leaf, known), one) if known else one for leaf, one in guess.items()}
            cut = system.cut(system.closed(names | known))
            found = first_leak(cut, told)
            if found is None:
                return Answer(is_safe=True, kept=frozenset(cut.kept), certificate=told)
            more = known | constants.against(found.rule)
            if more == known:
                return None
            known = more
        return None

    def _constants(self, model: Model) -> Constants:
        """Give what has one value only in each leaf; it is worked out once."""
        if model.mode not in self._known:
            self._known[model.mode] = Constants(model, self._model(model.mode)[1])
        return self._known[model.mode]

    def _certificate(self, system: System, answer: Answer, until: float) -> Certificate | None:
        """Give a certificate that was looked through; what the solver has simplified away is asked for once more."""
        for again in (False, True):
            if again:
                answer = decide(system, budget=self._budget(until), is_certified=True)
            if answer.certificate is not None and not unkept(system.cut(answer.kept), answer.certificate):
                return answer.certificate
        return None

    def _ways(self, rule: Property) -> Iterator[tuple[Mode, TimerType | None]]:
        """Give the models to try: without instants where that can be enough, then exact ones."""
        is_timed = "later_than" in rule.body or "earlier_than" in rule.body
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

    def _plain(self, mode: Mode) -> tuple[Arc, ...]:
        if mode not in self._arcs:
            model, mentions = self._model(mode)
            self._arcs[mode] = tuple(plain_arcs(model.rules, mentions))
        return self._arcs[mode]

    def _proven(self, rule: Property, system: System, answer: Answer, mode: Mode, witness: TimerType | None) -> Verdict:
        how = {COARSE: "for all runs, whenever deadlines fall", TIMED: "for all runs and instants", EXACT: "for all runs, with deadlines"}[
            mode
        ]
        bound = f", bounded by the timer {witness.key}" if witness is not None else ""
        is_seen = not system.rests and all(arc.broken is None for arc in system.arcs)
        reason = "by inspection: no step could break it" if is_seen else how + bound
        return Verdict(
            rule=rule,
            outcome=Outcome.PROVEN,
            reason=reason,
            given=system.given(answer.kept),
            opaque=system.opaque(answer.kept),
            is_vacuous=not is_possible(self._model(COARSE)[0], rule, self._reached),
        )

    def _refuted(self, rule: Property, system: System, answer: Answer, monitor: Monitor, mode: Mode) -> Verdict | None:
        """Tell the run, and let the engine follow it; None when the model itself does not allow it."""
        moves = follow(system, answer.arcs, answer.kept, wishes=_wishes(monitor.model))
        if moves is None:
            return None
        timeline = timeline_of(monitor.model, moves)
        opaque = system.opaque_in(part for arc in answer.arcs for part in (*arc.parts, *arc.updates.values()))
        if self.confirm is None:
            return _unconfirmed(rule, timeline, is_exact=mode == EXACT and not opaque)
        replayed = self.confirm(rule, timeline)
        outcome = Outcome.REFUTED if replayed.is_confirmed else Outcome.UNKNOWN
        reason = replayed.reason if replayed.is_confirmed else f"a counterexample that the engine does not confirm: {replayed.reason}"
        return Verdict(rule=rule, outcome=outcome, reason=reason, opaque=opaque, timeline=timeline, replayed=replayed)


def prove(
    definition: Definition,
    known: Known,
    *,
    confirm: Confirm | None = None,
    seconds: float = SECONDS,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Give the verdict on every property of a definition.

    Args:
        definition: loaded and so checked.
        known: the kinds of checks and actions that it may name.
        confirm: replays a counterexample on the real engine; without it a counterexample stays unconfirmed.
        seconds: limit of time for one property.
        jobs: processes that share the work.
        progress: is told how many properties are done, and how many there are.
    """
    prover = Prover(definition, known, confirm=confirm, seconds=seconds)
    if jobs > 1:
        prover.warm()
    # What takes longest is begun first, so that no process is left alone with it at the end.
    rules = sorted(definition.policy, key=lambda rule: ("later_than" not in rule.body, rule.kind != "always"))
    found: dict[str, Verdict] = {}
    for index, verdict in spread(prover.prove, rules, jobs=jobs):
        found[rules[index].name] = verdict
        if progress is not None:
            progress(len(found), len(rules))
    return Report(definition=definition.name, digest=definition.digest, verdicts=tuple(found[rule.name] for rule in definition.policy))


def _unconfirmed(rule: Property, timeline: tuple[Happening, ...], *, is_exact: bool) -> Verdict:
    """Without an engine to ask, only a run of a model that leaves nothing open refutes."""
    outcome = Outcome.REFUTED if is_exact else Outcome.UNKNOWN
    return Verdict(rule=rule, outcome=outcome, reason="a counterexample of the model; no engine was asked", timeline=timeline)


def _wishes(model: Model) -> tuple[z3.BoolRef, ...]:
    """Say what makes a counterexample easier to read: nobody acts for another, and where somebody must be a deputy it is said for whom."""
    acts_for, is_deputy = model.words.input("for.anybody", bool), model.words.input("actor.is_deputy", bool)
    return z3.Not(z3.Or(acts_for, is_deputy)), z3.Implies(is_deputy, acts_for)
