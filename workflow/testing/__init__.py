"""For tests: fakes of the ports, and what hosts need to test their own definitions.

    from workflow.testing import machine_for

    TestAccess = machine_for("access.yaml")

Hypothesis comes with the extra `testing`, and only what draws needs it; `replay` and the acts do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workflow.testing.acts import Ask, Delegate, EndDelegation, Erase, Fire, Perform, Repeat, Start, Tick, Wait

if TYPE_CHECKING:
    from workflow.testing.machine import PolicyMachine, from_definition, machine_for, run_tests
    from workflow.testing.oracles import Oracle
    from workflow.testing.properties import PolicyViolationError
    from workflow.testing.shortening import replay

__all__ = [
    "Ask",
    "Delegate",
    "EndDelegation",
    "Erase",
    "Fire",
    "Oracle",
    "Perform",
    "PolicyMachine",
    "PolicyViolationError",
    "Repeat",
    "Start",
    "Tick",
    "Wait",
    "from_definition",
    "machine_for",
    "replay",
    "run_tests",
]

_HOMES = {
    "Oracle": "oracles",
    "PolicyMachine": "machine",
    "PolicyViolationError": "properties",
    "from_definition": "machine",
    "machine_for": "machine",
    "replay": "shortening",
    "run_tests": "machine",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # what a module holds
    """Load what is asked for, and no engine or Hypothesis before."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
