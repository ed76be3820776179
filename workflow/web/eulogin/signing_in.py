"""Signing in with a chosen verification method, and signing out.

Promises: an unknown name, a wrong password and a locked account read alike and take equally long. Between the password and the code the
password waits sealed in the session on the server, at most ten minutes, and goes with the sign-in or with its end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
from starlette.responses import RedirectResponse, Response

from workflow.checks import sign_in_qr
from workflow.checks.qr import svg
from workflow.engine.finding import find
from workflow.errors import NotFoundError, Reason
from workflow.ports import CheckInput
from workflow.states.definition import FieldName
from workflow.states.instance import Actor, InstanceId
from workflow.states.verdict import Accepted, Refused
from workflow.web.eulogin.applicant import Level, credentials, enrolled
from workflow.web.forms import Problems
from workflow.web.limits import account_key
from workflow.web.pages import address_of
from workflow.web.security import is_local
from workflow.web.visit import Visit

VISITOR = Actor.of("visitor")
PENDING_FOR = timedelta(minutes=10)
NOT_RIGHT = Reason(
    code="sign_in_refused",
    message="The address or the password is not right.",
    needed="If you registered a moment ago, this account is not known here yet: try again shortly.",
)
"""Said of an unknown name, a wrong password, and an account without a password yet, so that nobody learns which it is."""
WRONG = Reason(
    code="sign_in_refused",
    message="The password or the code is not right.",
    needed="The newest code; after several wrong ones, wait a while before the next.",
    field="code",
)
"""Said of a wrong password, a wrong, late or used code, a locked factor, and an account that does not exist or has no such factor."""
OVER = Reason(code="sign_in_over", message="The time for this sign-in is over.", needed="Begin again.")
TOO_MANY = Reason(code="too_many", message="There were too many attempts.", needed="Wait a minute, then try again.")
ASKS = {"sms": "ask_text_code", "push": "ask_push", "qr": "ask_qr_code", "totp": "", "password": "sign_in"}
"""Verification method -> event that begins it; an authenticator app needs none."""
METHODS = {
    "push": ("Mobile app PIN code", "Your phone gets a notification; type your PIN there."),
    "qr": ("Mobile app QR code", "Scan a code with the app and type the 8 digits that it shows. Works without a connection, too."),
    "totp": ("Authenticator app", "Type the 6 digits that your authenticator app shows."),
    "sms": ("Mobile + SMS", "A code is sent to your phone. Text messages may be late or lost; the app is safer."),
    "password": ("Password", "Only for setting up your first second factor."),
}
SECURED_ANEW = frozenset({"change_password", "set_password", "remove_device", "reset_lost_phone", "confirm_device", "subject_erased"})
"""Events after which a sign-in that was begun before them does not go on: its password or its phone may not count any more."""
CODE_METHODS = {"sms": "sms", "qr": "app_code", "totp": "totp"}


def sign_in(visit: Visit) -> Response:
    """Show the sign-in form, or take name, password and method."""
    if not visit.is_post:
        return _form(visit)
    method, password = visit.form.text("method"), visit.form.raw("password")
    name = visit.form.text("name")
    if method not in ASKS:
        return _form(visit, (Reason(code="method_missing", message="Choose how you want to verify.", field="method"),))
    if not _may_try(visit, name, is_push=method == "push"):
        return _form(visit, (TOO_MANY,))
    instance = known(visit, name)
    answer = _begin(visit, instance, method, password)
    visit.level(visit.request.state.began)
    if isinstance(answer, Refused):
        return _form(visit, answer.reasons)
    if method == "password":
        return _enter(visit, instance, Level.PASSWORD) if instance else _form(visit, (NOT_RIGHT,))
    visit.sign_in("", {**_pending(visit, instance, method, password, answer), "name": account_key(name)})
    return visit.go("eulogin.waiting" if method == "push" else "eulogin.code")


def code(visit: Visit) -> Response:
    """Show the page for the code, with the QR code where there is one; or take the code."""
    pending = _waiting(visit, *CODE_METHODS)
    if pending is None:
        return _over(visit)
    method, instance = pending
    if not visit.is_post:
        return _code_page(visit, method, instance)
    # By address and name as it was typed: one count for all unknown names would tell them from the known ones, and one that all
    # addresses share would let anybody shut the owner out.
    if not visit.parts.limiter.may("sign-in", "code", address_of(visit.request), str(visit.kept("name"))):
        return _code_page(visit, method, instance, (TOO_MANY,))
    answer: Accepted | Refused = Refused(reasons=(WRONG,))
    if instance is not None:
        payload = {"password": str(visit.kept("password")), "method": CODE_METHODS[method], "code": visit.form.text("code")}
        answer = visit.fire(instance, "sign_in_two_factor", payload, actor=VISITOR)
    else:
        _hash_for_nobody(visit, str(visit.kept("password")))
    visit.level(visit.request.state.began)
    if isinstance(answer, Refused):
        return _code_page(visit, method, instance, _told(answer.reasons))
    assert instance is not None  # noqa: S101  # accepted
    # Retired text messages open the way to another factor, and to nothing else.
    is_full = _field(answer, "last_two_factor_at") == _field(answer, "last_sign_in_at")
    return _enter(visit, instance, Level.TWO_FACTORS if is_full else Level.PASSWORD)


def _told(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Say one thing for whatever is wrong with password or code: what each check found would tell of the other, and of the account."""
    if all(reason.code != WRONG.code for reason in reasons):
        return reasons
    return (WRONG, *(reason for reason in reasons if reason.code != WRONG.code and not reason.field))


def waiting(visit: Visit) -> Response:
    """Wait for the answer from the phone; the page asks again by itself, and has a button for browsers without scripts."""
    pending = _waiting(visit, "push")
    if pending is None:
        return _over(visit)
    _, instance = pending
    if instance is None or not _is_answered(visit, instance):
        # What asks by itself gets the page again; a piece of it would do, but this is what everybody gets.
        return visit.page("eulogin/waiting.html")
    return _enter(visit, instance, Level.TWO_FACTORS)


def sign_out(visit: Visit) -> Response:
    """End the session on the server."""
    visit.sign_out()
    return visit.go("eulogin.signed_out")


def signed_out(visit: Visit) -> Response:
    """Say that nobody is signed in any more."""
    return visit.page("eulogin/signed_out.html")


def known(visit: Visit, name: str) -> InstanceId | None:
    """Find the onboarding of an e-mail address or an assigned username; None when there is none."""
    field = "email" if "@" in name else "username"
    return find(visit.engine, visit.parts.definition, field, name) if name else None


def _may_try(visit: Visit, name: str, *, is_push: bool) -> bool:
    """Count an attempt, in the same way for known and unknown names; how often a phone may be pushed at all is the definition's to say."""
    limiter, who = visit.parts.limiter, (address_of(visit.request), account_key(name))
    return limiter.may("sign-in", *who) and limiter.may("form", who[0]) and (not is_push or limiter.may("push", *who))


def local_path(visit: Visit, path: str) -> str:
    """Give a path of this site to go on with; the account's page for anything else."""
    return path if is_local(path) else visit.url("eulogin.account")


def _begin(visit: Visit, instance: InstanceId | None, method: str, password: str) -> Accepted | Refused | None:
    event = ASKS[method]
    if instance is None and event:
        _hash_for_nobody(visit, password)
        return Refused(reasons=(NOT_RIGHT,))
    if instance is None or not event:
        return None  # password and code are judged together, so that neither tells of the other
    answer = visit.fire(instance, event, actor=VISITOR, password=password)
    if isinstance(answer, Refused) and {"sign_in_refused", "not_known_yet"} & {reason.code for reason in answer.reasons}:
        return Refused(reasons=(NOT_RIGHT,))
    return answer


def _hash_for_nobody(visit: Visit, password: str) -> None:
    """Do the work of judging a password for an account that does not exist, so that many attempts at once take as long for either."""
    definition = visit.engine.newest(visit.parts.definition).world.definition
    visit.engine.parts.checks.run(
        CheckInput(
            use=definition.checks["password"],
            payload={"password": password},
            situation=None,
            definition=definition,
            subject=VISITOR.id,
            actor=VISITOR.id,
            credentials=(),
            personal=lambda _: None,
            now=visit.now,
        )
    )


def _pending(visit: Visit, instance: InstanceId | None, method: str, password: str, answer: Accepted | None) -> dict[str, object]:
    return {
        "kind": "pending",
        "method": method,
        "instance": instance or "",
        "password": password if method in CODE_METHODS else "",
        "sequence": answer.sequence if answer else 0,
        "until": (visit.now + PENDING_FOR).isoformat(),
        "next": visit.query("next"),
    }


def _waiting(visit: Visit, *methods: str) -> tuple[str, InstanceId | None] | None:
    """Give method and onboarding of the sign-in that is under way; None when there is none or its time is over."""
    if visit.kept("kind") != "pending" or visit.kept("method") not in methods or visit.now >= datetime.fromisoformat(visit.kept("until")):
        return None
    return str(visit.kept("method")), InstanceId(visit.kept("instance")) if visit.kept("instance") else None


def _is_answered(visit: Visit, instance: InstanceId) -> bool:
    """Tell whether the phone answered the notification that this browser asked for.

    It did not when a later one was asked for before the answer, nor does the answer count when the account was secured anew since.
    """
    is_answered = False
    for row in visit.engine.history(instance, after=int(visit.kept("sequence"))):
        said = orjson.loads(row.canonical)
        if said["kind"] != "event:accepted":
            continue
        if said["event"] in SECURED_ANEW or (said["event"] == "ask_push" and not is_answered):
            return False
        is_answered = is_answered or said["event"] == "sign_in_by_app"
    return is_answered


def _field(answer: Accepted, name: str) -> object:
    return answer.instance.fields.get(FieldName(name))


def _enter(visit: Visit, instance: InstanceId, level: Level) -> Response:
    path = visit.kept("next") if visit.kept("kind") == "pending" else visit.query("next")
    subject = visit.engine.get(instance).subject
    visit.sign_in(subject, {"kind": "applicant", "instance": instance, "level": int(level)})
    return RedirectResponse(local_path(visit, str(path or "")), status_code=303)


def _form(visit: Visit, reasons: tuple[Reason, ...] = ()) -> Response:
    labels = {"password": visit.say("Password"), "method": visit.say("Verification method")}
    return visit.page("eulogin/sign_in.html", problems=visit.problems(reasons, labels), methods=METHODS, next=visit.query("next"))


def _code_page(visit: Visit, method: str, instance: InstanceId | None, reasons: tuple[Reason, ...] = ()) -> Response:
    picture = None
    if method == "qr" and instance is not None:
        device = enrolled(credentials(visit, instance)).get("app_device")
        try:
            picture = svg(sign_in_qr(visit.parts.engine.parts.vault, device)) if device else None
        except NotFoundError:
            reasons = (*reasons, OVER)
    return visit.page(
        "eulogin/code.html",
        problems=visit.problems(reasons),
        method=method,
        title=METHODS[method][0],
        picture=picture,
        text=sign_in_qr(visit.parts.engine.parts.vault, device) if picture and device and visit.parts.development else None,
    )


def _over(visit: Visit) -> Response:
    visit.sign_out()
    return visit.page("eulogin/sign_in.html", problems=Problems((OVER,)), methods=METHODS, next="")
