"""The checks of the mobile app: enrolment by QR code and PIN, sign-in by pushed PIN or by QR code and 8-digit code.

Promises: a device counts only after the pushed confirmation was answered by it; a challenge is good once, for one purpose,
one device and ten minutes at most. PINs are hashed *and* sealed; the device's secret is sealed.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from workflow.checks import app_protocol
from workflow.checks.app_protocol import app_text, is_push_answer, new_value, read_initialise_proof, sign_in_codes
from workflow.checks.challenge import LIMITED, Window, is_expired, new_challenge
from workflow.checks.credentials import PENDING, Attempt, activation, cleared, find, judged, opened, pending, resealed, timed, wrong_code
from workflow.checks.otp import matched
from workflow.checks.password import Hashing
from workflow.checks.reading import payload_text, text
from workflow.errors import NotFoundError, Reason
from workflow.ports import CheckInput, CheckResult, Credential, CredentialChange, Vault

KIND: Final = "app_device"
_TTL: Final = "PT5M"
_ENROL_TTL: Final = "PT10M"
_PIN: Final = re.compile(r"[0-9]{4}")
_LONGEST_NAME: Final = 64
_BAD_PIN: Final = Reason(code="pin_format", message="The PIN code is not four digits.", needed="Four digits.")
_BAD_NAME: Final = Reason(
    code="device_name_format", message="The device needs a name.", needed=f"A name of one line, at most {_LONGEST_NAME} characters."
)
_NO_DEVICE: Final = Reason(code="factor_missing", message="No device is registered.", needed="Another sign-in method.")


def initialise_qr(vault: Vault, credential: Credential) -> str:
    """Give the text of the initialise QR code of a device under enrolment.

    Raises:
        NotFoundError: the device was initialised already; the code is good once and never shown again.
    """
    content = opened(vault, credential)
    if credential.is_active or "seed" not in content:
        raise NotFoundError("open enrolment of a device", credential.kind)
    return app_text("initialise", content["seed"])


def sign_in_qr(vault: Vault, credential: Credential) -> str:
    """Give the text of the sign-in QR code of the challenge made last; raises `NotFoundError` when it is used or none was made."""
    challenge = opened(vault, credential).get("qr")
    if challenge is None:
        raise NotFoundError("open sign-in code", credential.kind)
    return app_text("sign-in", challenge["value"])


def push_text(vault: Vault, credential: Credential) -> str:
    """Give the text to push to the device; raises `NotFoundError` when nothing is waiting for it."""
    challenge = opened(vault, credential).get("push")
    if challenge is None:
        raise NotFoundError("open push", credential.kind)
    return str(challenge["text"])


@dataclass(frozen=True, slots=True)
class AppEnrol:
    """Kind ``app_enrol``."""

    vault: Vault
    hashing: Hashing

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Take the device's name and PIN; keep both, inactive, with a fresh seed when the event is accepted."""
        name, pin = payload_text(seen, "device_name").strip(), payload_text(seen, "pin")
        reasons = []
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            reasons.append(replace(_BAD_NAME, field=text(seen, "device_name", "device_name")))
        if not _PIN.fullmatch(pin):
            reasons.append(replace(_BAD_PIN, field=text(seen, "pin", "pin")))
        if reasons:
            return CheckResult(facts={"ok": False}, reasons=tuple(reasons))
        content = {
            "device_name": name,
            "pin_hash": self.hashing.hash(pin),
            "seed": new_value(secrets.token_bytes(32)),
            "expires_at": Window.read(seen, ttl=_ENROL_TTL).expiry(seen.now),
        }
        fresh = resealed(self.vault, replace(pending(seen, KIND), last_step=None), content)
        return CheckResult(facts={"ok": True}, on_accept=(CredentialChange(credential=fresh),))


@dataclass(frozen=True, slots=True)
class AppInitialise:
    """Kind ``app_initialise``."""

    vault: Vault
    hashing: Hashing

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify that the phone saw the code and the PIN is right; the seed is gone and a confirmation waits to be pushed."""
        enrolled = find(seen, KIND, PENDING, is_active=False)
        content = {} if enrolled is None else opened(self.vault, enrolled)
        secret = read_initialise_proof(payload_text(seen, "initialise"), content["seed"]) if "seed" in content else None
        is_pin = self.hashing.is_right(payload_text(seen, "pin"), content.get("pin_hash"))
        attempt = Attempt(
            is_right=secret is not None and is_pin,
            accepted=() if enrolled is None or secret is None else (self._initialised(seen, enrolled, content, secret),),
            private=_private(is_open="seed" in content, is_genuine=secret is not None, name="initialise"),
            is_expired="seed" in content and is_expired(content, seen.now),
            is_counted=secret is not None,
        )
        return _judged(seen, enrolled, attempt, text(seen, "pin", "pin"))

    def _initialised(self, seen: CheckInput, enrolled: Credential, content: Mapping[str, Any], secret: bytes) -> CredentialChange:
        kept = {
            "device_name": content["device_name"],
            "pin_hash": content["pin_hash"],
            "secret": base64.b64encode(secret).decode(),
            "push": _push("confirm", Window.read(seen, ttl=_TTL), seen),
        }
        return CredentialChange(credential=resealed(self.vault, cleared(enrolled), kept))


@dataclass(frozen=True, slots=True)
class AppConfirm:
    """Kind ``app_confirm``."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify the answer to the pushed confirmation; the device becomes the active one in the place of an older one."""
        enrolled = find(seen, KIND, PENDING, is_active=False)
        content = {} if enrolled is None else opened(self.vault, enrolled)
        challenge = content.get("push")
        is_genuine = _is_answered(seen, content, "confirm")
        attempt = Attempt(
            is_right=is_genuine,
            accepted=() if enrolled is None else activation(seen, self.vault, enrolled, _without(content, "push")),
            private=_private(is_open=challenge is not None, is_genuine=is_genuine, name="confirmation"),
            is_expired=is_expired(challenge, seen.now),
            is_counted=False,
        )
        return _judged(seen, enrolled, attempt, text(seen, "answer", "answer"))


@dataclass(frozen=True, slots=True)
class AppChallenge:
    """Kinds ``app_push`` (`slot` push) and ``app_qr`` (`slot` qr)."""

    vault: Vault
    slot: Literal["push", "qr"]

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Make a challenge for the active device when the event is accepted; the failures counted so far stay."""
        device, window = find(seen, KIND), Window.read(seen, ttl=_TTL)
        if device is None:
            return CheckResult(facts={"ok": False, "limited": False}, reasons=(_NO_DEVICE,))
        content = opened(self.vault, device)
        if window.is_used_up(content, seen.now):
            return CheckResult(facts={"ok": False, "limited": True}, reasons=(LIMITED,))
        challenge = _push("push", window, seen) if self.slot == "push" else _challenge(window, seen)
        kept = {**content, self.slot: challenge, "issued": window.issued(content, seen.now)}
        return CheckResult(
            facts={"ok": True, "limited": False},
            on_accept=(CredentialChange(credential=resealed(self.vault, device, kept)),),
        )


@dataclass(frozen=True, slots=True)
class AppPin:
    """Kind ``app_pin``."""

    vault: Vault
    hashing: Hashing

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify the device's answer to the pushed challenge, and the PIN typed there; only the device can spend attempts at it."""
        device = find(seen, KIND)
        content = {} if device is None else opened(self.vault, device)
        challenge = content.get("push")
        is_genuine = _is_answered(seen, content, "push")
        is_pin = self.hashing.is_right(payload_text(seen, "pin"), content.get("pin_hash"))
        attempt = Attempt(
            is_right=is_genuine and is_pin,
            accepted=() if device is None else (_used(self.vault, cleared(device), content, "push"),),
            private=_private(is_open=challenge is not None, is_genuine=is_genuine, name="push"),
            is_expired=is_expired(challenge, seen.now),
            is_counted=is_genuine,
        )
        return _judged(seen, device, attempt, text(seen, "pin", "pin"))


@dataclass(frozen=True, slots=True)
class AppCode:
    """Kind ``app_code``."""

    vault: Vault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify the 8-digit code of the challenge that was shown; challenge and step are used up when the event is accepted."""
        device = find(seen, KIND)
        content = {} if device is None else opened(self.vault, device)
        challenge = content.get("qr")
        attempt = Attempt(is_right=False, private="code_used", is_expired=is_expired(challenge, seen.now))
        if device is not None and challenge is not None:
            codes = sign_in_codes(base64.b64decode(content["secret"]), challenge["value"])
            used, private = matched(codes, device, payload_text(seen, "code"), seen.now)
            accepted = () if used is None else (_used(self.vault, used, content, "qr"),)
            attempt = replace(attempt, is_right=used is not None, accepted=accepted, private=private)
        return _judged(seen, device, attempt, text(seen, "code", "code"))


def _is_answered(seen: CheckInput, content: Mapping[str, Any], purpose: Literal["confirm", "push"]) -> bool:
    """Tell whether the payload's answer is the device's to the challenge that waits for this purpose."""
    challenge = content.get("push")
    if challenge is None or challenge["purpose"] != purpose:
        return False
    answer, secret = payload_text(seen, "answer"), base64.b64decode(content["secret"])
    return is_push_answer(answer, secret, purpose=purpose, challenge=challenge["value"])


def _challenge(window: Window, seen: CheckInput) -> dict[str, Any]:
    return {"value": new_challenge(), "expires_at": window.expiry(seen.now)}


def _push(purpose: Literal["confirm", "push"], window: Window, seen: CheckInput) -> dict[str, Any]:
    challenge = _challenge(window, seen)
    return {**challenge, "purpose": purpose, "text": app_protocol.app_text(purpose, challenge["value"])}


def _used(vault: Vault, device: Credential, content: Mapping[str, Any], slot: str) -> CredentialChange:
    return CredentialChange(credential=resealed(vault, device, _without(content, slot)))


def _without(content: Mapping[str, Any], slot: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != slot}


def _private(*, is_open: bool, is_genuine: bool, name: str) -> str:
    if not is_open:
        return f"{name}_used"
    return "pin_wrong" if is_genuine else f"{name}_not_genuine"


def _judged(seen: CheckInput, credential: Credential | None, attempt: Attempt, field: str) -> CheckResult:
    return timed(judged(seen, credential, attempt, wrong=wrong_code(field)), attempt, credential)
