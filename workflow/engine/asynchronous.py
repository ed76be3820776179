"""The asynchronous face of the one synchronous core.

Promises: no logic of its own. The same turns are driven: store calls run in SQLAlchemy's greenlet on the host's async
connection, slow work (password hashing) in a thread, never on the event loop. On the engine's own store whole turns run in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from workflow.audit.entry import EntryRow
from workflow.engine.calls import Turn, drive
from workflow.engine.core import Engine
from workflow.engine.erasing import Erased
from workflow.engine.shelf import InForce
from workflow.engine.sweeping import Ticked
from workflow.ports import Document, InstanceQuery, Page, WorkQuery
from workflow.states.effects import Work
from workflow.states.instance import Actor, Delegation, Event, Instance, InstanceId, Situation
from workflow.states.verdict import Accepted, Merged, Refused, Verdict

T = TypeVar("T")


class RunsSync(Protocol):
    """What is needed of a host's `AsyncConnection` or `AsyncSession`."""

    async def run_sync(self, fn: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401  # SQLAlchemy's own signature
        """Run a synchronous function in a greenlet over the asynchronous connection."""
        ...


class AsyncEngine:
    """Runs onboardings for an asynchronous host; the methods are those of `Engine`, but for `reads` (iterators of a connection)."""

    def __init__(self, engine: Engine, connection: RunsSync | None = None) -> None:
        """Use `workflow.open_async`; without `connection` the engine's own store is used, in threads."""
        self._engine = engine
        self._connection = connection

    def on(self, connection: RunsSync) -> AsyncEngine:
        """Give this engine inside a host's transaction (an `AsyncConnection` or `AsyncSession`)."""
        return AsyncEngine(self._engine.on(connection), connection)

    async def close(self) -> None:
        """Close the connections of the engine's own store; see `Engine.close`."""
        await asyncio.to_thread(self._engine.close)

    @property
    def engine(self) -> Engine:
        """The synchronous engine underneath, for what is not wrapped here (use it inside `run_sync` or in a thread)."""
        return self._engine

    async def start(self, definition: str, event: Event, *, subject: str | None = None) -> Accepted | Merged | Refused:
        """Start an onboarding; see `Engine.start`."""
        return self._told(await self._drive(self._engine.starting(definition, event, subject=subject)))

    async def fire(self, instance_id: str, event: Event, *, expected_version: int | None = None) -> Accepted | Refused:
        """Fire an event; see `Engine.fire`."""
        return self._told(await self._drive(self._engine.firing(instance_id, event, expected_version=expected_version)))

    async def may(self, instance_id: str, actor: Actor, event: str | None = None) -> dict[str, Verdict]:
        """Say what an actor may do; see `Engine.may`."""
        return await self._drive(self._engine.asking(instance_id, actor, event))

    async def get(self, instance_id: str) -> Instance:
        """Read an instance; see `Engine.get`."""
        return (await self.situation(instance_id)).instance

    async def situation(self, instance_id: str) -> Situation:
        """Read an instance with its timers; see `Engine.situation`."""
        return await self._drive(self._engine.looking(instance_id))

    async def values(self, instance_id: str) -> dict[str, object]:
        """Open an instance's fields; see `Engine.values`."""
        return await self._drive(self._engine.opening(instance_id))

    async def disclose(
        self, instance_id: str, *, actor: Actor, basis: str = "", fields: Sequence[str] | None = None
    ) -> dict[str, object] | Refused:
        """Open an instance's fields for a person; see `Engine.disclose`."""
        return await self._call(lambda: self._engine.disclose(instance_id, actor=actor, basis=basis, fields=fields))

    async def erase(self, subject: str, *, basis: str, actor: Actor) -> Erased | Refused:
        """Erase a subject; see `Engine.erase`."""
        return await self._call(lambda: self._engine.erase(subject, basis=basis, actor=actor))

    async def tick(self, *, limit: int = 100, leave_out: Sequence[InstanceId] = ()) -> Ticked:
        """Fire the deadlines that are reached; see `Engine.tick`."""
        return await self._call(lambda: self._engine.tick(limit=limit, leave_out=leave_out))

    async def publish(self, *documents: Document, actor: Actor) -> int:
        """Publish documents; see `Engine.publish`."""
        return await self._call(lambda: self._engine.publish(*documents, actor=actor))

    async def delegate(self, delegation: Delegation, *, actor: Actor) -> None:
        """Let a deputy act for a principal; see `Engine.delegate`."""
        await self._call(lambda: self._engine.delegate(delegation, actor=actor))

    async def end_delegation(self, delegation_id: str, *, actor: Actor) -> None:
        """End a delegation now; see `Engine.end_delegation`."""
        await self._call(lambda: self._engine.end_delegation(delegation_id, actor=actor))

    async def instances(self, query: InstanceQuery | None = None) -> Page[Situation]:
        """List instances; see `Engine.instances`."""
        return await self._call(lambda: self._engine.instances(query))

    async def work(self, query: WorkQuery | None = None) -> Page[tuple[Situation, Work]]:
        """List open work; see `Engine.work`."""
        return await self._call(lambda: self._engine.work(query))

    async def work_of(self, actor: Actor, *, limit: int = 50, after: str | None = None) -> Page[tuple[Situation, Work]]:
        """List the work that is open for an actor's roles; see `Engine.work_of`."""
        return await self._call(lambda: self._engine.work_of(actor, limit=limit, after=after))

    async def history(self, instance_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[EntryRow]:
        """Read the entries of an instance; see `Engine.history`."""
        return await self._call(lambda: self._engine.history(instance_id, after=after, limit=limit))

    async def in_force(self, instance_id: str) -> InForce:
        """Give the documents in force for an instance; see `Engine.in_force`."""
        return await self._call(lambda: self._engine.in_force(instance_id))

    async def newest(self, definition: str) -> InForce:
        """Give the newest published definition of a name; see `Engine.newest`."""
        return await self._call(lambda: self._engine.newest(definition))

    async def now(self) -> datetime:
        """Give the present instant; see `Engine.now`."""
        return await self._call(self._engine.now)

    async def _call(self, make: Callable[[], T]) -> T:
        """Make one of the engine's own calls: in a thread on its own store, in SQLAlchemy's greenlet on a host's connection."""
        if self._connection is None:
            return await asyncio.to_thread(make)
        return await self._connection.run_sync(lambda _: make())  # type: ignore[no-any-return]  # SQLAlchemy's own signature

    def _told(self, answer: T) -> T:
        if isinstance(answer, Refused) and not self._engine.is_joined:
            answer.raise_()
        return answer

    async def _drive(self, turn: Turn[T]) -> T:
        """Run a turn to its end; the counterpart of `calls.drive`."""
        if self._connection is None:
            return await asyncio.to_thread(drive, turn)
        try:
            call = next(turn)
            while True:
                try:
                    if call.is_slow:
                        answer = await asyncio.to_thread(call.make)
                    else:
                        answer = await self._connection.run_sync(lambda _, make=call.make: make())
                except BaseException as error:  # noqa: BLE001  # handed to the turn, which decides
                    call = turn.throw(error)
                else:
                    call = turn.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # the generator's return type says so
