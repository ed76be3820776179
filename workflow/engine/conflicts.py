"""Conflicts that trying again cannot solve."""

from __future__ import annotations

from workflow.errors import ConflictError
from workflow.states.definition import FieldName
from workflow.states.instance import InstanceId


class StaleVersionError(ConflictError):
    """The caller saw an older version of the instance; not a race of ours, so it is not tried again."""

    def __init__(self, expected: int, found: int) -> None:
        """Name both versions."""
        super().__init__(
            f"The instance is at version {found}, not {expected}: read it again.", expected_version=expected, found_version=found
        )


class TakenError(ConflictError):
    """A unique value belongs to another instance; not a race of ours, so it is not tried again."""

    def __init__(self, field_: FieldName, holder: InstanceId) -> None:
        """Name the field; the holder is for the engine, which fires the conflict event there."""
        super().__init__(f"The value of {field_!r} belongs to another onboarding.")
        self.field = field_
        self.holder = holder


class KeyReusedError(ConflictError):
    """An idempotency key was used again with other content; not a race, so it is not tried again."""

    def __init__(self, key: str) -> None:
        """Name the key."""
        super().__init__(f"The key {key!r} was used before with other content; use a new key for a new event.")


class LeaseLostError(ConflictError):
    """Another worker has taken the message over; what this one did is reported by nobody, and the other does it again."""


FINAL_CONFLICTS = (StaleVersionError, TakenError, KeyReusedError, LeaseLostError)
"""Conflicts that trying again cannot solve."""
