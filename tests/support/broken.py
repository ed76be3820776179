"""Engines that are broken on purpose, one fault each, so that every oracle is seen to object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from workflow.audit.entry import EntryRow
from workflow.engine import Engine, Parts
from workflow.ports import Change, Store, UnitOfWork
from workflow.states.instance import Actor, Event, Grant
from workflow.states.verdict import Accepted, Allowed, Refused, Verdict


class Tampered:
    """A store whose `save` writes something else than it was given."""

    def __init__(self, inner: Store, tamper: Callable[[Change], Change]) -> None:
        self.inner, self.tamper = inner, tamper

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        with self.inner.unit() as uow:
            yield _Tampering(uow, self.tamper)  # type: ignore[misc]  # has what a unit has

    def reads(self) -> Any:
        return self.inner.reads()


class _Tampering:
    def __init__(self, inner: UnitOfWork, tamper: Callable[[Change], Change]) -> None:
        self._inner, self._tamper = inner, tamper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def save(self, change: Change) -> None:
        self._inner.save(self._tamper(change))


def tampered(tamper: Callable[[Change], Change]) -> Callable[[Parts, Store], Engine]:
    """An engine on a store that writes something else."""
    return lambda parts, store: Engine(parts, Tampered(store, tamper))


class NoRoles(Engine):
    """Does not look at roles: everybody holds each of them."""

    def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        roles = self.in_force(instance_id).world.definition.roles
        scopes = {None, *map(str, self.get(instance_id).fields.values())}
        grants = frozenset(Grant(role=role, scope=scope) for role in roles for scope in scopes)
        return super().fire(instance_id, replace(event, actor=Actor(id=event.actor.id, grants=grants)), expected_version=expected_version)


class HalfRoles(Engine):
    """Forgets what roles an actor holds."""

    def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        return super().fire(instance_id, replace(event, actor=Actor(id=event.actor.id)), expected_version=expected_version)


class Late(Engine):
    """Runs on a clock that is ten days behind for people, so that their deadlines never come; sweeps run on time."""

    def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        behind = Engine(replace(self.parts, clock=_Behind(self.parts.clock)), self.store)
        return behind.fire(instance_id, event, expected_version=expected_version)


class _Behind:
    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now() - timedelta(days=10)


class Forgetful(Engine):
    """Knows no idempotency keys."""

    def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        return super().fire(instance_id, replace(event, key=None), expected_version=expected_version)


class Generous(Engine):
    """`may` allows everything."""

    def may(self, instance_id: str, actor: Actor, event: str | None = None) -> dict[str, Verdict]:
        return dict.fromkeys(super().may(instance_id, actor, event), Allowed())


class Stingy(Engine):
    """`may` refuses everything that it allows."""

    def may(self, instance_id: str, actor: Actor, event: str | None = None) -> dict[str, Verdict]:
        from workflow.errors import Reason  # noqa: PLC0415  # only here

        no = Refused(reasons=(Reason(code="role_missing", message="No."),))
        return dict.fromkeys(super().may(instance_id, actor, event), no)


class Impostor(Engine):
    """Records somebody else than who acted."""

    def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        actor = Actor(id=f"x-{event.actor.id}", grants=event.actor.grants)  # type: ignore[arg-type]  # ids are text
        return super().fire(instance_id, replace(event, actor=actor), expected_version=expected_version)


def without_timers(change: Change) -> Change:
    """Forget to store timers."""
    return replace(change, timers_set=())


def with_old_timers(change: Change) -> Change:
    """Leave the timers of states that were left."""
    return replace(change, timers_removed=())


def with_early_firing(change: Change) -> Change:
    """Store timers as due an hour early, so that they fire when no history says so."""
    return replace(change, timers_set=tuple(replace(t, due_at=t.due_at - timedelta(hours=1)) if t.due_at else t for t in change.timers_set))


def without_messages(change: Change) -> Change:
    """Forget to queue messages."""
    return replace(change, messages=())


def with_messages_twice(change: Change) -> Change:
    """Queue every message twice."""
    return replace(change, messages=(*change.messages, *(replace(m, id=f"{m.id}x") for m in change.messages)))


def with_another_version(change: Change) -> Change:
    """Store another version than the history says."""
    return replace(change, instance=replace(change.instance, version=change.instance.version + 1))


def with_broken_chain(change: Change) -> Change:
    """Change the bytes of entries after they were hashed."""
    return replace(change, entries=tuple(_changed(row) for row in change.entries))


def _changed(row: EntryRow) -> EntryRow:
    return replace(row, canonical=row.canonical.replace(b'"form":1', b'"form":2'))


def without_work(change: Change) -> Change:
    """Forget open work."""
    return replace(change, work=() if change.work is not None else None)


def with_changed_refusals(change: Change) -> Change:
    """Let a refusal change something: the state is kept, the fields are lost."""
    refused = change.entries and change.entries[-1].kind == "event:refused"
    return replace(change, instance=replace(change.instance, outcome="success")) if refused else change


def without_unique_values(change: Change) -> Change:
    """Forget which unique values are taken."""
    return replace(change, unique_added=())


def without_settling_messages(change: Change) -> Change:
    """Forget that a message was done, so that it is done again."""
    return replace(change, settled=None)


class Hasty(Engine):
    """Leases messages in a transaction of their own before it takes an event."""

    def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        with self.store.reads() as reads:
            reads.claim(now=self.now(), limit=10, lease_seconds=60)
        return super().fire(instance_id, event, expected_version=expected_version)
