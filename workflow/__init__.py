"""An embeddable workflow engine that models onboarding as a state machine.

    import workflow

    engine = workflow.open("sqlite:///access.db", upgrade=True)
    workflow.publish(engine, "cpms-access")

Importing this package loads neither SQLAlchemy nor any of the libraries behind checks and actions; they come with first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workflow.errors import (
    ActionError,
    AuditError,
    ChainBrokenError,
    ConflictError,
    DefinitionError,
    Finding,
    NotFoundError,
    Reason,
    RefusedError,
    SettingsError,
    StoreError,
    WorkflowError,
)

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from workflow.bootstrap import Extensions, publish
    from workflow.bootstrap import open_async_engine as open_async
    from workflow.bootstrap import open_engine as open  # noqa: A004  # `workflow.open` reads as it should
    from workflow.engine import AsyncEngine, Engine
    from workflow.engine.directory import FixedDirectory
    from workflow.load import load as load_definition
    from workflow.settings import Settings
    from workflow.states.definition import Definition
    from workflow.states.instance import Actor, Delegation, Event, Grant, Instance
    from workflow.states.verdict import Accepted, Allowed, Depends, Merged, Refused

    metadata: MetaData

_HOMES = {
    "Accepted": ("workflow.states.verdict", "Accepted"),
    "Actor": ("workflow.states.instance", "Actor"),
    "Allowed": ("workflow.states.verdict", "Allowed"),
    "AsyncEngine": ("workflow.engine", "AsyncEngine"),
    "Definition": ("workflow.states.definition", "Definition"),
    "Delegation": ("workflow.states.instance", "Delegation"),
    "Depends": ("workflow.states.verdict", "Depends"),
    "Engine": ("workflow.engine", "Engine"),
    "Event": ("workflow.states.instance", "Event"),
    "Extensions": ("workflow.bootstrap", "Extensions"),
    "FixedDirectory": ("workflow.engine.directory", "FixedDirectory"),
    "Grant": ("workflow.states.instance", "Grant"),
    "Instance": ("workflow.states.instance", "Instance"),
    "Merged": ("workflow.states.verdict", "Merged"),
    "Refused": ("workflow.states.verdict", "Refused"),
    "Settings": ("workflow.settings", "Settings"),
    "load_definition": ("workflow.load", "load"),
    "metadata": ("workflow.bootstrap", "metadata"),
    "open": ("workflow.bootstrap", "open_engine"),
    "open_async": ("workflow.bootstrap", "open_async_engine"),
    "publish": ("workflow.bootstrap", "publish"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever the name stands for
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'workflow' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


__all__ = [
    "Accepted",
    "ActionError",
    "Actor",
    "Allowed",
    "AsyncEngine",
    "AuditError",
    "ChainBrokenError",
    "ConflictError",
    "Definition",
    "DefinitionError",
    "Delegation",
    "Depends",
    "Engine",
    "Event",
    "Extensions",
    "Finding",
    "FixedDirectory",
    "Grant",
    "Instance",
    "Merged",
    "NotFoundError",
    "Reason",
    "Refused",
    "RefusedError",
    "Settings",
    "SettingsError",
    "StoreError",
    "WorkflowError",
    "load_definition",
    "metadata",
    "open",
    "open_async",
    "publish",
]
