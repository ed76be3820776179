"""Work spread over processes.

Promises: the answers are those of doing one after the other; where processes cannot be forked it is done so.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

_FORK = "fork"
# What the forked processes are to do: it is inherited and need not be written down for them, which formulas could not be.
_work: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []


def spread(work: Callable[[T], R], things: Sequence[T], *, jobs: int) -> Iterator[tuple[int, R]]:
    """Do the same with many things, in `jobs` processes; gives the place of each thing and its answer, as they become ready."""
    if jobs < 2 or len(things) < 2 or _FORK not in multiprocessing.get_all_start_methods():  # noqa: PLR2004  # one process is this one
        yield from ((index, work(thing)) for index, thing in enumerate(things))
        return
    _work.append((work, things))
    try:
        with ProcessPoolExecutor(max_workers=min(jobs, len(things)), mp_context=multiprocessing.get_context(_FORK)) as pool:
            waiting = {pool.submit(_do, index): index for index in range(len(things))}
            for done in as_completed(waiting):
                yield waiting[done], cast("R", done.result())
    finally:
        _work.pop()


def _do(index: int) -> object:
    work, things = _work[-1]
    return work(things[index])
