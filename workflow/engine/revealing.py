"""Persons' reads of personal values: each leaves an entry in the history of whom they are about.

Promises: the entry is committed before a value is handed over (in a host's transaction it is written there, and dies with it); it says
who has read which values, and why when that was given, and holds no value. What the program itself opens (an address to send a mail to)
is no such read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflow.audit.entry import Witnessed
from workflow.engine.calls import Call, Turn
from workflow.engine.parts import Parts
from workflow.engine.sealing import open_fields
from workflow.engine.turn import attempts, fetch, settled
from workflow.engine.writing import Draft
from workflow.errors import NotFoundError, Reason
from workflow.ports import Loaded, SealedValue, Store, UnitOfWork
from workflow.states.definition import FieldName
from workflow.states.instance import ENGINE_ACTOR, Actor, InstanceId
from workflow.states.verdict import Kind, Refused

MAX_BASIS_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Who wants to read what, and why.

    Attributes:
        fields: names; all that have a value when None.
        basis: the ground in one line, as it stays in the history; empty when none is given.
    """

    actor: Actor
    fields: Sequence[str] | None = None
    basis: str = ""


def disclose(parts: Parts, store: Store, instance_id: InstanceId, look: Look) -> Turn[dict[str, object] | Refused]:
    """Open fields of an instance for a person.

    (1) who reads, and a ground that can stand in the history; (2) deadlines that are reached are written, then the entry that says
    who reads what; it is committed before the values are handed over. Without a personal value among them nothing is written.
    """
    # (1) a refusal is told and not recorded: nothing was read, and a ground that cannot stand in the history would have to
    if faults := _faults(look):
        return Refused(reasons=faults, instance_id=instance_id)
    # (2) in one unit of work
    return (yield from attempts(store, lambda uow, is_locked: _once(parts, uow, instance_id, look, is_locked=is_locked)))


def _faults(look: Look) -> tuple[Reason, ...]:
    found = []
    if look.actor.id == ENGINE_ACTOR:
        found.append(Reason(code="engine_name", message="Nobody reads under the engine's name.", needed="the reader's own id"))
    if len(look.basis) > MAX_BASIS_CHARACTERS or not look.basis.isprintable():
        message = f"The ground is one line of at most {MAX_BASIS_CHARACTERS} characters; it stays in the history, so it names no person."
        found.append(Reason(code="basis_unreadable", message=message, needed="a ground such as 'a question of the applicant'"))
    return tuple(found)


def _once(parts: Parts, uow: UnitOfWork, instance_id: InstanceId, look: Look, *, is_locked: bool) -> Turn[dict[str, object]]:
    loaded: Loaded = yield Call(lambda: uow.load(instance_id, lock=is_locked))
    if loaded.situation is None:
        raise NotFoundError("instance", instance_id)
    in_force = yield from fetch(parts, uow, loaded)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood)
    instance = settled(draft, in_force.world).instance
    wanted = _wanted(look, tuple(in_force.world.definition.fields))
    slots: dict[str, SealedValue] = yield Call(lambda: dict(uow.personal(instance_id)))
    opened = open_fields(parts.vault, slots, instance, loaded.subject_key)
    read = sorted(name for name in opened if FieldName(name) in wanted)
    if read:
        payload: dict[str, object] = {"fields": read, **({"basis": look.basis} if look.basis else {})}
        draft.witness(_seen(look, draft, instance.state, payload), instance_id)
        change = draft.change()
        yield Call(lambda: uow.save(change))
    plain: dict[str, object] = {str(name): value for name, value in instance.fields.items() if name in wanted}
    return plain | {name: opened[name] for name in read}


def _wanted(look: Look, known: Sequence[FieldName]) -> frozenset[FieldName]:
    if look.fields is None:
        return frozenset(known)
    for name in look.fields:
        if FieldName(name) not in known:
            raise NotFoundError("field", name)
    return frozenset(map(FieldName, look.fields))


def _seen(look: Look, draft: Draft, state: str, payload: dict[str, object]) -> Witnessed:
    roles = tuple(sorted(look.actor.grants, key=str))
    return Witnessed(kind=Kind.READ, event="read", actor=look.actor.id, occurred_at=draft.now, state=state, roles=roles, payload=payload)
