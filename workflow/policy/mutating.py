"""Mutation: which faults of a definition does its policy notice?

Promises: every mutant goes through the loader's own checks, then through the proofs; a mutant counts as noticed only when a tool says
so. For a survivor there is a property that holds of the definition and notices the mutant, tried and found so, or the reason why none
can; where neither is known, that is said.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from workflow.errors import DefinitionError
from workflow.load import compose, load
from workflow.policy.mutants import Mutant, mutants
from workflow.policy.wordless import wordless
from workflow.prove.spread import spread
from workflow.prove.variants import Baseline, Variant
from workflow.states.check import check
from workflow.states.definition import Definition, Property
from workflow.states.findings import Findings
from workflow.states.known import Known
from workflow.states.node import Node
from workflow.states.parse import parse

TOOLS = ("check", "prove", "test")
Tester = Callable[[Definition], str]
"""Tests a definition; says what failed, empty when nothing did."""
Progress = Callable[[str, int, int], None]
"""Is told what is going on, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A mutant and what became of it.

    Attributes:
        kind, line, column, sentence: the mutant.
        noticed_by: ``check``, ``prove`` or ``test``; empty for a survivor.
        how: what the tool said.
        proposal: a property in YAML that would notice the survivor.
        reason: why no property can, or that none was found.
    """

    kind: str
    line: int
    column: int
    sentence: str
    noticed_by: str = ""
    how: str = ""
    run: tuple[str, ...] = ()
    proposal: str = ""
    reason: str = ""
    seconds: float = 0.0

    @property
    def is_explained(self) -> bool:
        """Tell whether it was noticed, or is known why not and what to do."""
        return bool(self.noticed_by or self.proposal or self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """All mutants of a definition, in the order of the document."""

    definition: str
    file: str
    judged: tuple[Judged, ...]
    unproven: tuple[str, ...] = ()
    """Properties that do not hold of the definition itself, so that they notice nothing."""

    @property
    def survivors(self) -> tuple[Judged, ...]:
        """The mutants that nothing noticed."""
        return tuple(one for one in self.judged if not one.noticed_by)

    @property
    def percent(self) -> float:
        """How many of a hundred were noticed; 100 without mutants."""
        return 100 * (1 - len(self.survivors) / len(self.judged)) if self.judged else 100.0

    def by_kind(self) -> dict[str, Counter[str]]:
        """Count by kind and tool; ``""`` is for survivors."""
        found: dict[str, Counter[str]] = {}
        for one in self.judged:
            found.setdefault(one.kind, Counter())[one.noticed_by] += 1
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to mutate: the tools in their order, how many mutants (all when None), and how many processes."""

    tools: Sequence[str] = ("check", "prove")
    sample: int | None = None
    seed: int = 0
    jobs: int = 1


def mutate(data: bytes, *, file: str, known: Known, plan: Plan, tester: Tester | None = None, progress: Progress | None = None) -> Score:
    """Make the mutants of a definition and ask the tools about each, until one notices it.

    Args:
        data: the definition as written.
        file: how its author knows it.
        known: kinds of checks and actions.
        plan: what to do.
        tester: for the tool ``test``.
        progress: is told how far it is.

    Raises:
        DefinitionError: the definition itself is faulty.
    """
    tell = progress or (lambda *_: None)
    definition = load(data, name=file, known=known)
    root = compose(data, file=file)
    chosen = _sampled(list(mutants(root, definition)), plan)
    baseline = Baseline(definition, known)
    if "prove" in plan.tools:
        rules = [rule for rule in definition.policy if rule.severity == "error"]
        for done, _ in enumerate(baseline.prepare(jobs=plan.jobs), start=1):
            tell("Proving the definition itself", done, len(rules))
    judge = _Judge(root=root, file=file, known=known, plan=plan, baseline=baseline, tester=tester)
    found: dict[int, Judged] = {}
    for index, judged in spread(judge.judge, chosen, jobs=plan.jobs):
        found[index] = judged
        tell("Mutating", len(found), len(chosen))
    return Score(
        definition=definition.name,
        file=file,
        judged=tuple(found[index] for index in sorted(found)),
        unproven=tuple(rule.name for rule in baseline.unproven),
    )


def _sampled(found: list[Mutant], plan: Plan) -> list[Mutant]:
    """Draw some mutants, in the order of the document; the same seed draws the same."""
    if plan.sample is None or plan.sample >= len(found):
        return found
    chosen = set(Random(plan.seed).sample(range(len(found)), plan.sample))  # noqa: S311  # nothing secret
    return [one for index, one in enumerate(found) if index in chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Asks the tools about one mutant after the other."""

    root: Node
    file: str
    known: Known
    plan: Plan
    baseline: Baseline
    tester: Tester | None

    def judge(self, mutant: Mutant) -> Judged:
        """Ask each tool, until one notices the mutant; a survivor is explained."""
        begun = time.monotonic()
        told = Judged(kind=mutant.kind, line=mutant.place[0], column=mutant.place[1], sentence=mutant.sentence)
        variant, faults = inspect_tree(mutant.root, file=self.file, known=self.known)
        if variant is None:
            # Without the check nothing else can be asked either: such a document is no definition.
            return replace(told, noticed_by="check", how=faults[0], seconds=time.monotonic() - begun)
        judged = Variant(variant, self.baseline) if "prove" in self.plan.tools else None
        for tool in self.plan.tools:
            told = self._asked(tool, told, variant, judged)
            if told.noticed_by:
                break
        else:
            told = self._explained(told, mutant, judged) if judged is not None else told
        return replace(told, seconds=time.monotonic() - begun)

    def _asked(self, tool: str, told: Judged, variant: Definition, judged: Variant | None) -> Judged:
        if tool == "prove" and judged is not None:
            notice = self.baseline.notice(judged)
            if notice is not None:
                how = f"{notice.outcome}: {notice.rule.name}"
                return replace(told, noticed_by="prove", how=how, run=notice.run)
        if tool == "test" and self.tester is not None:
            failed = self.tester(variant)
            if failed:
                return replace(told, noticed_by="test", how=failed)
        return told

    def _explained(self, told: Judged, mutant: Mutant, variant: Variant) -> Judged:
        """Say which property is missing, or why none can notice it."""
        reason = variant.difference
        if reason.startswith("equivalent"):
            return replace(told, reason=reason)
        kept: Property | None = None
        for text in mutant.proposals:
            rule = self._property(text)
            further = None if rule is None else self.baseline.further(rule)
            if rule is None or further is None:
                continue
            if further.notice(variant) is not None:
                return replace(told, proposal=f"- {text}")
            kept = kept or (rule if self.baseline.holds(rule, variant) else None)
        return replace(told, reason=reason or wordless(self.baseline, variant, mutant, kept))

    def _property(self, text: str) -> Property | None:
        """Read a proposal as the loader would read it in the definition; None when the loader objects."""
        try:
            item = compose(text.encode(), file="proposal")
        except DefinitionError:
            return None
        policy = self.root.get("policy") or Node(value=())
        name = getattr(item.get("name"), "text", None)
        known = next((rule for rule in self.baseline.definition.policy if rule.name == name), None)
        if known is not None:
            return known
        entries = {**self.root.entries, "policy": replace(policy, value=(*policy.items, item))}
        definition, _ = inspect_tree(replace(self.root, value=entries), file=self.file, known=self.known)
        return None if definition is None else definition.policy[-1]


def inspect_tree(root: Node, *, file: str, known: Known) -> tuple[Definition | None, tuple[str, ...]]:
    """Read a tree as a definition with the loader's own checks; None and the faults when it is none."""
    findings = Findings(file=file)
    parsed = parse(root, known=known, findings=findings)
    if parsed is not None:
        check(parsed, known=known, findings=findings)
    faults = tuple(f"{one.code}: {one.message}" for one in findings.in_order() if one.severity == "error")
    return (parsed.definition if parsed is not None and not faults else None), faults


def survivors_by_proposal(score: Score) -> Iterator[tuple[str, list[Judged]]]:
    """Give every missing property once, with the survivors that it would notice."""
    found: dict[str, list[Judged]] = {}
    for one in score.survivors:
        if one.proposal:
            found.setdefault(one.proposal, []).append(one)
    yield from found.items()
