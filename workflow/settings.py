"""What an installation is told by its environment: addresses, keys and limits.

Promises: every wrong or missing variable is named at once, with what to do; no secret is ever part of a `repr` or of an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from workflow.errors import SettingsError

PREFIX: Final = "WORKFLOW_"
KEY_BYTES: Final = 32
_KID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")

Environment = Literal["development", "production"]
Security = Literal["none", "starttls", "tls"]
SmsGateway = Literal["console", "file", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKey:
    """One environment key: `kid` names it in what it sealed, `secret` is 32 bytes and never shown."""

    kid: str
    secret: bytes = field(repr=False)

    @staticmethod
    def read(text: str) -> MasterKey:
        """Read ``kid:base64``; raises `SettingsError` without repeating the text."""
        kid, _, encoded = text.strip().partition(":")
        if not _KID.fullmatch(kid):
            raise SettingsError("a key is written kid:base64, and its kid has lower-case letters, digits and hyphens only")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise SettingsError(f"the key {kid!r} is not base64") from None
        if len(secret) != KEY_BYTES:
            raise SettingsError(f"the key {kid!r} has {len(secret)} bytes instead of {KEY_BYTES}")
        return MasterKey(kid=kid, secret=secret)

    def write(self) -> str:
        """Give ``kid:base64``, the form that `WORKFLOW_KEYS` wants: only for the one who makes a key."""
        return f"{self.kid}:{base64.b64encode(self.secret).decode()}"


def new_key(kid: str | None = None) -> MasterKey:
    """Make a random key; `workflow keys new` prints it. The kid is random too unless one is given."""
    return MasterKey(kid=kid or f"k{secrets.token_hex(4)}", secret=secrets.token_bytes(KEY_BYTES))


def development_keys() -> tuple[MasterKey, ...]:
    """Give the key everybody knows, for demo and development only: `Settings.read` refuses it in production."""
    return (MasterKey(kid="development", secret=hashlib.sha256(b"workflow: a development key that everybody knows").digest()),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """The mail server; `user` is empty when it wants no sign-in."""

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    security: Security = "starttls"
    timeout_seconds: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsSettings:
    """Where text messages go: the console, a file (`url` is its path), or an HTTP gateway with a bearer token."""

    gateway: SmsGateway = "console"
    url: str = ""
    token: str = field(default="", repr=False)
    timeout_seconds: int = 30


NO_BASE_URL = f"{PREFIX}BASE_URL is not set: set it to the address people reach the pages at, e.g. https://access.example.org"
NO_SMTP = f"{PREFIX}SMTP_HOST and {PREFIX}SMTP_FROM are not set: set them to the mail server and the sender's address"


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """The OpenID provider by which people sign in at the back office; `claim` names the claim that is the actor's id."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    claim: str = "sub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what one caller, message or sweep may cost.

    Attributes:
        payload_bytes: of one event's payload as JSON.
        payload_depth: nesting of that JSON.
        refusals: recorded one by one per instance and window; more are counted and summarised.
        refusal_window_seconds: length of that window.
        message_attempts: of one message before it is dead.
        lease_seconds: how long a worker holds a message without renewing.
        batch: rows per sweep or claim.
    """

    payload_bytes: int = 65_536
    payload_depth: int = 8
    refusals: int = 20
    refusal_window_seconds: int = 600
    message_attempts: int = 8
    lease_seconds: int = 60
    batch: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of an installation; made by `Settings.read`, or by hand in a host that has its own configuration.

    `keys` are newest first. `blind_kid` names the key under which blind indexes are made; None means the oldest one.
    `base_url` has no slash at its end. What is None was not set: `needed_…` raises when it is wanted all the same.
    """

    database_url: str = field(repr=False)
    keys: tuple[MasterKey, ...]
    blind_kid: str | None = None
    base_url: str | None = None
    smtp: SmtpSettings | None = None
    sms: SmsSettings = SmsSettings()
    prefix: str = "workflow_"
    schema: str | None = None
    environment: Environment = "production"
    alert_address: str | None = None
    directory: Path | None = None
    """A JSON file of role holders for the command line and the worker; hosts give their own `Directory`."""
    zone: str = "Europe/Brussels"
    """In which pages and mails write dates until a reader chooses another."""
    api_clients: Path | None = None
    """A JSON file of the programs that may use the HTTP API of `workflow serve`."""
    oidc: OidcSettings | None = None
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of the proxies in front; only what they say of where a request came from is believed."""
    limits: Limits = Limits()

    @staticmethod
    def read(environ: Mapping[str, str], *, serves: bool = False) -> Settings:
        """Read the variables that begin with ``WORKFLOW_``; raises one `SettingsError` that lists every fault.

        Args:
            environ: the variables.
            serves: whether pages are served and mails sent by them, so that what these need must be there.
        """
        reading = _Reading(environ)
        settings = reading.settings()
        if serves:
            reading.need(settings)
        reading.raise_faults()
        return settings

    @property
    def is_production(self) -> bool:
        """Tell whether nothing made for development may be used."""
        return self.environment == "production"

    def needed_base_url(self) -> str:
        """Give the address under which links are reached; raises `SettingsError` when it was not set."""
        if self.base_url is None:
            raise SettingsError(NO_BASE_URL)
        return self.base_url

    def needed_smtp(self) -> SmtpSettings:
        """Give the mail server; raises `SettingsError` when it was not set."""
        if self.smtp is None:
            raise SettingsError(NO_SMTP)
        return self.smtp


class _Reading:
    """One pass over the environment that keeps every fault instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._faults: list[str] = []
        self._production = self._one_of("ENVIRONMENT", ("production", "development"), "production") == "production"

    def raise_faults(self) -> None:
        """Raise when anything was wrong."""
        if self._faults:
            raise SettingsError("The settings are not complete:\n" + "\n".join(f"  - {fault}" for fault in self._faults))

    def need(self, settings: Settings) -> None:
        """Note what serving needs and is not set."""
        if settings.base_url is None:
            self._faults.append(NO_BASE_URL)
        if settings.smtp is None:
            self._faults.append(NO_SMTP)

    def settings(self) -> Settings:
        """Build the settings; worthless when there were faults."""
        keys = self._keys()
        return Settings(
            database_url=self._database_url(),
            keys=keys,
            blind_kid=self._blind_kid(keys),
            base_url=self._base_url(),
            smtp=self._smtp(),
            sms=self._sms(),
            prefix=self._name("PREFIX", "workflow_") or "workflow_",
            schema=self._name("SCHEMA", None),
            environment="production" if self._production else "development",
            alert_address=self._address("ALERT_ADDRESS"),
            directory=Path(path) if (path := self._text("DIRECTORY")) else None,
            zone=self._zone(),
            api_clients=Path(path) if (path := self._text("API_CLIENTS")) else None,
            oidc=self._oidc(),
            trusted_proxies=self._proxies(),
            limits=self._limits(),
        )

    def _text(self, name: str) -> str:
        return self._environ.get(PREFIX + name, "").strip()

    def _fault(self, name: str, what: str) -> None:
        self._faults.append(f"{PREFIX}{name} {what}")

    def _one_of(self, name: str, values: tuple[str, ...], default: str) -> str:
        text = self._text(name).lower() or default
        if text not in values:
            self._fault(name, f"must be one of {', '.join(values)}")
            return default
        return text

    def _number(self, name: str, default: int, most: int) -> int:
        text = self._text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= most):
            self._fault(name, f"must be a whole number from 1 to {most}")
            return default
        return int(text)

    def _name(self, name: str, default: str | None) -> str | None:
        text = self._text(name)
        if text and not _NAME.fullmatch(text):
            self._fault(name, "may have lower-case letters, digits and underscores, at most 40, a letter first")
        return text or default

    def _address(self, name: str) -> str | None:
        text = self._text(name)
        if text and not re.fullmatch(r"[^@\s]+@[^@\s]+|[^<>\r\n]*<[^@\s<>]+@[^@\s<>]+>", text):
            self._fault(name, "must be one e-mail address")
        return text or None

    def _database_url(self) -> str:
        text = self._text("DATABASE_URL")
        if not text and not self._production:
            return "sqlite:///workflow.db"
        if not text:
            self._fault("DATABASE_URL", "is not set: e.g. postgresql+psycopg://user@host/name or sqlite:///workflow.db")
        elif not text.startswith(("postgresql", "sqlite")):
            self._fault("DATABASE_URL", "must begin with postgresql:// or sqlite://")
        return text

    def _keys(self) -> tuple[MasterKey, ...]:
        texts = [text for text in re.split(r"[\s,]+", self._text("KEYS")) if text]
        if not texts and not self._production:
            return development_keys()
        if not texts:
            self._fault("KEYS", "is not set: `workflow keys new` prints a key; write several newest first, with blanks between")
        keys = tuple(key for text in texts if (key := self._key(text)) is not None)
        if len({key.kid for key in keys}) != len(keys):
            self._fault("KEYS", "names the same kid twice: every key needs its own")
        if self._production and {key.secret for key in keys} & {key.secret for key in development_keys()}:
            self._fault("KEYS", "has the development key, which everybody knows: `workflow keys new` prints another")
        return keys

    def _key(self, text: str) -> MasterKey | None:
        try:
            return MasterKey.read(text)
        except SettingsError as error:
            self._fault("KEYS", f"is wrong: {error}; `workflow keys new` prints a right one")
            return None

    def _blind_kid(self, keys: tuple[MasterKey, ...]) -> str | None:
        text = self._text("BLIND_KEY")
        if text and text not in {key.kid for key in keys}:
            self._fault("BLIND_KEY", f"names the key {text!r}, which {PREFIX}KEYS does not have: keep that key")
        return text or None

    def _base_url(self) -> str | None:
        text = self._text("BASE_URL").rstrip("/")
        if not text:
            return None if self._production else "http://127.0.0.1:8080"
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
            self._fault("BASE_URL", "must be a plain address such as https://access.example.org")
        elif self._production and parts.scheme != "https":
            self._fault("BASE_URL", "must begin with https:// in production")
        return text

    def _smtp(self) -> SmtpSettings | None:
        host, sender = self._text("SMTP_HOST"), self._address("SMTP_FROM")
        security = self._one_of("SMTP_SECURITY", ("none", "starttls", "tls"), "starttls" if host else "none")
        if not host and self._production:
            return None
        if not sender and self._production:
            self._fault("SMTP_FROM", "is not set: the sender's address of every mail")
        if self._text("SMTP_USER") and security == "none" and self._production:
            self._fault("SMTP_SECURITY", "must be starttls or tls when SMTP_USER is set, else the password travels in the clear")
        return SmtpSettings(
            host=host or "127.0.0.1",
            port=self._number("SMTP_PORT", {"none": 25 if host else 1025, "starttls": 587, "tls": 465}[security], 65_535),
            sender=sender or "onboarding@example.org",
            user=self._text("SMTP_USER"),
            password=self._environ.get(PREFIX + "SMTP_PASSWORD", ""),
            security=cast("Security", security),
            timeout_seconds=self._number("SMTP_TIMEOUT", 30, 600),
        )

    def _sms(self) -> SmsSettings:
        gateway = cast("SmsGateway", self._one_of("SMS_GATEWAY", ("console", "file", "http"), "console"))
        url = self._text("SMS_URL")
        if gateway != "console" and not url:
            self._fault("SMS_URL", "is not set: the gateway's address for http, a path for file")
        if gateway == "http" and url and urlsplit(url).scheme not in ({"https"} if self._production else {"https", "http"}):
            self._fault("SMS_URL", "must begin with https://")
        return SmsSettings(gateway=gateway, url=url, token=self._text("SMS_TOKEN"), timeout_seconds=self._number("SMS_TIMEOUT", 30, 600))

    def _zone(self) -> str:
        text = self._text("ZONE")
        if text and text not in available_timezones():
            self._fault("ZONE", "must be the name of a time zone, e.g. Europe/Brussels")
        return text or "Europe/Brussels"

    def _proxies(self) -> tuple[str, ...]:
        found = tuple(text for text in re.split(r"[\s,]+", self._text("TRUSTED_PROXIES")) if text)
        for text in found:
            try:
                is_everybody = ip_network(text).prefixlen == 0
            except ValueError:
                is_everybody = True
            if is_everybody:
                self._fault("TRUSTED_PROXIES", f"has {text!r}: write addresses or networks of your proxies, e.g. 10.0.0.5 or 10.0.0.0/24")
        return found

    def _oidc(self) -> OidcSettings | None:
        issuer, client_id, secret = self._text("OIDC_ISSUER").rstrip("/"), self._text("OIDC_CLIENT_ID"), self._text("OIDC_CLIENT_SECRET")
        if not (issuer or client_id or secret):
            return None
        for name, value in (("OIDC_ISSUER", issuer), ("OIDC_CLIENT_ID", client_id), ("OIDC_CLIENT_SECRET", secret)):
            if not value:
                self._fault(name, "is not set: issuer, client id and client secret belong together")
        if issuer and urlsplit(issuer).scheme not in ({"https"} if self._production else {"https", "http"}):
            self._fault("OIDC_ISSUER", "must begin with https://")
        return OidcSettings(issuer=issuer, client_id=client_id, client_secret=secret, claim=self._text("OIDC_CLAIM") or "sub")

    def _limits(self) -> Limits:
        usual = Limits()
        return Limits(
            payload_bytes=self._number("LIMIT_PAYLOAD_BYTES", usual.payload_bytes, 10_000_000),
            payload_depth=self._number("LIMIT_PAYLOAD_DEPTH", usual.payload_depth, 64),
            refusals=self._number("LIMIT_REFUSALS", usual.refusals, 10_000),
            refusal_window_seconds=self._number("LIMIT_REFUSAL_WINDOW_SECONDS", usual.refusal_window_seconds, 86_400),
            message_attempts=self._number("LIMIT_MESSAGE_ATTEMPTS", usual.message_attempts, 100),
            lease_seconds=self._number("LIMIT_LEASE_SECONDS", usual.lease_seconds, 3_600),
            batch=self._number("LIMIT_BATCH", usual.batch, 10_000),
        )
