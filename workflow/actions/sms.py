"""Text messages with a code, through a gateway.

Promises: the code is opened for the one sending and never logged, kept or put into an error; a code that has run out is
not sent. A gateway is a small port: `ConsoleGateway` and `FileGateway` for development and tests, `HttpGateway` for real ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Protocol, TextIO
from urllib.parse import urlsplit

import httpx2
import orjson

from workflow.actions.faults import GatewayError, fault
from workflow.actions.render import Renderer
from workflow.actions.smtp import LOOPBACK
from workflow.errors import SettingsError
from workflow.ports import Briefing, Clock, Performed, Recipient


class Challenge(Protocol):
    """What is sent: a code to a number in E.164 form; not at or after `expires_at`."""

    @property
    def number(self) -> str:
        """Give the number."""
        ...

    @property
    def code(self) -> str:
        """Give the code."""
        ...

    @property
    def expires_at(self) -> datetime:
        """Give the instant from which the code is dead."""
        ...


ReadChallenge = Callable[[Briefing], Challenge | None]
"""Opens the subject's challenge for one message; None when there is none (any more). Supplied by the composition root,
because only the checks know how a phone is sealed."""


class SmsGateway(Protocol):
    """Sends text messages."""

    def send(self, number: str, text: str, *, reference: str) -> None:
        """Send one message; the same `reference` must reach the reader at most once where the gateway can tell.

        Raises:
            GatewayError: it was not taken.
        """
        ...


class SmsPerformer:
    """Performs ``sms``."""

    def __init__(self, gateway: SmsGateway, renderer: Renderer, *, read_challenge: ReadChallenge, clock: Clock) -> None:
        """Take what sends, what writes, what opens the code, and the clock."""
        self._gateway = gateway
        self._renderer = renderer
        self._read_challenge = read_challenge
        self._clock = clock

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Send the subject's present code to the subject's phone."""
        challenge = self._read_challenge(briefing)
        if challenge is None:
            raise fault(briefing, "There is no code to send (any more): it was used, replaced or removed.", will_retry=False)
        works_for = challenge.expires_at - self._clock.now()
        if works_for <= timedelta(0):
            raise fault(briefing, "The code ran out before it could be sent; the reader has to ask for a new one.", will_retry=False)
        reader = next(iter(briefing.recipients), Recipient(actor=briefing.instance.subject))
        text = self._renderer.text_message(briefing, reader, code=challenge.code, works_for=works_for)
        try:
            self._gateway.send(challenge.number, text, reference=briefing.message.id)
        except GatewayError as error:
            raise fault(briefing, str(error), will_retry=error.will_retry) from error
        return Performed(performed_at=self._clock.now(), detail="accepted by the gateway")


class ConsoleGateway:
    """Writes messages to a stream, for development: the code is then on the screen, which is the point."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Take the stream; standard error unless another is given."""
        self._stream = stream

    def send(self, number: str, text: str, *, reference: str) -> None:
        """Write one line."""
        stream = self._stream or sys.stderr
        stream.write(f"text message to {number} ({reference}): {text}\n")
        stream.flush()


class FileGateway:
    """Appends messages to a file as JSON lines, for development and tests; only its owner can read the file."""

    def __init__(self, path: Path) -> None:
        """Take the path; the file is made when the first message is sent."""
        self._path = path
        self._lock = Lock()

    def send(self, number: str, text: str, *, reference: str) -> None:
        """Append one line in one write."""
        line = orjson.dumps({"number": number, "text": text, "reference": reference}, option=orjson.OPT_APPEND_NEWLINE)
        try:
            with self._lock:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.fchmod(descriptor, 0o600)  # also a file that was there before
                    os.write(descriptor, line)
                finally:
                    os.close(descriptor)
        except OSError as error:
            message = f"the file for text messages cannot be written ({type(error).__name__})"
            raise GatewayError(message, will_retry=True) from error


class HttpGateway:
    """Posts JSON to a gateway: ``{"to", "text", "reference"}`` with a bearer token and an ``Idempotency-Key``.

    2xx is taken. 408, 425, 429, 5xx and a silent or absent server may be tried again; so may 401, 403, 404 and redirects,
    which an operator puts right in the settings. Every other answer is about the message itself and final.
    """

    PASSING = frozenset({408, 425, 429})
    SETTINGS = frozenset({401, 403, 404, 405})

    def __init__(self, url: str, *, token: str, timeout_seconds: float = 10.0) -> None:
        """Take the address and the token; plain http is accepted for this machine only.

        Raises:
            SettingsError: the address would send token and code in the clear, or is none.
        """
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            message = "the text message gateway needs an https address"
            raise SettingsError(message)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._url = url
        self._client = httpx2.Client(headers=headers, timeout=timeout_seconds, follow_redirects=False, trust_env=False)

    def send(self, number: str, text: str, *, reference: str) -> None:
        """Post one message."""
        try:
            answer = self._client.post(
                self._url, json={"to": number, "text": text, "reference": reference}, headers={"Idempotency-Key": reference}
            )
        except httpx2.TimeoutException as error:
            # It may have been taken; the idempotency key keeps the reader from getting it twice.
            raise GatewayError("the text message gateway did not answer in time", will_retry=True) from error
        except httpx2.HTTPError as error:
            message = f"no connection to the text message gateway ({type(error).__name__})"
            raise GatewayError(message, will_retry=True) from error
        self._judge(answer.status_code)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _judge(self, code: int) -> None:
        if 200 <= code < 300:  # noqa: PLR2004  # RFC 9110 §15.3: taken
            return
        if code in self.SETTINGS or 300 <= code < 400:  # noqa: PLR2004  # RFC 9110 §15.4: the address moved
            message = f"the text message gateway answered {code}; look at its address and token"
            raise GatewayError(message, will_retry=True)
        if code in self.PASSING or code >= 500:  # noqa: PLR2004  # RFC 9110 §15.6: its own trouble
            message = f"the text message gateway put it off ({code})"
            raise GatewayError(message, will_retry=True)
        message = f"the text message gateway refused the message for good ({code})"
        raise GatewayError(message, will_retry=False)
