"""A phone with the mobile app, for tests, the demo and whoever wants to try the journey by hand.

Promises: it knows only what a real phone would: the texts it scanned or got pushed, the PIN typed on it, and the secret it made
of them. It works offline: nothing here talks to anybody.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Literal

from workflow.checks.app_protocol import (
    Purpose,
    device_secret,
    initialise_proof,
    new_value,
    push_answer,
    read_app_text,
    sign_in_codes,
)
from workflow.errors import Reason, RefusedError


class PhoneSimulator:
    """One installation of the app; a new phone, or the app installed again, is another one that must be enrolled again."""

    def __init__(self) -> None:
        """Begin without a secret, as installed."""
        self._secret: bytes | None = None

    def initialise(self, qr_text: str, pin: str) -> dict[str, str]:
        """Scan the initialise code and type the PIN.

        Returns:
            The payload of the event with the check ``app_initialise``: ``initialise`` and ``pin``.

        Raises:
            RefusedError: the code is no initialise code.
        """
        seed, nonce = _value(qr_text, "initialise"), new_value(secrets.token_bytes(32))
        self._secret = device_secret(seed, nonce)
        return {"initialise": initialise_proof(self._secret, nonce), "pin": pin}

    def confirm(self, push_text: str) -> dict[str, str]:
        """Tap *confirm* on the pushed confirmation: the payload of the event with the check ``app_confirm``."""
        return {"answer": self._answer(push_text, "confirm")}

    def answer_push(self, push_text: str, pin: str) -> dict[str, str]:
        """Type the PIN on a pushed sign-in: the payload of the event with the check ``app_pin``."""
        return {"answer": self._answer(push_text, "push"), "pin": pin}

    def answer_push_as_code(self, push_text: str, pin: str) -> str:
        """Give the same as the one text that the check ``second_factor`` reads for the method ``app_pin``."""
        return f"{pin}.{self._answer(push_text, 'push')}"

    def scan(self, qr_text: str, now: datetime) -> str:
        """Scan a sign-in code at an instant, offline; gives the 8 digits to type on the page.

        Raises:
            RefusedError: the code is no sign-in code, or this installation was never initialised.
        """
        return sign_in_codes(self._initialised(), _value(qr_text, "sign-in")).at(now)

    def _answer(self, text: str, purpose: Literal["confirm", "push"]) -> str:
        return push_answer(self._initialised(), purpose, _value(text, purpose))

    def _initialised(self) -> bytes:
        if self._secret is None:
            raise RefusedError(
                [Reason(code="not_initialised", message="The phone is not initialised.", needed="Scan the initialise code.")]
            )
        return self._secret


def _value(text: str, purpose: Purpose) -> str:
    scanned = read_app_text(text)
    if scanned is None or scanned.purpose != purpose:
        raise RefusedError([Reason(code="wrong_app_code", message=f"This is not a code for {purpose}.", needed=f"A code for {purpose}.")])
    return scanned.value
