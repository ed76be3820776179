"""A mail server in this process that keeps what it gets: the mailbox of everybody in the demo and in tests.

Promises: a real SMTP server on loopback; nothing ever leaves the machine. A mail is in the box when its sender has the 250.
"""

from __future__ import annotations

import re
from asyncio import Server
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Lock
from types import TracebackType
from typing import Any, Self, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

_LINK = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A mail as it arrived; texts are decoded."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str
    headers: EmailMessage = field(repr=False)

    @property
    def message_id(self) -> str:
        """Give the Message-ID without brackets."""
        return str(self.headers["Message-ID"]).strip("<>")

    @property
    def date(self) -> datetime:
        """Give the instant of the Date header."""
        found: datetime = self.headers["Date"].datetime
        return found

    @property
    def links(self) -> tuple[str, ...]:
        """Give every http(s) address of the plain text, in order."""
        return tuple(_LINK.findall(self.text))

    @staticmethod
    def read(content: bytes, *, sender: str, recipients: Sequence[str]) -> Received:
        """Parse a mail as it went over the wire."""
        headers = message_from_bytes(content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in headers.walk() if part.get_content_maintype() == "text"}
        return Received(
            sender=sender,
            recipients=tuple(recipients),
            subject=str(headers["Subject"]),
            text=parts.get("text/plain", ""),
            html=parts.get("text/html", ""),
            headers=headers,
        )


class _Keeper:
    """What the server does with a mail."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._received: list[Received] = []

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802, ANN401  # aiosmtpd calls it so
        """Keep the mail, then say so."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        mail = Received.read(content, sender=envelope.mail_from or "", recipients=envelope.rcpt_tos)
        with self._lock:
            self._received.append(mail)
        return "250 2.0.0 OK"

    def received(self) -> tuple[Received, ...]:
        """Give all mails, oldest first."""
        with self._lock:
            return tuple(self._received)

    def clear(self) -> None:
        """Forget all mails."""
        with self._lock:
            self._received.clear()


class Mailbox:
    """The server and what it got. Use it as a context manager, or `start` and `stop` it.

    ``with Mailbox() as box: ... box.link("jane@example.org")``
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **server: Any) -> None:  # noqa: ANN401  # handed on to aiosmtpd as it is
        """Take the place to listen at; port 0 takes a free one. `server` goes to aiosmtpd (TLS, AUTH)."""
        self._keeper = _Keeper()
        self._server = server
        self._host = host
        self._port = port
        self._controller: Controller | None = None

    @property
    def host(self) -> str:
        """Give the address it listens at."""
        return self._host

    @property
    def port(self) -> int:
        """Give the port it listens at, the real one once it is started."""
        return self._port

    @property
    def received(self) -> tuple[Received, ...]:
        """Give all mails, oldest first."""
        return self._keeper.received()

    def start(self) -> Self:
        """Listen; gives itself."""
        controller = _FreePort(self._keeper, hostname=self._host, port=self._port, **self._server)
        controller.start()
        self._controller = controller
        self._port = controller.bound_port
        return self

    def stop(self) -> None:
        """Stop listening; the mails stay."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def clear(self) -> None:
        """Forget all mails."""
        self._keeper.clear()

    def to(self, address: str) -> tuple[Received, ...]:
        """Give the mails to an address, oldest first."""
        return tuple(mail for mail in self.received if address.lower() in (to.lower() for to in mail.recipients))

    def newest(self, address: str) -> Received:
        """Give the newest mail to an address.

        Raises:
            LookupError: there is none.
        """
        mails = self.to(address)
        if not mails:
            message = f"no mail for {address}"
            raise LookupError(message)
        return mails[-1]

    def link(self, address: str, containing: str = "") -> str:
        """Give the first link of the newest mail to an address whose address contains a text, e.g. ``/password/``.

        Raises:
            LookupError: there is no such mail, or no such link in it.
        """
        links = [link for link in self.newest(address).links if containing in link]
        if not links:
            message = f"no link with {containing!r} in the newest mail for {address}"
            raise LookupError(message)
        return links[0]

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()


class _FreePort(Controller):
    """A controller that may listen on a free port: aiosmtpd's own connects to port 0 to see whether it runs."""

    @property
    def bound_port(self) -> int:
        """Give the port that was really bound."""
        server = cast("Server", self.server)
        return int(server.sockets[0].getsockname()[1])

    def _trigger_server(self) -> None:
        self.port = self.bound_port
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd types only some of its methods
