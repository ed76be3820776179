"""The addresses of the back office."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from workflow.engine import Engine
from workflow.web.files import Files
from workflow.web.office import auditing, deciding, entering, keeping, queue
from workflow.web.pages import Room, preferences
from workflow.web.parts import EngineOf, Identify, SiteParts, always
from workflow.web.security import SecureHeaders
from workflow.web.templates import STATIC

SIGN_IN = "office.sign_in"


def routes(parts: SiteParts, *, prefix: str = "") -> list[Route]:
    """Give the pages of the back office below a prefix of the site."""
    has_own = parts.identify is None
    room = Room(parts=parts, system="office", sign_in=SIGN_IN if has_own else None, who=entering.staff_of)
    own = [
        room.page(f"{prefix}/sign-in", entering.sign_in, name=SIGN_IN, posts=True),
        room.page(f"{prefix}/oidc", entering.begin_oidc, name="office.oidc"),
        room.page(f"{prefix}/oidc/back", entering.finish_oidc, name="office.oidc_back"),
        room.page(f"{prefix}/sign-out", entering.sign_out, name="office.sign_out", posts=True),
    ]
    return [
        *(own if has_own else []),
        room.page(prefix or "/", queue.queue, name="office.queue"),
        room.page(f"{prefix}/requests", queue.requests, name="office.requests"),
        room.page(f"{prefix}/decide", queue.decide_many, name="office.decide", posts=True),
        room.page(f"{prefix}/board", queue.board, name="office.board"),
        room.page(f"{prefix}/requests/{{instance}}", deciding.request, name="office.request", posts=True),
        room.page(f"{prefix}/requests/{{instance}}/bundle", auditing.bundle, name="office.bundle", posts=True),
        room.page(f"{prefix}/delegations", keeping.delegations, name="office.delegations", posts=True),
        room.page(f"{prefix}/roles", keeping.roles, name="office.roles"),
        room.page(f"{prefix}/definitions", keeping.definitions, name="office.definitions"),
        room.page(f"{prefix}/definitions/{{name}}", keeping.definition, name="office.definition"),
        room.page(f"{prefix}/outbox", keeping.outbox, name="office.outbox", posts=True),
        room.page(f"{prefix}/audit", auditing.audit, name="office.audit", posts=True),
    ]


def back_office(
    engine: Engine, *, identify: Identify, base_url: str, engine_of: EngineOf | None = None, zone: str = "Europe/Brussels"
) -> Starlette:
    """Make the back office alone, to be mounted under any prefix of a host's ASGI application.

    Args:
        engine: for what concerns no request (the vault, the clock).
        identify: says who asks, from the host's own authentication; None sends nobody anywhere, the page says that one is not signed in.
        base_url: the address the host is reached at; forms are taken from there only.
        engine_of: gives the engine for one request, inside the host's transaction for example; `engine` itself when None.
        zone: in which dates are written until the reader chooses another.
    """
    parts = SiteParts(engine_of=engine_of or always(engine), engine=engine, base_url=base_url.rstrip("/"), identify=identify, zone=zone)
    room = Room(parts=parts, system="office", who=entering.staff_of)
    pages = [
        Mount("/static", Files(directory=STATIC), name="static"),
        *routes(parts),
        room.page("/home", queue.queue, name="home"),
        room.page("/preferences", preferences, name="preferences", posts=True),
    ]
    return Starlette(routes=pages, middleware=[Middleware(SecureHeaders, is_https=parts.is_https)])
