"""The pytest plugin: `pytest --workflow-definition FILE` tests a definition beside a host's own tests.

Promises: without the option nothing is loaded. Each definition is one test; its failure is told as a policy owner reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

OPTION = "--workflow-definition"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("workflow", "onboarding definitions")
    group.addoption(OPTION, action="append", default=[], metavar="FILE", help="Test this definition's policy; may be repeated.")
    group.addoption("--workflow-examples", type=int, default=100, metavar="N", help="Onboardings for each definition.")
    group.addoption("--workflow-steps", type=int, default=50, metavar="N", help="Acts in each onboarding.")
    group.addoption("--workflow-seed", type=int, default=0, metavar="S", help="The same seed gives the same runs.")
    group.addoption("--workflow-coverage", type=float, default=0.0, metavar="P", help="Percentage of states, transitions and rungs wanted.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add one test for each definition that was named."""
    items.extend(
        DefinitionItem.from_parent(session, name=Path(file).name, source=file)
        for file in config.getoption(OPTION)
        if not config.option.collectonly
    )


class DefinitionItem(pytest.Item):
    """One definition under test."""

    def __init__(self, *, source: str, **more: Any) -> None:  # noqa: ANN401  # pytest's own
        """Take the file's name as it was given."""
        super().__init__(**more)
        self.source = source

    def runtest(self) -> None:
        """Run the state machine.

        Raises:
            DefinitionFailedError: a rule does not hold, or not enough was covered.
        """
        from workflow.testing.machine import from_definition, run_tests  # noqa: PLC0415  # loads the engine and Hypothesis
        from workflow.testing.report import told  # noqa: PLC0415  # as above

        option = self.config.option
        machine = from_definition(self.source)
        try:
            outcome = run_tests(machine, examples=option.workflow_examples, steps=option.workflow_steps, with_seed=option.workflow_seed)
            if not outcome.is_passed(option.workflow_coverage):
                raise DefinitionFailedError("\n".join(told(outcome, threshold=option.workflow_coverage)))
        finally:
            machine.house.close()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401  # pytest's own
        """Tell a failed policy without a traceback; anything else with one."""
        if isinstance(excinfo.value, DefinitionFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the test comes from."""
        return Path(self.source), None, f"policy of {self.source}"


class DefinitionFailedError(AssertionError):
    """A definition does not hold what it promises."""
