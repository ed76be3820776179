"""The whole site: EU Login, SAAS, CPMS, the back office, the HTTP API, and in development the phone and the mailbox."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from workflow.web.cpms import routes as cpms_routes
from workflow.web.eulogin import routes as eulogin_routes
from workflow.web.pages import Room, preferences
from workflow.web.parts import SiteParts
from workflow.web.saas import routes as saas_routes
from workflow.web.security import SecureHeaders
from workflow.web.templates import STATIC
from workflow.web.visit import Visit


class Files(StaticFiles):
    """Our files; an address with a digest may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer a request for a file."""
        response = await super().get_response(path, scope)
        is_versioned = scope.get("query_string", b"").startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_versioned else "no-cache"
        return response


def create_site(parts: SiteParts) -> Starlette:
    """Make the site's ASGI application."""
    room = Room(parts=parts, system="eulogin", sign_in=eulogin_routes.SIGN_IN, who=eulogin_routes.applicant_of)
    found: list[BaseRoute] = [
        Mount("/static", Files(directory=STATIC), name="static"),
        room.page("/", home, name="home"),
        room.page("/preferences", preferences, name="preferences", posts=True),
        *eulogin_routes.routes(parts),
        *saas_routes.routes(parts),
        *cpms_routes.routes(parts),
        room.page("/{path:path}", missing, name="missing", posts=True),
    ]
    return Starlette(routes=found, middleware=[Middleware(SecureHeaders, is_https=parts.is_https)])


def home(visit: Visit) -> Response:
    """Show where everything begins."""
    return visit.page("home.html")


def missing(visit: Visit) -> Response:
    """Say that there is no such page."""
    return visit.page(
        "fault.html",
        code=404,
        title="There is no such page",
        what="The address is not complete, or what it showed is not there (any more), or it is not for you to see.",
    )
