"""Credentials as checks use them: found, opened, sealed again, and judged under one failure policy.

The policy (security rule 22), with n the consecutive failures of one credential:
- from the fifth failure on, nothing is judged for min(2^(n-5) x 30 s, 1 h);
- at 100 failures the credential is disabled until it is enrolled anew; so are all, when all of a subject's together have 100;
- a success sets n to 0, a new challenge does not; an attempt while nothing is judged is not counted;
- whatever the cause, it looks like a wrong code.

Each change carries the version that was read, so of attempts at the same time exactly one is saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from workflow.errors import Reason
from workflow.ports import CheckInput, CheckResult, Credential, CredentialChange, Vault

PENDING: Final = "pending"
"""The name of a credential that is being enrolled; the confirmed one has the empty name."""
FREE_FAILURES: Final = 5
FIRST_WAIT_SECONDS: Final = 30
LONGEST_WAIT_SECONDS: Final = 3600
MOST_FAILURES: Final = 100

Content = Mapping[str, Any]
"""What is sealed in a credential: a JSON object; its keys are listed per kind in docs/checks.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a check found out about one attempt, before the failure policy is applied.

    `private` is the precise code of a failure; `accepted` what to write when the attempt was right and the event is accepted.
    """

    is_right: bool
    accepted: tuple[CredentialChange, ...] = ()
    private: str = ""
    is_expired: bool = False
    is_counted: bool = True


def find(seen: CheckInput, kind: str, name: str = "", *, is_active: bool = True) -> Credential | None:
    """Give the subject's credential of a kind and name, when it is active (or, for `is_active=False`, when it is not)."""
    matching = (c for c in seen.credentials if c.kind == kind and c.name == name and c.subject == seen.subject)
    return next((c for c in matching if c.is_active == is_active), None)


def version_of(seen: CheckInput, kind: str, name: str = "") -> int:
    """Give the version of a credential that will be written over; 0 when there is none."""
    return next((c.version for c in seen.credentials if (c.subject, c.kind, c.name) == (seen.subject, kind, name)), 0)


def opened(vault: Vault, credential: Credential) -> dict[str, Any]:
    """Open what is sealed in a credential."""
    content: dict[str, Any] = orjson.loads(vault.open(credential.sealed, bound_to=credential.bound_to))
    return content


def resealed(vault: Vault, credential: Credential, content: Content) -> Credential:
    """Seal new content into a credential; nothing else of it changes."""
    return replace(credential, sealed=vault.seal(orjson.dumps(content), bound_to=credential.bound_to))


def pending(seen: CheckInput, kind: str) -> Credential:
    """Give the credential under enrolment, still to be sealed: a new one, or the one that it replaces with its failures kept."""
    existing = find(seen, kind, PENDING, is_active=False)
    return existing or Credential(subject=seen.subject, kind=kind, name=PENDING, is_active=False, created_at=seen.now)


def activation(seen: CheckInput, vault: Vault, enrolled: Credential, content: Content) -> tuple[CredentialChange, ...]:
    """Give the changes that make an enrolled credential the active one, in the place of an older one."""
    active = Credential(
        subject=seen.subject,
        kind=enrolled.kind,
        version=version_of(seen, enrolled.kind),
        last_step=enrolled.last_step,
        created_at=seen.now,
    )
    return (
        CredentialChange(credential=enrolled, is_removed=True),
        CredentialChange(credential=resealed(vault, active, content)),
    )


def cleared(credential: Credential) -> Credential:
    """Give the credential after a success: no failures, no wait."""
    return replace(credential, failure_count=0, locked_until=None)


def failed(credential: Credential, now: datetime) -> Credential:
    """Give the credential after one more failure, with the wait that follows from it."""
    count = credential.failure_count + 1
    if count < FREE_FAILURES:
        return replace(credential, failure_count=count)
    wait = min(2 ** (count - FREE_FAILURES) * FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
    return replace(credential, failure_count=count, locked_until=now + timedelta(seconds=wait))


def lock_of(seen: CheckInput, credential: Credential) -> str:
    """Say why nothing is judged now (``disabled`` or ``locked``); empty when attempts are judged."""
    if max(credential.failure_count, sum(c.failure_count for c in seen.credentials if c.subject == seen.subject)) >= MOST_FAILURES:
        return "disabled"
    if credential.locked_until is not None and seen.now < credential.locked_until:
        return "locked"
    return ""


def judged(seen: CheckInput, credential: Credential | None, attempt: Attempt, *, wrong: Reason) -> CheckResult:
    """Apply the failure policy to one attempt and give the check's answer.

    Args:
        seen: what the check was given.
        credential: the one that was tried, None when the subject has none.
        attempt: what was found out; found out before this call, so that a lock takes no less time than a wrong code.
        wrong: the public reason that every failure reads as.
    """
    facts: dict[str, bool | int | str] = {"ok": False, "locked": False}
    if credential is None:
        return CheckResult(facts=facts, reasons=(replace(wrong, private="unknown_credential"),))
    # An expired challenge says so with and without a lock: it tells nothing about the attempt.
    if attempt.is_expired:
        return CheckResult(facts=facts, reasons=(replace(EXPIRED, field=wrong.field),))
    lock = lock_of(seen, credential)
    if lock:
        return CheckResult(facts={"ok": False, "locked": True}, reasons=(replace(wrong, private=lock),))
    if attempt.is_right:
        return CheckResult(facts={"ok": True, "locked": False}, on_accept=attempt.accepted)
    refusals = (CredentialChange(credential=failed(credential, seen.now)),) if attempt.is_counted else ()
    return CheckResult(facts=facts, reasons=(replace(wrong, private=attempt.private),), on_refuse=refusals)


def timed(result: CheckResult, attempt: Attempt, credential: Credential | None) -> CheckResult:
    """Add the fact `expired` to an answer about something that expires."""
    return replace(result, facts={**result.facts, "expired": credential is not None and attempt.is_expired})


EXPIRED: Final = Reason(code="code_expired", message="That code is no longer valid.", needed="Ask for a new one.", field="code")


def wrong_code(field: str = "code") -> Reason:
    """Give the reason that a wrong, used, locked or unknown code reads as alike."""
    return Reason(
        code="wrong_code",
        message="That code is not right.",
        needed="The newest code; after several wrong ones, wait a while before the next.",
        field=field,
    )
