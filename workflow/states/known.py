"""What a definition may name beyond itself: kinds of checks and of actions.

Promises: descriptions only, as values. The rooms that perform them (`checks`, `actions`) publish theirs; `bootstrap` joins them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FactType = Literal["bool", "int", "string"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """A kind of check: the facts it derives (leaf -> type) and the parameters it takes in the definition.

    `params` maps a parameter to whether it is required. `reads` names parameters whose value is the name of a payload
    value of the event (``reads: password``), so that the loader can verify that it exists; `default_reads` what they
    are when the definition does not say.
    """

    use: str
    facts: Mapping[str, FactType]
    params: Mapping[str, bool] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    """Parameter -> default payload name that it reads."""
    choices: Mapping[str, frozenset[str | int]] = field(default_factory=dict)
    """Parameter -> the values it may have (each value of a list); absent when any is accepted."""
    longest_seconds: Mapping[str, int] = field(default_factory=dict)
    """Parameter -> the longest elapsed duration it may have: a mailed link lives 24 hours, a text-message code 10 minutes."""
    names_events: frozenset[str] = frozenset()
    """Parameters whose value is the name of an engine event."""
    names_fields: frozenset[str] = frozenset()
    """Parameters whose value is the name of a field, or a list of such names."""
    names_roles: frozenset[str] = frozenset()
    """Parameters whose value is the name of a role."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpec:
    """A kind of action; `names` are the templates or targets it knows, None when any name is accepted."""

    kind: str
    names: frozenset[str] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything a definition may name beyond itself."""

    checks: Mapping[str, CheckSpec] = field(default_factory=dict)
    actions: Mapping[str, ActionSpec] = field(default_factory=dict)
