"""How one turn of the engine serves synchronous and asynchronous hosts without being written twice.

Promises: a turn is a generator that yields `Call`s instead of making them; a driver makes them and sends back the answers.
The synchronous driver calls; the asynchronous one puts store calls through `run_sync` and slow ones into a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Turn = Generator["Call", Any, T]


class Call:
    """Something a turn wants done: a store call, or slow work (`is_slow`: password hashing) that must hold no connection."""

    __slots__ = ("is_slow", "make")  # no dataclass: a step makes two, and a frozen one costs four times as much

    def __init__(self, make: Callable[[], Any], *, is_slow: bool = False) -> None:
        """Keep what is to be called."""
        self.make = make
        self.is_slow = is_slow


def drive(turn: Turn[T]) -> T:
    """Run a turn to its end in the calling thread."""
    try:
        call = next(turn)
        while True:
            try:
                answer = call.make()
            except BaseException as error:  # noqa: BLE001  # handed to the turn, which decides
                call = turn.throw(error)
            else:
                call = turn.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # the generator's return type says so
