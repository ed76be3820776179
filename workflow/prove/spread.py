"""Work spread over processes.

Promises: each share of the work is done by a process of its own that begins as this one is now, so the answers do not depend on which
process is free when; where processes cannot be forked everything is done here, one after the other.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

_FORK = "fork"
SHARES = 48
"""Into so many shares work is parted at most: small enough to end together, and few enough to begin them all."""


class LostError(Exception):
    """A process ended without its answers."""


def spread(work: Callable[[T], R], things: Sequence[T], *, jobs: int) -> Iterator[tuple[int, R]]:
    """Do the same with many things, in `jobs` processes; gives the place of each thing and its answer, as they become ready."""
    if jobs < 2 or len(things) < 2 or _FORK not in multiprocessing.get_all_start_methods():  # noqa: PLR2004  # one process is this one
        yield from ((index, work(thing)) for index, thing in enumerate(things))
        return
    size = -(-len(things) // SHARES)
    shares = [range(first, min(first + size, len(things))) for first in range(0, len(things), size)]
    running: dict[Connection, multiprocessing.process.BaseProcess] = {}
    try:
        while shares or running:
            while shares and len(running) < jobs:
                receiving, process = _begun(work, things, shares.pop(0))
                running[receiving] = process
            for ready in wait(list(running)):
                found = _received(cast("Connection", ready))
                if found is None:
                    running.pop(cast("Connection", ready)).join()
                else:
                    yield cast("tuple[int, R]", found)
    finally:
        for process in running.values():
            process.kill()
            process.join()


def _begun(work: Callable[[T], R], things: Sequence[T], share: range) -> tuple[Connection, multiprocessing.process.BaseProcess]:
    """Begin a share; a forked process inherits what it is to do, which formulas could not be written down for."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(work, things, share, sending), daemon=True)
    process.start()
    sending.close()
    return receiving, process


def _do(work: Callable[[Any], object], things: Sequence[Any], share: range, sending: Connection) -> None:
    for index in share:
        try:
            sending.send((index, work(things[index])))
        except Exception as error:  # noqa: BLE001  # it is raised again where the answer is waited for
            sending.send(error)
            return
    sending.send(None)


def _received(receiving: Connection) -> object:
    """Give an answer, None when the share is done.

    Raises:
        LostError: the process ended before.
    """
    try:
        found = receiving.recv()
    except EOFError:
        raise LostError("A process ended without its answers.") from None
    if isinstance(found, Exception):
        raise found
    return found
