"""The checks of a mobile number and of codes sent to it; the only importer of `phonenumbers`.

Promises: numbers are kept as E.164; a code is made by us, sealed until the message is sent, ten minutes old at most, and good
once. Asking for another code kills the older one and gives no further attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import phonenumbers

from workflow.checks.challenge import LIMITED, Window, is_expired, is_same_code, new_code
from workflow.checks.credentials import PENDING, Attempt, activation, cleared, find, judged, opened, pending, resealed, timed, wrong_code
from workflow.checks.reading import payload_text, text
from workflow.errors import Reason
from workflow.ports import CheckInput, CheckResult, Credential, CredentialChange, Vault

_TTL: Final = "PT10M"
_LONGEST_NUMBER: Final = 40
_MOBILE: Final = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
_INVALID: Final = Reason(
    code="phone_invalid",
    message="That is not a valid phone number.",
    needed="The number with +, country code and number; blanks are fine.",
)
_NOT_MOBILE: Final = Reason(code="phone_not_mobile", message="That number receives no text messages.", needed="A mobile number.")
_NO_PHONE: Final = Reason(code="factor_missing", message="No mobile number is registered.", needed="Another sign-in method.")


def normalised_number(written: str) -> tuple[str | None, bool]:
    """Give a number as E.164 (None when it is not valid), and whether it can be a mobile one."""
    plain = "".join(written.split())
    if not plain.startswith("+") or len(plain) > _LONGEST_NUMBER:
        return None, False
    try:
        number = phonenumbers.parse(plain, None)
    except phonenumbers.NumberParseException:
        return None, False
    if not phonenumbers.is_valid_number(number) or number.extension:
        return None, False
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164, phonenumbers.number_type(number) in _MOBILE


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChallenge:
    """A code that waits to be sent to a number (E.164), and to be typed before `expires_at`."""

    number: str = field(repr=False)
    code: str = field(repr=False)
    expires_at: datetime


def open_text_challenge(vault: Vault, credentials: Iterable[Credential]) -> OpenChallenge | None:
    """Give the newest open challenge of a subject's numbers, the one under enrolment included, for the one who sends it."""
    contents = [opened(vault, credential) for credential in credentials if credential.kind == "phone"]
    waiting = [(datetime.fromisoformat(c["challenge"]["expires_at"]), c) for c in contents if "challenge" in c]
    if not waiting:
        return None
    expires_at, content = max(waiting, key=lambda pair: pair[0])
    return OpenChallenge(number=content["number"], code=content["challenge"]["code"], expires_at=expires_at)


@dataclass(frozen=True, slots=True)
class Phone:
    """Kind ``phone``: begins the enrolment of a number."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Normalise the number; keep it, inactive, with a fresh code when the event is accepted."""
        number, is_mobile = normalised_number(payload_text(seen, "phone"))
        fresh, window = pending(seen, "phone"), Window.read(seen, ttl=_TTL)
        content = opened(self.vault, fresh) if fresh.sealed else {}
        is_limited = window.is_used_up(content, seen.now)
        reasons = _number_reasons(number, is_mobile=is_mobile, name=text(seen, "phone", "phone")) + ((LIMITED,) if is_limited else ())
        facts = {"valid": number is not None, "mobile": is_mobile, "limited": is_limited}
        if reasons:
            return CheckResult(facts=facts, reasons=reasons)
        kept = {"number": number, **_challenge(content, window, seen)}
        return CheckResult(facts=facts, on_accept=(CredentialChange(credential=resealed(self.vault, fresh, kept)),))


@dataclass(frozen=True, slots=True)
class PhoneConfirm:
    """Kind ``phone_confirm``: ends the enrolment of a number."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify the code that was sent; the number becomes the active one."""
        enrolled = find(seen, "phone", PENDING, is_active=False)
        attempt = Attempt(is_right=False)
        if enrolled is not None:
            content = opened(self.vault, enrolled)
            attempt = _attempt(seen, content, activation(seen, self.vault, enrolled, _without_challenge(content)))
        return _judged(seen, enrolled, attempt)


@dataclass(frozen=True, slots=True)
class SmsChallenge:
    """Kind ``sms_challenge``."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Make a code for the active number; the failures counted so far stay."""
        credential, window = find(seen, "phone"), Window.read(seen, ttl=_TTL)
        if credential is None:
            return CheckResult(facts={"ok": False, "limited": False}, reasons=(_NO_PHONE,))
        content = opened(self.vault, credential)
        if window.is_used_up(content, seen.now):
            return CheckResult(facts={"ok": False, "limited": True}, reasons=(LIMITED,))
        kept = resealed(self.vault, credential, {**content, **_challenge(content, window, seen)})
        return CheckResult(facts={"ok": True, "limited": False}, on_accept=(CredentialChange(credential=kept),))


@dataclass(frozen=True, slots=True)
class SmsCode:
    """Kind ``sms_code``."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify the code that was sent to the active number; it is gone when the event is accepted."""
        credential = find(seen, "phone")
        attempt = Attempt(is_right=False)
        if credential is not None:
            content = opened(self.vault, credential)
            used = resealed(self.vault, cleared(credential), _without_challenge(content))
            attempt = _attempt(seen, content, (CredentialChange(credential=used),))
        return _judged(seen, credential, attempt)


def _challenge(content: dict[str, Any], window: Window, seen: CheckInput) -> dict[str, Any]:
    challenge = {"code": new_code(), "expires_at": window.expiry(seen.now)}
    return {"challenge": challenge, "issued": window.issued(content, seen.now)}


def _without_challenge(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "challenge"}


def _attempt(seen: CheckInput, content: dict[str, Any], accepted: tuple[CredentialChange, ...]) -> Attempt:
    challenge = content.get("challenge")
    return Attempt(
        is_right=is_same_code(payload_text(seen, "code"), "" if challenge is None else challenge["code"]),
        accepted=accepted,
        private="code_wrong" if challenge is not None else "code_used",
        is_expired=is_expired(challenge, seen.now),
    )


def _judged(seen: CheckInput, credential: Credential | None, attempt: Attempt) -> CheckResult:
    result = judged(seen, credential, attempt, wrong=wrong_code(text(seen, "code", "code")))
    return timed(result, attempt, credential)


def _number_reasons(number: str | None, *, is_mobile: bool, name: str) -> tuple[Reason, ...]:
    if number is None:
        return (replace(_INVALID, field=name),)
    return () if is_mobile else (replace(_NOT_MOBILE, field=name),)
