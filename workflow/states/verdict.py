"""Verdicts: what `may` and `decide` answer.

Promises: a refusal carries every reason of the first stage that fails (state and role and payload, then checks and guards).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from workflow.errors import Reason, RefusedError
from workflow.states.definition import FieldName, StatePath, TimerKey
from workflow.states.effects import Effect
from workflow.states.instance import ActorId, Event, Grant, Instance, InstanceId, Plain, Situation, Timer
from workflow.states.quick import maker, quick

Facts = Mapping[str, bool | int | str]
"""Leaf name (``password_link.valid``) -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The actor may fire the event now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The actor may not; `reasons` is never empty.

    `instance_id` and `sequence` name the refusal's own entry where one was written; `checks` the checks that the failing
    guards read, whose own reasons say more than the guards.
    """

    reasons: tuple[Reason, ...]
    instance_id: InstanceId | None = None
    sequence: int | None = None
    checks: frozenset[str] = frozenset()

    def raise_(self) -> NoReturn:
        """Raise the refusal as `RefusedError`; for hosts, after their own commit."""
        raise RefusedError(self.reasons, instance_id=self.instance_id, sequence=self.sequence)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The event was accepted and its step is saved (in a host's transaction: will be, when the host commits).

    `instance` is the instance after it, `sequence` the number of the event's entry. `is_repeat` marks the first answer
    given again to the same idempotency key.
    """

    instance: Instance
    sequence: int
    is_repeat: bool = False

    def raise_(self) -> Accepted:
        """Raise nothing; lets a host write `answer.raise_()` after its commit whatever the answer was."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A start met a unique value that belongs to an existing instance; that instance was told by its conflict event.

    A public page answers exactly as for `Accepted`: whether somebody is registered is nobody's business.
    """

    instance_id: InstanceId

    def raise_(self) -> Merged:
        """Raise nothing."""
        return self


make_accepted = maker(Accepted)
Answer = Accepted | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Depends:
    """It depends on the payload or on checks named in `on`."""

    on: tuple[str, ...]


Verdict = Allowed | Refused | Depends


class Kind(StrEnum):
    """Kinds of entries, ``<subject>:<what>``."""

    STARTED = "instance:started"
    ACCEPTED = "event:accepted"
    REFUSED = "event:refused"
    FIRED = "timer:fired"
    REPORTED = "effect:reported"
    CALENDAR_CHANGED = "calendar:changed"
    REFUSALS_COUNTED = "refusals:counted"
    GRANTED = "delegation:granted"
    ENDED = "delegation:ended"
    PUBLISHED = "document:published"
    KEY_CHANGED = "key:changed"
    EXPORTED = "data:exported"
    READ = "data:read"
    RETRIED = "message:retried"
    UPGRADED = "store:upgraded"
    ERASED = "data:erased"
    MIGRATED = "instance:migrated"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An accepted change: before, after, and what follows from it.

    Attributes:
        kind: STARTED, ACCEPTED, FIRED, REPORTED or CALENDAR_CHANGED.
        occurred_at: when it happened: the due instant of a timer, the performance of a report, otherwise now.
        personal: personal values written by this step, by field (sealed by the store's vault, committed in the entry).
        payload: the accepted payload without secrets and without personal values.
        personal_payload: payload values that are personal and not already in `personal` (a rationale, a comment).
        armed, disarmed: timers by this step; `moved` holds (before, after) of timers whose due_at changed.
        suppressed: notices that were not sent because a later rung overtook them.
        roles: the grants by which the actor was allowed; `on_behalf_of` the principal when a deputy acted.
        is_automatic: the engine decided by ``auto: true``.
    """

    kind: Kind
    before: Situation | None
    after: Situation
    event: Event
    occurred_at: datetime
    facts: Facts = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    suppressed: tuple[Effect, ...] = ()
    personal: Mapping[FieldName, object] = field(default_factory=dict, repr=False)
    payload: Mapping[str, Plain] = field(default_factory=dict)
    personal_payload: Mapping[str, object] = field(default_factory=dict, repr=False)
    armed: tuple[Timer, ...] = ()
    disarmed: tuple[TimerKey, ...] = ()
    moved: tuple[tuple[Timer, Timer], ...] = ()
    roles: tuple[Grant, ...] = ()
    on_behalf_of: ActorId | None = None
    is_automatic: bool = False

    @property
    def is_personal(self) -> bool:
        """Tell whether personal values are written or said, which the entry commits to and the store seals."""
        return bool(self.personal or self.personal_payload)

    @property
    def from_state(self) -> StatePath | None:
        """The state before, None for the start."""
        return None if self.before is None else self.before.instance.state

    @property
    def to_state(self) -> StatePath:
        """The state after."""
        return self.after.instance.state


make_step = maker(Step)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """The stage before checks passed: who acts, by which roles, and the payload in its normal form."""

    event: Event
    payload: Mapping[str, object] = field(repr=False)
    roles: tuple[Grant, ...]
    on_behalf_of: ActorId | None


make_permitted = maker(Permitted)
