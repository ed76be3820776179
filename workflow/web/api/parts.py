"""What the API is made of: one value that every endpoint can reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from limits.storage import MemoryStorage, Storage
from starlette.requests import Request

from workflow.engine import Engine
from workflow.errors import StoreError, WorkflowError
from workflow.states.instance import Actor, Instance
from workflow.web.limits import Limiter
from workflow.web.parts import EngineOf, Identify

T = TypeVar("T")

ANONYMOUS = Actor.of("anonymous")
"""Who acts when nobody is known and the host allows that."""


class NotAuthenticatedError(WorkflowError):
    """Who asks is not known; raised by `identify` too, when credentials were shown that are not right."""


class TooManyError(WorkflowError):
    """An actor or an address asks too often."""

    def __init__(self, wait_seconds: int) -> None:
        """Say in how many seconds another request will be answered."""
        super().__init__(f"Too many requests: try again in {wait_seconds} s.")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """How often one may ask, written like ``600/minute`` or ``5/10seconds``, counted in a moving window.

    Attributes:
        address: any request, by address.
        read: reading, by actor.
        change: starting and firing, by actor.
        anonymous: starting and firing by those who are not known, by address.
        unknown: requests whose credentials are missing or wrong, by address.
        storage: where it is counted; several processes count together when they share one (see the `limits` package).
    """

    address: str = "1200/minute"
    read: str = "600/minute"
    change: str = "120/minute"
    anonymous: str = "30/minute"
    unknown: str = "30/minute"
    storage: Storage | None = None

    def limiter(self) -> Limiter:
        """Give what counts."""
        rates = {name: getattr(self, name) for name in ("address", "read", "change", "anonymous", "unknown")}
        return Limiter(rates=rates, storage=self.storage or MemoryStorage())


def is_subject(actor: Actor, instance: Instance) -> bool:
    """Let the subject alone read personal values: the policy that holds unless the host gives another."""
    return actor.id == instance.subject


def is_own_or_administrator(actor: Actor, subject: str) -> bool:
    """Let everybody start for themselves, and an administrator for others: the policy that holds unless the host gives another."""
    return actor.id == subject or any(grant.role == "administrator" and grant.scope is None for grant in actor.grants)


def address_of(request: Request) -> str:
    """Give the address that a request came from, as the server says; of an IPv6 address the network that one customer has (/64)."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else host


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """What the endpoints are made of; see `create_api`."""

    engine_of: EngineOf
    identify: Identify
    limiter: Limiter
    may_see_personal: Callable[[Actor, Instance], bool] = is_subject
    may_start_for: Callable[[Actor, str], bool] = is_own_or_administrator
    address_of: Callable[[Request], str] = address_of
    allow_anonymous: bool = False
    payload_bytes: int = 65_536
    payload_depth: int = 8
    answer_floor_seconds: float = 0.4
    challenge: str = 'Bearer realm="workflow"'

    def within(self, request: Request, act: Callable[[Engine], T]) -> T:
        """Do something with the request's engine.

        What the engine refuses is raised only after the engine was given back, so that it never undoes a host's transaction. Only what
        makes the transaction worthless (the database is away, a fault of ours) is raised inside.
        """
        with self.engine_of(request) as engine:
            try:
                return act(engine)
            except StoreError:
                raise
            except WorkflowError as error:
                failure = error
        raise failure
