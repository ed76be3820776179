"""The system's own chain: what belongs to no instance (publications, delegations, refused starts).

Promises: the same way as everything else (load, entry, save), on an instance of its own name that is never listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from workflow.audit.entry import Witnessed
from workflow.engine.calls import Call, Turn
from workflow.engine.genuine import refuse_others
from workflow.engine.parts import Parts
from workflow.engine.shelf import InForce
from workflow.engine.turn import fetch, settled
from workflow.engine.writing import Draft
from workflow.errors import NotFoundError, Reason
from workflow.ports import SYSTEM, Document, Loaded, UnitOfWork
from workflow.states.definition import Digest, RoleName, StatePath
from workflow.states.instance import ENGINE_ACTOR, Actor, ActorId, Delegation, Event, Grant, Instance, InstanceId, Situation
from workflow.states.step import tell as tell_step
from workflow.states.verdict import Kind, Refused

ADMINISTRATOR = Grant(role=RoleName("administrator"))
"""Held by people who may publish documents and grant delegations in the name of others."""
NO_DIGEST = Digest("0" * 64)


def load_system(parts: Parts, uow: UnitOfWork, *, is_locked: bool) -> Turn[tuple[Loaded, Situation, datetime]]:
    """Read the system's chain, empty when nothing was ever recorded there."""
    loaded: Loaded = yield Call(lambda: uow.load(SYSTEM, lock=is_locked))
    now = parts.now(loaded)
    situation = loaded.situation or Situation(
        instance=Instance(
            id=SYSTEM,
            definition=SYSTEM,
            digest=NO_DIGEST,
            state=StatePath(""),
            subject=ActorId(SYSTEM),
            outcome="system",
            started_at=now,
            recorded_at=now,
        )
    )
    return loaded, situation, now


def publish(parts: Parts, uow: UnitOfWork, documents: Sequence[Document], actor: Actor, *, is_locked: bool) -> Turn[int]:
    """Publish documents that are not yet the newest of their name; gives how many were.

    Raises:
        DefinitionError: a document is not what its digests say; nothing is published then.
    """
    loaded, situation, now = yield from load_system(parts, uow, is_locked=is_locked)
    fresh = []
    for document in documents:
        newest: Document | None = yield Call(lambda document=document: uow.newest(document.kind, document.name))  # type: ignore[misc]  # bound now
        if newest is None or (newest.digest, newest.text_digest) != (document.digest, document.text_digest):
            fresh.append(document)
    if not fresh:
        return 0
    refuse_others(fresh, parts.shelf.readers.meaning)
    draft = _draft(parts, loaded, situation, now)
    for document in fresh:
        payload = {"document": document.kind, "name": document.name, "digest": document.digest, "text_digest": document.text_digest}
        draft.witness(_seen(Kind.PUBLISHED, "publish", actor, now, payload), SYSTEM)
    change = replace(draft.change(), documents=tuple(fresh))
    yield Call(lambda: uow.save(change))
    return len(fresh)


def delegate(parts: Parts, uow: UnitOfWork, delegation: Delegation, actor: Actor, *, is_locked: bool) -> Turn[Refused | None]:
    """Grant a delegation, or record and give the refusal."""
    loaded, situation, now = yield from load_system(parts, uow, is_locked=is_locked)
    draft = _draft(parts, loaded, situation, now)
    payload = _delegation(delegation)
    reasons = _delegation_faults(delegation, actor, now)
    if reasons:
        return (yield from _refused(uow, draft, _seen(Kind.REFUSED, "delegate", actor, now, payload, reasons=reasons)))
    draft.witness(_seen(Kind.GRANTED, "delegate", actor, now, payload), SYSTEM)
    change = replace(draft.change(), delegations_added=(delegation,))
    yield Call(lambda: uow.save(change))
    return None


def end(parts: Parts, uow: UnitOfWork, delegation_id: str, actor: Actor, *, is_locked: bool) -> Turn[Refused | None]:
    """End a delegation now, or record and give the refusal."""
    loaded, situation, now = yield from load_system(parts, uow, is_locked=is_locked)
    found = next((d for d in loaded.delegations if d.id == delegation_id), None)
    if found is None:
        raise NotFoundError("delegation", delegation_id)
    draft = _draft(parts, loaded, situation, now)
    if actor.id not in {found.principal, found.deputy} and ADMINISTRATOR not in actor.grants:
        reason = Reason(
            code="not_yours", message="Only the principal, the deputy or an administrator ends a delegation.", needed="one of them"
        )
        return (
            yield from _refused(uow, draft, _seen(Kind.REFUSED, "end_delegation", actor, now, {"id": delegation_id}, reasons=(reason,)))
        )
    draft.witness(_seen(Kind.ENDED, "end_delegation", actor, now, _delegation(found)), SYSTEM)
    change = replace(draft.change(), delegations_ended=((delegation_id, now),))
    yield Call(lambda: uow.save(change))
    return None


def refuse(parts: Parts, uow: UnitOfWork, seen: Witnessed, in_force: InForce) -> Turn[None]:
    """Record a refused start; beyond the flood limit it is only counted."""
    loaded, situation, now = yield from load_system(parts, uow, is_locked=True)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=now, latest=situation, flood=parts.flood)
    draft.refuse(seen)
    change = draft.change()
    yield Call(lambda: uow.save(change))


def tell(parts: Parts, uow: UnitOfWork, instance_id: InstanceId, event: Event, *, is_locked: bool) -> Turn[None]:
    """Fire an engine event on an instance, outside timers and reports: a unique value was offered again, an operator retries."""
    loaded: Loaded = yield Call(lambda: uow.load(instance_id, lock=is_locked))
    if loaded.situation is None:
        raise NotFoundError("instance", instance_id)
    in_force = yield from fetch(parts, uow, loaded)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood)
    situation = settled(draft, in_force.world)
    draft.add(tell_step(in_force.world, situation, event, now=draft.now))
    settled(draft, in_force.world)
    change = draft.change()
    yield Call(lambda: uow.save(change))


def _refused(uow: UnitOfWork, draft: Draft, seen: Witnessed) -> Turn[Refused]:
    entry = draft.refuse(seen)
    change = draft.change()
    yield Call(lambda: uow.save(change))
    return Refused(reasons=seen.reasons, instance_id=SYSTEM, sequence=entry.sequence if entry else None)


def _draft(parts: Parts, loaded: Loaded, situation: Situation, now: datetime) -> Draft:
    return Draft(loaded=loaded, in_force=None, vault=parts.vault, now=now, latest=situation, flood=parts.flood)


def _seen(
    kind: Kind, event: str, actor: Actor, now: datetime, payload: Mapping[str, object], *, reasons: tuple[Reason, ...] = ()
) -> Witnessed:
    roles = tuple(sorted(actor.grants, key=str))
    return Witnessed(kind=kind, event=event, actor=actor.id, occurred_at=now, roles=roles, payload=payload, reasons=reasons)


def _delegation(delegation: Delegation) -> dict[str, object]:
    return {
        "id": delegation.id,
        "principal": delegation.principal,
        "deputy": delegation.deputy,
        "role": delegation.role,
        "scope": delegation.scope,
        "starts_at": delegation.starts_at.isoformat(),
        "ends_at": delegation.ends_at.isoformat(),
    }


def _delegation_faults(delegation: Delegation, actor: Actor, now: datetime) -> tuple[Reason, ...]:
    faults = []
    if actor.id != delegation.principal and ADMINISTRATOR not in actor.grants:
        faults.append(Reason(code="not_yours", message="Only the principal or an administrator grants a delegation.", needed="one of them"))
    if delegation.principal == delegation.deputy:
        faults.append(Reason(code="same_person", message="Nobody is their own deputy.", needed="another person"))
    if delegation.ends_at <= delegation.starts_at:
        faults.append(Reason(code="dates", message="A delegation ends after it starts.", needed="a later end"))
    if delegation.ends_at <= now:
        faults.append(Reason(code="dates", message="The end of the delegation has passed.", needed="an end in the future"))
    if ENGINE_ACTOR in {delegation.principal, delegation.deputy}:
        faults.append(Reason(code="engine", message="The engine neither has nor is a deputy.", needed="two people"))
    return tuple(faults)
