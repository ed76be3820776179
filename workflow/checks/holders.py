"""The check that somebody is there to decide."""

from __future__ import annotations

from dataclasses import dataclass

from workflow.checks.reading import field_text, text
from workflow.errors import Reason
from workflow.ports import CheckInput, CheckResult, Directory
from workflow.states.definition import RoleName


@dataclass(frozen=True, slots=True)
class RoleHolders:
    """Kind ``role_holders``."""

    directory: Directory

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Count who holds the role now, for the value of the scope field; the subject never counts."""
        role, scope_field = RoleName(text(seen, "role")), text(seen, "scope_field")
        scope = (field_text(seen, scope_field) or None) if scope_field else None
        # A role with a scope is held by nobody for no value.
        holders = () if scope_field and scope is None else self.directory.holders(role, scope)
        count = len(set(holders) - {seen.subject})
        reason = Reason(code="nobody_to_decide", message="Nobody can be found who may decide this.", needed="The operators are told.")
        return CheckResult(facts={"found": count > 0, "count": count}, reasons=() if count else (reason,))
