"""Definitions: what may happen at all."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from workflow.engine import Engine, InForce
from workflow.errors import NotFoundError
from workflow.states.definition import Digest, Role
from workflow.states.may import events_of_interest
from workflow.web.api import bodies
from workflow.web.api.answers import is_unchanged, next_link, not_modified, written
from workflow.web.api.asking import AfterIn, Asking, LimitIn, NameIn, opened_cursor, sealed_cursor
from workflow.web.api.schemas import payload_schema

router = APIRouter(tags=["definitions"])

DigestIn = Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$", description="A version: the `digest` of an instance.")]


@router.get("/definitions", operation_id="listDefinitions", summary="List the published definitions", response_model=bodies.DefinitionPage)
def list_definitions(request: Request, who: Asking, limit: LimitIn = 50, after: AfterIn = None) -> Response:
    """By name; each with the newest version of it."""

    def act(engine: Engine) -> tuple[list[InForce], str | None]:
        vault, scope = engine.parts.vault, ("definitions",)
        begin = opened_cursor(vault, scope, after)
        with engine.reads() as reads:
            names = [name for name in reads.names("definition") if begin is None or name > begin]
        found = [engine.newest(name) for name in islice(names, limit)]
        return found, sealed_cursor(vault, scope, names[limit - 1]) if len(names) > limit else None

    found, cursor = who.parts.within(request, act)
    page = bodies.DefinitionPage(items=[_summary(one) for one in found], next=cursor)
    return written(page, headers=next_link(request, cursor))


@router.get("/definitions/{name}", operation_id="readDefinition", summary="Read a definition", response_model=bodies.Definition)
def read_definition(request: Request, who: Asking, name: NameIn, digest: DigestIn = None) -> Response:
    """The newest version, or the one that an instance is pinned to: states, events with the JSON Schema of each payload, roles."""
    found = who.parts.within(request, lambda engine: engine.newest(name) if digest is None else _pinned(engine, name, digest))
    tag = f'"{_tag(found)}"'
    return not_modified(tag) if is_unchanged(request, tag) else written(_whole(found), headers={"ETag": tag})


def _pinned(engine: Engine, name: str, digest: str) -> InForce:
    """Read a version of a definition by its digest."""
    with engine.store.unit() as uow:
        document = uow.document(Digest(digest))
        if document is None or (document.kind, document.name) != ("definition", name):
            raise NotFoundError("definition", digest)
        return engine.parts.shelf.fetch(uow, document.digest, uow.load(None).publications)


def _tag(found: InForce) -> str:
    """Give the digest of everything that the document is made of: the schemas hold keys of the catalogue."""
    texts = (found.world.definition.text_digest, *(f"{kind}:{digest}" for kind, digest in sorted(found.digests.items())))
    return hashlib.sha256("|".join(texts).encode()).hexdigest()


def _summary(found: InForce) -> bodies.DefinitionSummary:
    definition = found.world.definition
    return bodies.DefinitionSummary(
        name=definition.name, title=definition.title, description=definition.description, digest=definition.digest
    )


def _whole(found: InForce) -> bodies.Definition:
    definition = found.world.definition
    return bodies.Definition(
        **_summary(found).model_dump(),
        language=definition.language,
        calendar=definition.calendar,
        catalogue=definition.catalogue,
        start=definition.start.event,
        roles=[_role(role) for role in definition.roles.values()],
        states=_states(found),
        events=[_event(found, name) for name in definition.events],
        transitions=[
            bodies.Transition(source=state.path, event=arrow.event, target=arrow.target)
            for state in definition.states.values()
            for arrow in state.transitions
        ],
    )


def _role(role: Role) -> bodies.Role:
    return bodies.Role(name=role.name, scope=role.scope, is_anyone=role.is_anyone, is_subject=role.is_subject, description=role.description)


def _states(found: InForce) -> list[bodies.State]:
    return [
        bodies.State(
            path=state.path,
            title=state.title,
            description=state.description,
            is_leaf=state.is_leaf,
            outcome=state.outcome,
            events=list(events_of_interest(found.world, state.path)) if state.is_leaf else [],
        )
        for state in found.world.definition.states.values()
        if state.path
    ]


def _event(found: InForce, name: str) -> bodies.EventType:
    event = next(event for key, event in found.world.definition.events.items() if key == name)
    return bodies.EventType(
        name=event.name,
        title=event.title,
        description=event.description,
        by=list(event.by),
        is_engine=event.is_engine,
        decision=event.decision,
        payload=payload_schema(event, found.world.catalogue),
    )
