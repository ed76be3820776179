"""Erasure: a subject's personal values are destroyed, and the history goes on proving itself without them.

Promises: the entry that says who erased what, and on which basis, is written in the same write that destroys; nothing is
destroyed before every onboarding of the subject is closed; an erasure that was interrupted is finished by doing it again.

What goes: sealed values with the salts of their commitments, blind indexes, stored answers, unsent notices, orders whose outcome
an onboarding waited for, what mail servers answered; with the last onboarding of a subject also the subject's key and credentials.
What stays: the entries, whose commitments nobody can open or try out any more, opaque ids, and orders that nobody waits for, such
as closing an account. Backups keep what they have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from workflow.audit.entry import EntryRow, Witnessed
from workflow.engine import system
from workflow.engine.calls import Call, Turn
from workflow.engine.parts import Parts
from workflow.engine.turn import attempts, engine_event, fetch, settled
from workflow.engine.writing import Draft
from workflow.errors import NotFoundError, Reason
from workflow.ports import SYSTEM, InstanceQuery, Loaded, SealedValue, Store, UnitOfWork
from workflow.states.definition import Definition
from workflow.states.instance import Actor, ActorId, Instance, InstanceId, Situation
from workflow.states.machine import Table
from workflow.states.step import tell as tell_step
from workflow.states.verdict import Kind, Refused

MAX_BASIS_CHARACTERS = 200
RETENTION = "retention"
"""Basis of an erasure because a period is over."""
_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did: the instances that now say so, those that said so before, and those that took their closing event first."""

    subject: ActorId
    instances: tuple[InstanceId, ...]
    before: tuple[InstanceId, ...] = ()
    closed: tuple[InstanceId, ...] = ()
    is_whole: bool = True
    """The subject's key and credentials are destroyed too; False while another onboarding of the subject is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """An instance that is past its retention: since when, by which outcome."""

    instance_id: InstanceId
    subject: ActorId
    definition: str
    outcome: str
    reached_at: datetime
    kept_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """Who wants what erased, and why."""

    actor: Actor
    basis: str


def erase(parts: Parts, store: Store, subject: ActorId, *, basis: str, actor: Actor) -> Turn[Erased | Refused]:
    """Erase a subject: close what is under way, then destroy.

    (1) who may, and the basis; (2) every onboarding under way can be closed; (3) they are closed; those that have ended hear of it
    too, where their definition wants to know, because an account may live on; (4) values are destroyed instance by instance, and
    with the last one the subject's key and credentials.
    """
    wish = _Wish(actor=actor, basis=basis)
    found = _all_of(store, subject)
    if not found:
        raise NotFoundError("subject", subject)
    # (1) and (2), before anything is done
    if faults := _faults(wish):
        return (yield from _refuse(parts, store, wish, subject, faults))
    faults, closing = yield from _closing(parts, store, found)
    if faults:
        return (yield from _refuse(parts, store, wish, subject, faults))
    # (3) each by its own definition's event
    for instance_id in closing:
        yield from close(parts, store, instance_id)
    # (4) the subject's own things last
    ids = [situation.instance.id for situation in found]
    done = yield from _destroy(parts, store, wish, subject, ids, is_whole=True, closed=closing)
    if isinstance(done, Refused) or all(situation.instance.id in ids for situation in _all_of(store, subject)):
        return done
    return (yield from erase(parts, store, subject, basis=basis, actor=actor))  # another onboarding began meanwhile


def erase_expired(parts: Parts, store: Store, expired: Sequence[Expired], *, actor: Actor) -> Turn[tuple[Erased, ...] | Refused]:
    """Erase instances that are past their retention; a subject who has another onboarding keeps key and credentials."""
    wish = _Wish(actor=actor, basis=RETENTION)
    if faults := _faults(wish):
        return (yield from _refuse(parts, store, wish, SYSTEM, faults))
    done: list[Erased] = []
    for subject in dict.fromkeys(one.subject for one in expired):
        ids = [one.instance_id for one in expired if one.subject == subject]
        found = _all_of(store, subject)
        kept = [s for s in found if s.instance.id not in ids and not _is_erased(store, s.instance)]
        _, closing = yield from _closing(parts, store, [s for s in found if s.instance.id in ids and s.instance.outcome is not None])
        for instance_id in closing:
            yield from close(parts, store, instance_id)
        did = yield from _destroy(parts, store, wish, subject, ids, is_whole=not kept, closed=closing)
        if isinstance(did, Refused):
            return did
        done.append(did)
    return tuple(done)


def expired_of(parts: Parts, store: Store, *, now: datetime, definition: str | None = None) -> Turn[tuple[Expired, ...]]:
    """Find the instances whose outcome was reached longer ago than their definition keeps personal values, and that have some."""
    found: list[Expired] = []
    after: str | None = None
    while True:
        with store.reads() as reads:
            page = reads.instances(InstanceQuery(definition=definition, is_open=False, after=after, limit=_PAGE))
        for situation in page.rows:
            one = yield from _expired(parts, store, situation.instance, now)
            if one is not None:
                found.append(one)
        after = page.next
        if after is None:
            return tuple(found)


def _expired(parts: Parts, store: Store, instance: Instance, now: datetime) -> Turn[Expired | None]:
    with store.unit() as uow:
        loaded: Loaded = yield Call(lambda: uow.load(instance.id))
        definition = (yield from fetch(parts, uow, loaded)).world.definition
    unit = definition.retention.get(instance.outcome or "")
    if unit is None or instance.started_at + timedelta(seconds=unit.amount) > now:
        return None
    reached_at = _reached_at(store, instance, definition)
    kept_until = reached_at + timedelta(seconds=unit.amount)
    if kept_until > now or _is_erased(store, instance):
        return None
    return Expired(
        instance_id=instance.id,
        subject=instance.subject,
        definition=instance.definition,
        outcome=instance.outcome or "",
        reached_at=reached_at,
        kept_until=kept_until,
    )


def _reached_at(store: Store, instance: Instance, definition: Definition) -> datetime:
    """Say when the present outcome was reached: at the newest entry that came to it from a state without one."""
    ended = {path for path in definition.states if any(definition.states[p].outcome for p in definition.lineage(path))}
    reached = instance.started_at
    for row in _entries(store, instance.id):
        if row.to_state in ended and row.from_state not in ended:
            reached = row.occurred_at
    return reached


def _is_erased(store: Store, instance: Instance, slots: Mapping[str, SealedValue] | None = None) -> bool:
    """Tell whether nothing personal of an instance is left to erase: it was erased, and nothing came after that."""
    if slots is None:
        with store.unit() as uow:
            slots = uow.personal(instance.id)
    return not (instance.personal or slots) and any(row.kind == Kind.ERASED for row in _entries(store, instance.id))


def _entries(store: Store, instance_id: InstanceId) -> list[EntryRow]:
    rows: list[EntryRow] = []
    with store.reads() as reads:
        while page := reads.entries(instance_id, after=rows[-1].sequence if rows else 0):
            rows += page
    return rows


def _all_of(store: Store, subject: ActorId) -> list[Situation]:
    found: list[Situation] = []
    after: str | None = None
    while True:
        with store.reads() as reads:
            page = reads.instances(InstanceQuery(subject=subject, after=after, limit=_PAGE))
        found += page.rows
        after = page.next
        if after is None:
            return found


def _faults(wish: _Wish) -> tuple[Reason, ...]:
    found = []
    if system.ADMINISTRATOR not in wish.actor.grants:
        found.append(Reason(code="role_missing", message="Only an administrator erases.", needed="the role administrator"))
    if not wish.basis.strip() or len(wish.basis) > MAX_BASIS_CHARACTERS or not wish.basis.isprintable():
        message = f"The basis is one line of 1 to {MAX_BASIS_CHARACTERS} characters; it stays in the history, so it names no person."
        found.append(Reason(code="basis_missing", message=message, needed="the ground for erasing, such as 'GDPR 17(1)(b)'"))
    return tuple(found)


def _closing(parts: Parts, store: Store, found: Sequence[Situation]) -> Turn[tuple[tuple[Reason, ...], tuple[InstanceId, ...]]]:
    """Say which onboardings under way could not be closed, and which take a closing event; asked before anything is done."""
    faults, closing = [], []
    for situation in found:
        instance = situation.instance
        if instance.outcome is not None and _is_erased(store, instance):
            continue
        with store.unit() as uow:
            loaded: Loaded = yield Call(lambda uow=uow, instance=instance: uow.load(instance.id))  # type: ignore[misc]  # bound now
            table = (yield from fetch(parts, uow, loaded)).world.table
        if _is_closed_by(table, instance):
            closing.append(instance.id)
        elif instance.outcome is None:
            message = (
                f"The onboarding {instance.id} is under way, and its definition {instance.definition!r} names no event that closes it."
            )
            faults.append(Reason(code="under_way", message=message, needed="`erasure: EVENT` in the definition, or its end"))
    return tuple(faults), tuple(closing)


def _is_closed_by(table: Table, instance: Instance) -> bool:
    """Tell whether the definition's closing event is handled where the onboarding is."""
    return table.definition.erasure is not None and bool(table.arrows(instance.state, table.definition.erasure))


def close(parts: Parts, store: Store, instance_id: InstanceId) -> Turn[None]:
    """Fire the closing event of an onboarding, under way or ended: the first half of its erasure."""
    yield from attempts(store, lambda uow, is_locked: _close_once(parts, uow, instance_id, is_locked=is_locked))


def _close_once(parts: Parts, uow: UnitOfWork, instance_id: InstanceId, *, is_locked: bool) -> Turn[None]:
    draft, _ = yield from _draft(parts, uow, instance_id, is_locked=is_locked)
    in_force, latest = draft.in_force, draft.latest
    if in_force is None or latest is None:
        raise NotFoundError("instance", instance_id)
    event = in_force.world.definition.erasure
    if event is not None and _is_closed_by(in_force.world.table, latest.instance):
        draft.add(tell_step(in_force.world, latest, engine_event(event), now=draft.now))
        settled(draft, in_force.world)
    change = draft.change()
    yield Call(lambda: uow.save(change))


def _destroy(
    parts: Parts, store: Store, wish: _Wish, subject: ActorId, ids: Sequence[InstanceId], *, is_whole: bool, closed: tuple[InstanceId, ...]
) -> Turn[Erased | Refused]:
    """Destroy instance by instance; the subject's key and credentials go with the last one, so that doing it again finishes it."""
    done: list[InstanceId] = []
    before: list[InstanceId] = []
    for place, instance_id in enumerate(ids):
        is_last = is_whole and place == len(ids) - 1
        did = yield from attempts(
            store,
            lambda uow, is_locked, i=instance_id, w=is_last: _destroy_once(  # type: ignore[misc]  # bound now
                parts, uow, store, wish, i, is_whole=w, is_locked=is_locked
            ),
        )
        if isinstance(did, Refused):
            return did
        if did:
            done.append(instance_id)
        else:
            before.append(instance_id)
    return Erased(subject=subject, instances=tuple(done), before=tuple(before), closed=closed, is_whole=is_whole)


def _destroy_once(
    parts: Parts, uow: UnitOfWork, store: Store, wish: _Wish, instance_id: InstanceId, *, is_whole: bool, is_locked: bool
) -> Turn[bool | Refused]:
    """Write one instance's erasure; False when there was nothing left to erase, so that no second entry says so."""
    draft, loaded = yield from _draft(parts, uow, instance_id, is_locked=is_locked)
    latest = draft.latest
    if latest is None:
        raise NotFoundError("instance", instance_id)
    if latest.instance.outcome is None:
        message = f"The onboarding {instance_id} did not end by its closing event: a guard refused it."
        return Refused(reasons=(Reason(code="under_way", message=message, needed="the end of the onboarding"),))
    has_people = is_whole and (loaded.subject_key is not None or bool(loaded.credentials))
    slots: dict[str, SealedValue] = yield Call(lambda: dict(uow.personal(instance_id)))
    if not has_people and not draft.entries and _is_erased(store, latest.instance, slots):
        return False
    payload: dict[str, object] = {
        "basis": wish.basis,
        "scope": "subject" if is_whole else "instance",
        "slots": sorted(slots),
        "credentials": len(loaded.credentials) if is_whole else 0,
    }
    draft.witness(_seen(wish, draft.now, payload, latest.instance.state), instance_id)
    kept = replace(latest.instance, personal=frozenset())
    draft.latest = Situation(instance=kept, timers=latest.timers)
    change = draft.change()
    # What a deadline has queued in this very write has no reader any more, either.
    messages = tuple(replace(m, state="superseded") if m.effect.ends_with_subject else m for m in change.messages)
    change = replace(change, erased="subject" if is_whole else "instance", messages=messages)
    yield Call(lambda: uow.save(change))
    if loaded.subject_key is not None:
        parts.vault.forget(loaded.subject_key)
    return True


def _draft(parts: Parts, uow: UnitOfWork, instance_id: InstanceId, *, is_locked: bool) -> Turn[tuple[Draft, Loaded]]:
    """Read an instance and bring it up to date."""
    loaded: Loaded = yield Call(lambda: uow.load(instance_id, lock=is_locked))
    if loaded.situation is None:
        raise NotFoundError("instance", instance_id)
    in_force = yield from fetch(parts, uow, loaded)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood)
    settled(draft, in_force.world)
    return draft, loaded


def _refuse(parts: Parts, store: Store, wish: _Wish, subject: str, reasons: tuple[Reason, ...]) -> Turn[Refused]:
    """Record a refused erasure in the system's chain."""

    def once(uow: UnitOfWork, is_locked: bool) -> Turn[Refused]:  # noqa: FBT001  # passed on by `attempts`
        loaded, situation, now = yield from system.load_system(parts, uow, is_locked=is_locked)
        draft = Draft(loaded=loaded, in_force=None, vault=parts.vault, now=now, latest=situation, flood=parts.flood)
        payload: dict[str, object] = {"subject": subject}
        entry = draft.refuse(replace(_seen(wish, now, payload, None), kind=Kind.REFUSED, reasons=reasons))
        change = draft.change()
        yield Call(lambda: uow.save(change))
        return Refused(reasons=reasons, instance_id=SYSTEM, sequence=entry.sequence if entry else None)

    return (yield from attempts(store, once))


def _seen(wish: _Wish, now: datetime, payload: dict[str, object], state: str | None) -> Witnessed:
    roles = tuple(sorted(wish.actor.grants, key=str))
    return Witnessed(kind=Kind.ERASED, event="erase", actor=wish.actor.id, occurred_at=now, state=state, roles=roles, payload=payload)
