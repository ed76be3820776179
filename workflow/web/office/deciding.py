"""One request: what it keeps, its deadlines, its history, and what the reader may do with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from workflow.engine.archive import Archive
from workflow.errors import AuditError, ConflictError, DeadlineError, NotFoundError
from workflow.export.lines import SENT, Line, read_lines
from workflow.ports import Message, MessageQuery
from workflow.states.definition import StatePath
from workflow.states.verdict import Refused
from workflow.web.forms import NO_PROBLEMS, Problems
from workflow.web.office.looking import (
    FASTER,
    deed_type,
    deeds,
    event_title,
    labels_of,
    payload_of,
    personal_names,
    plain_fields,
    state_title,
    written,
)
from workflow.web.seeing import Seen, look_for, sees_all
from workflow.web.visit import Visit
from workflow.web.words import recorded_in

MOST_ENTRIES = 500
"""Of the history that a page shows; the whole is in the printable trace."""


def request(visit: Visit) -> Response:
    """Show a request, or do something with it."""
    actor = visit.signed_in()
    seen = look_for(visit.engine, str(visit.request.path_params["instance"]), actor)
    if not visit.is_post:
        return _show(visit, seen)
    match visit.form.text("do"):
        case "show_personal":
            return _show(visit, seen, personal=_disclosed(visit, seen))
        case event:
            return _fire(visit, seen, event)


def _fire(visit: Visit, seen: Seen, event: str) -> Response:
    actor, form = visit.signed_in(), visit.form
    type_ = deed_type(seen.definition, event)
    if type_ is None:
        raise NotFoundError("event", event)
    version = form.text("version")
    fresh = visit.say(FASTER)
    if version not in {"", str(seen.instance.version)}:
        # Somebody acted since the page was shown: the reader looks again before deciding on what is no longer there.
        return _show(visit, seen, notice=fresh, code=409)
    try:
        answer = visit.fire(seen.instance.id, event, payload_of(form, type_), actor=actor, seen_version=seen.instance.version)
    except ConflictError:
        return _show(visit, look_for(visit.engine, seen.instance.id, actor), notice=fresh, code=409)
    if isinstance(answer, Refused):
        problems = _at_form(visit.problems(answer.reasons, labels_of(visit, seen, type_)), event)
        return _show(visit, look_for(visit.engine, seen.instance.id, actor), problems=problems, failed=event)
    done = visit.say("Done: {title}.", title=visit.say(event_title(seen.definition, event)))
    try:
        after = look_for(visit.engine, seen.instance.id, actor)
    except NotFoundError:  # what was decided has taken it out of the reader's sight
        return visit.page("office/done.html", said=done)
    return _show(visit, after, done=done, code=200)


def _at_form(problems: Problems, event: str) -> Problems:
    """Name the fields as the page does, where several forms ask for a rationale: each with its event in front."""
    return Problems(tuple(replace(one, field=f"{event}-{one.field}") if one.field else one for one in problems.reasons))


def _disclosed(visit: Visit, seen: Seen) -> list[tuple[str, str]]:
    """Open the personal values; that they were read is an entry of the request's history."""
    found = visit.engine.disclose(seen.instance.id, actor=visit.signed_in(), basis=visit.form.text("basis"))
    if isinstance(found, Refused):
        found.raise_()
    fields = seen.definition.fields
    return [
        (visit.say(str(name).replace("_", " ").capitalize()), written(visit, fields.get(name), found[str(name)]))
        for name in personal_names(seen)
        if str(name) in found
    ]


def _show(
    visit: Visit,
    seen: Seen,
    *,
    problems: Problems = NO_PROBLEMS,
    personal: list[tuple[str, str]] | None = None,
    failed: str = "",
    notice: str = "",
    done: str = "",
    code: int | None = None,
) -> Response:
    may = deeds(visit, seen)
    instance = seen.instance
    shown: dict[str, Any] = {
        "seen": seen,
        "title": visit.say(state_title(seen.definition, instance.state)),
        "open": [deed for deed in may if not deed.is_refused],
        "closed": [deed for deed in may if deed.is_refused],
        "failed": failed,
        "notice": notice,
        "done": done,
        "facts": plain_fields(visit, seen),
        "personal": personal,
        "personal_names": [visit.say(str(name).replace("_", " ").capitalize()) for name in personal_names(seen)],
        "timers": sorted((t for t in seen.situation.timers), key=lambda t: (t.due_at is None, t.due_at)),
        "clocks": _clocks(visit, seen),
        "lines": list(reversed(_lines(visit, seen))),
        "event_title": lambda name: visit.say(event_title(seen.definition, name)),
        "path_title": lambda path: visit.say(state_title(seen.definition, StatePath(path))) if path in seen.definition.states else path,
        "recorded": lambda message: recorded_in(visit.reader, message),
        "sent": SENT,
        "may_audit": sees_all(visit.signed_in()),
        "has_bundle": visit.parts.bundle is not None,
    }
    return visit.page("office/request.html", problems=problems, code=code or (422 if problems else 200), **shown)


def _lines(visit: Visit, seen: Seen) -> list[Line]:
    entries = visit.engine.history(seen.instance.id, after=max(0, seen.instance.head - MOST_ENTRIES), limit=MOST_ENTRIES)
    messages: list[Message] = []
    with visit.engine.reads() as reads:
        messages += reads.messages(MessageQuery(instance_id=seen.instance.id, limit=MOST_ENTRIES)).rows
    return list(read_lines(entries, messages, seen.definition))


def _clocks(visit: Visit, seen: Seen) -> list[dict[str, Any]]:
    """Explain the deadlines that run or stand still: how much of each is counted, and why the rest is not."""
    try:
        found = Archive(visit.engine).explain(seen.instance.id, now=seen.now)
    except (AuditError, DeadlineError, NotFoundError):  # what cannot be explained is not shown; the audit page says why
        return []
    return [
        {
            "timer": deadline.timer,
            "event": visit.say(event_title(seen.definition, deadline.event)),
            "after": deadline.after,
            "due_at": deadline.due_at,
            "counted": span(visit, deadline.counted),
            "segments": [
                (segment.starts_at, segment.ends_at, segment.is_counted, visit.say(segment.reason))
                for stretch in deadline.stretches
                for segment in stretch.segments
            ],
            "is_paused": deadline.end == "paused",
        }
        for deadline in found
        if deadline.end in {"running", "paused"}
    ]


def span(visit: Visit, length: timedelta) -> str:
    """Write a length of time in days, hours and minutes."""
    minutes = int(length.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    return visit.say("{days} d {hours} h {minutes} min", days=days, hours=hours, minutes=rest)
