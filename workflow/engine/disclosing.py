"""Disclosure: that data left the store is itself an entry, in the system's chain.

Promises: the entry is committed before the data is handed over; it names who, what and how much, and no personal value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from workflow.audit.entry import Witnessed
from workflow.engine import system
from workflow.engine.calls import Call, Turn, drive
from workflow.engine.core import Engine
from workflow.engine.parts import Parts
from workflow.engine.sealing import bound
from workflow.engine.turn import attempts
from workflow.engine.writing import Draft
from workflow.errors import NotFoundError
from workflow.ports import SYSTEM, UnitOfWork
from workflow.states.instance import Actor, InstanceId
from workflow.states.verdict import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What left the store: `payload` holds plain JSON values only (format, filter, counts, digests)."""

    actor: Actor
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A personal value, opened with its salt, so that it can be compared with the commitment of its entry."""

    sequence: int
    slot: str
    salt: str
    """Base64."""
    value: object


def open_slots(engine: Engine, instance_id: InstanceId, wanted: Sequence[str]) -> tuple[Opened, ...]:
    """Open the newest value of each wanted slot (``field:email``); whoever hands them on records it by `disclose`.

    Raises:
        NotFoundError: there is no such instance, or no such value (any more).
    """
    with engine.store.unit() as uow:
        loaded, slots = uow.load(instance_id), uow.personal(instance_id)
    found = []
    for slot in wanted:
        sealed = slots.get(slot)
        if sealed is None or loaded.subject_key is None:
            raise NotFoundError("personal value", slot)
        place = bound(instance_id, sealed.sequence, slot)
        plain = orjson.loads(engine.parts.vault.open_personal(sealed.sealed, subject_key=loaded.subject_key, bound_to=place))
        found.append(Opened(sequence=sealed.sequence, slot=slot, salt=plain["salt"], value=plain["value"]))
    return tuple(found)


def disclose(engine: Engine, disclosure: Disclosure) -> int:
    """Record a disclosure; gives the sequence of its entry in the system's chain."""
    turn = attempts(engine.store, lambda uow, is_locked: _once(engine.parts, uow, disclosure, is_locked=is_locked))
    return drive(turn)


def _once(parts: Parts, uow: UnitOfWork, disclosure: Disclosure, *, is_locked: bool) -> Turn[int]:
    loaded, situation, now = yield from system.load_system(parts, uow, is_locked=is_locked)
    draft = Draft(loaded=loaded, in_force=None, vault=parts.vault, now=now, latest=situation, flood=parts.flood)
    seen = Witnessed(
        kind=Kind.EXPORTED,
        event="export",
        actor=disclosure.actor.id,
        occurred_at=now,
        roles=tuple(sorted(disclosure.actor.grants, key=str)),
        payload=disclosure.payload,
    )
    entry = draft.witness(seen, SYSTEM)
    change = draft.change()
    yield Call(lambda: uow.save(change))
    return entry.sequence
