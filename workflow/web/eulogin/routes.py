"""The addresses of EU Login."""

from __future__ import annotations

from starlette.routing import Route

from workflow.states.instance import Actor
from workflow.web.eulogin import account, linking, registering, signing_in
from workflow.web.pages import Room
from workflow.web.parts import SiteParts
from workflow.web.visit import Visit

SIGN_IN = "eulogin.sign_in"


def applicant_of(visit: Visit) -> Actor | None:
    """Give who is signed in as an applicant; an account has no role but being itself."""
    if visit.session is None or visit.kept("kind") != "applicant":
        return None
    return Actor.of(visit.session.actor)


def routes(parts: SiteParts) -> list[Route]:
    """Give the pages of EU Login."""
    room = Room(parts=parts, system="eulogin", sign_in=SIGN_IN, who=applicant_of)
    return [
        room.page("/register", registering.register, name="eulogin.register", posts=True),
        room.page("/registered", registering.registered, name="eulogin.registered"),
        room.page("/links/{token}", linking.link, name="eulogin.link", posts=True),
        room.page("/link-requested", linking.link_requested, name="eulogin.link_requested"),
        room.page("/password-chosen", linking.password_chosen, name="eulogin.password_chosen"),
        room.page("/sign-in", signing_in.sign_in, name=SIGN_IN, posts=True),
        room.page("/sign-in/code", signing_in.code, name="eulogin.code", posts=True),
        room.page("/sign-in/waiting", signing_in.waiting, name="eulogin.waiting"),
        room.page("/sign-out", signing_in.sign_out, name="eulogin.sign_out", posts=True),
        room.page("/signed-out", signing_in.signed_out, name="eulogin.signed_out"),
        room.page("/account", account.account, name="eulogin.account"),
        room.page("/account/password", account.change_password, name="eulogin.change_password", posts=True),
        room.page("/account/phone", account.add_phone, name="eulogin.add_phone", posts=True),
        room.page("/account/phone/code", account.confirm_phone, name="eulogin.confirm_phone", posts=True),
        room.page("/account/device", account.add_device, name="eulogin.add_device", posts=True),
        room.page("/account/device/scan", account.initialise_device, name="eulogin.initialise_device"),
        room.page("/account/authenticator", account.add_authenticator, name="eulogin.add_authenticator", posts=True),
        room.page("/account/authenticator/code", account.confirm_authenticator, name="eulogin.confirm_authenticator", posts=True),
        room.page("/account/remove/{kind}", account.remove, name="eulogin.remove", posts=True),
        room.page("/account/factor-added", account.factor_added, name="eulogin.factor_added"),
    ]
