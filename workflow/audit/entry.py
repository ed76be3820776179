"""Entries: what the history says of one attempt, timer, report or administrative act.

Promises: `record` is the only way a step becomes something that `save` takes; personal values enter as commitments only,
secrets not at all. The form is final: trees, erasure and exports are built on these bytes without rewriting one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from workflow.audit.canonical import canonical_entry, instant
from workflow.audit.commitment import commit
from workflow.errors import Reason
from workflow.states.definition import Digest
from workflow.states.effects import Effect
from workflow.states.instance import ActorId, Grant, InstanceId, Timer
from workflow.states.quick import maker, quick
from workflow.states.verdict import Facts, Kind, Step

FORM = 1
"""Version of the entry's form, in every entry as ``form``."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """An entry as it is stored: canonical bytes with their hash, and projections that `verify` compares."""

    instance_id: InstanceId
    sequence: int
    kind: str
    event: str
    actor: str
    on_behalf_of: str | None
    from_state: str | None
    to_state: str | None
    occurred_at: datetime
    recorded_at: datetime
    canonical: bytes
    entry_hash: bytes

    def differs_from(self, said: Mapping[str, object]) -> str | None:
        """Name the first projection that does not say what the canonical bytes say, None when all do."""
        pairs = (
            ("instance", self.instance_id),
            ("sequence", self.sequence),
            ("kind", self.kind),
            ("event", self.event),
            ("actor", self.actor),
            ("on_behalf_of", self.on_behalf_of),
            ("from", self.from_state),
            ("to", self.to_state),
            ("occurred_at", instant(self.occurred_at)),
            ("recorded_at", instant(self.recorded_at)),
        )
        for name, value in pairs:  # a loop and no generator: verifying a store asks this for each entry there is
            if said.get(name) != value:
                return name
        return None


make_row = maker(EntryRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What is recorded when no step was made: a refusal, a summary of refusals, an administrative act.

    `payload` holds plain values only; `withheld` names payload values that were given but are personal or secret.
    """

    kind: Kind
    event: str
    actor: ActorId
    occurred_at: datetime
    state: str | None = None
    on_behalf_of: ActorId | None = None
    roles: tuple[Grant, ...] = ()
    facts: Facts = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    payload: Mapping[str, object] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()


class Head(NamedTuple):
    """The end of a chain: sequence and hash of the newest entry (0 and empty for a new chain)."""

    sequence: int = 0
    hash: bytes = b""


def record_step(step: Step, *, after: Head, recorded_at: datetime, digests: Mapping[str, Digest], salts: Mapping[str, bytes]) -> EntryRow:
    """Make the entry of a step.

    Args:
        step: what was decided.
        after: the head it follows.
        recorded_at: now, by the same clock for the whole event.
        digests: of the documents used, by kind (``definition``, ``calendar``, ``catalogue``).
        salts: 32 random bytes per slot (``field:<name>``, ``payload:<name>``) of every personal value of the step.
    """
    before, personal = step.before, _commitments(step, salts) if step.is_personal else {}
    body: dict[str, object] = {
        "actor": step.event.actor.id,
        "armed": [{"timer": timer.key, "due_at": _due(timer)} for timer in step.armed],
        "disarmed": step.disarmed,
        "effects": [_effect(effect) for effect in step.effects],
        "event": step.event.name,
        "facts": dict(step.facts),
        "from": None if before is None else before.instance.state,
        "kind": step.kind.value,
        "moved": [{"timer": old.key, "before": _due(old), "after": _due(new)} for old, new in step.moved],
        "on_behalf_of": step.on_behalf_of,
        "payload": dict(step.payload),
        "personal": personal,
        "roles": [str(grant) for grant in step.roles],
        "suppressed": [_effect(effect) for effect in step.suppressed],
        "to": step.after.instance.state,
    }
    if step.is_automatic:
        body["automatic"] = True
    return _seal(body, step.after.instance.id, after=after, recorded_at=recorded_at, digests=digests, occurred_at=step.occurred_at)


def record_witnessed(
    seen: Witnessed, instance_id: InstanceId, *, after: Head, recorded_at: datetime, digests: Mapping[str, Digest]
) -> EntryRow:
    """Make the entry of something that changed no state: a refusal, a summary, an administrative act."""
    body: dict[str, object] = {
        "actor": seen.actor,
        "event": seen.event,
        "facts": dict(seen.facts),
        "from": seen.state,
        "kind": seen.kind.value,
        "on_behalf_of": seen.on_behalf_of,
        "payload": dict(seen.payload),
        "reasons": [
            {"code": reason.private or reason.code, "public": reason.code, **({"field": reason.field} if reason.field else {})}
            for reason in seen.reasons
        ],
        "roles": [str(grant) for grant in seen.roles],
        "to": seen.state,
        "withheld": seen.withheld,
    }
    return _seal(body, instance_id, after=after, recorded_at=recorded_at, digests=digests, occurred_at=seen.occurred_at)


def _seal(
    body: dict[str, Any],
    instance_id: InstanceId,
    *,
    after: Head,
    recorded_at: datetime,
    digests: Mapping[str, Digest],
    occurred_at: datetime,
) -> EntryRow:
    """Add the place in the chain, make the bytes and hash them."""
    sequence = after.sequence + 1
    body["documents"] = dict(digests)
    body["form"] = FORM
    body["instance"] = instance_id
    body["occurred_at"] = said_at = instant(occurred_at)
    body["previous"] = after.hash.hex()
    body["recorded_at"] = said_at if recorded_at is occurred_at else instant(recorded_at)
    body["sequence"] = sequence
    canonical = canonical_entry(body)
    return make_row(
        instance_id=instance_id,
        sequence=sequence,
        kind=body["kind"],
        event=body["event"],
        actor=body["actor"],
        on_behalf_of=body["on_behalf_of"],
        from_state=body["from"],
        to_state=body["to"],
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        canonical=canonical,
        entry_hash=hashlib.sha256(b"\x00" + canonical).digest(),  # RFC 9162 §2.1.1, see chain.py
    )


def _commitments(step: Step, salts: Mapping[str, bytes]) -> dict[str, str]:
    made = {f"field:{name}": commit(value, salts[f"field:{name}"]) for name, value in step.personal.items()}
    made |= {f"payload:{name}": commit(value, salts[f"payload:{name}"]) for name, value in step.personal_payload.items()}
    return made


def _effect(effect: Effect) -> dict[str, object]:
    said: dict[str, object] = {"kind": effect.kind, "name": effect.name, "to": effect.to}
    if effect.serial:
        said["serial"] = effect.serial
    if effect.link:
        said["link"] = effect.link
    return said


def _due(timer: Timer) -> str | None:
    return None if timer.due_at is None else instant(timer.due_at)
