"""Handing mails to a mail server: one connection, one transaction for each mail, and what its answers mean.

Promises: `deliver` tells for each mail whether the server took it (and when), refused it for good, or may take it later.
Errors carry reply codes only: a server's own words may quote addresses. RFC 5321 (§4.2.1 reply codes, §4.5.3.2 time limits),
RFC 3463 (enhanced codes), RFC 3207 (STARTTLS), RFC 4954 (AUTH).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from typing import cast

import aiosmtplib

from workflow.errors import SettingsError
from workflow.ports import Clock
from workflow.settings import Security, Settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_GOODBYE_SECONDS = 5.0
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
# RFC 5321 §4.2.2 and RFC 4954 §6: the server wants us to sign in, or refuses how we did: nothing the reader could change.
_OUR_FAULT = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Where mails are handed over and whom they come from.

    Attributes:
        host, port: the mail server (a submission server, usually port 587 with ``starttls`` or 465 with ``tls``).
        security: ``starttls`` and ``tls`` verify the server's certificate; ``none`` is for a server on this machine.
        user, password: for AUTH; none when `user` is empty.
        sender: plain address; its domain is the domain of every Message-ID.
        sender_name: what readers see beside it.
        reply_to: empty for none.
        timeout_seconds: for the connection and for each command.
        ca_file: certificates to trust instead of the system's.
        operators: where alerts go; empty for nowhere.
        operators_language: the language of alerts.
    """

    host: str
    port: int
    sender: str
    security: Security = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    sender_name: str = ""
    reply_to: str = ""
    timeout_seconds: float = 30.0
    ca_file: str | None = None
    operators: str = ""
    operators_language: str = "en"

    def __post_init__(self) -> None:
        """Refuse what could never work, or would send a password in the clear."""
        for name in ("host", "sender", "sender_name", "reply_to", "operators", "user"):
            if _UNSAFE.search(getattr(self, name)):
                message = f"mail {name} must not contain control characters"
                raise SettingsError(message)
        local, _, domain = self.sender.rpartition("@")
        if not (self.host and local and domain and self.sender.isascii()):
            message = "mail needs a host and an ASCII sender address like no-reply@example.org (write the domain as xn--...)"
            raise SettingsError(message)
        if self.user and self.security == "none" and self.host not in LOOPBACK:
            message = "mail with a user needs security 'starttls' or 'tls', or the password would travel in the clear"
            raise SettingsError(message)

    @staticmethod
    def of(settings: Settings, *, ca_file: str | None = None) -> MailSettings:
        """Take the mail server and the operators' address from the installation's settings.

        The sender and the operators may be written with a name: ``CPMS access <no-reply@example.org>``.
        """
        smtp = settings.needed_smtp()
        sender_name, sender = parseaddr(smtp.sender)
        return MailSettings(
            host=smtp.host,
            port=smtp.port,
            sender=sender,
            security=smtp.security,
            user=smtp.user,
            password=smtp.password,
            sender_name=sender_name,
            timeout_seconds=smtp.timeout_seconds,
            ca_file=ca_file,
            operators=parseaddr(settings.alert_address or "")[1],
        )

    @property
    def domain(self) -> str:
        """Give the domain of the sender."""
        return self.sender.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One mail for one address, ready to be handed over; `key` is its Message-ID without brackets."""

    key: str
    address: str = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one parcel: `accepted_at` is set when the server took it, `may_retry` tells the rest apart."""

    key: str
    accepted_at: datetime | None = None
    may_retry: bool = False
    detail: str = ""


class _Client(aiosmtplib.SMTP):
    """A client that hangs up at once: an orderly end of TLS waits for the server, and our loop ends with the delivery."""

    def close(self) -> None:
        """Drop the connection; whatever had to arrive was answered before."""
        if self.transport is not None:
            cast("asyncio.WriteTransport", self.transport).abort()
        super().close()


class Courier:
    """A sync door to an SMTP client.

    Each delivery runs in an event loop of its own, so that any thread can call it, also a worker thread of a running loop.
    """

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        """Take the server and the clock that says when it accepted a mail.

        Raises:
            SettingsError: the `ca_file` cannot be read.
        """
        self.settings = settings
        self._clock = clock
        self._tls = _trust(settings)

    def deliver(self, parcels: Sequence[Parcel], /) -> list[Receipt]:
        """Hand over all parcels in one connection; gives one receipt for each, in order."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._deliver(parcels))
        # Called on a thread that runs a loop (an async host that did not use a worker thread): a loop cannot run in a loop.
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(lambda: asyncio.run(self._deliver(parcels))).result()

    def _client(self) -> _Client:
        settings = self.settings
        return _Client(
            hostname=settings.host,
            port=settings.port,
            username=settings.user or None,
            password=settings.password if settings.user else None,
            # The machine's own name may need a slow look-up and tells outsiders about us.
            local_hostname=settings.domain,
            timeout=settings.timeout_seconds,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._tls,
        )

    async def _deliver(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        client = self._client()
        receipts: list[Receipt] = []
        for parcel in parcels:
            # A server that hung up over one mail gets a new connection for the next; one that is away is asked once.
            if not client.is_connected and (trouble := await self._connect(client)):
                put_off = (Receipt(key=left.key, may_retry=True, detail=trouble) for left in parcels[len(receipts) :])
                return [*receipts, *put_off]
            receipts.append(await self._hand_over(client, parcel))
        await _leave(client)
        return receipts

    async def _connect(self, client: aiosmtplib.SMTP) -> str:
        """Connect, upgrade and sign in; gives what went wrong, ``""`` for nothing."""
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            return _explain_connection(error, self.settings)
        return ""

    async def _hand_over(self, client: aiosmtplib.SMTP, parcel: Parcel) -> Receipt:
        """One mail transaction; every way it can end is a receipt."""
        stage = "MAIL"
        try:
            options, encoding = await _encoding(client, parcel.address)
            await client.mail(self.settings.sender, options=options, encoding=encoding)
            stage = "RCPT"
            await client.rcpt(parcel.address, encoding=encoding)
            stage = "DATA"
            answer = await client.data(parcel.content)
            return Receipt(key=parcel.key, accepted_at=self._clock.now(), detail=_reply(answer.code, answer.message))
        except aiosmtplib.SMTPNotSupported:
            detail = "the address is not ASCII and the mail server does not offer SMTPUTF8 (RFC 6531); the reader needs another address"
            return Receipt(key=parcel.key, detail=detail)
        except aiosmtplib.SMTPResponseException as error:
            await _reset(client)
            return _refused(parcel.key, stage, error)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Receipt(key=parcel.key, may_retry=True, detail=_explain_loss(stage, error))
        except ValueError:
            # The client's own guard against command injection; our checks come first, so this is the second line.
            return Receipt(key=parcel.key, detail="the address contains characters that no mail address may have")


def _trust(settings: MailSettings) -> ssl.SSLContext | None:
    """Make what verifies the server: certificate and host name always, TLS 1.2 or later (Python's default)."""
    if settings.security == "none":
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        message = f"mail ca_file cannot be read as certificates ({type(error).__name__})"
        raise SettingsError(message) from error


async def _encoding(client: aiosmtplib.SMTP, address: str) -> tuple[list[str], str]:
    if address.isascii():
        return [], "ascii"
    if client.is_ehlo_or_helo_needed:  # only EHLO tells what the server can do
        await client.ehlo()
    if client.supports_extension("smtputf8"):
        return ["SMTPUTF8", "BODY=8BITMIME"], "utf-8"
    message = "SMTPUTF8"
    raise aiosmtplib.SMTPNotSupported(message)


def _reply(code: int, text: str) -> str:
    """Keep the reply code and the enhanced code; the rest of a reply may quote an address."""
    enhanced = _ENHANCED.match(text.strip())
    return f"{code} {enhanced.group()}" if enhanced else str(code)


def _refused(key: str, stage: str, error: aiosmtplib.SMTPResponseException) -> Receipt:
    reply = _reply(error.code, error.message)
    if not 500 <= error.code < 600:  # noqa: PLR2004  # RFC 5321 §4.2.1: 5yz is the permanent class; what is no reply at all may pass
        return Receipt(key=key, may_retry=True, detail=f"the mail server put it off at {stage}: {reply}")
    if error.code in _OUR_FAULT or (stage == "MAIL" and error.code != 552):  # noqa: PLR2004  # 552: the mail is too large
        detail = f"the mail server refuses us as a sender at {stage}: {reply}; look at mail user, password and sender"
        return Receipt(key=key, may_retry=True, detail=detail)
    return Receipt(key=key, detail=f"the mail server refused it for good at {stage}: {reply}")


def _explain_loss(stage: str, error: Exception) -> str:
    how = "did not answer in time" if isinstance(error, TimeoutError) else "closed the connection"
    if stage == "DATA":
        return f"the mail server {how} after DATA: it may have taken the mail; it goes out again with the same Message-ID"
    return f"the mail server {how} at {stage}"


def _explain_connection(error: Exception, settings: MailSettings) -> str:
    """Say what an operator should look at; all of it can be put right without touching the message, so it is tried again."""
    where = f"the mail server {settings.host}:{settings.port}"
    reply = _reply(error.code, error.message) if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    findings = (
        (
            _caused_by(error, ssl.SSLCertVerificationError),
            f"the certificate of {where} could not be verified; look at mail host and ca_file",
        ),
        (_caused_by(error, ssl.SSLError), f"TLS with {where} failed; look at mail security and port"),
        (
            isinstance(error, aiosmtplib.SMTPAuthenticationError),
            f"{where} refused user and password ({reply}); look at mail user and password",
        ),
        (bool(reply), f"{where} refuses the session: {reply}"),
        (isinstance(error, TimeoutError), f"{where} did not answer within {settings.timeout_seconds:g} s"),
        (isinstance(error, OSError), f"no connection to {where}"),
    )
    otherwise = f"{where} does not offer what is configured; look at mail security ({settings.security}) and user"
    return next((text for is_so, text in findings if is_so), otherwise)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


async def _reset(client: aiosmtplib.SMTP) -> None:
    """Clear a refused transaction, so that the next mail of this connection starts afresh."""
    try:
        await client.rset()
    except (aiosmtplib.SMTPException, OSError):
        client.close()


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; what was accepted stays accepted, whatever the server answers."""
    try:
        await client.quit(timeout=_GOODBYE_SECONDS)
    except (aiosmtplib.SMTPException, OSError):
        client.close()
