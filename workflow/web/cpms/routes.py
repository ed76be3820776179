"""The addresses of CPMS."""

from __future__ import annotations

from starlette.routing import Route

from workflow.web.cpms import entering
from workflow.web.eulogin.routes import SIGN_IN, applicant_of
from workflow.web.pages import Room
from workflow.web.parts import SiteParts


def routes(parts: SiteParts) -> list[Route]:
    """Give the pages of CPMS."""
    room = Room(parts=parts, system="cpms", sign_in=SIGN_IN, who=applicant_of)
    return [
        room.page("/cpms", entering.login, name="cpms.login"),
        room.page("/cpms/home", entering.home, name="cpms.home"),
        room.page("/cpms/preferences", entering.preferences, name="cpms.preferences", posts=True),
        room.page("/help", entering.help_page, name="cpms.help"),
        room.page("/privacy", entering.privacy, name="cpms.privacy"),
    ]
