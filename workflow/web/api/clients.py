"""Programs that use the API, each with a token of its own: for installations without another authentication.

Promises: what is kept is the digest of a random token of 256 bits, which no dump makes usable; all digests are compared, each in constant
time; a token is never logged and never part of an error.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request

from workflow.errors import SettingsError
from workflow.states.instance import Actor
from workflow.web.api.parts import NotAuthenticatedError

TOKEN_BYTES = 32
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,63}(:\S(.{0,198}\S)?)?")
_KEYS = frozenset({"name", "sha256", "actor", "roles"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program: whom it acts as, with which roles; `sha256` is the digest of its token in hex."""

    name: str
    sha256: str
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """All programs that may use the API; an instance is what `create_api` wants as `identify`."""

    clients: tuple[Client, ...]

    @staticmethod
    def read(path: Path) -> Clients:
        """Read a JSON file: ``[{"name": "crm", "sha256": "…", "actor": "client:crm", "roles": ["network_team:ERKNet"]}]``.

        Raises:
            SettingsError: it cannot be read, or is not of this form; every fault is named, no token is repeated.
        """
        try:
            given = orjson.loads(path.read_bytes())
        except OSError as error:
            raise SettingsError(f"The API clients in {path} cannot be read: {error.strerror}.") from error
        except orjson.JSONDecodeError as error:
            raise SettingsError(f"The API clients in {path} are no JSON: {error.msg} (line {error.lineno}).") from None
        if not isinstance(given, list):
            raise SettingsError(f"The API clients in {path} are a JSON list of clients, each with name, sha256, actor and roles.")
        faults = [*_faults(given)]
        if faults:
            raise SettingsError(f"The API clients in {path} are not right:\n" + "\n".join(f"  - {fault}" for fault in faults))
        return Clients(clients=tuple(_client(one) for one in given))

    def __call__(self, request: Request) -> Actor | None:
        """Say which program asks, None when no token is shown.

        Raises:
            NotAuthenticatedError: the token is nobody's, or the header cannot be read.
        """
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        found = None
        shown = sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()
        for client in self.clients:  # all of them, so that the time does not tell where the right one stands
            if hmac.compare_digest(client.sha256, shown):
                found = client.actor
        if scheme.lower() != "bearer" or found is None:
            raise NotAuthenticatedError("The token is not known here: send Authorization: Bearer and a token of this installation.")
        return found


def new_token() -> tuple[str, str]:
    """Make a token, shown once to whoever sets up the client, and its digest for the file."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, sha256(token.encode()).hexdigest()


def new_client(name: str, *, actor: str, roles: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
    """Make a token, shown once, and the client of it as the file has it.

    Raises:
        SettingsError: name, actor or a role is not one that the file takes.
    """
    token, digest = new_token()
    made = {"name": name, "sha256": digest, "actor": actor, "roles": [*roles]}
    if faults := [*_faults_of(made)]:
        raise SettingsError(f"This is no client: {'; '.join(faults)}.")
    return token, made


def _client(given: dict[str, Any]) -> Client:
    actor = Actor.of(given["actor"], *given.get("roles", ()))
    return Client(name=given["name"], sha256=given["sha256"], actor=actor)


def _faults(given: list[Any]) -> Iterator[str]:
    names: list[object] = []
    digests: list[object] = []
    for place, one in enumerate(given, start=1):
        if not isinstance(one, dict):
            yield f"client {place} is no object with name, sha256, actor and roles"
            continue
        name = one.get("name")
        who = f"client {place}" if not _is(_NAME, name) else f"client {name!r}"
        yield from (f"{who}: {fault}" for fault in _faults_of(one))
        if _is(_NAME, name) and name in names:
            yield f"{who}: there are two of this name"
        if _is(_DIGEST, one.get("sha256")) and one["sha256"] in digests:
            yield f"{who}: another client has the same token; each needs its own"
        names.append(name)
        digests.append(one.get("sha256"))


def _faults_of(one: dict[str, Any]) -> Iterator[str]:
    if unknown := sorted(set(one) - _KEYS):
        yield f"it knows no {', '.join(repr(key[:40]) for key in unknown)}; known are {', '.join(sorted(_KEYS))}"
    if not _is(_NAME, one.get("name")):
        yield "name is missing or is not 1 to 64 letters, digits, blanks and ._-"
    if not _is(_DIGEST, one.get("sha256")):
        yield "sha256 is missing or is not 64 lower-case hexadecimal digits: it is the digest of the token, not the token"
    roles = one.get("roles", [])
    if not isinstance(roles, list) or not all(_is(_ROLE, role) for role in roles):
        yield 'roles is not a list like ["helpdesk", "network_team:ERKNet"]'
    try:
        Actor.of(one["actor"] if isinstance(one.get("actor"), str) else "")
    except ValueError:
        yield "actor is missing or is not 1 to 200 printable characters"


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
