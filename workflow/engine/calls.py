"""How one turn of the engine serves synchronous and asynchronous hosts without being written twice.

Promises: a turn is a generator that yields `Call`s instead of making them; a driver makes them and sends back the answers.
The synchronous driver calls; the asynchronous one puts store calls through `run_sync` and slow ones into a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Turn = Generator["Call", Any, T]


@dataclass(frozen=True, slots=True)
class Call:
    """Something a turn wants done: a store call, or slow work (`is_slow`: password hashing) that must hold no connection."""

    make: Callable[[], Any]
    is_slow: bool = False


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
