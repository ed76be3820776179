"""What a link in a mail opens.

Promises: opening it changes nothing and sends nothing, whoever opens it and how often: mail scanners do, and some run scripts. An expired,
a superseded and an invented link lead to the same page. Choosing a password signs nobody in.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from starlette.responses import Response

from workflow.checks import read_link
from workflow.checks.profiles import PROFILES, Profile, password_faults
from workflow.errors import NotFoundError, Reason
from workflow.ports import CheckInput
from workflow.states.definition import EventName
from workflow.states.instance import Actor, InstanceId, Situation
from workflow.states.verdict import Refused
from workflow.web.limits import account_key
from workflow.web.pages import address_of
from workflow.web.visit import Visit

LINK_HOLDER = Actor.of("mail-link")
_DEAD = frozenset({"link_unknown", "link_superseded", "link_expired", "link_invalid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link as it was opened; `situation` is None when it names no onboarding of ours."""

    token: str
    situation: Situation | None
    is_alive: bool = False
    is_pending: bool = False

    @property
    def instance(self) -> InstanceId | None:
        """Give the onboarding it names."""
        return self.situation.instance.id if self.situation else None


def opened(visit: Visit, token: str) -> Link:
    """Say what a link opens now, without changing anything."""
    parts = read_link(token)
    if parts is None:
        return Link(token=token, situation=None)
    try:
        situation = visit.engine.situation(parts.instance)
    except NotFoundError:
        return Link(token=token, situation=None)
    world = visit.engine.in_force(parts.instance).world
    definition = world.definition
    is_wanted = EventName("set_password") in world.table.events_in(situation.instance.state)
    facts = visit.engine.parts.checks.run(
        CheckInput(
            use=definition.checks["password_link"],
            payload={"token": token},
            situation=situation,
            definition=definition,
            subject=situation.instance.subject,
            actor=LINK_HOLDER.id,
            credentials=(),
            personal=lambda _: None,
            now=visit.now,
        )
    ).facts
    is_pending = bool(facts["genuine"] and facts["current"] and not facts["sent"])
    return Link(token=token, situation=situation, is_alive=is_wanted and bool(facts["valid"]), is_pending=is_wanted and is_pending)


def link(visit: Visit) -> Response:
    """Show the form for the password, or the one for a new link; or take one of them."""
    token = str(visit.request.path_params["token"])
    if visit.is_post and "username" in visit.form.values:
        return _ask_again(visit, token)
    found = opened(visit, token)
    if visit.is_post:
        return _choose(visit, found)
    if found.is_pending:
        return visit.page("eulogin/one_moment.html", token=token)
    return _password_form(visit, found) if found.is_alive else _request_form(visit, token)


def _choose(visit: Visit, found: Link) -> Response:
    if found.instance is None:
        return _request_form(visit, found.token)
    form = visit.form
    answer = visit.fire(
        found.instance,
        "set_password",
        actor=LINK_HOLDER,
        token=found.token,
        password=form.raw("password"),
        password_confirm=form.raw("password_confirm"),
    )
    if not isinstance(answer, Refused):
        return visit.go("eulogin.password_chosen")
    if _DEAD & {reason.code for reason in answer.reasons} or not found.is_alive:
        return _request_form(visit, found.token)
    return _password_form(visit, found, answer)


def _ask_again(visit: Visit, token: str) -> Response:
    """Ask for a new link; the answer is the same for a known and an unknown username, and takes the same time."""
    parts, username = read_link(token), visit.form.text("username")
    is_allowed = visit.parts.limiter.may("link", address_of(visit.request)) and visit.parts.limiter.may("link", account_key(username))
    if parts is not None and is_allowed:
        with suppress(NotFoundError):  # an invented link reads like any other
            visit.fire(parts.instance, "request_link", actor=LINK_HOLDER, token=token, username=username)
    visit.level(visit.request.state.began)
    return visit.go("eulogin.link_requested")


def link_requested(visit: Visit) -> Response:
    """Say that a mail is on its way if the username was right."""
    return visit.page("eulogin/link_requested.html")


def password_chosen(visit: Visit) -> Response:
    """Say that the password is set, and lead to the sign-in."""
    return visit.page("eulogin/password_chosen.html")


def profile_of(visit: Visit, check: str = "password_profile") -> Profile:
    """Give the rules that a new password must follow."""
    definition = visit.engine.newest(visit.parts.definition).world.definition
    return PROFILES[str(definition.checks[check].params.get("profile", next(iter(PROFILES))))]


def all_reasons(visit: Visit, reasons: tuple[Reason, ...], username: str, *, field: str = "password") -> tuple[Reason, ...]:
    """Add what the rules say of a new password where the engine refused it before it asked them: the two typings differ, for example."""
    typed, profile = visit.form.raw(field), profile_of(visit, "new_password" if field == "new_password" else "password_profile")
    faults = password_faults(typed, profile, username=username) if typed and reasons else ()
    known = {reason.code for reason in reasons}
    return (*reasons, *(replace(fault, field=field) for fault in faults if fault.code not in known))


def _password_form(visit: Visit, found: Link, refused: Refused | None = None) -> Response:
    labels = {"password": visit.say("Password"), "password_confirm": visit.say("Password once more")}
    assert found.instance is not None  # noqa: S101  # a link that is alive names one
    username = str(visit.engine.values(found.instance).get("username", ""))
    problems = visit.problems(all_reasons(visit, refused.reasons if refused else (), username), labels)
    return visit.page("eulogin/password.html", problems=problems, token=found.token, profile=profile_of(visit), username=username)


def _request_form(visit: Visit, token: str) -> Response:
    return visit.page("eulogin/link_expired.html", token=token)
