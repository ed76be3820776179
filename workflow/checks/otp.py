"""Time-based one-time codes (RFC 6238); the only importer of `pyotp`.

Promises: steps of 30 seconds, one step back at most, and each step accepted once: the last accepted one is kept with the
credential, and only a greater one is accepted. A code that was used reads as a wrong one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import pyotp

from workflow.checks.credentials import PENDING as PENDING_NAME
from workflow.checks.credentials import Attempt, activation, cleared, find, judged, opened, pending, resealed, wrong_code
from workflow.checks.reading import number, payload_text, text
from workflow.errors import NotFoundError
from workflow.ports import CheckInput, CheckResult, Credential, CredentialChange, Vault

STEP_SECONDS: Final = 30  # RFC 6238 §5.2
SECRET_BYTES: Final = 20  # RFC 4226 §4, R6: 160 bits
Digest = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """How codes are computed from a secret of 20 bytes or more."""

    secret: bytes
    digits: int = 6
    digest: Any = hashlib.sha1
    """The hash; RFC 6238's default is what every authenticator app can do, and its collisions do not matter in an HMAC."""

    def at_step(self, step: int) -> str:
        """Give the code of one step (the counter of RFC 4226)."""
        return self._totp().generate_otp(step)

    def at(self, now: datetime) -> str:
        """Give the code of an instant."""
        return self.at_step(step_at(now))

    def match(self, typed: str, *, now: datetime, last_step: int | None) -> tuple[int | None, bool]:
        """Find the step of a typed code among the present one and the one before.

        Returns:
            The step, None when there is none greater than `last_step`; and whether it was a used one.
        """
        present, plain = step_at(now), "".join(typed.split())
        # Both are always compared, so that the time does not tell which one it was.
        found = [step for step in (present - 1, present) if step >= 0 and _is_same(plain, self.at_step(step))]
        fresh = [step for step in found if last_step is None or step > last_step]
        return (fresh[-1] if fresh else None), bool(found and not fresh)

    def uri(self, *, account: str, issuer: str) -> str:
        """Give the ``otpauth://`` address that authenticator apps scan."""
        return self._totp().provisioning_uri(name=account, issuer_name=issuer)

    def _totp(self) -> pyotp.TOTP:
        return pyotp.TOTP(base64.b32encode(self.secret).decode(), digits=self.digits, digest=self.digest, interval=STEP_SECONDS)


def step_at(now: datetime) -> int:
    """Give the number of an instant's step."""
    return int(now.timestamp()) // STEP_SECONDS


def _is_same(typed: str, expected: str) -> bool:
    return hmac.compare_digest(typed.encode(), expected.encode())


def matched(codes: Codes, credential: Credential, typed: str, now: datetime) -> tuple[Credential | None, str]:
    """Compare a typed code: the credential with the step now used, or None and the private code of the failure."""
    step, is_used = codes.match(typed, now=now, last_step=credential.last_step)
    if step is None:
        return None, "code_replayed" if is_used else "code_wrong"
    return replace(cleared(credential), last_step=step), ""


def provisioning_uri(vault: Vault, credential: Credential, *, account: str, issuer: str) -> str:
    """Give the ``otpauth://`` address of an authenticator app under enrolment, for the QR code that is shown once.

    Raises:
        NotFoundError: the credential is confirmed already; its secret is never shown again.
    """
    if credential.is_active or credential.kind != "totp":
        raise NotFoundError("open enrolment of an authenticator app", credential.kind)
    return _codes(vault, credential).uri(account=account, issuer=issuer)


@dataclass(frozen=True, slots=True)
class TotpEnrol:
    """Kind ``totp_enrol``."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Make a secret that is kept, inactive, when the event is accepted."""
        content = {"secret": base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode(), "digits": number(seen, "digits", 6)}
        fresh = replace(pending(seen, "totp"), last_step=None)
        return CheckResult(facts={"ok": True}, on_accept=(CredentialChange(credential=resealed(self.vault, fresh, content)),))


@dataclass(frozen=True, slots=True)
class TotpConfirm:
    """Kind ``totp_confirm``."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify a first code; the device becomes the active one in the place of an older one."""
        enrolled = find(seen, "totp", PENDING_NAME, is_active=False)
        attempt = Attempt(is_right=False)
        if enrolled is not None:
            used, private = matched(_codes(self.vault, enrolled), enrolled, payload_text(seen, "code"), seen.now)
            content = opened(self.vault, enrolled)
            accepted = () if used is None else activation(seen, self.vault, used, content)
            attempt = Attempt(is_right=used is not None, accepted=accepted, private=private)
        return judged(seen, enrolled, attempt, wrong=wrong_code(text(seen, "code", "code")))


@dataclass(frozen=True, slots=True)
class Totp:
    """Kind ``totp``."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify a code of the active device; its step is used up when the event is accepted."""
        credential = find(seen, "totp")
        attempt = Attempt(is_right=False)
        if credential is not None:
            used, private = matched(_codes(self.vault, credential), credential, payload_text(seen, "code"), seen.now)
            accepted = () if used is None else (CredentialChange(credential=used),)
            attempt = Attempt(is_right=used is not None, accepted=accepted, private=private)
        return judged(seen, credential, attempt, wrong=wrong_code(text(seen, "code", "code")))


def _codes(vault: Vault, credential: Credential) -> Codes:
    content = opened(vault, credential)
    return Codes(secret=base64.b32decode(content["secret"]), digits=content["digits"])
