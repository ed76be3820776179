"""What the web page, the phone and we say to each other for the mobile app: texts of QR codes and pushes, and their answers.

Promises: pure functions of secrets and challenges; each text and each derived key has one purpose, so that an initialise code
is nothing at sign-in and the other way round. A device's secret exists on the device and, sealed, with us; the initialise code
alone does not give it, because the device mixes in a random value of its own.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from workflow.checks.otp import Codes

Purpose = Literal["initialise", "confirm", "push", "sign-in"]
CODE_DIGITS: Final = 8
_TEXT: Final = re.compile(r"workflow-app:1:(initialise|confirm|push|sign-in):([A-Za-z0-9_-]{32,100})")
_PROOF: Final = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """A QR code or push: what it is for, and its seed or challenge."""

    purpose: Purpose
    value: str


def app_text(purpose: Purpose, value: str) -> str:
    """Give the text that a QR code or a push carries."""
    return f"workflow-app:1:{purpose}:{value}"


def read_app_text(text: str) -> Scanned | None:
    """Take a scanned or pushed text apart; None when it is none of ours."""
    found = _TEXT.fullmatch(text)
    match found and found.group(1):
        case "initialise" | "confirm" | "push" | "sign-in" as purpose if found:
            return Scanned(purpose=purpose, value=found.group(2))
        case _:
            return None


def device_secret(seed: str, nonce: str) -> bytes:
    """Give the device's secret from the seed of the initialise code and the device's own random value."""
    return _keyed(seed.encode(), "device secret", nonce)


def initialise_proof(secret: bytes, nonce: str) -> str:
    """Give what the device sends to finish the initialisation: its random value, and a proof that it saw the code."""
    return f"{nonce}.{_encoded(_keyed(secret, 'initialise', nonce))}"


def read_initialise_proof(proof: str, seed: str) -> bytes | None:
    """Give the device's secret when the proof was made with this seed; None otherwise."""
    found = _PROOF.fullmatch(proof)
    if found is None:
        return None
    secret = device_secret(seed, found.group(1))
    return secret if hmac.compare_digest(initialise_proof(secret, found.group(1)), proof) else None


def push_answer(secret: bytes, purpose: Literal["confirm", "push"], challenge: str) -> str:
    """Give the device's answer to a pushed challenge."""
    return _encoded(_keyed(secret, purpose, challenge))


def is_push_answer(answer: str, secret: bytes, *, purpose: Literal["confirm", "push"], challenge: str) -> bool:
    """Compare an answer in constant time."""
    return hmac.compare_digest(push_answer(secret, purpose, challenge).encode(), answer.encode())


def sign_in_codes(secret: bytes, challenge: str) -> Codes:
    """Give the 8-digit codes that belong to one challenge: a code for another challenge has another key."""
    return Codes(secret=_keyed(secret, "sign-in", challenge), digits=CODE_DIGITS, digest=sha256)


def new_value(random: bytes) -> str:
    """Write 32 random bytes as a seed or as a device's random value (43 characters)."""
    return _encoded(random)


def _keyed(key: bytes, purpose: str, value: str) -> bytes:
    return hmac.new(key, f"workflow-app/1/{purpose}|{value}".encode(), sha256).digest()


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
