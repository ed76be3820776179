"""The corpus of seeded faults: every one is found by the tool that it names, and no tool objects to a good definition."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.support.faults import FAULTS, SeededFault
from workflow.bootstrap import find_definition, known
from workflow.load import inspect, load
from workflow.prove.variants import Baseline, Variant
from workflow.testing.machine import from_definition, run_tests

KNOWN = known()
GOOD = Path(__file__).parents[1] / "definitions" / "good"
EXAMPLES, STEPS = 40, 40


def _path(base: str) -> Path:
    return find_definition(base) if base == "cpms-access" else GOOD / f"{base}.yaml"


@cache
def _baseline(base: str) -> Baseline:
    """Prove a good definition once for all its faults."""
    baseline = Baseline(load(_path(base), known=KNOWN), KNOWN)
    for _ in baseline.prepare():
        pass
    return baseline


def _broken(fault: SeededFault) -> str:
    text = _path(fault.base).read_text(encoding="utf-8")
    assert text.count(fault.old) >= 1, "the fault no longer fits its definition"
    return text.replace(fault.old, fault.new, 1)


def _of(tool: str) -> list[SeededFault]:
    return [fault for fault in FAULTS if fault.tool == tool]


def test_the_corpus_is_large_enough():
    """At least fifty faults of several definitions, no two alike."""
    assert len(FAULTS) >= 50
    assert len({fault.base for fault in FAULTS}) >= 8
    assert len({(fault.base, fault.tool, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", _of("check"), ids=str)
def test_the_check_finds_it(fault):
    """The loader names the fault by its code, as an error; the good definition has no error."""
    definition, findings = inspect(_broken(fault), known=KNOWN)
    assert definition is None
    assert fault.found_by in {finding.code for finding in findings if finding.severity == "error"}


@pytest.mark.parametrize("fault", _of("prove"), ids=str)
def test_the_proof_finds_it(fault):
    """The loader lets it pass, and the property that it breaks is no longer proven."""
    variant, findings = inspect(_broken(fault), known=KNOWN)
    assert variant is not None, findings
    rule = next(rule for rule in _baseline(fault.base).definition.policy if rule.name == fault.found_by)
    only = _baseline(fault.base).further(rule)
    assert only is not None
    notice = only.notice(Variant(variant, only))
    assert notice is not None
    assert notice.rule.name == fault.found_by


@pytest.mark.parametrize("base", sorted({fault.base for fault in _of("prove")}))
def test_a_good_definition_gives_no_alarm(base):
    """Everything is proven of it, and of an exact copy of it nothing is noticed."""
    baseline = _baseline(base)
    assert baseline.unproven == ()
    assert baseline.notice(Variant(load(_path(base), known=KNOWN), baseline)) is None
    assert Variant(load(_path(base), known=KNOWN), baseline).difference.startswith("equivalent")


@pytest.mark.parametrize("fault", _of("test"), ids=str)
def test_the_random_onboardings_find_it(fault, tmp_path):
    """A run on the real engine breaks the property, and the failure has its name."""
    place = tmp_path / f"{fault.base}.yaml"
    place.write_text(_broken(fault), encoding="utf-8")
    machine = from_definition(place)
    try:
        failure = run_tests(machine, examples=EXAMPLES, steps=STEPS, with_seed=1).failure
    finally:
        machine.house.close()
    assert failure is not None
    assert failure.name == fault.found_by
