"""The addresses of the simulated phone and the mailbox; there are none outside development."""

from __future__ import annotations

from starlette.routing import Route

from workflow.web.pages import Room
from workflow.web.parts import SiteParts
from workflow.web.phone import simulating


def routes(parts: SiteParts) -> list[Route]:
    """Give the pages, none outside development."""
    if parts.development is None:
        return []
    phone, mailbox = Room(parts=parts, system="phone"), Room(parts=parts, system="mailbox")
    return [
        phone.page("/phone", simulating.choose, name="phone.choose", posts=True),
        phone.page("/phone/{instance}", simulating.phone, name="phone.phone", posts=True),
        mailbox.page("/mailbox", simulating.mailbox, name="phone.mailbox"),
    ]
