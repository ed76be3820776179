"""Registration.

Promises: the answer is the same page, after the same time, whether the address has an account or not; its owner learns by mail.
"""

from __future__ import annotations

import secrets
import string

from starlette.responses import Response

from workflow.errors import Reason
from workflow.states.instance import Actor
from workflow.states.verdict import Refused
from workflow.web.forms import Problems
from workflow.web.limits import Limiter
from workflow.web.pages import address_of
from workflow.web.visit import Visit

VISITOR = Actor.of("visitor")
MAIL_LANGUAGES = {
    "en": "English", "fr": "Français", "de": "Deutsch", "es": "Español", "it": "Italiano", "nl": "Nederlands", "pl": "Polski",
}  # fmt: skip  # one line reads better
LABELS = {
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail address",
    "email_confirm": "E-mail address once more",
    "language": "Language of our mails to you",
    "privacy_accepted": "Privacy statement",
}
USERNAME_LETTERS = 9
"""Random letters of an assigned username: 26^9 are enough for ten million accounts to collide less than once."""
TOO_MANY = Reason(code="too_many", message="There were too many attempts from your connection.", needed="Wait an hour, then try again.")


def new_username() -> str:
    """Assign a username like ``n00ccgbdxkwp``; it is an identifier and no secret."""
    return "n00" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(USERNAME_LETTERS))


def register(visit: Visit) -> Response:
    """Show the registration form, or register."""
    if not visit.is_post:
        return _form(visit)
    limiter: Limiter = visit.parts.limiter
    if not limiter.may("register", address_of(visit.request)):
        return _form(visit, Problems((TOO_MANY,)))
    form = visit.form
    answer = visit.start(
        "register",
        actor=VISITOR,
        subject=f"p-{secrets.token_hex(8)}",
        first_name=form.text("first_name"),
        last_name=form.text("last_name"),
        email=form.text("email"),
        email_confirm=form.text("email_confirm"),
        language=form.text("language"),
        privacy_accepted=form.is_ticked("privacy_accepted"),
        username=new_username(),
    )
    if isinstance(answer, Refused):
        return _form(visit, visit.problems(answer.reasons, {name: visit.say(text) for name, text in LABELS.items()}))
    visit.level(visit.request.state.began)
    return visit.go("eulogin.registered")


def registered(visit: Visit) -> Response:
    """Say that a mail is on its way: the same for every address."""
    return visit.page("eulogin/registered.html")


def _form(visit: Visit, problems: Problems | None = None) -> Response:
    return visit.page("eulogin/register.html", problems=problems or Problems(), mail_languages=MAIL_LANGUAGES)
