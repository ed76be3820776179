"""What the pages are made of: one value that every page can reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp

from workflow.engine import Engine
from workflow.errors import WorkflowError
from workflow.ports import TreeStore
from workflow.states.instance import Actor
from workflow.web.limits import Limiter
from workflow.web.oidc import OpenIdProvider
from workflow.web.sessions import Sessions

EngineOf = Callable[[Request], AbstractContextManager[Engine]]
"""Gives the engine for one request; a host gives its engine inside the request's transaction."""
Identify = Callable[[Request], "Awaitable[Actor | None] | Actor | None"]
"""Says who asks, None when nobody is known: the host's own authentication."""


class NotSignedInError(WorkflowError):
    """Nobody is signed in who may see this; the page says where to sign in."""


class Received(Protocol):
    """A mail that the development mailbox got."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Give the addresses it went to."""
        ...

    @property
    def subject(self) -> str:
        """Give its subject line."""
        ...

    @property
    def text(self) -> str:
        """Give its plain text."""
        ...

    @property
    def date(self) -> datetime:
        """Give the instant it was sent."""
        ...


class Phone(Protocol):
    """The simulated app: see `workflow.testing.phone.PhoneSimulator`."""

    def initialise(self, qr_text: str, pin: str) -> dict[str, str]:
        """Scan the initialise code and type the PIN."""
        ...

    def confirm(self, push_text: str) -> dict[str, str]:
        """Confirm the enrolment."""
        ...

    def answer_push(self, push_text: str, pin: str) -> dict[str, str]:
        """Answer a pushed sign-in."""
        ...

    def scan(self, qr_text: str, now: datetime) -> str:
        """Scan a sign-in code; gives the 8 digits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notification or text message that reached a simulated phone."""

    at: datetime
    kind: str
    text: str = field(repr=False)
    to: str = ""


class Development(Protocol):
    """What stands in for mail server, telephone network and phones while developing; never given in production."""

    def mails(self) -> tuple[Received, ...]:
        """Give all mails, oldest first."""
        ...

    def texts(self) -> tuple[Notice, ...]:
        """Give all text messages, oldest first."""
        ...

    def pushes(self, subject: str) -> tuple[Notice, ...]:
        """Give the notifications to a subject's phone, oldest first."""
        ...

    def phone(self, name: str) -> Phone:
        """Give the simulated phone of a name; a new one when there is none."""
        ...

    def people(self) -> tuple[Actor, ...]:
        """Name who may sign in at the back office without showing anything, each with the roles held now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteParts:
    """What the pages are made of.

    Attributes:
        engine_of: gives the engine for one request.
        engine: the engine for what concerns no request (the vault, the clock).
        sessions: sign-ins of our own; None where a host signs people in.
        identify: who asks, for the back office; None for the site's own sign-in.
        base_url: the address the pages are reached at, without a slash at its end; links come from here and never from a request.
        definition: name of the definition behind the applicant's pages.
        zone: in which dates are written until the reader chooses another.
        development: simulated mail, phones and people; None outside development.
        tree: the store's tree, for the audit page; None where a host's transaction cannot show the whole store.
        bundle: writes the case bundle of an onboarding to a file, for an actor; None where there is nobody to write it.
        oidc: signs people in at the back office through an OpenID provider; None for none.
        api: the HTTP API, mounted at ``/api``; None for none.
        grants_of: gives who an id stands for with the roles held now, for the back office's own sign-in; asked for every request.
    """

    engine_of: EngineOf
    engine: Engine
    base_url: str
    sessions: Sessions | None = None
    identify: Identify | None = None
    definition: str = "cpms-access"
    zone: str = "Europe/Brussels"
    limiter: Limiter = field(default_factory=Limiter)
    development: Development | None = None
    tree: TreeStore | None = None
    bundle: Callable[[str, Actor, Path], None] | None = None
    oidc: OpenIdProvider | None = None
    grants_of: Callable[[str], Actor] | None = None
    api: ASGIApp | None = None
    answer_floor_seconds: float = 0.4
    """The least time that an answer takes which must not tell whether an account exists."""

    @property
    def is_https(self) -> bool:
        """Tell whether the site is reached by TLS only."""
        return urlsplit(self.base_url).scheme == "https"


def always(engine: Engine) -> EngineOf:
    """Give the same engine for every request."""

    @contextmanager
    def engine_of(_request: Request) -> Iterator[Engine]:
        yield engine

    return engine_of
