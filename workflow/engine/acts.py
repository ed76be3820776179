"""What is done to an installation by those who run it: keys, tables, messages that are tried again.

Promises: each act is an entry, in the system's chain or in that of the onboarding it is about; it names who, and no secret. An act that
changes rows beside the history is recorded before it is done, so that nothing is done that nobody has recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from workflow.audit.entry import EntryRow, Witnessed
from workflow.engine import system
from workflow.engine.calls import Call, Turn, drive
from workflow.engine.core import Engine
from workflow.engine.parts import Parts
from workflow.engine.turn import attempts, fetch, settled
from workflow.engine.writing import Draft
from workflow.errors import NotFoundError
from workflow.ports import SYSTEM, Loaded, Message, UnitOfWork
from workflow.states.instance import Actor, InstanceId
from workflow.states.verdict import Kind

_PAGE = 500
INSTALLATION, CHECKPOINTS = "installation", "checkpoints"
"""What keys are for: everything an installation seals and signs, or (where they are others) its checkpoints alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did; `payload` holds plain JSON values only, and none of a person."""

    kind: Kind
    event: str
    actor: Actor
    payload: Mapping[str, object]


def record_act(engine: Engine, act: Act) -> int:
    """Record an act in the system's chain; gives the sequence of its entry."""
    return drive(attempts(engine.store, lambda uow, is_locked: _once(engine.parts, uow, act, is_locked=is_locked)))


def note_keys(engine: Engine, keys: Sequence[tuple[str, bytes]], *, actor: Actor, purpose: str = INSTALLATION) -> int | None:
    """Record the keys in use when they are not those recorded last; gives the sequence of the entry, None when nothing is new.

    Args:
        engine: whose history it is.
        keys: name and public key of each, newest first: the first one seals and signs, the others still open and verify.
        actor: who runs the program.
        purpose: what the keys are for; each purpose is compared with its own last entry.
    """
    said = {"purpose": purpose, "keys": [{"kid": kid, "public_key": public.hex()} for kid, public in keys]}
    last = next((one for one in _newest_first(engine) if _is_of(one, purpose)), None)
    if last is not None and orjson.loads(last.canonical)["payload"] == said:
        return None
    return record_act(engine, Act(kind=Kind.KEY_CHANGED, event="change_keys", actor=actor, payload=said))


def retry(engine: Engine, message_id: str, *, actor: Actor) -> bool:
    """Make a message that was given up due again, recorded in its onboarding's history; False when it was not given up.

    Raises:
        NotFoundError: there is no such message.
    """
    with engine.reads() as reads:
        message = reads.message(message_id)
    if message is None:
        raise NotFoundError("message", message_id)
    if message.state != "dead":
        return False
    drive(attempts(engine.store, lambda uow, is_locked: _retried(engine.parts, uow, message, actor, is_locked=is_locked)))
    with engine.reads() as reads:
        return reads.retry(message_id, now=engine.now())


def _once(parts: Parts, uow: UnitOfWork, act: Act, *, is_locked: bool) -> Turn[int]:
    loaded, situation, now = yield from system.load_system(parts, uow, is_locked=is_locked)
    draft = Draft(loaded=loaded, in_force=None, vault=parts.vault, now=now, latest=situation, flood=parts.flood)
    roles = tuple(sorted(act.actor.grants, key=str))
    seen = Witnessed(kind=act.kind, event=act.event, actor=act.actor.id, occurred_at=now, roles=roles, payload=act.payload)
    entry = draft.witness(seen, SYSTEM)
    change = draft.change()
    yield Call(lambda: uow.save(change))
    return entry.sequence


def _retried(parts: Parts, uow: UnitOfWork, message: Message, actor: Actor, *, is_locked: bool) -> Turn[None]:
    loaded: Loaded = yield Call(lambda: uow.load(message.instance_id, lock=is_locked))
    if loaded.situation is None:
        raise NotFoundError("instance", message.instance_id)
    in_force = yield from fetch(parts, uow, loaded)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood)
    instance = settled(draft, in_force.world).instance
    payload = {"message": message.id, "effect": f"{message.effect.kind}:{message.effect.name}", "queued_by": message.sequence}
    seen = Witnessed(
        kind=Kind.RETRIED,
        event="retry_message",
        actor=actor.id,
        occurred_at=draft.now,
        state=instance.state,
        roles=tuple(sorted(actor.grants, key=str)),
        payload=payload,
    )
    draft.witness(seen, InstanceId(message.instance_id))
    change = draft.change()
    yield Call(lambda: uow.save(change))


def _newest_first(engine: Engine) -> Iterator[EntryRow]:
    """Read the system's chain from its end, page by page."""
    with engine.store.unit() as uow:
        situation = uow.load(SYSTEM).situation
    end = situation.instance.head if situation else 0
    while end > 0:
        start = max(0, end - _PAGE)
        yield from reversed(engine.history(SYSTEM, after=start, limit=end - start))
        end = start


def _is_of(row: EntryRow, purpose: str) -> bool:
    return row.kind == Kind.KEY_CHANGED and orjson.loads(row.canonical)["payload"]["purpose"] == purpose
