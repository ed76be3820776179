"""The asynchronous face of the one synchronous core.

Promises: no logic of its own. The same turns are driven: store calls run in SQLAlchemy's greenlet on the host's async
connection, slow work (password hashing) in a thread, never on the event loop. On the engine's own store whole turns run in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from workflow.engine.calls import Turn, drive
from workflow.engine.core import Engine
from workflow.states.instance import Actor, Event, Instance, Situation
from workflow.states.verdict import Accepted, Merged, Refused, Verdict

T = TypeVar("T")


class RunsSync(Protocol):
    """What is needed of a host's `AsyncConnection` or `AsyncSession`."""

    async def run_sync(self, fn: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401  # SQLAlchemy's own signature
        """Run a synchronous function in a greenlet over the asynchronous connection."""
        ...


class AsyncEngine:
    """Runs onboardings for an asynchronous host; the methods are those of `Engine`."""

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
