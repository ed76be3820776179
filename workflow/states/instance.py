"""One onboarding as a value, with its timers, and who acts on it.

Promises: frozen values; personal values are not in `fields` (they live sealed beside it), secrets are nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NewType

from workflow.states.definition import Digest, EventName, FieldName, RoleName, StatePath, TimerKey
from workflow.states.quick import copier, maker, quick

InstanceId = NewType("InstanceId", str)
ActorId = NewType("ActorId", str)
Plain = str | int | bool | tuple[str, ...]
"""A value that is neither personal nor secret. Dates and instants are kept as RFC 3339 strings in UTC."""

MAX_ACTOR_CHARACTERS = 200
ENGINE_ACTOR = ActorId("engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role held by an actor; `scope` is the value it is held for (``ERKNet``), None for a role without scope."""

    role: RoleName
    scope: str | None = None

    @staticmethod
    def read(text: str) -> Grant:
        """Read ``role`` or ``role:scope``."""
        role, _, scope = text.partition(":")
        return Grant(role=RoleName(role), scope=scope or None)

    def __str__(self) -> str:
        """Write ``role`` or ``role:scope``."""
        return self.role if self.scope is None else f"{self.role}:{self.scope}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who fires an event, as the host has authenticated them.

    `id` is opaque and no personal value. `grants` are the roles the host says the actor holds now.
    """

    id: ActorId
    grants: frozenset[Grant] = frozenset()

    def __post_init__(self) -> None:
        """Refuse an id that could not be written into an entry."""
        if not self.id or len(self.id) > MAX_ACTOR_CHARACTERS or not self.id.isprintable():
            raise ValueError(f"An actor's id is 1 to {MAX_ACTOR_CHARACTERS} printable characters, not {ascii(self.id)[:80]}.")

    @staticmethod
    def of(id_: str, *roles: str) -> Actor:
        """Make an actor from an id and roles written as ``role`` or ``role:scope``."""
        return Actor(id=ActorId(id_), grants=frozenset(Grant.read(role) for role in roles))


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """`deputy` may act for `principal` in a role (all of the principal's roles when None), from `starts_at` until before `ends_at`."""

    id: str
    principal: ActorId
    deputy: ActorId
    role: RoleName | None
    scope: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is left of a deadline: whole working days and wall-clock seconds of the partial day, or plain or working seconds."""

    days: int = 0
    seconds: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """An armed deadline of one instance.

    `due_at` is None while it is paused; then `remaining` is what will be left on resume. While it runs, `remaining` is
    the budget counted from `base_at`, so that a changed calendar can recompute `due_at = add(base_at, remaining)`.
    """

    key: TimerKey
    event: EventName
    state: StatePath
    index: int
    armed_at: datetime
    base_at: datetime
    remaining: Remaining
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often an event was accepted since its state was entered, and by whom."""

    count: int = 0
    actors: tuple[ActorId, ...] = ()
    """Distinct actors, in order of first appearance."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One onboarding.

    `version` counts accepted steps, `head` counts entries (the sequence of the newest one), `head_hash` is its hash.
    `suppressed_count` counts refusals that were counted but not recorded since the last summary.
    """

    id: InstanceId
    definition: str
    digest: Digest
    state: StatePath
    subject: ActorId
    version: int = 0
    head: int = 0
    head_hash: bytes = b""
    fields: Mapping[FieldName, Plain] = field(default_factory=dict)
    personal: frozenset[FieldName] = frozenset()
    """Names of the personal fields that have a value; the values are sealed in the store."""
    tallies: Mapping[EventName, Tally] = field(default_factory=dict)
    deciders: Mapping[str, tuple[ActorId, ...]] = field(default_factory=dict)
    """Stage -> actors who decided in it."""
    serials: Mapping[str, int] = field(default_factory=dict)
    """Link purpose -> newest serial."""
    marks: Mapping[EventName, datetime] = field(default_factory=dict)
    """Report event -> performed_at of the newest report that counts."""
    outcome: str | None = None
    started_at: datetime
    recorded_at: datetime
    """`recorded_at` of the newest entry: time never runs backwards for an instance."""
    refusal_window_at: datetime | None = None
    refusal_count: int = 0
    """Refusals recorded since `refusal_window_at`."""
    suppressed_count: int = 0
    suppressed_first_at: datetime | None = None
    suppressed_last_at: datetime | None = None
    calendar_digest: Digest | None = None
    """The calendar by which the armed timers were computed."""


make_remaining = maker(Remaining)
make_timer = maker(Timer)
make_instance: Callable[..., Instance] = maker(Instance)  # by position: twenty names are dear
stepped: Callable[..., Instance] = copier(
    Instance, "state", "version", "fields", "personal", "tallies", "deciders", "serials", "marks", "outcome"
)
"""Gives an instance as a step leaves it."""
headed: Callable[..., Instance] = copier(Instance, "head", "head_hash", "recorded_at")
"""Gives an instance at another head of its history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """An instance with its armed timers: all that deciding needs to know of it."""

    instance: Instance
    timers: tuple[Timer, ...] = ()


make_situation = maker(Situation)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it is fired.

    Attributes:
        name: one of the definition's events.
        actor: who fires it; the engine's own actor for timers and reports.
        payload: values by name; validated against the event's schema.
        key: idempotency key, scoped by actor and definition; None when the caller does not need one.
        occurred_at: only for reports: the instant of the performance. Everything else occurs when it is decided.
    """

    name: EventName
    actor: Actor
    payload: Mapping[str, object] = field(default_factory=dict, repr=False)  # secrets among them; no log may show one
    key: str | None = None
    occurred_at: datetime | None = None

    @staticmethod
    def of(
        name: str, actor: Actor, values: Mapping[str, object] = MappingProxyType({}), /, *, key: str | None = None, **more: object
    ) -> Event:
        """Make an event; the payload is given as a mapping, as keyword arguments, or both."""
        return Event(name=EventName(name), actor=actor, payload={**values, **more}, key=key)
