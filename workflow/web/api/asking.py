"""What a request says: who asks, which payload, which version, which key, which page.

Promises: nothing of a body is read before it is known who sends it; nothing larger or deeper than allowed is ever parsed into values.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Header, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from workflow.ports import Vault
from workflow.states.instance import Actor
from workflow.web.api.parts import ANONYMOUS, ApiParts, NotAuthenticatedError, TooManyError
from workflow.web.api.problems import ProblemError

READING = frozenset({"GET", "HEAD"})
OWN_SITE = frozenset({"same-origin", "none"})
CURSOR_MAC = 16
"""Characters of a cursor's keyed digest: 64 bits, which nobody tries out through a rate limit."""
MOST_DIGITS = 18
"""Of a version; longer ones fit into no database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    actor: Actor
    parts: ApiParts
    is_anonymous: bool = False


def parts_of(request: Request) -> ApiParts:
    """Give what the API is made of."""
    return cast("ApiParts", request.app.state.parts)


async def caller(request: Request) -> Caller:
    """Find out who asks; count the request."""
    parts = parts_of(request)
    address = parts.address_of(request)
    _count(parts, "address", address)
    try:
        actor = await _identify(parts, request)
    except NotAuthenticatedError:
        _count(parts, "unknown", address)
        raise
    if actor is None and not parts.allow_anonymous:
        _count(parts, "unknown", address)
        raise NotAuthenticatedError("Say who you are.")
    is_change = request.method not in READING
    if is_change and request.headers.get("sec-fetch-site", "none") not in OWN_SITE:
        # A browser says that another site made it send this, with whatever cookies the host signs people in by.
        raise ProblemError("forbidden", "Requests that another site makes a browser send are not accepted.")
    if actor is None:
        _count(parts, "anonymous", address)
        return Caller(actor=ANONYMOUS, parts=parts, is_anonymous=True)
    _count(parts, "change" if is_change else "read", actor.id)
    return Caller(actor=actor, parts=parts)


async def known_caller(who: Annotated[Caller, Depends(caller)]) -> Caller:
    """Find out who asks, where nobody unknown has anything to ask."""
    if who.is_anonymous:
        raise NotAuthenticatedError("Say who you are.")
    return who


async def _identify(parts: ApiParts, request: Request) -> Actor | None:
    if inspect.iscoroutinefunction(parts.identify):
        found = await parts.identify(request)
    else:
        found = await run_in_threadpool(parts.identify, request)
        if inspect.isawaitable(found):
            found = await found
    return cast("Actor | None", found)


def _count(parts: ApiParts, rate: str, who: str) -> None:
    if not parts.limiter.may(rate, rate, who):
        raise TooManyError(parts.limiter.wait_seconds(rate, rate, who))


async def payload(request: Request, who: Annotated[Caller, Depends(caller)]) -> dict[str, Any]:
    """Read the body: an event's payload as a JSON object; nothing at all is an empty one."""
    body = await _body(request, who.parts.payload_bytes)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A browser adds `Origin`; it must say application/json then, which no other site's page can without being asked first.
    if not body and not media_type and "origin" not in request.headers:
        return {}
    if media_type != "application/json":
        raise ProblemError("media-type", "Send the payload as application/json.", headers={"Accept-Post": "application/json"})
    if not body:
        return {}
    _refuse_deep(body, who.parts.payload_depth)
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError("malformed", f"This is no JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if not isinstance(found, dict):
        raise ProblemError("invalid", "A payload is a JSON object of values by name.")
    return found


async def _body(request: Request, most: int) -> bytes:
    """Read a body that is not too large; one that says so itself is not even read."""
    too_large = ProblemError("too-large", f"A payload has at most {most} bytes.")
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said[:20]) > most:
        raise too_large
    found = bytearray()
    try:
        async for chunk in request.stream():
            found += chunk
            if len(found) > most:
                raise too_large
    except ClientDisconnect:
        raise ProblemError("malformed", "The request ended in the middle of its body.") from None
    return bytes(found)


def _refuse_deep(body: bytes, most: int) -> None:
    """Refuse deep nesting before any value is made: brackets outside of texts are counted."""
    depth = 0
    for match in _STRUCTURE.finditer(body):
        sign = match[0]
        if sign in b"[{":
            depth += 1
            if depth > most:
                raise ProblemError("malformed", f"A payload is nested at most {most} levels deep.")
        elif sign in b"]}":
            depth -= 1


_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def expected_version(given: str | None) -> int | None:
    """Read ``If-Match``: one version as an `ETag` gave it; None when there is none, or ``*``.

    Raises:
        ProblemError: it names something that is never a version, which no instance matches.
    """
    if given is None or given == "*":
        return None
    version = given.strip('"')
    if given.startswith("W/") or not version.isdigit() or len(version) > MOST_DIGITS:  # RFC 9110 §13.1.1: weak ones never match
        raise ProblemError("outdated", "That is no version of this instance: read it again.")
    return int(version)


def sealed_cursor(vault: Vault, scope: tuple[str, ...], inner: str) -> str:
    """Give the cursor of a list with its filters: whoever changes either gets nothing."""
    return f"{vault.blind('api-cursor', *scope, inner)[:CURSOR_MAC]}.{inner}"


def opened_cursor(vault: Vault, scope: tuple[str, ...], given: str | None) -> str | None:
    """Read a cursor of the same list with the same filters.

    Raises:
        ProblemError: it is not one.
    """
    if given is None:
        return None
    inner = given.partition(".")[2]
    if not given.isascii() or sealed_cursor(vault, scope, inner) != given:
        raise ProblemError("malformed", "This cursor belongs to another list: begin with the first page.")
    return inner


Asking = Annotated[Caller, Depends(known_caller)]
"""Somebody who is known."""
Anybody = Annotated[Caller, Depends(caller)]
"""Somebody, or nobody where the host allows that."""
Payload = Annotated[dict[str, Any], Depends(payload)]
InstanceIdIn = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id of an instance.", examples=["Jd0Lxw3mQp5sT8vY1bC4eF"])]
NameIn = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="Name of a definition.", examples=["cpms-access"])]
EventIn = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="Name of an event.", examples=["approve"])]
LimitIn = Annotated[int, Query(ge=1, le=200, description="Items of a page at most; a page may be shorter although there is a next one.")]
AfterIn = Annotated[
    str | None,
    Query(
        max_length=1000,
        pattern=r"^[0-9a-f]{16}\.[A-Za-z0-9_-]+$",
        description="Cursor of the page before: its `next`. It goes with the same filters only.",
    ),
]
KeyIn = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="A key of your own for this change. Sent again with the same content within 24 hours, it gives the first answer again.",
        examples=["6f1a2c1e-0b3f-4c53-9f0a-3a8a2a0f7a11"],
    ),
]
MatchIn = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern=r'^(\*|(W/)?"[!#-~]{0,64}")$',
        description="The version that was seen, as `ETag` gave it; another present version is answered by 412.",
        examples=['"7"'],
    ),
]
