"""Disclosure: that data left the store is itself an entry, in the system's chain.

Promises: the entry is committed before the data is handed over; it names who, what and how much, and no personal value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from workflow.engine.acts import Act, record_act
from workflow.engine.core import Engine
from workflow.engine.sealing import bound
from workflow.errors import NotFoundError
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
    return record_act(engine, Act(kind=Kind.EXPORTED, event="export", actor=disclosure.actor, payload=disclosure.payload))
