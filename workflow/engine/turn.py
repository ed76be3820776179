"""One event, one transaction: the turns of the engine.

Promises: the order of `design.md` 4. A turn reads once, decides without a lock, and writes once with compare-and-set. After
two conflicts it decides under the row lock, bounded by time. A refusal is written, then told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import orjson

from workflow.audit.entry import Witnessed
from workflow.engine.answers import content_of, scoped_key, stored_answer
from workflow.engine.calls import Call, Turn
from workflow.engine.checking import CheckCache, facts_of, run_checks, with_check_reasons
from workflow.engine.conflicts import FINAL_CONFLICTS, KeyReusedError, StaleVersionError, TakenError
from workflow.engine.parts import Parts
from workflow.engine.sealing import open_fields, unique_value, unique_values
from workflow.engine.shelf import InForce
from workflow.engine.writing import Draft
from workflow.errors import ConflictError, NotFoundError, Reason
from workflow.ports import (
    CheckResult,
    CredentialChange,
    Loaded,
    SealedValue,
    Store,
    UniqueValue,
    UnitOfWork,
)
from workflow.states.definition import Definition, EventName, FieldName
from workflow.states.instance import ENGINE_ACTOR, Actor, Event, InstanceId, Situation
from workflow.states.machine import Table
from workflow.states.making import World
from workflow.states.step import decide, permit, recalendar, settle
from workflow.states.verdict import Accepted, Answer, Facts, Kind, Permitted, Refused, Step, make_accepted

T = TypeVar("T")
MAX_LOCK_SECONDS = 5.0
"""How long a turn goes on deciding under the row lock before it gives up with a `ConflictError`."""
FREE_ATTEMPTS = 2
"""Attempts without the row lock."""


def attempts(store: Store, once: Callable[[UnitOfWork, bool], Turn[T]]) -> Turn[T]:
    """Try a turn without a lock, then under the row lock, until it is answered or time is up; each try is a unit of its own.

    In a host's transaction there is one attempt: a conflict is the host's to retry, with its whole transaction.
    """
    began_at, attempt = 0.0, 0
    while True:
        try:
            with store.unit() as uow:
                is_joined = uow.is_joined
                return (yield from once(uow, attempt >= FREE_ATTEMPTS))
        except FINAL_CONFLICTS:
            raise
        except ConflictError:
            attempt += 1
            began_at = began_at or time.monotonic()
            if is_joined or time.monotonic() - began_at > MAX_LOCK_SECONDS:
                raise


def fetch(parts: Parts, uow: UnitOfWork, loaded: Loaded) -> Turn[InForce]:
    """Give the documents in force for a loaded instance, from the process or the store."""
    if loaded.situation is None:
        raise NotFoundError("instance", "?")
    digest = loaded.situation.instance.digest
    found = parts.shelf.at_hand(digest, loaded.publications)
    if found is None:
        found = yield Call(lambda: parts.shelf.fetch(uow, digest, loaded.publications))
    return found


def settled(draft: Draft, world: World) -> Situation:
    """Bring a draft's situation up to date: a new calendar first, then every deadline that is reached."""
    now = draft.now
    if draft.latest is None:
        raise NotFoundError("instance", "?")
    step = recalendar(world, draft.latest, now=now)
    if step is not None:
        if step.moved:
            draft.add(step)
        draft.latest = step.after
    for fired in settle(world, draft.latest, now=now):
        draft.add(fired)
    return draft.latest


def fire_once(
    parts: Parts,
    uow: UnitOfWork,
    instance_id: InstanceId,
    event: Event,
    *,
    cache: CheckCache,
    is_locked: bool,
    expected_version: int | None,
) -> Turn[Answer]:
    """Fire an event on an instance, once."""
    key = scoped_key(parts.vault, instance_id, event)
    loaded: Loaded = yield Call(lambda: uow.load(instance_id, key=key, lock=is_locked))
    if loaded.situation is None:
        raise NotFoundError("instance", instance_id)
    in_force = parts.shelf.at_hand(loaded.situation.instance.digest, loaded.publications)
    if in_force is None:
        in_force = yield from fetch(parts, uow, loaded)
    if loaded.answer is not None and loaded.answer.expires_at > parts.now(loaded):
        return repeated(parts, in_force, loaded, event)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood)
    situation = settled(draft, in_force.world)
    if expected_version is not None and expected_version != situation.instance.version:
        raise StaleVersionError(expected_version, situation.instance.version)
    judged = _permit(parts, in_force.world, loaded, situation, event, draft.now)
    facts: dict[str, bool | int | str] = {}
    checked: Mapping[str, CheckResult] = {}
    if isinstance(judged, Permitted) and in_force.world.definition.events[event.name].checks:
        cache.renew(loaded, situation)
        checked = yield from run_checks(parts, uow, in_force.world, judged, loaded=loaded, situation=situation, now=draft.now, cache=cache)
        facts = facts_of(checked)
    decided: Step | Refused = (
        judged
        if isinstance(judged, Refused)
        else decide(in_force.world, situation, judged, facts, delegations=loaded.delegations, now=draft.now)
    )
    if isinstance(decided, Refused):
        return (yield from _refuse(parts, uow, draft, in_force.world, event, decided, facts=facts, checked=checked, judged=judged, key=key))
    return (yield from _accept(parts, uow, draft, in_force.world, event, decided, checked=checked, key=key))


def _permit(parts: Parts, world: World, loaded: Loaded, situation: Situation | None, event: Event, now: datetime) -> Permitted | Refused:
    subject = situation.instance.subject if situation else event.actor.id
    return permit(world, situation, event, subject=subject, delegations=loaded.delegations, holders=parts.directory.holders, now=now)


def _accept(
    parts: Parts,
    uow: UnitOfWork,
    draft: Draft,
    world: World,
    event: Event,
    step: Step,
    *,
    checked: Mapping[str, CheckResult],
    key: str | None,
) -> Turn[Answer]:
    entry = draft.add(step)
    settled(draft, world)
    credentials = tuple(c for result in checked.values() for c in result.on_accept) if checked else ()
    released: tuple[UniqueValue, ...] = ()
    if world.table.unique_fields:
        yield from refuse_taken_values(parts, uow, world.table, step)
        released = yield from released_values(parts, uow, world.table, step, subject_key=draft.loaded.subject_key)
    answer = stored_answer(parts.vault, draft, world.definition, event, key=key, sequence=entry.sequence, reasons=None)
    change = draft.change(credentials=credentials, answer=answer, unique_removed=released)
    yield Call(lambda: uow.save(change))
    return make_accepted(instance=change.instance, sequence=entry.sequence)


def refuse_taken_values(parts: Parts, uow: UnitOfWork, table: Table, step: Step) -> Turn[None]:
    """Raise a clear conflict when an event writes a unique value that another instance has."""
    for wanted in unique_values(parts.vault, table, (step,)):
        holder = yield Call(lambda wanted=wanted: uow.unique_holder(wanted))  # type: ignore[misc]  # bound now
        if holder is not None and holder != step.after.instance.id:
            raise TakenError(wanted.field, holder)


def released_values(parts: Parts, uow: UnitOfWork, table: Table, step: Step, *, subject_key: bytes | None) -> Turn[tuple[UniqueValue, ...]]:
    """Give the blind indexes of unique values that an event has replaced or cleared, so that somebody else may have them."""
    before = step.before.instance if step.before else None
    written = [f.name for f in table.unique_fields if f.name in step.personal or _is_gone(f.name, step)]
    if before is None or not written:
        return ()
    old: dict[str, object] = {str(name): value for name, value in before.fields.items()}
    if any(name in before.personal for name in written):
        slots: Mapping[str, SealedValue] = yield Call(lambda: uow.personal(before.id))
        old |= open_fields(parts.vault, slots, before, subject_key)
    had = [unique_value(parts.vault, table.definition, name, old[name]) for name in written if name in old]
    kept = unique_values(parts.vault, table, (step,))
    return tuple(value for value in had if value not in kept)


def _is_gone(name: FieldName, step: Step) -> bool:
    """Tell whether a step changed or cleared a field that is kept in the clear, or cleared a personal one."""
    if step.before is None:
        return False
    before, after = step.before.instance, step.after.instance
    return before.fields.get(name) != after.fields.get(name) or (name in before.personal and name not in after.personal)


def _refuse(
    parts: Parts,
    uow: UnitOfWork,
    draft: Draft,
    world: World,
    event: Event,
    refused: Refused,
    *,
    facts: Facts,
    checked: Mapping[str, CheckResult],
    judged: Permitted | Refused,
    key: str | None,
) -> Turn[Answer]:
    refused = with_check_reasons(refused, checked)
    seen = seen_refusal(draft, world.definition, event, refused, facts=facts, judged=judged)
    entry = draft.refuse(seen)
    credentials: tuple[CredentialChange, ...] = tuple(c for result in checked.values() for c in result.on_refuse)
    sequence = entry.sequence if entry else None
    answer = stored_answer(parts.vault, draft, world.definition, event, key=key, sequence=sequence or 0, reasons=refused.reasons)
    change = draft.change(credentials=credentials, answer=answer)
    yield Call(lambda: uow.save(change))
    return replace(refused, instance_id=change.instance.id, sequence=sequence)


def seen_refusal(
    draft: Draft, definition: Definition, event: Event, refused: Refused, *, facts: Facts, judged: Permitted | Refused
) -> Witnessed:
    """Give what is recorded of a refusal."""
    plain, withheld = told(definition, event, judged)
    return Witnessed(
        kind=Kind.REFUSED,
        event=event.name if event.name in definition.events else ascii(event.name)[:64],
        actor=event.actor.id,
        occurred_at=draft.now,
        state=draft.latest.instance.state if draft.latest else None,
        on_behalf_of=judged.on_behalf_of if isinstance(judged, Permitted) else None,
        roles=judged.roles if isinstance(judged, Permitted) else (),
        facts=facts,
        reasons=refused.reasons,
        payload=plain,
        withheld=withheld,
    )


def told(definition: Definition, event: Event, judged: Permitted | Refused) -> tuple[dict[str, object], tuple[str, ...]]:
    """Say what a refusal's entry keeps of the payload: plain values that were valid; of all others only the known names."""
    type_ = definition.events.get(event.name)
    if type_ is None:
        return {}, ()
    if isinstance(judged, Refused):
        return {}, tuple(sorted(name for name in event.payload if name in type_.payload))
    plain = {n: v for n, v in judged.payload.items() if not type_.payload[n].is_secret and not type_.payload[n].is_personal}  # type: ignore[index]  # names of fields
    return plain, tuple(sorted(name for name in judged.payload if name not in plain))


def repeated(parts: Parts, in_force: InForce, loaded: Loaded, event: Event) -> Answer:
    """Give the first answer again, to an actor who may still have it.

    Raises:
        KeyReusedError: the key was used for other content.
    """
    answer, situation = loaded.answer, loaded.situation
    if answer is None or situation is None:
        raise NotFoundError("answer", event.key or "")
    if answer.content != content_of(parts.vault, in_force.world.definition, event):
        raise KeyReusedError(event.key or "")
    judged = _permit(parts, in_force.world, loaded, situation, event, parts.now(loaded))
    if isinstance(judged, Refused) and (lost := tuple(r for r in judged.reasons if r.code in {"role_missing", "engine_only"})):
        return Refused(reasons=lost)
    if answer.is_accepted:
        return Accepted(instance=situation.instance, sequence=answer.sequence, is_repeat=True)
    reasons = tuple(Reason(**reason) for reason in orjson.loads(answer.body))
    return Refused(reasons=reasons, instance_id=answer.instance_id, sequence=answer.sequence or None)


def engine_event(name: EventName) -> Event:
    """Give an event fired by the engine itself."""
    return Event(name=name, actor=Actor(id=ENGINE_ACTOR))


def settle_once(parts: Parts, uow: UnitOfWork, instance_id: InstanceId, *, is_locked: bool) -> Turn[int]:
    """Write the deadlines of an instance that are reached; gives how many fired."""
    loaded: Loaded = yield Call(lambda: uow.load(instance_id, lock=is_locked))
    if loaded.situation is None:
        raise NotFoundError("instance", instance_id)
    in_force = yield from fetch(parts, uow, loaded)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood)
    settled(draft, in_force.world)
    if not draft.entries and draft.latest is loaded.situation:
        return 0
    change = draft.change()
    yield Call(lambda: uow.save(change))
    return sum(step.kind == "timer:fired" for step in draft.steps)
