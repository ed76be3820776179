"""The report of the policy tester: what is wrong, what was not covered, and the history as people read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from tests.testing.conftest import GOOD, RunPolicy
from workflow.testing.report import as_data, failure_text, timeline, told

LIBRARY = GOOD / "library-card.yaml"


def test_a_mark_that_is_missing_is_told_with_its_sentence(run_policy: RunPolicy, tmp_path: Path) -> None:
    """A field that should be personal and is not fails the definition, and the report says which rule wants that."""
    text = LIBRARY.read_text(encoding="utf-8").replace(
        "full_name: {type: string, max_length: 120}", "full_name: {type: string, personal: false, because: for a test}"
    )
    path = tmp_path / "bare.yaml"
    path.write_text(text, encoding="utf-8")
    lines = list(told(run_policy(path, examples=1)))
    assert lines[0] == "names are erasable"
    assert lines[1].endswith("The definition does not mark it so.")
    assert ": FAILED; 1 onboardings" in lines[-1]


def test_what_was_not_covered_is_named_and_fails_a_threshold(run_policy: RunPolicy) -> None:
    """With too few examples the report names what never happened, not all of it when it is much, and says what would help."""
    outcome = run_policy("cpms-access", examples=1, steps=1)
    lines = list(told(outcome, threshold=100))
    assert any(line.startswith("    never: ") for line in lines)
    assert any(line.strip().startswith("and ") and line.endswith(" more") for line in lines)
    assert "wanted are 100 %. Give more examples or steps." in lines[-2]
    assert ": FAILED;" in lines[-1]
    assert ": passed;" in list(told(outcome))[-1]
    assert (as_data(outcome, threshold=100)["passed"], as_data(outcome)["passed"]) == (False, True)


def test_warnings_are_told_with_their_number(run_policy: RunPolicy) -> None:
    """What is odd and no fault is counted and does not fail the definition."""
    outcome = replace(run_policy(LIBRARY, examples=2), warnings={"a step that took long": 3}, seed=None)
    lines = list(told(outcome))
    assert "warning: a step that took long (3 times)" in lines
    assert "seed" not in lines[-1]


def test_a_history_reads_as_it_happened() -> None:
    """One line for each entry in the calendar's own time: who, for whom, what became of it, and when it was recorded if that was later."""
    entries = [
        {"sequence": 1, "event": "ask", "actor": "ana", "from": None, "to": "open", "late": 0},
        {"sequence": 2, "event": "look", "actor": "dee", "on_behalf_of": "ben", "from": "open", "to": "open", "late": 0},
        {"sequence": 3, "event": "close", "actor": "ana", "from": "open", "to": "open", "late": 0, "reasons": [{"public": "role_missing"}]},
        {"sequence": 4, "event": "late", "actor": "engine", "from": "open", "to": "lost", "late": 5},
    ]
    at = datetime(2026, 7, 1, 9, tzinfo=UTC)
    history = [
        one
        | {
            "occurred_at": at.replace(minute=one["sequence"]).isoformat(),
            "recorded_at": at.replace(minute=one["sequence"] + one["late"]).isoformat(),
        }
        for one in entries
    ]
    calendar = SimpleNamespace(zone="Europe/Brussels")
    rig = SimpleNamespace(world=SimpleNamespace(calendar=calendar), history=history, clock=SimpleNamespace(now=lambda: at))
    assert [line.split("  ", 3)[-1].strip() for line in timeline(rig)] == [
        "ask by ana -> open",
        "look by dee for ben in open",
        "close by ana refused in open: role_missing",
        "late by engine -> lost, recorded Wed 01 Jul 11:09:00",
        "now",
    ]
    assert next(timeline(rig)).strip().startswith("1  Wed 01 Jul 2026 11:01:00")


def test_a_failure_without_a_seed_names_none(run_policy: RunPolicy, tmp_path: Path) -> None:
    """A run that pytest chose by itself is reproduced by its printed test."""
    text = LIBRARY.read_text(encoding="utf-8")
    text = text.replace("issue_card: {by: [librarian], decision: issue}", "issue_card: {by: [librarian, reader]}")
    path = tmp_path / "careless.yaml"
    path.write_text(text.replace("decline: {by: [librarian], decision: issue}", "decline: {by: [librarian]}"), encoding="utf-8")
    outcome = run_policy(path, examples=30)
    assert outcome.failure is not None
    assert "reproduces this run" not in failure_text(outcome.failure)
    assert failure_text(outcome.failure) in "\n".join(told(replace(outcome, seed=None)))
