"""Connections that lie ready between two statements.

Promises: lending costs a microsecond, where SQLAlchemy's pool costs ten, twice in every step; SQLAlchemy still opens each
connection, with its URL, its options and its events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from workflow.errors import StoreError

WAIT_SECONDS = 30.0


class Closes(Protocol):
    """What can be kept in a pool."""

    def close(self) -> None:
        """Close the connection."""
        ...


R = TypeVar("R", bound=Closes)


class Pool(Generic[R]):
    """At most `size` connections, opened when they are needed."""

    def __init__(self, make: Callable[[], R], *, size: int, wait_seconds: float = WAIT_SECONDS) -> None:
        """Take what opens a connection."""
        self._make = make
        self._wait_seconds = wait_seconds
        self._idle: deque[R] = deque()
        # One permit per connection. SimpleQueue is C; a semaphore of Python costs as much as a small read.
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(size):
            self._permits.put(None)

    def take(self) -> R:
        """Lend a connection, the one used last first; waits when all are lent."""
        try:
            self._permits.get_nowait()  # hardly ever is there none, and this costs a fifth of waiting
        except Empty:
            self._wait()
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._make()
        except BaseException:
            self._permits.put(None)
            raise

    def _wait(self) -> None:
        try:
            self._permits.get(timeout=self._wait_seconds)
        except Empty as error:
            raise StoreError("All connections to the database are in use: raise `pool_size`, or hold fewer units at once.") from error

    def give(self, one: R) -> None:
        """Take a connection back."""
        self._idle.append(one)
        self._permits.put(None)

    def drop(self, one: R) -> None:
        """Close a connection that cannot be used again, and those that lie idle: they are likely lost too."""
        self._permits.put(None)
        one.close()
        self.close()

    def close(self) -> None:
        """Close all connections that lie idle."""
        while True:
            try:
                one = self._idle.pop()
            except IndexError:
                return
            one.close()
