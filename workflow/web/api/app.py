"""The API as an application: for `workflow serve`, or mounted under any prefix in a host's own."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workflow.engine import Engine
from workflow.errors import WorkflowError
from workflow.settings import Limits
from workflow.states.instance import Actor, Instance
from workflow.web.api import definitions, events, instances
from workflow.web.api.openapi import DESCRIPTION, TAGS, VERSION, complete
from workflow.web.api.parts import ApiParts, RateLimits, address_of, is_own_or_administrator, is_subject
from workflow.web.api.problems import HEADERS, http_error, invalid_parameters, server_fault, workflow_error
from workflow.web.parts import EngineOf, Identify, always
from workflow.web.security import SecureHeaders


def create_api(  # noqa: PLR0913  # each is a choice of the host, made by keyword
    engine: Engine | EngineOf,
    *,
    identify: Identify,
    limits: RateLimits | None = None,
    may_see_personal: Callable[[Actor, Instance], bool] = is_subject,
    may_start_for: Callable[[Actor, str], bool] = is_own_or_administrator,
    allow_anonymous: bool = False,
    client_address: Callable[[Request], str] = address_of,
    payload: Limits | None = None,
    is_https: bool = False,
    answer_floor_seconds: float = 0.4,
    challenge: str = 'Bearer realm="workflow"',
) -> FastAPI:
    """Make the API.

    Args:
        engine: the engine; or, for a host with transactions of its own, what gives the engine inside the request's transaction:
            ``contextmanager(lambda request: ...)`` that yields ``engine.on(session)`` and commits afterwards. It is entered and left in
            one thread, for each request once.
        identify: who asks, by the host's own authentication; None for nobody, `NotAuthenticatedError` for credentials that are wrong.
        limits: how often one may ask; `RateLimits()` when None.
        may_see_personal: who may read the personal values of an instance that they may see; the subject alone when left out.
        may_start_for: who may start for which subject; everybody for themselves, administrators for others when left out.
        allow_anonymous: let those who are not known start and fire what the definition allows anyone to.
        client_address: by which address requests are counted; the server's own idea of the client when left out.
        payload: how large and how deep a payload may be; the limits of the settings when None.
        is_https: the API is reached by TLS only, and says so.
        answer_floor_seconds: the least time of an answer that must not tell who is registered.
        challenge: for ``WWW-Authenticate``.
    """
    most = payload or Limits()
    parts = ApiParts(
        engine_of=always(engine) if isinstance(engine, Engine) else engine,
        identify=identify,
        limiter=(limits or RateLimits()).limiter(),
        may_see_personal=may_see_personal,
        may_start_for=may_start_for,
        address_of=client_address,
        allow_anonymous=allow_anonymous,
        payload_bytes=most.payload_bytes,
        payload_depth=most.payload_depth,
        answer_floor_seconds=answer_floor_seconds,
        challenge=challenge,
    )
    return _application(parts, is_https=is_https)


def _application(parts: ApiParts, *, is_https: bool) -> FastAPI:
    """Join the endpoints with what stands around each of them."""
    app = Api(
        title="Onboarding workflow",
        version=VERSION,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url=None,  # served below, with the headers of every other answer
        docs_url=None,  # its pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False},
        middleware=[Middleware(SecureHeaders, is_https=is_https), Middleware(Heads)],
        exception_handlers={
            WorkflowError: workflow_error,
            HTTPException: http_error,
            RequestValidationError: invalid_parameters,
            Exception: server_fault,
        },
    )
    app.state.parts = parts
    for room in (definitions, instances, events):
        app.include_router(room.router)
    app.add_route("/openapi.json", openapi_document, include_in_schema=False)
    return app


class Api(FastAPI):
    """A FastAPI application whose document is complete: every problem, header and example."""

    def openapi(self) -> dict[str, object]:
        """Give the OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi(), allow_anonymous=self.state.parts.allow_anonymous)
        return self.openapi_schema


async def openapi_document(request: Request) -> Response:
    """Give the OpenAPI document."""
    app: FastAPI = request.app
    return Response(orjson.dumps(app.openapi()), headers=HEADERS, media_type="application/json")


class Heads:
    """Middleware that answers HEAD as GET without its body, with all its headers."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            """Send everything but the body."""
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)
