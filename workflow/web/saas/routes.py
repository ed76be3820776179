"""The addresses of SAAS."""

from __future__ import annotations

from starlette.routing import Route

from workflow.web.eulogin.routes import SIGN_IN, applicant_of
from workflow.web.pages import Room
from workflow.web.parts import SiteParts
from workflow.web.saas import following, requesting


def routes(parts: SiteParts) -> list[Route]:
    """Give the pages of SAAS."""
    room = Room(parts=parts, system="saas", sign_in=SIGN_IN, who=applicant_of)
    return [
        room.page("/saas", following.status, name="saas.status"),
        room.page("/saas/request", requesting.request, name="saas.request", posts=True),
        room.page("/saas/answer", following.answer, name="saas.answer", posts=True),
        room.page("/saas/withdraw", following.withdraw, name="saas.withdraw", posts=True),
    ]
