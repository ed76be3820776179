"""Variants of a proven definition: does the policy still hold of them?

Promises: only what a variant changes is asked again. A property whose certificate every changed rule keeps still holds, and that is a
proof. A property counts as broken when a run of the variant's exact model breaks it, and as no longer proven when the prover says
so: `policy prove` would then not exit with 0 either. Whatever is not decided in time counts as unnoticed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import z3

from workflow.prove.attacks import attack
from workflow.prove.certificate import leaks
from workflow.prove.model import Model, Rule
from workflow.prove.monitors import Monitor, UnencodedError
from workflow.prove.proving import COARSE, EXACT, TIMED, Proof, Prover
from workflow.prove.responses import monitor_of
from workflow.prove.spread import spread
from workflow.prove.system import Mentions, arcs_of
from workflow.prove.terms import Formula
from workflow.prove.verdicts import Outcome
from workflow.prove.walks import Step, Walk, Walker, every_leaf, key_of
from workflow.prove.witnesses import witnesses
from workflow.prove.words import Mode
from workflow.states.definition import Definition, Property, StatePath, TimerType
from workflow.states.known import Known
from workflow.states.machine import Table

PATIENCE = 6.0
"""Seconds for one property of one variant, where it has to be proven anew."""
SUSPECTS = 12
"""Properties that are asked about one variant, the likeliest first."""


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
    seconds: float = 60.0
    proofs: dict[str, Proof] = field(default_factory=dict)
    unproven: tuple[Property, ...] = ()
    _models: dict[Mode, Model] = field(default_factory=dict)
    _keys: dict[Mode, frozenset[object]] = field(default_factory=dict)
    _walks: dict[StatePath, list[Walk]] = field(default_factory=dict)
    _watchers: dict[str, Monitor] = field(default_factory=dict)
    _mentions: Mentions = field(default_factory=Mentions)
    _prover: Prover | None = None

    def prepare(self, *, jobs: int = 1) -> Iterator[Property]:
        """Prove every property of severity error, and walk to every leaf; gives each property when it is done."""
        table = Table(self.definition, self.known)
        self._models = {mode: Model(table, self.known, mode) for mode in (COARSE, TIMED, EXACT)}
        self._keys = {mode: frozenset(map(key_of, model.rules)) for mode, model in self._models.items()}
        self._prover = Prover(self.definition, self.known, seconds=self.seconds, is_certified=True)
        self._prover.warm()
        rules = [rule for rule in self.definition.policy if rule.severity == "error"]
        unproven = []
        for index, told in spread(self._proven, rules, jobs=jobs):
            if told is None:
                unproven.append(rules[index])
            elif rules[index].kind != "field":
                self._add(rules[index], told)
            yield rules[index]
        self.unproven = tuple(unproven)
        self._walks = every_leaf(self._models[EXACT])

    def _proven(self, rule: Property) -> _Told | None:
        if self._prover is None or self._prover.prove(rule).outcome is not Outcome.PROVEN:
            return None
        proof = self._prover.proofs.get(rule.name)
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
        told = self._proven(rule)
        if told is None:
            return None
        made = replace(self, definition=replace(self.definition, policy=(rule,)), proofs={}, unproven=(), _watchers={})
        if rule.kind != "field":
            made._add(rule, told)  # noqa: SLF001  # another of its kind
        return made

    def notice(self, variant: Definition, *, seconds: float = 30.0) -> Notice | None:
        """Say which property a variant breaks, None when none is known to be broken."""
        until = time.monotonic() + seconds
        prover = Prover(variant, self.known, seconds=PATIENCE)
        for rule in self._rules():
            if rule.kind == "field" and (verdict := prover.prove(rule)).outcome is not Outcome.PROVEN:
                return Notice(rule=rule, outcome=verdict.outcome, reason=verdict.reason)
        exact = Model(Table(variant, self.known), self.known, EXACT)
        suspects: list[_Suspect] = []
        for mode in dict.fromkeys(proof.mode for proof in self.proofs.values()):
            some = sorted(self._suspects(variant, mode), key=lambda one: (not one.is_at_once, not one.steps))
            suspects += some[:SUSPECTS]
            found = next((one for suspect in some[:SUSPECTS] if (one := self._attacked(suspect, exact)) is not None), None)
            if found is not None:
                return found
        for suspect in sorted(suspects, key=lambda one: (not one.is_at_once, not one.steps))[:SUSPECTS]:
            if time.monotonic() > until:
                return None
            verdict = replace(prover, seconds=min(PATIENCE, until - time.monotonic())).prove(suspect.rule)
            is_late = "in time" in verdict.reason or "time was over" in verdict.reason
            if verdict.outcome is Outcome.REFUTED or (verdict.outcome is Outcome.UNKNOWN and not is_late):
                return Notice(rule=suspect.rule, outcome=verdict.outcome, reason=verdict.reason)
        return None

    def holds(self, rule: Property, variant: Definition) -> bool:
        """Tell whether a property is proven of a variant too."""
        return Prover(variant, self.known, seconds=PATIENCE).prove(rule).outcome is Outcome.PROVEN

    def difference(self, variant: Definition) -> str:
        """Say why no property of runs can tell a variant from the definition, empty where that is not known."""
        model = Model(Table(variant, self.known), self.known, EXACT)
        changed = self._changed(model)
        keys = {key_of(rule) for rule in model.rules}
        gone = [rule for rule in self._models[EXACT].rules if key_of(rule) not in keys]
        if not changed and not gone:
            return "equivalent: the engine takes the same steps, with the same people, times and effects"
        pairs = self._paired(changed)
        if pairs is None:
            return ""
        differing = [(old, new) for old, new in pairs if self._may(old, z3.Xor(old.guard, new.guard))]
        if not differing:
            return "equivalent: in no situation that can be reached does what was changed make a difference"
        if not any(self._may(old, z3.And(new.guard, z3.Not(old.guard))) for old, new in differing):
            return "it only refuses more: a policy says what must never happen, and what does not happen breaks none of it"
        return ""

    def _paired(self, changed: list[tuple[Step, Rule]]) -> list[tuple[Rule, Rule]] | None:
        """Put each changed rule beside the one in its place, None when more than guards has changed."""
        base = Walker(self._models[EXACT])
        pairs = [(base.rule(step), rule) for step, rule in changed]
        found = [(old, new) for old, new in pairs if old is not None]
        if len(found) != len(pairs) or any(key_of(replace(new, guard=old.guard)) != key_of(old) for old, new in found):
            return None
        return found

    def _may(self, rule: Rule, question: Formula) -> bool:
        """Tell whether something can be where a rule may be taken, by all that is proven of that leaf."""
        solver = z3.Solver()
        solver.set("timeout", 2000)
        if rule.source is not None:
            for proof in self.proofs.values():
                holds = (proof.certificate or {}).get(rule.source)
                solver.add([] if holds is None or "m." in holds.sexpr() else [holds])
        return bool(solver.check(question, *(formula for _, formula in rule.promised)) != z3.unsat)

    def _rules(self) -> Iterator[Property]:
        """Give the properties that hold of the definition itself."""
        known = {rule.name for rule in self.unproven}
        return (rule for rule in self.definition.policy if rule.severity == "error" and rule.name not in known)

    def _suspects(self, variant: Definition, mode: Mode) -> Iterator[_Suspect]:
        model = Model(Table(variant, self.known), self.known, mode)
        changed = self._changed(model)
        for proof in [one for one in self.proofs.values() if one.mode == mode]:
            suspect = self._suspect(proof, model, changed)
            if suspect is not None:
                yield suspect

    def _changed(self, model: Model) -> list[tuple[Step, Rule]]:
        keys = self._keys[model.mode]
        found = [(Step(group=g, index=i), rule) for g in model.groups() for i, rule in enumerate(model.of(g))]
        return [(step, rule) for step, rule in found if key_of(rule) not in keys]

    def _suspect(self, proof: Proof, model: Model, changed: list[tuple[Step, Rule]]) -> _Suspect | None:
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
        solver.set("timeout", 1000)
        by_rule = {id(rule): step for step, rule in changed}
        arcs = arcs_of(monitor, (rule for _, rule in changed), self._mentions)
        whole = (replace(arc, guard=z3.And(arc.parts) if arc.parts else arc.guard) for arc in arcs)
        found = list(leaks(whole, proof.certificate, model.words, solver))
        if not found:
            return None
        steps = tuple(by_rule[id(arc.rule)] for arc in sorted(found, key=lambda arc: arc.broken is None))
        return _Suspect(rule=proof.rule, proof=proof, steps=steps, is_at_once=any(arc.broken is not None for arc in found))

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
