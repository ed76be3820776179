"""The state machine made from a definition: good definitions hold, a wrong one is told well, a seed gives the same run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.testing.conftest import GOOD, RunPolicy
from workflow.testing import Oracle, PolicyViolationError, machine_for
from workflow.testing.report import as_data, failure_text, told

LIBRARY = GOOD / "library-card.yaml"


@pytest.mark.parametrize("path", sorted(GOOD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_good_definition_holds(run_policy: RunPolicy, path: Path) -> None:
    """No oracle and no property objects to the real engine on a good definition."""
    outcome = run_policy(path, examples=6, steps=30)
    assert outcome.failure is None, "\n".join(told(outcome))


def test_the_reference_definition_holds(run_policy: RunPolicy) -> None:
    """Nor on the reference definition."""
    outcome = run_policy("cpms-access", examples=25, steps=50)
    assert outcome.is_passed(), "\n".join(told(outcome))


def test_a_small_definition_is_covered_completely(run_policy: RunPolicy) -> None:
    """Every state, transition and rung of a small definition is reached with few examples."""
    outcome = run_policy(LIBRARY, examples=20, steps=40)
    assert 100.0 == outcome.coverage.reached(), "\n".join(told(outcome))


def test_the_same_seed_gives_the_same_runs(run_policy: RunPolicy) -> None:
    """Two runs with one seed cover the same, as often."""
    one, other = (run_policy(LIBRARY, examples=5, seed=7) for _ in range(2))
    assert one.coverage.counts == other.coverage.counts
    assert one.coverage.steps == other.coverage.steps


@pytest.fixture
def careless(tmp_path: Path) -> Path:
    """A library where readers issue their own cards, against the policy."""
    text = LIBRARY.read_text(encoding="utf-8")
    text = text.replace("issue_card: {by: [librarian], decision: issue}", "issue_card: {by: [librarian, reader]}")
    path = tmp_path / "careless.yaml"
    path.write_text(text.replace("decline: {by: [librarian], decision: issue}", "decline: {by: [librarian]}"), encoding="utf-8")
    return path


def test_a_failure_names_the_property_and_shows_the_shortest_history(run_policy: RunPolicy, careless: Path) -> None:
    """Name, sentence, timeline and a test to paste; two acts are enough here."""
    failure = run_policy(careless, examples=30).failure
    assert failure is not None
    text = failure_text(failure, seed=1)
    assert "nobody issues their own card" == failure.name
    assert ["Start", "Fire"] == [type(act).__name__ for act in failure.rig.acts]
    assert "issue_card is never done by the person being onboarded" in text
    assert "issue_card by subject -> card_issued" in text
    assert "Seed 1 reproduces this run." in text


def test_the_printed_test_fails_as_the_run_did(run_policy: RunPolicy, careless: Path) -> None:
    """What is printed can be pasted: it is Python, and breaks the same rule without Hypothesis."""
    failure = run_policy(careless, examples=30).failure
    assert failure is not None
    code = failure_text(failure).partition("To keep it as a test:")[2]
    module: dict[str, Any] = {}
    exec(code, module)  # what the report prints is what is tested
    with pytest.raises(PolicyViolationError, match="nobody issues their own card"):
        module["test_nobody_issues_their_own_card"]()


def test_marks_of_fields_are_judged_without_a_run(run_policy: RunPolicy, tmp_path: Path) -> None:
    """A field that the policy wants personal and the definition says is not, fails the test."""
    text = LIBRARY.read_text(encoding="utf-8").replace(
        "full_name: {type: string, max_length: 120}", "full_name: {type: string, personal: false, because: for a test}"
    )
    path = tmp_path / "bare.yaml"
    path.write_text(text, encoding="utf-8")
    outcome = run_policy(path, examples=1)
    assert (False, ["names are erasable"]) == (outcome.is_passed(), as_data(outcome)["marks"])


def test_a_host_adds_properties_and_values(run_policy: RunPolicy) -> None:
    """A host's own rule sees every act, and a host's own strategy makes its values."""
    seen: list[object] = []

    def look(rig: Any, observed: Any) -> Iterator[str]:
        if observed.event is not None and "full_name" in observed.event.payload:
            seen.append(observed.event.payload["full_name"])
        if rig.history and rig.history[-1]["to"] == "declined":
            yield "Somebody was declined."

    rule = Oracle(name="everybody gets a card", sentence="Nobody is declined.", look=look)
    outcome = run_policy(LIBRARY, examples=40, properties=[rule], strategies={"full_name": st.just("Ada Byron")})
    assert outcome.failure is not None
    assert "everybody gets a card" == outcome.failure.name
    assert "Ada Byron" in seen


def test_a_test_case_is_made_for_pytest() -> None:
    """`machine_for` gives what pytest and unittest collect."""
    case = machine_for(LIBRARY, examples=2, steps=5)
    case("runTest").runTest()


def test_the_machine_runs_on_postgresql_too(run_policy: RunPolicy, postgres_url: str) -> None:
    """The same machine drives the other real store."""
    outcome = run_policy(LIBRARY, examples=4, steps=20, postgres=postgres_url)
    assert outcome.failure is None, "\n".join(told(outcome))
