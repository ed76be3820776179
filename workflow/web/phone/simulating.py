"""A phone with the app, as a page: what it scans is pasted as text, because a browser has no camera here.

Promises: it does nothing that a real phone could not do: it knows what it scanned and what was pushed to it, and answers at the same door.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from workflow.engine.finding import find
from workflow.errors import NotFoundError, Reason, RefusedError
from workflow.states.instance import Actor, InstanceId
from workflow.states.verdict import Refused
from workflow.web.forms import Problems
from workflow.web.parts import Development, Notice
from workflow.web.visit import Visit

APP = Actor.of("app")
CONFIRM = "confirm_device"


def choose(visit: Visit) -> Response:
    """Ask whose phone it is."""
    if not visit.is_post:
        return visit.page("phone/choose.html")
    name = visit.form.text("name")
    found = find(visit.engine, visit.parts.definition, "email" if "@" in name else "username", name) if name else None
    if found is None:
        reason = Reason(code="unknown", message=visit.say("No account has this address or username."), field="name")
        return visit.page("phone/choose.html", problems=Problems((reason,)))
    return visit.go("phone.phone", instance=found)


def phone(visit: Visit) -> Response:
    """Show the phone, or do what was typed on it."""
    instance = InstanceId(str(visit.request.path_params["instance"]))
    subject = visit.engine.get(instance).subject
    if not visit.is_post:
        return _show(visit, instance, subject)
    try:
        refused, code = _typed(visit, instance, subject)
    except RefusedError as error:  # the app itself does not take what was scanned
        return _show(visit, instance, subject, visit.problems(error.reasons))
    if refused is not None:
        return _show(visit, instance, subject, visit.problems(refused.reasons))
    if code:
        return _show(visit, instance, subject, code=code)
    return visit.go("phone.phone", instance=instance)


def development(visit: Visit) -> Development:
    """Give what is simulated; outside development there is no such page."""
    if visit.parts.development is None:
        raise NotFoundError("page", visit.path)
    return visit.parts.development


def _typed(visit: Visit, instance: InstanceId, subject: str) -> tuple[Refused | None, str]:
    form, app = visit.form, development(visit).phone(subject)
    pin, scanned = form.raw("pin"), form.text("scanned")
    match form.text("do"):
        case "initialise":
            return _refused(visit, instance, "initialise_device", app.initialise(scanned, pin)), ""
        case "confirm":
            return _refused(visit, instance, CONFIRM, app.confirm(form.text("push"))), ""
        case "sign_in":
            return _refused(visit, instance, "sign_in_by_app", app.answer_push(form.text("push"), pin)), ""
        case "scan":
            return None, app.scan(scanned, visit.now)
        case _:
            raise NotFoundError("button", form.text("do"))


def _refused(visit: Visit, instance: InstanceId, event: str, payload: dict[str, Any]) -> Refused | None:
    answer = visit.fire(instance, event, actor=APP, **payload)
    return answer if isinstance(answer, Refused) else None


def _show(visit: Visit, instance: InstanceId, subject: str, problems: Problems | None = None, *, code: str = "") -> Response:
    found: tuple[Notice, ...] = development(visit).pushes(subject)
    texts = development(visit).texts()
    return visit.page(
        "phone/phone.html",
        problems=problems or Problems(),
        instance=instance,
        newest=found[-1] if found else None,
        is_confirmation=bool(found) and found[-1].kind == CONFIRM,
        texts=tuple(reversed(texts))[:5],
        code_shown=code,
    )


def mailbox(visit: Visit) -> Response:
    """Show the mails that were sent, newest first."""
    wanted = visit.query("to").casefold()
    mails = [mail for mail in reversed(development(visit).mails()) if not wanted or wanted in {to.casefold() for to in mail.recipients}]
    return visit.page("phone/mailbox.html", mails=mails[:50], to=visit.query("to"), links=_links)


def _links(text: str) -> list[tuple[str, bool]]:
    """Take a text apart into pieces and whether each one is an address."""
    pieces: list[tuple[str, bool]] = []
    for line in text.splitlines(keepends=True):
        for word in line.split(" "):
            bare = word.strip()
            pieces.append((word if not bare.startswith(("http://", "https://")) else bare, bare.startswith(("http://", "https://"))))
            pieces.append((" ", False))
        pieces.append(("\n", False))
    return pieces
