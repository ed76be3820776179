"""How documents are written: JSON, cursors and links, versions.

Promises: no address of an answer comes from the request's `Host`; links are paths on the same server.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from workflow.states.definition import ROOT
from workflow.web.api.bodies import Body, Deadline, Instance
from workflow.web.api.problems import HEADERS
from workflow.web.seeing import Seen


def written(body: Body, *, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Write a document."""
    return Response(body.model_dump_json(), code, headers={**HEADERS, **(headers or {})}, media_type="application/json")


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """Give the header that links to the next page (RFC 8288), none on the last one."""
    if cursor is None:
        return {}
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return {"Link": f'<{request.url.path}?{urlencode([*asked, ("after", cursor)])}>; rel="next"'}


def etag(version: int | str) -> dict[str, str]:
    """Give the header that names a version."""
    return {"ETag": f'"{version}"'}


def is_unchanged(request: Request, tag: str) -> bool:
    """Tell whether the caller has this version already (If-None-Match, compared weakly: RFC 9110 §13.1.2)."""
    given = request.headers.get("if-none-match", "")
    return given.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in given.split(",")}


def not_modified(tag: str) -> Response:
    """Say that the caller has this version already."""
    return Response(status_code=304, headers={**HEADERS, "ETag": tag})


def instance_body(seen: Seen, *, personal: Mapping[str, object] | None = None) -> Instance:
    """Give an onboarding as a document."""
    instance, states = seen.instance, seen.definition.states
    lineage = seen.definition.lineage(instance.state)
    timers = sorted(seen.situation.timers, key=lambda t: (t.due_at is None, t.due_at, t.index))
    return Instance(
        id=instance.id,
        definition=instance.definition,
        digest=instance.digest,
        state=instance.state,
        title=next((states[path].title for path in lineage if path != ROOT and states[path].title), instance.state),
        outcome=instance.outcome,
        is_open=instance.outcome is None,
        subject=instance.subject,
        version=instance.version,
        started_at=instance.started_at,
        recorded_at=instance.recorded_at,
        deadlines=[Deadline(timer=t.key, event=t.event, due_at=t.due_at) for t in timers],
        fields={str(name): value for name, value in instance.fields.items()},
        personal_fields=sorted(instance.personal),
        personal=None if personal is None else dict(personal),
    )
