"""Starting and firing: the only changes there are.

Promises: whoever may not see an instance learns nothing of it, but what came of an event that needs no identity; a start that anyone may
do is answered in one way and after one time, whether it led to a new onboarding or not.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from workflow.engine import Engine
from workflow.errors import ConflictError, NotFoundError, Reason, RefusedError
from workflow.states.definition import Definition
from workflow.states.instance import MAX_ACTOR_CHARACTERS, Event
from workflow.states.verdict import Accepted, Merged, Refused
from workflow.web.api import bodies
from workflow.web.api.answers import etag, instance_body, written
from workflow.web.api.asking import Anybody, Caller, EventIn, InstanceIdIn, KeyIn, MatchIn, NameIn, Payload, expected_version
from workflow.web.api.parts import NotAuthenticatedError
from workflow.web.api.problems import ProblemError
from workflow.web.seeing import Seen, look

router = APIRouter()

SubjectIn = Annotated[
    str | None,
    Query(
        max_length=MAX_ACTOR_CHARACTERS,
        pattern=r"^[!-~]+$",
        description="Opaque id of the person being onboarded, where somebody starts for another; the caller's own when left out.",
    ),
]


@router.post(
    "/definitions/{name}/instances",
    operation_id="startInstance",
    summary="Start an instance",
    tags=["instances"],
    status_code=201,
    response_model=bodies.Instance,
    responses={202: {"model": bodies.Receipt}},
)
async def start_instance(
    request: Request, who: Anybody, name: NameIn, given: Payload, key: KeyIn = None, subject: SubjectIn = None
) -> Response:
    """The body is the payload of the definition's start event.

    Where anyone may start and one person may have one onboarding only, the answer is a receipt (202), whether there was one before or
    not; find your own under `GET /instances`.
    """
    began = time.monotonic()
    answer = await run_in_threadpool(_start, request, who, name, given=given, key=key, subject=subject)
    if isinstance(answer, Response):
        return answer
    # The same time for known and unknown, with a little chance on top, so that the end of the wait shows nothing either.
    floor = who.parts.answer_floor_seconds * (1 + secrets.randbelow(100) / 1000)
    await anyio.sleep(max(0.0, began + floor - time.monotonic()))
    return written(answer, code=202)


def _start(
    request: Request, who: Caller, name: str, *, given: dict[str, Any], key: str | None, subject: str | None
) -> Response | bodies.Receipt:
    def act(engine: Engine) -> bodies.Receipt | Seen:
        definition = engine.newest(name).world.definition
        is_public = _is_public_start(definition, who)
        if who.is_anonymous and not _is_for_anyone(definition, definition.start.event):
            raise NotAuthenticatedError("Say who you are.")
        start = definition.start.event
        event = Event.of(start, who.actor, given, key=_key(engine, definition, start, given, key=key))
        answer = engine.start(name, event, subject=_subject(who, subject))
        if isinstance(answer, Refused):
            answer.raise_()
        if is_public:
            return _receipt(engine, name, who, key)
        if isinstance(answer, Merged):  # not public, and yet somebody else has a value of it
            raise ConflictError("A value that only one onboarding may have belongs to another one.")
        return look(engine, answer.instance.id)

    found = who.parts.within(request, act)
    if isinstance(found, bodies.Receipt):
        return found
    headers = etag(found.instance.version) | {"Location": f"{request.scope.get('root_path', '')}/instances/{found.instance.id}"}
    return written(instance_body(found), code=201, headers=headers)


@router.post(
    "/instances/{instance_id}/events/{event}",
    operation_id="fireEvent",
    summary="Fire an event",
    tags=["instances"],
    response_model=bodies.Accepted,
)
def fire_event(
    request: Request,
    who: Anybody,
    instance_id: InstanceIdIn,
    event: EventIn,
    given: Payload,
    if_match: MatchIn = None,
    key: KeyIn = None,
) -> Response:
    """The body is the event's payload. With `If-Match` it is accepted only while the instance has that version."""
    version = expected_version(if_match)

    def act(engine: Engine) -> tuple[Accepted, Seen | None]:
        holders = engine.parts.directory.holders
        before = look(engine, instance_id)
        is_seen = before.is_seen_by(who.actor, holders)
        is_open = _is_for_anyone(before.definition, event)
        if not is_seen and who.is_anonymous and not is_open:
            raise NotFoundError("instance", instance_id)
        try:
            # Also of those who may not even see it: that they tried belongs into the history.
            own_key = _key(engine, before.definition, event, given, key=key)
            answer = engine.fire(instance_id, Event.of(event, who.actor, given, key=own_key), expected_version=version)
            if isinstance(answer, Refused):
                answer.raise_()
        except RefusedError as error:
            if is_seen or (is_open and not any(reason.code == "wrong_state" for reason in error.reasons)):
                raise
            raise NotFoundError("instance", instance_id) from error
        except ConflictError as error:
            if is_seen or error.found_version is None:
                raise
            raise NotFoundError("instance", instance_id) from error
        after = look(engine, instance_id)
        return answer, after if after.is_seen_by(who.actor, holders) else None

    answer, seen = who.parts.within(request, act)
    body = bodies.Accepted(
        event=event, sequence=answer.sequence, is_repeat=answer.is_repeat, instance=None if seen is None else instance_body(seen)
    )
    headers = {} if seen is None else etag(seen.instance.version)
    return written(body, headers=headers | ({"Idempotent-Replayed": "true"} if answer.is_repeat else {}))


def _is_for_anyone(definition: Definition, event: str) -> bool:
    """Tell whether an event needs no identity."""
    return any(definition.roles[role].is_anyone for name, type_ in definition.events.items() if name == event for role in type_.by)


def _key(engine: Engine, definition: Definition, event: str, given: Mapping[str, object], *, key: str | None) -> str | None:
    """Give the idempotency key as the engine gets it: where secrets are sent, the same key with other secrets is another one.

    The engine compares contents without their secrets, so a wrong password under a key that was once used with the right one would
    get that answer again.
    """
    if key is None:
        return None
    types = {str(name): type_ for name, type_ in definition.events.items()}
    secret = [str(name) for name, field in types[event].payload.items() if field.is_secret] if event in types else []
    if not secret:
        return key
    shown = ascii([(name, given.get(name)) for name in sorted(secret)])
    return f"{key} {engine.parts.vault.blind('api-secrets', key, shown)}"


def _is_public_start(definition: Definition, who: Caller) -> bool:
    """Tell whether a start must not say whether a value was taken: anyone may do it, and a value may be taken."""
    has_unique = any(field.unique_on_conflict is not None for field in definition.fields.values())
    return who.is_anonymous or (has_unique and _is_for_anyone(definition, definition.start.event))


def _subject(who: Caller, wanted: str | None) -> str:
    """Give whose onboarding it will be: nobody starts one in the name of another without being allowed to."""
    if who.is_anonymous and wanted is None:
        return f"person-{secrets.token_hex(16)}"
    subject = who.actor.id if wanted is None else wanted
    if who.is_anonymous or not who.parts.may_start_for(who.actor, subject):
        reason = Reason(code="subject_not_yours", message="An onboarding is started for oneself.", needed="no subject", field="subject")
        raise ProblemError("forbidden", reason.message, reasons=(reason,))
    return subject


def _receipt(engine: Engine, name: str, who: Caller, key: str | None) -> bodies.Receipt:
    said = secrets.token_hex(32) if key is None else engine.parts.vault.blind("api-receipt", name, who.actor.id, key)
    return bodies.Receipt(receipt=said)
