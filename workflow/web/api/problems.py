"""What went wrong, as a problem document (RFC 9457) with every reason.

Promises: one table of kinds; `Reason.private` is never in an answer; what the caller cannot act on is logged here and told to nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from workflow.engine.conflicts import KeyReusedError, StaleVersionError
from workflow.errors import ConflictError, NotFoundError, Reason, RefusedError, StoreError, WorkflowError
from workflow.web.api.parts import ApiParts, NotAuthenticatedError, TooManyError

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:problem-type:workflow:"
TRY_AGAIN_SECONDS = 5
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its HTTP code and what it is called."""

    code: int
    title: str


KINDS: Mapping[str, Kind] = {
    "malformed": Kind(400, "The request cannot be read"),
    "unauthenticated": Kind(401, "Who asks is not known"),
    "forbidden": Kind(403, "The actor may not do this"),
    "not-found": Kind(404, "There is no such thing, or it may not be seen"),
    "method-not-allowed": Kind(405, "This method is not for this address"),
    "wrong-state": Kind(409, "This is not possible in the present state"),
    "refused": Kind(409, "What is asked does not hold now"),
    "conflict": Kind(409, "Somebody else was faster"),
    "outdated": Kind(412, "The version is not the present one"),
    "too-large": Kind(413, "The request is too large"),
    "media-type": Kind(415, "The request is not JSON"),
    "invalid": Kind(422, "Values are missing or wrong"),
    "key-reused": Kind(422, "The idempotency key was used for something else"),
    "too-many-requests": Kind(429, "Too many requests"),
    "failed": Kind(500, "Something went wrong here"),
    "unavailable": Kind(503, "The service is away for a moment"),
}
BY_CODE = {400: "malformed", 401: "unauthenticated", 403: "forbidden", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}

WHO = frozenset(
    {"role_missing", "engine_only", "engine_name", "own_request", "deputy_of_subject", "two_stages", "counted_already", "subject_not_yours"}
)
"""Codes of reasons that are about the actor."""


class ProblemError(WorkflowError):
    """A request that is answered by a problem."""

    def __init__(self, kind: str, detail: str, *, reasons: Sequence[Reason] = (), headers: Mapping[str, str] | None = None) -> None:
        """Name one of `KINDS` and say what is wrong with this request."""
        super().__init__(detail)
        self.problem = Problem(kind=kind, detail=detail, reasons=tuple(reasons), headers=headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem before it is written: `more` holds members of its own, such as versions."""

    kind: str
    detail: str
    reasons: tuple[Reason, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)

    def answer(self) -> Response:
        """Write it."""
        kind = KINDS[self.kind]
        body: dict[str, object] = {"type": TYPE + self.kind, "title": kind.title, "status": kind.code, "detail": self.detail}
        body |= {"reasons": [told(reason) for reason in self.reasons], **self.more}
        return Response(orjson.dumps(body), kind.code, headers={**HEADERS, **self.headers}, media_type=MEDIA_TYPE)


def told(reason: Reason) -> dict[str, str]:
    """Give a reason as anybody may read it: the precise code for the history is not in it."""
    return {"code": reason.code, "message": reason.message, "needed": reason.needed, "field": reason.field}


def kind_of(reasons: Sequence[Reason]) -> str:
    """Say by the stage that refused what kind of problem it is: who asks, in which state, with which values, or what a guard found."""
    codes = {reason.code for reason in reasons}
    if codes & WHO:
        return "forbidden"
    if "unknown_event" in codes:
        return "not-found"
    if "wrong_state" in codes:
        return "wrong-state"
    return "invalid" if any(reason.field or reason.code == "unknown_value" for reason in reasons) else "refused"


def problem_of(error: Exception, parts: ApiParts) -> Problem:
    """Say what an error is to the caller."""
    match error:
        case ProblemError():
            return error.problem
        case RefusedError():
            more = {} if error.sequence is None else {"sequence": error.sequence}
            detail = " ".join(reason.message for reason in error.reasons)
            return Problem(kind=kind_of(error.reasons), detail=detail, reasons=error.reasons, more=more)
        case NotFoundError():
            return Problem(kind="not-found", detail=f"There is no such {error.kind}, or you may not see it.")
        case ConflictError():
            return _conflict(error)
        case NotAuthenticatedError():
            return Problem(kind="unauthenticated", detail=str(error), headers={"WWW-Authenticate": parts.challenge})
        case TooManyError():
            return Problem(kind="too-many-requests", detail=str(error), headers={"Retry-After": str(error.wait_seconds)})
        case _:
            return _fault(error)


def _conflict(error: ConflictError) -> Problem:
    if isinstance(error, StaleVersionError):
        versions = {"expected_version": error.expected_version, "found_version": error.found_version}
        return Problem(kind="outdated", detail=str(error), more=versions, headers={"ETag": f'"{error.found_version}"'})
    if isinstance(error, KeyReusedError):  # 422: draft-ietf-httpapi-idempotency-key-header §2.7
        return Problem(kind="key-reused", detail="This Idempotency-Key was used before with other content; use a new key.")
    return Problem(kind="conflict", detail=str(error), headers={"Retry-After": "1"})


def _fault(error: Exception) -> Problem:
    """Say what is no fault of the caller's, without saying what it is."""
    if isinstance(error, StoreError):
        _log.error("The store cannot be used: %s", error)
        return Problem(kind="unavailable", detail="Try again in a moment.", headers={"Retry-After": str(TRY_AGAIN_SECONDS)})
    return Problem(kind="failed", detail="It is not your fault, and somebody has been told. Try again later.")


async def workflow_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours."""
    problem = problem_of(error, request.app.state.parts)
    if problem.kind == "failed":
        _log.error("A request failed: %s", error, exc_info=error)
    return problem.answer()


async def server_fault(request: Request, error: Exception) -> Response:
    """Answer whatever else happens; the server logs it."""
    return problem_of(error, request.app.state.parts).answer()


async def http_error(_request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: an unknown address, a method that is not for it, a body that is not read to its end."""
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    headers = dict(error.headers or {})
    allowed = headers.get("Allow", "")
    if "GET" in allowed:
        headers["Allow"] = f"{allowed}, HEAD"
    kind = BY_CODE.get(error.status_code, "malformed" if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else "failed")
    return Problem(kind=kind, detail=f"{KINDS[kind].title}.", headers=headers).answer()


async def invalid_parameters(_request: Request, error: Exception) -> Response:
    """Answer parameters that are not of their form: in the path there is no such thing, in a header the request cannot be read."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
    faults: Sequence[dict[str, Any]] = error.errors()
    places = {str(fault["loc"][0]) for fault in faults}
    reasons = tuple(Reason(code="invalid_value", message=f"{_name(fault)}: {fault['msg']}.", field=_name(fault)) for fault in faults)
    if "path" in places:
        return Problem(kind="not-found", detail="There is nothing at this address.").answer()
    kind = "malformed" if "header" in places else "invalid"
    return Problem(kind=kind, detail=" ".join(reason.message for reason in reasons), reasons=reasons).answer()


def _name(fault: Mapping[str, Any]) -> str:
    return str(fault["loc"][-1])
