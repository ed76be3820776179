"""The whole site: EU Login, SAAS, CPMS, the back office, the HTTP API, and in development the phone and the mailbox."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from workflow.web.cpms import routes as cpms_routes
from workflow.web.eulogin import routes as eulogin_routes
from workflow.web.files import Files
from workflow.web.office import routes as office_routes
from workflow.web.pages import Room, preferences
from workflow.web.parts import SiteParts
from workflow.web.phone import routes as phone_routes
from workflow.web.saas import routes as saas_routes
from workflow.web.security import SecureHeaders
from workflow.web.templates import STATIC
from workflow.web.visit import Visit


def create_site(parts: SiteParts) -> Starlette:
    """Make the site's ASGI application."""
    room = Room(parts=parts, system="eulogin", sign_in=eulogin_routes.SIGN_IN, who=eulogin_routes.applicant_of)
    found: list[BaseRoute] = [
        Mount("/static", Files(directory=STATIC), name="static"),
        *([Mount("/api", parts.api, name="api")] if parts.api is not None else []),
        room.page("/", home, name="home"),
        room.page("/preferences", preferences, name="preferences", posts=True),
        *eulogin_routes.routes(parts),
        *saas_routes.routes(parts),
        *cpms_routes.routes(parts),
        *phone_routes.routes(parts),
        *office_routes.routes(parts, prefix="/office"),
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
