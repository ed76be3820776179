"""The engine: start, fire, may, tick, and reading."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Self, TypeVar

from workflow.audit.entry import EntryRow
from workflow.engine import erasing, revealing, system
from workflow.engine.calls import Call, Turn, drive
from workflow.engine.checking import CheckCache
from workflow.engine.conflicts import TakenError
from workflow.engine.erasing import Erased
from workflow.engine.parts import Parts
from workflow.engine.sealing import open_fields
from workflow.engine.shelf import InForce
from workflow.engine.starting import new_instance_id, start_once
from workflow.engine.sweeping import Ticked, sweep
from workflow.engine.turn import attempts, engine_event, fetch, fire_once, settle_once
from workflow.errors import NotFoundError
from workflow.ports import SYSTEM, Document, InstanceQuery, Loaded, Page, Reads, SealedValue, Store, UnitOfWork, WorkQuery
from workflow.states.definition import EventName
from workflow.states.effects import Work
from workflow.states.instance import Actor, ActorId, Delegation, Event, Instance, InstanceId, Situation
from workflow.states.may import events_of_interest, may
from workflow.states.step import recalendar, settle
from workflow.states.verdict import Accepted, Answer, Merged, Refused, Verdict

_A = TypeVar("_A")
_log = logging.getLogger(__name__)


class Engine:
    """Runs onboardings on one store: its own, or a host's connection.

    On its own store every call is a transaction of its own and a refusal is raised as `RefusedError` after its entry is
    committed. On a host's connection nothing is committed, and a refusal is returned.
    """

    def __init__(self, parts: Parts, store: Store, *, is_joined: bool = False, close: Callable[[], None] | None = None) -> None:
        """Use `workflow.open`; this constructor is for composition roots."""
        self.parts = parts
        self.store = store
        self.is_joined = is_joined
        self._close = close

    def close(self) -> None:
        """Close the connections of the engine's own store; a host's transaction is the host's to end."""
        if self._close is not None:
            self._close()

    def __enter__(self) -> Self:
        """Give the engine, which is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the engine."""
        self.close()

    def on(self, connection: object) -> Engine:
        """Give this engine inside a host's transaction (a SQLAlchemy `Connection` or `Session`).

        Compiled definitions are shared, so this is cheap enough to be done for every request.
        """
        return Engine(self.parts, self.parts.joined(connection), is_joined=True)

    # Changing

    def start(self, definition: str, event: Event, *, subject: str | None = None) -> Accepted | Merged | Refused:
        """Start an onboarding by the newest published version of a definition.

        Args:
            definition: its name.
            event: the definition's start event, with its payload and, for safety against repetition, a key.
            subject: opaque id of the person being onboarded; the actor's own id when None.

        Returns:
            `Accepted` with the new instance, or `Merged` when a unique value belongs to an existing one. In a host's
            transaction also `Refused`.

        Raises:
            RefusedError: on the engine's own store, after the refusal was recorded in the system's chain.
            NotFoundError: no definition of this name is published.
            ConflictError: the key was used with other content, or (in a host's transaction) somebody was faster.
        """
        return self._told(drive(self.starting(definition, event, subject=subject)))

    def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        """Fire an event on an instance.

        Args:
            instance_id: which instance.
            event: what happens, by whom, with what.
            expected_version: the version the actor has seen; another one is a `ConflictError`.

        Returns:
            `Accepted`; in a host's transaction also `Refused`.

        Raises:
            RefusedError: on the engine's own store, after the refusal's entry is committed; carries every reason.
            NotFoundError: there is no such instance.
            ConflictError: `expected_version` is not the present one, the key was used with other content, a unique value
                is taken, or (in a host's transaction) somebody was faster.
        """
        return self._told(drive(self.firing(instance_id, event, expected_version=expected_version)))

    def tick(self, *, limit: int = 100, leave_out: Sequence[InstanceId] = ()) -> Ticked:
        """Fire the deadlines that are reached now, of at most `limit` instances.

        They are one transaction on the engine's own store. An instance that cannot be settled is set aside and named in the
        answer; the others go on.
        """
        with self.store.reads() as reads:
            due = reads.due(until=self.now(), limit=limit + len(leave_out))
        return sweep(self.parts, self.store, [i for i in due if i not in leave_out][:limit])

    def publish(self, *documents: Document, actor: Actor) -> int:
        """Publish documents (see `workflow.bootstrap.publish`); gives how many were new.

        A new calendar is applied to live instances at once, so that a deadline it brings forward is not missed.
        """
        count = drive(attempts(self.store, lambda uow, is_locked: system.publish(self.parts, uow, documents, actor, is_locked=is_locked)))
        for document in documents if count else ():
            if document.kind == "calendar":
                self._apply_calendar()
        return count

    def delegate(self, delegation: Delegation, *, actor: Actor) -> None:
        """Let a deputy act for a principal from `starts_at` until before `ends_at`; recorded in the system's chain.

        Raises:
            RefusedError: the actor is neither the principal nor holds ``administrator``, or the dates are wrong.
        """
        refused = drive(
            attempts(self.store, lambda uow, is_locked: system.delegate(self.parts, uow, delegation, actor, is_locked=is_locked))
        )
        if refused is not None:
            refused.raise_()

    def end_delegation(self, delegation_id: str, *, actor: Actor) -> None:
        """End a delegation now; recorded in the system's chain."""
        refused = drive(attempts(self.store, lambda uow, is_locked: system.end(self.parts, uow, delegation_id, actor, is_locked=is_locked)))
        if refused is not None:
            refused.raise_()

    def erase(self, subject: str, *, basis: str, actor: Actor) -> Erased | Refused:
        """Erase a subject: what is under way is closed first, then values, salts, key and credentials are destroyed.

        The entries stay and prove themselves as before; each onboarding gets one that says who erased what, on which basis.
        Call `store.compact()` afterwards where no byte may stay in the database's files.

        Args:
            subject: opaque id of the person.
            basis: the ground, as it stays in the history; it names no person.
            actor: who erases; holds ``administrator``.

        Raises:
            RefusedError: the actor may not, or an onboarding under way cannot be closed; nothing was destroyed.
            NotFoundError: no onboarding has this subject.
        """
        return self._told(drive(erasing.erase(self.parts, self.store, ActorId(subject), basis=basis, actor=actor)))

    def disclose(
        self, instance_id: str, *, actor: Actor, basis: str = "", fields: Sequence[str] | None = None
    ) -> dict[str, object] | Refused:
        """Open an instance's fields for a person; that they were read is an entry, committed before they are handed over.

        Args:
            instance_id: whose.
            actor: who reads; whether they may is the host's to say.
            basis: the ground in one line, as it stays in the history; it names no person.
            fields: names; all that have a value when None.

        Raises:
            RefusedError: the ground cannot stand in the history, or somebody acts as the engine.
            NotFoundError: there is no such instance, or no such field.
        """
        look = revealing.Look(actor=actor, basis=basis, fields=fields)
        return self._told(drive(revealing.disclose(self.parts, self.store, InstanceId(instance_id), look)))

    # Asking

    def may(self, instance_id: str, actor: Actor, event: str | None = None) -> dict[str, Verdict]:
        """Say what an actor may do with an instance now, and why not: a verdict by event name.

        Due deadlines are taken into account but not written.
        """
        return drive(self.asking(instance_id, actor, event))

    def get(self, instance_id: str) -> Instance:
        """Read an instance as it is now, reached deadlines included (they are taken into account but not written)."""
        return self.situation(instance_id).instance

    def situation(self, instance_id: str) -> Situation:
        """Read an instance with its armed timers as they are now."""
        return drive(self.looking(instance_id))

    def values(self, instance_id: str) -> dict[str, object]:
        """Open an instance's fields for the program itself, personal ones included; what a person reads goes through `disclose`."""
        return drive(self.opening(instance_id))

    def instances(self, query: InstanceQuery | None = None) -> Page[Situation]:
        """List instances; see `InstanceQuery`."""
        with self.store.reads() as reads:
            return reads.instances(query or InstanceQuery())

    def work(self, query: WorkQuery | None = None) -> Page[tuple[Situation, Work]]:
        """List open work by deadline; see `WorkQuery`."""
        with self.store.reads() as reads:
            return reads.work(query or WorkQuery())

    def work_of(self, actor: Actor, *, limit: int = 50, after: str | None = None) -> Page[tuple[Situation, Work]]:
        """List the work that is open for an actor's roles."""
        grants = tuple(sorted((str(g.role), g.scope) for g in actor.grants))
        return self.work(WorkQuery(grants=grants, limit=limit, after=after)) if grants else Page(rows=())

    def history(self, instance_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[EntryRow]:
        """Read the entries of an instance in order; ``system`` names the chain of publications and delegations."""
        with self.store.reads() as reads:
            return reads.entries(InstanceId(instance_id), after=after, limit=limit)

    def reads(self) -> AbstractContextManager[Reads]:
        """Open a reader, for lists and sweeps."""
        return self.store.reads()

    def in_force(self, instance_id: str) -> InForce:
        """Give the compiled definition, calendar and catalogue in force for an instance."""
        return drive(self._documents(InstanceId(instance_id)))

    def newest(self, definition: str) -> InForce:
        """Give the newest published definition of a name, compiled, with the calendar and catalogue in force.

        Raises:
            NotFoundError: none of this name is published.
        """
        return drive(self._newest(definition))

    # Turns: what both the synchronous and the asynchronous engine drive

    def starting(self, definition: str, event: Event, *, subject: str | None) -> Turn[Accepted | Merged | Refused]:
        """Give the turn of `start`."""
        who = ActorId(subject) if subject is not None else event.actor.id
        cache, new_id = CheckCache(), new_instance_id()
        try:
            return (
                yield from attempts(
                    self.store,
                    lambda uow, _: start_once(self.parts, uow, definition, event, subject=who, instance_id=new_id, cache=cache),
                )
            )
        except TakenError as taken:
            return (yield from self._merging(definition, taken))

    def firing(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Turn[Answer]:
        """Give the turn of `fire`."""
        cache = CheckCache()
        return (
            yield from attempts(
                self.store,
                lambda uow, is_locked: fire_once(
                    self.parts,
                    uow,
                    InstanceId(instance_id),
                    event,
                    cache=cache,
                    is_locked=is_locked,
                    expected_version=expected_version,
                ),
            )
        )

    def settling(self, instance_id: InstanceId) -> Turn[int]:
        """Give the turn that writes an instance's reached deadlines; answers how many fired."""
        return (yield from attempts(self.store, lambda uow, is_locked: settle_once(self.parts, uow, instance_id, is_locked=is_locked)))

    def telling(self, instance_id: InstanceId, name: EventName) -> Turn[None]:
        """Give the turn that fires an engine event on an instance."""
        yield from attempts(
            self.store, lambda uow, is_locked: system.tell(self.parts, uow, instance_id, engine_event(name), is_locked=is_locked)
        )

    def asking(self, instance_id: str, actor: Actor, event: str | None) -> Turn[dict[str, Verdict]]:
        """Give the turn of `may`."""
        loaded, in_force, situation, now = yield from self._look(InstanceId(instance_id))
        world = in_force.world
        names = [EventName(event)] if event is not None else events_of_interest(world, situation.instance.state)
        holders = self.parts.directory.holders
        return {n: may(world, situation, n, actor, delegations=loaded.delegations, holders=holders, now=now) for n in names}

    def looking(self, instance_id: str) -> Turn[Situation]:
        """Give the turn of `situation`."""
        _, _, situation, _ = yield from self._look(InstanceId(instance_id))
        return situation

    def opening(self, instance_id: str) -> Turn[dict[str, object]]:
        """Give the turn of `values`."""
        with self.store.unit() as uow:
            loaded = yield from _load(uow, InstanceId(instance_id))
            slots: Mapping[str, SealedValue] = yield Call(lambda: uow.personal(InstanceId(instance_id)))
        instance = loaded.situation.instance if loaded.situation else None
        if instance is None:
            raise NotFoundError("instance", instance_id)
        values: dict[str, object] = {str(name): value for name, value in instance.fields.items()}
        return values | open_fields(self.parts.vault, slots, instance, loaded.subject_key)

    # Inner workings

    def _told(self, answer: _A) -> _A:
        """Raise a refusal, which is committed by now, unless the transaction is a host's."""
        if isinstance(answer, Refused) and not self.is_joined:
            answer.raise_()
        return answer

    def now(self) -> datetime:
        """Give the present instant by the engine's clock, or by the store's own."""
        if self.parts.clock is not None:
            return self.parts.clock.now()
        with self.store.unit() as uow:
            return self.parts.now(uow.load(None))

    def _look(self, instance_id: InstanceId) -> Turn[tuple[Loaded, InForce, Situation, datetime]]:
        """Read an instance and bring it up to date in memory only."""
        with self.store.unit() as uow:
            loaded = yield from _load(uow, instance_id)
            in_force = yield from fetch(self.parts, uow, loaded)
        situation, now = loaded.situation, self.parts.now(loaded)
        if situation is None:
            raise NotFoundError("instance", instance_id)
        moved = recalendar(in_force.world, situation, now=now)
        situation = moved.after if moved else situation
        steps = settle(in_force.world, situation, now=now)
        return loaded, in_force, steps[-1].after if steps else situation, now

    def _documents(self, instance_id: InstanceId) -> Turn[InForce]:
        with self.store.unit() as uow:
            loaded = yield from _load(uow, instance_id)
            return (yield from fetch(self.parts, uow, loaded))

    def _newest(self, definition: str) -> Turn[InForce]:
        with self.store.unit() as uow:
            loaded: Loaded = yield Call(lambda: uow.load(None))
            found: InForce = yield Call(lambda: self.parts.shelf.fetch_newest(uow, definition, loaded.publications))
            return found

    def _merging(self, definition: str, taken: TakenError) -> Turn[Merged]:
        """Tell the instance that has the value already."""
        with self.store.unit() as uow:
            loaded = yield from _load(uow, taken.holder)
            in_force = yield from fetch(self.parts, uow, loaded)
        event = in_force.world.definition.fields[taken.field].unique_on_conflict
        if event is None:
            raise NotFoundError("conflict event", f"{definition}.{taken.field}")
        yield from self.telling(taken.holder, event)
        return Merged(instance_id=taken.holder)

    def _apply_calendar(self) -> None:
        """Settle every open instance once, so that the newly published calendar moves its deadlines."""
        after: str | None = None
        while True:
            page = self.instances(InstanceQuery(is_open=True, after=after, limit=200))
            for situation in page.rows:
                if any(t.due_at is not None for t in situation.timers):
                    drive(self.settling(situation.instance.id))
            if page.next is None:
                return
            after = page.next


def _load(uow: UnitOfWork, instance_id: InstanceId) -> Turn[Loaded]:
    loaded: Loaded = yield Call(lambda: uow.load(instance_id))
    if loaded.situation is None or instance_id == SYSTEM:  # the system's own chain is no onboarding
        raise NotFoundError("instance", instance_id)
    return loaded
