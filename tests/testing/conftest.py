"""What the tests of the policy tester share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from workflow.testing.machine import Outcome, PolicyMachine, from_definition, run_tests
from workflow.testing.oracles import ORACLES

GOOD = Path(__file__).resolve().parents[1] / "definitions" / "good"

RunPolicy = Callable[..., Outcome]


@pytest.fixture
def run_policy() -> Iterator[RunPolicy]:
    """Run a definition's machine with few examples; `only` names the oracles that are asked."""
    with ExitStack() as ending:

        def run(
            source: str | Path, *, examples: int = 8, steps: int = 30, seed: int = 1, only: Sequence[str] | None = None, **more: Any
        ) -> Outcome:
            machine: type[PolicyMachine] = from_definition(source, **more)
            ending.callback(machine.house.close)
            if only is not None:
                machine.oracles = tuple(oracle for oracle in ORACLES if oracle.name in only)
            return run_tests(machine, examples=examples, steps=steps, with_seed=seed)

        yield run
