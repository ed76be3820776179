"""My account: password, phone numbers, mobile devices, authenticator app.

Promises: a factor counts only after the new device proved itself; its QR code is shown while it waits for that, to the session that asked
for it, and never again.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from workflow.checks import initialise_qr, provisioning_uri
from workflow.checks.qr import svg
from workflow.errors import NotFoundError
from workflow.ports import Credential
from workflow.states.verdict import Refused
from workflow.web.eulogin.applicant import FACTORS, SIGNED_IN_AT, Applicant, Level, applicant, credentials, enrolled, under_enrolment
from workflow.web.eulogin.linking import all_reasons, profile_of
from workflow.web.visit import Visit

BEGUN = "begun"
"""Under this name a session keeps the kinds of the factors whose enrolment it began."""
REMOVALS = {"phone": "remove_phone", "app_device": "remove_device", "totp": "remove_authenticator"}


def account(visit: Visit) -> Response:
    """Show the account."""
    who = applicant(visit)
    found = credentials(visit, who.id)
    values = visit.engine.values(who.id)
    return visit.page("eulogin/account.html", who=who, factors=enrolled(found), names=FACTORS, values=values, level=Level)


def change_password(visit: Visit) -> Response:
    """Change the password; every other session of the account ends."""
    who = _for_changes(visit)
    if not visit.is_post:
        return _password_form(visit)
    form = visit.form
    answer = visit.fire(
        who.id,
        "change_password",
        actor=who.actor,
        password=form.raw("password"),
        new_password=form.raw("new_password"),
        new_password_confirm=form.raw("new_password_confirm"),
    )
    if isinstance(answer, Refused):
        return _password_form(visit, answer)
    data = {SIGNED_IN_AT: visit.session.created_at.isoformat(), **visit.session.data} if visit.session else {}
    if visit.parts.sessions is not None:
        visit.parts.sessions.end_all(who.actor.id)
    visit.session = None
    visit.sign_in(who.actor.id, data)
    visit.flash(visit.say("Your password is changed. Wherever else you were signed in, you are signed out now."))
    return visit.go("eulogin.account")


def add_phone(visit: Visit) -> Response:
    """Take a phone number, and lead on to the code that is sent to it."""
    who = _for_changes(visit)
    if visit.is_post:
        answer = visit.fire(who.id, "add_phone", actor=who.actor, phone=visit.form.text("phone"))
        if not isinstance(answer, Refused):
            return visit.go("eulogin.confirm_phone")
        return visit.page("eulogin/add_phone.html", problems=visit.problems(answer.reasons, {"phone": visit.say("Mobile phone number")}))
    return visit.page("eulogin/add_phone.html")


def confirm_phone(visit: Visit) -> Response:
    """Take the code that was sent to the new number."""
    return _confirm(visit, event="confirm_phone", kind="phone", template="eulogin/confirm_phone.html")


def add_device(visit: Visit) -> Response:
    """Take the device's name and PIN, and lead on to the QR code for it."""
    who = _for_changes(visit)
    if not visit.is_post:
        return visit.page("eulogin/add_device.html")
    form = visit.form
    answer = visit.fire(
        who.id,
        "add_device",
        actor=who.actor,
        device_name=form.text("device_name"),
        pin=form.raw("pin"),
        pin_confirm=form.raw("pin_confirm"),
    )
    if isinstance(answer, Refused):
        labels = {"device_name": visit.say("Name of the device"), "pin": visit.say("PIN"), "pin_confirm": visit.say("PIN once more")}
        return visit.page("eulogin/add_device.html", problems=visit.problems(answer.reasons, labels))
    _begun_here(visit, "app_device")
    return visit.go("eulogin.initialise_device")


def initialise_device(visit: Visit) -> Response:
    """Show the QR code that the app scans, then wait until the phone has confirmed."""
    who = applicant(visit)
    found = credentials(visit, who.id)
    pending = under_enrolment(found, "app_device")
    if pending is None:
        return _done(visit, who) if "app_device" in enrolled(found) else visit.go("eulogin.add_device")
    _for_changes(visit)
    if not _is_begun_here(visit, "app_device"):
        return visit.go("eulogin.add_device")
    try:
        text = initialise_qr(visit.parts.engine.parts.vault, pending)
    except NotFoundError:  # scanned: the code is good once, and the phone asks for the confirmation now
        text = ""
    shown: dict[str, Any] = {"picture": svg(text) if text else None, "text": text if visit.parts.development else ""}
    return visit.page("eulogin/initialise_device.html", **shown)


def add_authenticator(visit: Visit) -> Response:
    """Begin the enrolment of an authenticator app."""
    who = _for_changes(visit)
    if visit.is_post:
        answer = visit.fire(who.id, "add_authenticator", actor=who.actor)
        if not isinstance(answer, Refused):
            _begun_here(visit, "totp")
            return visit.go("eulogin.confirm_authenticator")
        return visit.page("eulogin/add_authenticator.html", problems=visit.problems(answer.reasons))
    return visit.page("eulogin/add_authenticator.html")


def confirm_authenticator(visit: Visit) -> Response:
    """Show the QR code of the authenticator app, and take its first code."""
    return _confirm(visit, event="confirm_authenticator", kind="totp", template="eulogin/confirm_authenticator.html")


def remove(visit: Visit) -> Response:
    """Ask whether a factor shall be removed, or remove it."""
    who = applicant(visit, level=Level.TWO_FACTORS, is_fresh=True)
    kind = str(visit.request.path_params["kind"])
    if kind not in enrolled(credentials(visit, who.id)):
        raise NotFoundError("factor", kind)
    if visit.is_post:
        answer = visit.fire(who.id, REMOVALS[kind], actor=who.actor)
        if not isinstance(answer, Refused):
            visit.flash(visit.say("{name} is removed.", name=visit.say(FACTORS[kind])))
            return visit.go("eulogin.account")
        return visit.page("eulogin/remove.html", problems=visit.problems(answer.reasons), kind=kind, name=FACTORS[kind])
    return visit.page("eulogin/remove.html", kind=kind, name=FACTORS[kind])


def _for_changes(visit: Visit) -> Applicant:
    """Give who is signed in strongly enough to change how the account signs in."""
    who = applicant(visit)
    return applicant(visit, level=Level.TWO_FACTORS, is_fresh=True) if enrolled(credentials(visit, who.id)) else who


def _confirm(visit: Visit, *, event: str, kind: str, template: str) -> Response:
    who = applicant(visit)
    found = credentials(visit, who.id)
    pending = under_enrolment(found, kind)
    if pending is None:
        return _done(visit, who) if kind in enrolled(found) else visit.go("eulogin.account")
    _for_changes(visit)
    if kind == "totp" and not _is_begun_here(visit, kind):
        return visit.go("eulogin.add_authenticator")
    shown = _authenticator(visit, who, pending) if kind == "totp" else {}
    if visit.is_post:
        answer = visit.fire(who.id, event, actor=who.actor, code=visit.form.text("code"))
        if not isinstance(answer, Refused):
            return _done(visit, who)
        return visit.page(template, problems=visit.problems(answer.reasons, {"code": visit.say("Code")}), **shown)
    return visit.page(template, **shown)


def _begun_here(visit: Visit, kind: str) -> None:
    """Keep with the session that it began an enrolment."""
    visit.keep(**{BEGUN: sorted({*(visit.kept(BEGUN) or ()), kind})})


def _is_begun_here(visit: Visit, kind: str) -> bool:
    """Tell whether this session began an enrolment: a new device's secret is shown to no other one, which may be somebody else's."""
    return kind in (visit.kept(BEGUN) or ())


def _authenticator(visit: Visit, who: Applicant, pending: Credential) -> dict[str, Any]:
    email = str(visit.engine.values(who.id).get("email", ""))
    uri = provisioning_uri(visit.parts.engine.parts.vault, pending, account=email, issuer="EU Login")
    return {"picture": svg(uri), "secret": uri.partition("secret=")[2].partition("&")[0]}


def _done(visit: Visit, who: Applicant) -> Response:
    """Say that the factor counts from now on. Whoever had none signs in with it next, so that the session becomes a strong one."""
    if who.level < Level.TWO_FACTORS:
        visit.sign_out()
        return visit.go("eulogin.factor_added")
    visit.flash(visit.say("It works: your new second factor is registered."))
    return visit.go("eulogin.account")


def factor_added(visit: Visit) -> Response:
    """Say that the first second factor is registered, and lead to the sign-in with it."""
    return visit.page("eulogin/factor_added.html")


def _password_form(visit: Visit, refused: Refused | None = None) -> Response:
    labels = {
        "password": visit.say("Present password"),
        "new_password": visit.say("New password"),
        "new_password_confirm": visit.say("New password once more"),
    }
    username = str(visit.engine.values(applicant(visit).id).get("username", ""))
    problems = visit.problems(all_reasons(visit, refused.reasons if refused else (), username, field="new_password"), labels)
    return visit.page("eulogin/change_password.html", problems=problems, profile=profile_of(visit, "new_password"), username=username)
