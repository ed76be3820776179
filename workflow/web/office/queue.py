"""The queue of what one may decide, the list of all requests, and deciding on several at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from workflow.engine.finding import find
from workflow.errors import ConflictError, NotFoundError
from workflow.ports import InstanceQuery, WorkQuery
from workflow.states.instance import Actor, InstanceId
from workflow.states.verdict import Refused
from workflow.web.office.looking import FASTER, Row, deed_type, event_title, grouped, payload_of, rows_of, sight, state_title
from workflow.web.seeing import Seen, Sight, look_for
from workflow.web.visit import Visit

PAGE_ROWS = 25
MOST_AT_ONCE = 50
_MARK_DUE = {"overdue": timedelta(0), "today": timedelta(days=1), "week": timedelta(days=7)}


def queue(visit: Visit) -> Response:
    """Show what the reader may decide, sorted by deadline."""
    found = sight(visit)
    query = WorkQuery(
        definition=visit.query("definition") or None,
        event=visit.query("event") or None,
        after=visit.query("after") or None,
        limit=PAGE_ROWS,
    )
    page = found.work(query)
    rows = grouped(found, page.rows)
    is_mine = visit.query("mine") == "yes"
    if is_mine:
        rows = [row for row in rows if row.assignee == found.actor.id]
    events = sorted({work for row in rows for work in row.works}, key=lambda pair: pair[1])
    return visit.page(
        "office/queue.html",
        rows=rows,
        next=page.next,
        event=visit.query("event"),
        is_mine=is_mine,
        events=events,
        deeds=_common(rows),
        **_frame(visit),
    )


def requests(visit: Visit) -> Response:
    """List the requests that the reader may see, filtered; or find one by its id, address or username."""
    found = sight(visit)
    wanted = visit.query("q").strip()
    if wanted and (instance := _find(visit, found, wanted)) is not None:
        return visit.go("office.request", instance=instance)
    due = _MARK_DUE.get(visit.query("due"))
    page = found.instances(
        InstanceQuery(
            definition=visit.query("definition") or None,
            state=visit.query("state") or None,
            is_open={"open": True, "ended": False}.get(visit.query("is")),
            due_before=visit.now + due if due is not None else None,
            after=visit.query("after") or None,
            limit=PAGE_ROWS,
        )
    )
    return visit.page(
        "office/requests.html",
        rows=rows_of(found, page.rows),
        next=page.next,
        wanted=wanted,
        filters={name: visit.query(name) for name in ("definition", "state", "is", "due")},
        states=_states(visit),
        **_frame(visit),
    )


def decide_many(visit: Visit) -> Response:
    """Fire one event on several requests; each result is told, and none stands in the way of another."""
    actor, form = visit.signed_in(), visit.form
    chosen, event = form.texts("instance")[:MOST_AT_ONCE], form.text("event")
    results = [_decided(visit, instance, event, actor) for instance in dict.fromkeys(chosen)]
    return visit.page("office/decided.html", results=results, event=event, **_frame(visit))


def _decided(visit: Visit, instance: str, event: str, actor: Actor) -> dict[str, Any]:
    """Fire an event on one request; gives what became of it."""
    result: dict[str, Any] = {"id": instance, "is_found": True, "is_done": False, "reasons": (), "words": ""}
    try:
        seen = look_for(visit.engine, instance, actor)
    except NotFoundError:
        return {**result, "is_found": False, "words": visit.say("There is no such request.")}
    type_ = deed_type(seen.definition, event)
    if type_ is None:
        return {**result, "words": visit.say("This cannot be done with it.")}
    try:
        answer = visit.fire(instance, event, payload_of(visit.form, type_), actor=actor)
    except ConflictError:
        return {**result, "words": visit.say(FASTER)}
    if isinstance(answer, Refused):
        return {**result, "reasons": visit.problems(answer.reasons).reasons}
    return {**result, "is_done": True, "words": visit.say(state_title(seen.definition, answer.instance.state))}


def board(visit: Visit) -> Response:
    """Show how the deadlines stand: overdue, within a day, later, none, for each state; and what is overdue."""
    found = sight(visit)
    counts: dict[tuple[str, str], dict[str, int]] = {}
    late: list[Row] = []
    after: str | None = None
    for _ in range(MOST_PAGES):
        page = found.instances(InstanceQuery(is_open=True, after=after, limit=200))
        for row in rows_of(found, page.rows):
            key = (row.definition.title, row.state_title)
            mark = "over" if row.passed else _mark(row.due_at, visit.now)
            counts.setdefault(key, dict.fromkeys(("over", "soon", "calm", "none"), 0))[mark] += 1
            if mark == "over":
                late.append(row)
        after = page.next
        if after is None:
            break
    late.sort(key=lambda row: row.due_at or visit.now)
    return visit.page("office/board.html", counts=sorted(counts.items()), late=late[:PAGE_ROWS], is_whole=after is None, **_frame(visit))


MOST_PAGES = 25
"""Pages of 200 that the board counts; a larger store is counted by its own queries, and the board says that it is not whole."""


def _mark(due_at: datetime | None, now: datetime) -> str:
    if due_at is None:
        return "none"
    if due_at <= now:
        return "over"
    return "soon" if due_at - now < timedelta(days=1) else "calm"


def _common(rows: list[Row]) -> list[tuple[str, str]]:
    """Name the events that can be fired on several requests of a page at once: those that take a rationale and nothing else."""
    found: dict[str, str] = {}
    for row in rows:
        for name, title in row.works:
            type_ = next(type_ for event, type_ in row.definition.events.items() if event == name)
            if set(map(str, type_.payload)) <= {"rationale"}:
                found[name] = title
    return sorted(found.items(), key=lambda pair: pair[1])


def _find(visit: Visit, found: Sight, wanted: str) -> InstanceId | None:
    """Find a request by its id, or by a value of a unique field; only what the reader may see is found."""
    candidates = [InstanceId(wanted)]
    with visit.engine.reads() as reads:
        names = reads.names("definition")
    for name in names:
        definition = visit.engine.newest(name).world.definition
        unique = [field for field, one in definition.fields.items() if one.unique_on_conflict is not None]
        candidates += [instance for field in unique if (instance := find(visit.engine, name, field, wanted)) is not None]
    for candidate in candidates:
        try:
            seen: Seen = look_for(visit.engine, candidate, found.actor)
        except NotFoundError:
            continue
        return seen.instance.id
    return None


def _states(visit: Visit) -> list[tuple[str, str]]:
    """Name the states that requests can be filtered by."""
    with visit.engine.reads() as reads:
        names = reads.names("definition")
    found = {}
    for name in names:
        definition = visit.engine.newest(name).world.definition
        found.update({str(path): state_title(definition, path) for path in definition.states if path})
    return sorted(found.items())


def _frame(visit: Visit) -> dict[str, Any]:
    with visit.engine.reads() as reads:
        return {"definitions": reads.names("definition"), "path": visit.path, "event_title": event_title}
