"""Variants of a proven definition: does the policy still hold of them?

Promises: only what a variant changes is asked again. A property whose certificate every changed rule keeps still holds, and that is a
proof. A property counts as broken when a run of the variant's exact model breaks it, and as no longer proven when the prover says
so: `policy prove` would then not exit with 0 either. Whatever is not decided with the work allowed counts as unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import z3

from workflow.prove.alike import Alike
from workflow.prove.attacks import attack
from workflow.prove.certificate import leaks
from workflow.prove.constants import Constants
from workflow.prove.differences import beyond, is_seen_whole
from workflow.prove.limits import SMALL, limit
from workflow.prove.model import Model
from workflow.prove.monitors import Monitor, UnencodedError
from workflow.prove.proving import COARSE, EXACT, TIMED, Proof, Prover
from workflow.prove.responses import monitor_of
from workflow.prove.rules import Group, Rule
from workflow.prove.spread import spread
from workflow.prove.system import Arc, Mentions, plain_arcs, watched_arcs
from workflow.prove.terms import Formula
from workflow.prove.verdicts import Outcome
from workflow.prove.walks import Step, Walk, Walker, every_leaf, key_of
from workflow.prove.witnesses import witnesses
from workflow.prove.words import Mode
from workflow.states.definition import Definition, EventName, Property, StatePath, TimerType
from workflow.states.known import Known
from workflow.states.machine import Table

ANEW_WORK = 400_000
"""For one question about a variant, where a property has to be proven anew; by the solver's own count, about a second."""
SUSPECTS = 12
"""Properties that are attacked in one variant, the likeliest first."""
_LASTING = ("has.", "val.", "in.", "pending.")
"""Variables that later steps may see; counts are looked at by guards that are compared anyway."""
SAME = "equivalent: no run ever comes where what was changed makes a difference"
LESS = "it only refuses more: every step of it is one of the definition too, and a policy says what must never happen"
ANEW = 3
"""Properties of one variant that are proven anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A property of the policy that a variant breaks; `run` is the way to it where one was walked."""

    rule: Property
    outcome: Outcome
    reason: str
    run: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suspect:
    """A property that may not hold any more, and the steps that its certificate does not know."""

    rule: Property
    proof: Proof | None
    steps: tuple[Step, ...] = ()
    is_at_once: bool = False


class Variant:
    """A definition that differs little from a proven one; what has been found out about it is kept."""

    def __init__(self, definition: Definition, baseline: Baseline) -> None:
        """Compile it, and compare it part by part."""
        self.definition, self._baseline = definition, baseline
        self._table = Table(definition, baseline.known)
        self._alike = Alike(baseline.model(EXACT).table, self._table)
        self._models: dict[Mode, Model] = {}
        self.prover = Prover(definition, baseline.known, work=ANEW_WORK)

    def model(self, mode: Mode) -> Model:
        """Give its model; what both have in common is taken over from the definition's own."""
        if mode not in self._models:
            pattern = self._baseline.model(mode)
            self._models[mode] = Model(self._table, self._baseline.known, mode, pattern=pattern, alike=self._alike)
        return self._models[mode]

    def changed(self, mode: Mode) -> list[tuple[Step, Rule]]:
        """Give its steps that the definition has not."""
        model = self.model(mode)
        return _own_steps(model, (group for group in model.groups() if model.of_pattern(group) is None), self._baseline.keys(mode))

    @cached_property
    def gone(self) -> list[Step]:
        """Name the steps of the definition, exactly, that it has not."""
        model, old = self.model(EXACT), self._baseline.model(EXACT)
        keys = frozenset(key_of(rule) for rule in model.rules)
        return [step for step, _ in _own_steps(old, old.groups(), keys)]

    @cached_property
    def difference(self) -> str:
        """Say why no run can show a difference, or only a refusal; empty where that is not known."""
        return self._baseline.difference(self)


def _own_steps(model: Model, groups: Iterable[Group], keys: frozenset[object]) -> list[tuple[Step, Rule]]:
    found = [(Step(group=group, index=index), rule) for group in groups for index, rule in enumerate(model.of(group))]
    return [(step, rule) for step, rule in found if key_of(rule) not in keys]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A proof that can be told to another process: formulas as text."""

    mode: Mode
    witness: TimerType | None
    certificate: Mapping[StatePath, str] | None


@dataclass
class Baseline:
    """A definition with its proofs, ready to be compared with variants of itself."""

    definition: Definition
    known: Known
    proofs: dict[str, Proof] = field(default_factory=dict)
    unproven: tuple[Property, ...] = ()
    _models: dict[Mode, Model] = field(default_factory=dict)
    _keys: dict[Mode, frozenset[object]] = field(default_factory=dict)
    _walks: dict[StatePath, list[Walk]] = field(default_factory=dict)
    _watchers: dict[str, Monitor] = field(default_factory=dict)
    _mentions: Mentions = field(default_factory=Mentions)
    _prover: Prover | None = None
    _asked: Prover | None = None
    """The same, for properties that are tried only."""
    _constants: Constants | None = None

    def model(self, mode: Mode) -> Model:
        """Give the definition's own model."""
        return self._models[mode]

    def keys(self, mode: Mode) -> frozenset[object]:
        """Give what its rules are told apart by."""
        return self._keys[mode]

    def prepare(self, *, jobs: int = 1) -> Iterator[Property]:
        """Prove every property of severity error, and walk to every leaf; gives each property when it is done."""
        table = Table(self.definition, self.known)
        self._models = {mode: Model(table, self.known, mode) for mode in (COARSE, TIMED, EXACT)}
        self._keys = {mode: frozenset(map(key_of, model.rules)) for mode, model in self._models.items()}
        self._prover = Prover(self.definition, self.known, is_certified=True)
        self._prover.warm()
        self._asked = replace(self._prover, work=ANEW_WORK, proofs={})
        rules = [rule for rule in self.definition.policy if rule.severity == "error"]
        found: dict[int, _Told | None] = {}
        for index, told in spread(self._proven, rules, jobs=jobs):
            found[index] = told
            yield rules[index]
        # In the order of the document, so that two runs have the same formulas in the same order.
        self.unproven = tuple(rules[index] for index in sorted(found) if found[index] is None)
        for index, told in sorted(found.items()):
            if told is not None and rules[index].kind != "field":
                self._add(rules[index], told)
        self._walks = every_leaf(self._models[EXACT])
        self._constants = Constants(self._models[EXACT], self._mentions)

    def _proven(self, rule: Property, *, is_little: bool = False) -> _Told | None:
        prover = self._asked if is_little else self._prover
        if prover is None or prover.prove(rule).outcome is not Outcome.PROVEN:
            return None
        proof = prover.proofs.get(rule.name)
        certificate = None if proof is None else proof.certificate
        texts = None if certificate is None else {leaf: holds.sexpr() for leaf, holds in certificate.items()}
        return _Told(mode=COARSE if proof is None else proof.mode, witness=None if proof is None else proof.witness, certificate=texts)

    def _add(self, rule: Property, told: _Told) -> None:
        """Take a proof up that another process has found."""
        watcher = monitor_of(self._models[told.mode], rule, told.witness)
        words = watcher.model.words
        constants = {one.decl().name(): one for one in map(words.var, words.sorts)}
        texts = told.certificate
        certificate = None if texts is None else {leaf: _read(text, constants) for leaf, text in texts.items()}
        self.proofs[rule.name] = Proof(rule=rule, mode=told.mode, witness=told.witness, certificate=certificate)
        self._watchers[rule.name] = watcher

    def further(self, rule: Property) -> Baseline | None:
        """Give a baseline that knows one further property only, None when it is not proven of the definition."""
        told = self._proven(rule, is_little=True)
        if told is None:
            return None
        made = replace(self, definition=replace(self.definition, policy=(rule,)), proofs={}, unproven=(), _watchers={})
        if rule.kind != "field":
            made._add(rule, told)  # noqa: SLF001  # another of its kind
        return made

    def notice(self, variant: Variant) -> Notice | None:
        """Say which property a variant breaks, None when none is known to be broken."""
        for rule in self._rules():
            if rule.kind == "field" and (verdict := variant.prover.prove(rule)).outcome is not Outcome.PROVEN:
                return Notice(rule=rule, outcome=verdict.outcome, reason=verdict.reason)
        suspects: list[_Suspect] = []
        for mode in dict.fromkeys(proof.mode for proof in self.proofs.values()):
            some = sorted(self._suspects(variant, mode), key=lambda one: (not one.is_at_once, not one.steps))
            suspects += some[:SUSPECTS]
            found = next((one for suspect in some[:SUSPECTS] if (one := self._attacked(suspect, variant.model(EXACT))) is not None), None)
            if found is not None:
                return found
        return self._proven_anew(suspects, variant) if suspects else None

    def _proven_anew(self, suspects: list[_Suspect], variant: Variant) -> Notice | None:
        """Search where no walk leads: only for what may be broken by what differs."""
        if variant.difference.startswith("equivalent"):
            return None
        # What happens less often breaks nothing that must not happen; what must follow may stay away.
        open_ = [one for one in suspects if one.rule.kind == "always" or not variant.difference]
        for suspect in sorted(open_, key=lambda one: (not one.is_at_once, not one.steps))[:ANEW]:
            verdict = variant.prover.prove(suspect.rule)
            is_open = "the solver did not decide" in verdict.reason or "time was over" in verdict.reason
            if verdict.outcome is Outcome.REFUTED or (verdict.outcome is Outcome.UNKNOWN and not is_open):
                return Notice(rule=suspect.rule, outcome=verdict.outcome, reason=verdict.reason)
        return None

    def holds(self, rule: Property, variant: Variant) -> bool:
        """Tell whether a property is proven of a variant too."""
        return variant.prover.prove(rule).outcome is Outcome.PROVEN

    def difference(self, variant: Variant) -> str:
        """Say why no property of runs can tell a variant from the definition, empty where that is not known."""
        is_whole = is_seen_whole(self.definition, variant.definition)
        if not is_whole and not is_seen_whole(self.definition, replace(variant.definition, checks=self.definition.checks)):
            return ""
        changed, gone = [step for step, _ in variant.changed(EXACT)], variant.gone
        if not changed and not gone:
            same = "equivalent: the engine takes the same steps, with the same people, times and effects"
            return same if is_whole else "only the inside of a check differs: a property speaks of events, and of what checks find"
        # The first step in which two definitions differ comes after a run that both have: what is so there is known of the definition.
        base, walker = Walker(self._models[EXACT], self._mentions), Walker(variant.model(EXACT), self._mentions)
        if self._is_beyond(walker, base, changed):
            return ""
        return SAME if is_whole and not self._is_beyond(base, walker, gone) else LESS

    def _is_beyond(self, walker: Walker, other: Walker, steps: list[Step]) -> bool:
        """Tell whether a step may be taken that another model would not take there."""
        rules = [(walker.rule(step), other.rule(step)) for step in steps]
        return any(self._may(rule, beyond(rule, old)) for rule, old in rules if rule is not None)

    def surplus(self, variant: Variant) -> tuple[str, ...]:
        """Name the effects that a variant has besides, where that is all it does besides; none where it does more than that or nothing."""
        if not is_seen_whole(self.definition, variant.definition):
            return ()
        base, names = Walker(self._models[EXACT], self._mentions), set[str]()
        for step, rule in variant.changed(EXACT):
            old = base.rule(step)
            if old is None or key_of(replace(rule, guard=old.guard)) != key_of(old):
                return ()
            if not self._may(rule, z3.And(rule.guard, z3.Not(old.guard))):
                continue
            if rule.source != rule.target or any(name.startswith(_LASTING) for name in rule.updates):
                return ()
            names |= {f"{use.kind}.{use.name}" for use in rule.uses}
        return tuple(sorted(names))

    def is_noted(self, event: EventName) -> bool:
        """Tell whether an event reports a failure: one of an older message is in the history too, and does nothing."""
        return any(event in failed for _, failed in self._models[COARSE].reports.values())

    def _may(self, rule: Rule, question: Formula) -> bool:
        """Tell whether something can be where a rule may be taken, by all that is proven of that leaf."""
        solver = z3.Solver()
        limit(solver, SMALL)
        if rule.source is not None and self._constants is not None:
            solver.add(self._constants.said(rule.source))
            for proof in self.proofs.values():
                holds = (proof.certificate or {}).get(rule.source)
                solver.add([] if holds is None or any(name.startswith("m.") for name in self._mentions.variables(holds)) else [holds])
        return bool(solver.check(question, *(formula for _, formula in rule.promised)) != z3.unsat)

    def _rules(self) -> Iterator[Property]:
        """Give the properties that hold of the definition itself."""
        known = {rule.name for rule in self.unproven}
        return (rule for rule in self.definition.policy if rule.severity == "error" and rule.name not in known)

    def _suspects(self, variant: Variant, mode: Mode) -> Iterator[_Suspect]:
        model, changed = variant.model(mode), variant.changed(mode)
        plain = plain_arcs((rule for _, rule in changed), self._mentions)
        arcs = [replace(arc, guard=z3.And(arc.parts) if arc.parts else arc.guard) for arc in plain]
        for proof in [one for one in self.proofs.values() if one.mode == mode]:
            suspect = self._suspect(proof, model, changed, arcs)
            if suspect is not None:
                yield suspect

    def _suspect(self, proof: Proof, model: Model, changed: list[tuple[Step, Rule]], arcs: list[Arc]) -> _Suspect | None:
        witness = _same(proof, model.definition)
        if proof.witness is not None and witness is None:
            return _Suspect(rule=proof.rule, proof=proof)
        try:
            monitor = monitor_of(model, proof.rule, witness)
        except UnencodedError:
            return _Suspect(rule=proof.rule, proof=proof)
        if monitor.remembers() != self._watchers[proof.rule.name].remembers():
            return _Suspect(rule=proof.rule, proof=proof)
        if proof.certificate is None:
            steps = tuple(step for step, _ in changed)
            return _Suspect(rule=proof.rule, proof=proof, steps=steps) if changed else None
        solver = z3.Solver()
        limit(solver, SMALL)
        by_rule = {id(rule): step for step, rule in changed}
        found = list(leaks(watched_arcs(monitor, arcs), proof.certificate, solver, words=model.words, mentions=self._mentions))
        if not found:
            return None
        breaking = [arc.broken is not None or monitor.rests(arc.rule.target) is not None for arc in found]
        ranked = sorted(zip(found, breaking, strict=True), key=lambda one: not one[1])
        steps = tuple(by_rule[id(arc.rule)] for arc, _ in ranked)
        return _Suspect(rule=proof.rule, proof=proof, steps=steps, is_at_once=any(breaking))

    def _attacked(self, suspect: _Suspect, exact: Model) -> Notice | None:
        """Walk to a step that the certificate does not know, and see whether it breaks the property."""
        walker = Walker(exact, self._mentions)
        try:
            monitor = monitor_of(exact, suspect.rule, None)
        except UnencodedError as error:
            return self._unbounded(suspect, walker, str(error))
        found = attack(walker, monitor, self._walks, suspect.steps)
        if found is None:
            return None
        run = tuple(rule.event or "(time passes)" for rule in found.rules)
        return Notice(rule=suspect.rule, outcome=Outcome.REFUTED, reason="a run of the exact model breaks it", run=run)

    def _unbounded(self, suspect: _Suspect, walker: Walker, reason: str) -> Notice | None:
        """Tell whether no timer bounds a working time any more: then nobody can prove it."""
        for witness in witnesses(walker.model.definition, suspect.rule):
            if attack(walker, monitor_of(walker.model, suspect.rule, witness), self._walks, suspect.steps) is None:
                return None
        return Notice(rule=suspect.rule, outcome=Outcome.UNKNOWN, reason=reason)


def _same(proof: Proof, variant: Definition) -> TimerType | None:
    """Find the witness of a proof among those of a variant."""
    return next((t for t in witnesses(variant, proof.rule) if proof.witness is not None and t.key == proof.witness.key), None)


def _read(text: str, constants: Mapping[str, Formula]) -> Formula:
    """Read a formula that was written as text."""
    found = z3.parse_smt2_string(f"(assert {text})", decls=dict(constants))
    return z3.And(list(found)) if len(found) != 1 else found[0]
