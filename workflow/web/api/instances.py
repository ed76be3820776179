"""Instances: reading them, what may be done with them, their histories, and the work that is open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, assert_never

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from workflow.audit.entry import EntryRow
from workflow.engine import Engine
from workflow.errors import NotFoundError, Reason
from workflow.ports import InstanceQuery, WorkQuery
from workflow.states.definition import EventType
from workflow.states.instance import Actor
from workflow.states.verdict import Allowed, Depends, Refused, Verdict
from workflow.web.api import bodies
from workflow.web.api.answers import etag, instance_body, next_link, written
from workflow.web.api.asking import AfterIn, Asking, Caller, InstanceIdIn, LimitIn, opened_cursor, sealed_cursor
from workflow.web.api.problems import ProblemError, told
from workflow.web.seeing import Seen, Sight, look_for, sees_all

router = APIRouter()

PERSONAL_BASIS = "read through the API"
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
DefinitionIn = Annotated[str | None, Query(pattern=NAME, description="Only of this definition.", examples=["cpms-access"])]
StateIn = Annotated[
    str | None,
    Query(pattern=r"^[a-z][a-z0-9_.]{0,299}$", description="Only in this state, or one inside it.", examples=["requested"]),
]
OpenIn = Annotated[bool | None, Query(description="Only those without (true) or with (false) an outcome.")]
DueIn = Annotated[
    str | None,
    Query(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$",
        description="Only with a deadline before this instant (RFC 3339).",
        examples=["2026-11-25T09:00:00Z"],
    ),
]
EventNameIn = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="Only this event.", examples=["approve"])]
PersonalIn = Annotated[bool, Query(description="Give the personal values too. Who reads another person's leaves an entry in its history.")]


@router.get("/instances", operation_id="listInstances", summary="List instances", response_model=bodies.InstancePage, tags=["instances"])
def list_instances(
    request: Request,
    who: Asking,
    *,
    definition: DefinitionIn = None,
    state: StateIn = None,
    is_open: OpenIn = None,
    due_before: DueIn = None,
    limit: LimitIn = 50,
    after: AfterIn = None,
) -> Response:
    """Those that the caller may see: the own ones, those for which a role is held, everything for auditors and administrators."""
    due = _instant("due_before", due_before)
    scope = ("instances", definition or "", state or "", str(is_open), due_before or "")

    def act(engine: Engine) -> tuple[list[Seen], str | None]:
        vault, sight = engine.parts.vault, Sight.of(engine, who.actor)
        begin = opened_cursor(vault, scope, after)
        query = InstanceQuery(definition=definition, state=state, is_open=is_open, due_before=due, after=begin, limit=limit)
        page = sight.instances(query)
        return [sight.seen(one) for one in page.rows], None if page.next is None else sealed_cursor(vault, scope, page.next)

    found, cursor = who.parts.within(request, act)
    return written(bodies.InstancePage(items=[instance_body(one) for one in found], next=cursor), headers=next_link(request, cursor))


@router.get(
    "/instances/{instance_id}", operation_id="readInstance", summary="Read an instance", response_model=bodies.Instance, tags=["instances"]
)
def read_instance(request: Request, who: Asking, instance_id: InstanceIdIn, *, personal: PersonalIn = False) -> Response:
    """As it is now, reached deadlines included. The `ETag` is its version, for `If-Match`."""

    def act(engine: Engine) -> tuple[Seen, Mapping[str, object] | None]:
        seen = look_for(engine, instance_id, who.actor)
        return seen, _personal(engine, seen, who) if personal else None

    seen, values = who.parts.within(request, act)
    return written(instance_body(seen, personal=values), headers=etag(seen.instance.version))


@router.get(
    "/instances/{instance_id}/may",
    operation_id="mayInstance",
    summary="Ask what may be done",
    response_model=bodies.Verdicts,
    tags=["instances"],
)
def may_instance(request: Request, who: Asking, instance_id: InstanceIdIn, event: EventNameIn = None) -> Response:
    """A verdict for each event that people may fire in the present state, or for the one asked for, with every reason."""

    def act(engine: Engine) -> tuple[Seen, dict[str, Verdict]]:
        seen = look_for(engine, instance_id, who.actor)
        if event is not None and event not in seen.definition.events:
            raise NotFoundError("event", event)
        return seen, seen.verdicts(who.actor, engine.parts.directory.holders, *([event] if event else ()))

    seen, verdicts = who.parts.within(request, act)
    events = {str(name): type_ for name, type_ in seen.definition.events.items()}
    body = bodies.Verdicts(
        instance=seen.instance.id,
        version=seen.instance.version,
        state=seen.instance.state,
        events=[_verdict(events[name], verdict) for name, verdict in verdicts.items()],
    )
    return written(body, headers=etag(seen.instance.version))


@router.get(
    "/instances/{instance_id}/history",
    operation_id="readHistory",
    summary="Read the history",
    response_model=bodies.EntryPage,
    tags=["instances"],
)
def read_history(request: Request, who: Asking, instance_id: InstanceIdIn, limit: LimitIn = 50, after: AfterIn = None) -> Response:
    """Every accepted and refused attempt, deadline and report, oldest first. Personal values are commitments, secrets are not in it."""

    def act(engine: Engine) -> tuple[list[EntryRow], str | None]:
        look_for(engine, instance_id, who.actor)
        vault, scope = engine.parts.vault, ("history", instance_id)
        begin = int(opened_cursor(vault, scope, after) or 0)
        rows = list(engine.history(instance_id, after=begin, limit=limit + 1))
        cursor = sealed_cursor(vault, scope, str(rows[limit - 1].sequence)) if len(rows) > limit else None
        return rows[:limit], cursor

    rows, cursor = who.parts.within(request, act)
    entry = whole_entry if sees_all(who.actor) else public_entry
    return written(bodies.EntryPage(items=[entry(row) for row in rows], next=cursor), headers=next_link(request, cursor))


@router.get("/work", operation_id="listWork", summary="List my open work", response_model=bodies.WorkPage, tags=["work"])
def list_work(
    request: Request,
    who: Asking,
    definition: DefinitionIn = None,
    event: EventNameIn = None,
    limit: LimitIn = 50,
    after: AfterIn = None,
) -> Response:
    """What the caller may do now, by deadline: with the roles held, as a deputy, and on the own request."""
    scope = ("work", definition or "", event or "", who.actor.id)

    def act(engine: Engine) -> tuple[list[bodies.Work], str | None]:
        vault, sight = engine.parts.vault, Sight.of(engine, who.actor)
        query = WorkQuery(definition=definition, event=event, after=opened_cursor(vault, scope, after), limit=limit)
        page = sight.work(query)
        items = []
        for situation, work in page.rows:
            seen = sight.seen(situation)
            items.append(
                bodies.Work(
                    event=work.event,
                    title=seen.definition.events[work.event].title,
                    role=work.role,
                    scope=work.scope,
                    due_at=work.due_at,
                    verdict="allowed" if isinstance(sight.verdict(situation, work.event), Allowed) else "depends",
                    instance=instance_body(seen),
                )
            )
        return items, None if page.next is None else sealed_cursor(vault, scope, page.next)

    items, cursor = who.parts.within(request, act)
    return written(bodies.WorkPage(items=items, next=cursor), headers=next_link(request, cursor))


def _personal(engine: Engine, seen: Seen, who: Caller) -> Mapping[str, object]:
    """Open the personal values for one who may read them; whoever is not the person leaves an entry."""
    if not who.parts.may_see_personal(who.actor, seen.instance):
        reason = Reason(
            code="personal_withheld", message="The personal values are not for this reader.", needed="another policy of the host"
        )
        raise ProblemError("forbidden", reason.message, reasons=(reason,))
    names = sorted(seen.instance.personal)
    if not names:
        return {}
    if who.actor.id == seen.instance.subject:
        return {name: value for name, value in engine.values(seen.instance.id).items() if name in seen.instance.personal}
    opened = engine.disclose(seen.instance.id, actor=Actor(id=who.actor.id, grants=who.actor.grants), basis=PERSONAL_BASIS, fields=names)
    if isinstance(opened, Refused):
        opened.raise_()
    return opened


def whole_entry(row: EntryRow) -> bodies.Entry:
    """Give an entry as it was hashed."""
    return bodies.Entry(sequence=row.sequence, is_whole=True, hash=row.entry_hash.hex(), entry=orjson.loads(row.canonical))


def public_entry(row: EntryRow) -> bodies.Entry:
    """Give an entry without what only auditors may know: a wrong code must not be told from a used one, here neither."""
    said: dict[str, Any] = orjson.loads(row.canonical)
    for name in ("facts", "previous"):
        said.pop(name, None)
    if "reasons" in said:
        said["reasons"] = [{"code": r["public"], **({"field": r["field"]} if "field" in r else {})} for r in said["reasons"]]
    return bodies.Entry(sequence=row.sequence, is_whole=False, hash=None, entry=said)


def _verdict(event: EventType, verdict: Verdict) -> bodies.Verdict:
    match verdict:
        case Allowed():
            return bodies.Verdict(event=event.name, title=event.title, verdict="allowed", reasons=[], depends_on=[])
        case Depends():
            return bodies.Verdict(event=event.name, title=event.title, verdict="depends", reasons=[], depends_on=list(verdict.on))
        case Refused():
            reasons = [bodies.Reason(**told(reason)) for reason in verdict.reasons]
            return bodies.Verdict(event=event.name, title=event.title, verdict="refused", reasons=reasons, depends_on=[])
        case _:
            assert_never(verdict)


def _instant(name: str, given: str | None) -> datetime | None:
    try:
        return None if given is None else datetime.fromisoformat(given)
    except ValueError:
        reason = Reason(code="invalid_value", message=f"{name}: there is no such instant.", field=name)
        raise ProblemError("invalid", reason.message, reasons=(reason,)) from None
