"""Who decides in whose place, who holds which role, how a definition stands, and what became of the messages."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup
from starlette.responses import Response

from workflow.engine.acts import retry
from workflow.errors import NotFoundError, Reason, RefusedError
from workflow.ports import InstanceQuery, MessageQuery
from workflow.states.definition import RoleName
from workflow.states.graph import svg
from workflow.states.instance import ActorId, Delegation
from workflow.web.forms import NO_PROBLEMS
from workflow.web.office.looking import OPERATORS, holds, sight, state_title
from workflow.web.seeing import sees_all
from workflow.web.visit import Visit

PAGE_ROWS = 25
MESSAGE_STATES = frozenset({"dead", "queued", "leased", "done", "superseded", "all"})
COUNTED = 5_000
"""Requests that the definition's page counts by state, at most."""
COUNTED_AT_ONCE = 500


def delegations(visit: Visit) -> Response:
    """Show the delegations from and to the reader, and take a new one or end one."""
    actor = visit.signed_in()
    problems = NO_PROBLEMS
    if visit.is_post:
        try:
            if visit.form.text("end"):
                visit.engine.end_delegation(visit.form.text("end"), actor=actor)
            else:
                visit.engine.delegate(_delegation(visit), actor=actor)
        except RefusedError as error:
            problems = visit.problems(
                error.reasons, {"deputy": visit.say("Deputy"), "starts": visit.say("From"), "ends": visit.say("Until")}
            )
        else:
            return visit.go("office.delegations")
    with visit.engine.store.unit() as uow:
        running = uow.load(None, subject=actor.id).delegations
    everybody = sees_all(actor)
    shown = [one for one in running if everybody or actor.id in {one.principal, one.deputy}]
    roles = sorted({str(grant) for grant in actor.grants})
    return visit.page("office/delegations.html", problems=problems, delegations=shown, me=actor.id, roles=roles)


def _delegation(visit: Visit) -> Delegation:
    """Read a delegation from the form; days begin and end at midnight in the reader's zone."""
    form, actor = visit.form, visit.signed_in()
    zone = ZoneInfo(visit.reader.zone)
    reasons = []
    instants: dict[str, datetime] = {}
    for name, days in (("starts", 0), ("ends", 1)):
        try:
            instants[name] = (datetime.fromisoformat(form.text(name)).replace(tzinfo=zone) + timedelta(days=days)).astimezone(UTC)
        except (ValueError, OverflowError):  # none, or one at the ends of the calendar
            reasons.append(Reason(code="value_missing", message="A date is needed.", field=name))
    if not form.text("deputy"):
        reasons.append(Reason(code="value_missing", message="Somebody is needed.", field="deputy"))
    if reasons:
        raise RefusedError(reasons)
    role, _, scope = form.text("role").partition(":")
    return Delegation(
        id=f"d-{secrets.token_hex(8)}",
        principal=actor.id,
        deputy=ActorId(form.text("deputy")),
        role=RoleName(role) if role else None,
        scope=scope or None,
        starts_at=instants["starts"],
        ends_at=instants["ends"],
        reason=form.text("reason"),
    )


def roles(visit: Visit) -> Response:
    """Show who holds which role of a definition."""
    actor = visit.signed_in()
    if not actor.grants:  # a host may let in people who are no staff
        raise NotFoundError("page", "roles")
    found = []
    for name in _names(visit):
        in_force = visit.engine.newest(name)
        definition, catalogue = in_force.world.definition, in_force.world.catalogue
        for role in definition.roles.values():
            if role.is_anyone or role.is_subject:
                continue
            rule = definition.fields[role.scope].catalogue if role.scope is not None else None
            scopes: list[str | None] = (
                [None] if role.scope is None else list(catalogue.sets.get(rule.set_name, ())) if rule and catalogue else []
            )
            rows = [(scope, tuple(visit.engine.parts.directory.holders(role.name, scope))) for scope in scopes]
            found.append({"definition": definition.title, "role": role, "rows": [row for row in rows if row[1] or row[0] is None]})
    return visit.page("office/roles.html", found=found, me=actor.id)


def definition(visit: Visit) -> Response:
    """Show a definition as a picture, with how many of the requests that the reader may see are in each state."""
    found = sight(visit)
    name = str(visit.request.path_params["name"])
    in_force = visit.engine.newest(name)
    counts: dict[str, int] = {}
    after = None
    for _ in range(COUNTED // COUNTED_AT_ONCE):
        page = found.instances(InstanceQuery(definition=name, after=after, limit=COUNTED_AT_ONCE))
        for situation in page.rows:
            path = situation.instance.state
            counts[path] = counts.get(path, 0) + 1
        after = page.next
        if after is None:
            break
    plan = in_force.world.definition
    titled = [(state_title(plan, path), str(path), counts.get(path, 0)) for path in plan.states if path and not plan.states[path].children]
    return visit.page(
        "office/definition.html",
        plan=plan,
        counts=titled,
        is_whole=after is None,
        picture=Markup(svg(plan)),  # noqa: S704  # drawn by ourselves; every text in it is escaped
        digest=plan.digest,
    )


def definitions(visit: Visit) -> Response:
    """List the definitions."""
    visit.signed_in()
    plans = [visit.engine.newest(name).world.definition for name in _names(visit)]
    return visit.page("office/definitions.html", plans=plans)


def outbox(visit: Visit) -> Response:
    """Show what waits to be sent and what was given up; a message that was given up can be tried again."""
    actor = visit.signed_in()
    if not (holds(actor, OPERATORS) or sees_all(actor)):
        raise NotFoundError("page", "outbox")
    said = ""
    if visit.is_post:
        if not holds(actor, OPERATORS):  # who may see everything may not therefore change it
            reason = Reason(
                code="role_missing", message="Only an operator makes a message due again.", needed="the role administrator or helpdesk"
            )
            raise RefusedError((reason,))
        is_due = retry(visit.engine, visit.form.text("message"), actor=actor)
        said = visit.say("The message is due again.") if is_due else visit.say("This message was not given up, so nothing was changed.")
    state = visit.query("state") if visit.query("state") in MESSAGE_STATES else "dead"
    with visit.engine.reads() as reads:
        page = reads.messages(MessageQuery(state=None if state == "all" else state, after=visit.query("after") or None, limit=PAGE_ROWS))
    shown: dict[str, Any] = {"rows": page.rows, "next": page.next, "state": state, "may_retry": holds(actor, OPERATORS), "said": said}
    return visit.page("office/outbox.html", **shown)


def _names(visit: Visit) -> tuple[str, ...]:
    with visit.engine.reads() as reads:
        return tuple(reads.names("definition"))
