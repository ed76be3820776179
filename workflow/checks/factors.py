"""Checks over all factors of a subject: whichever one is used, which ones there are, and taking one away.

Promises: a method that the definition does not list (any more) is refused, whatever is enrolled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from workflow.checks.reading import payload_text, texts
from workflow.checks.specs import FACTORS, METHODS
from workflow.errors import Reason
from workflow.ports import Check, CheckInput, CheckResult, Credential, CredentialChange
from workflow.states.definition import CheckUse

_CHECK_OF: Final[Mapping[str, str]] = {"totp": "totp", "sms": "sms_code", "app_pin": "app_pin", "app_code": "app_code"}
_NOT_OFFERED: Final = Reason(code="method_not_offered", message="That sign-in method is not offered.", needed="One of the methods offered.")


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """Kind ``second_factor``. `verifiers` are the checks by kind that verify one method each."""

    verifiers: Mapping[str, Check] = field(default_factory=dict)

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify the code by the method that the payload names; for ``app_pin`` the code is ``<pin>.<answer>``."""
        method, code = payload_text(seen, "method"), payload_text(seen, "code")
        if method not in METHODS or method not in texts(seen, "methods", METHODS):
            return CheckResult(facts={"ok": False, "locked": False, "expired": False, "method": ""}, reasons=(_NOT_OFFERED,))
        pin, _, answer = code.partition(".")
        kind, payload = _CHECK_OF[method], {"code": code, "pin": pin, "answer": answer}
        result = self.verifiers[kind](replace(seen, use=CheckUse(name=seen.use.name, use=kind), payload=payload))
        named = tuple(replace(reason, field=str(seen.use.params.get("code", "code"))) for reason in result.reasons)
        return replace(result, reasons=named, facts={"expired": False, **result.facts, "method": method})


def factors(seen: CheckInput, /) -> CheckResult:
    """Kind ``factors``: say which factors are enrolled and active."""
    found = {credential.kind for credential in _active(seen)}
    facts: dict[str, bool | int | str] = {kind: kind in found for kind in ("password", *FACTORS)}
    return CheckResult(facts={**facts, "second_count": sum(kind in found for kind in FACTORS)})


def remove_factor(seen: CheckInput, /) -> CheckResult:
    """Kind ``remove_factor``: remove the named factors, those under enrolment too, when the event is accepted."""
    kinds = texts(seen, "factors")
    gone = [credential for credential in seen.credentials if credential.subject == seen.subject and credential.kind in kinds]
    left = {credential.kind for credential in _active(seen)} & set(FACTORS) - set(kinds)
    return CheckResult(
        facts={"found": any(credential.is_active for credential in gone), "left_count": len(left)},
        on_accept=tuple(CredentialChange(credential=credential, is_removed=True) for credential in gone),
    )


def _active(seen: CheckInput) -> list[Credential]:
    return [credential for credential in seen.credentials if credential.is_active and credential.subject == seen.subject]
