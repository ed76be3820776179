"""Shortening: the fewest acts that still break the same rule.

Promises: what is left out is left out of the run itself, so the shorter run is one that was really done; the rule it breaks is
the one that was broken first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from workflow.testing.acts import AnyAct, Erase, Fire, Perform, Start, Tick
from workflow.testing.clock import START
from workflow.testing.oracles import ORACLES, Oracle
from workflow.testing.properties import Judge, PolicyViolationError
from workflow.testing.rig import House
from workflow.testing.run import Rig

_Rules = tuple[Sequence[Oracle], Sequence[Oracle]]

MAX_RUNS = 400
"""So many shorter runs are tried."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the engine's log to itself: messages that are given up and instances that are set aside are what tests provoke."""
    log = logging.getLogger("workflow.engine")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def run_acts(
    house: House, acts: Sequence[AnyAct], *, start_at: datetime, properties: Sequence[Oracle] = (), oracles: Sequence[Oracle] = ORACLES
) -> Rig:
    """Do acts on a fresh engine, judged after each; give the rig, closed.

    Raises:
        PolicyViolationError: a rule does not hold.
    """
    rig = Rig(house, start_at=start_at)
    judge = Judge(rig, house.known, properties, oracles)
    try:
        for act in acts:
            judge.do(act)
        judge.end()
    finally:
        rig.close()
    return rig


def replay(definition: str | Path, acts: Sequence[AnyAct], *, start_at: datetime | str = START, **more: Any) -> Rig:  # noqa: ANN401  # as `House` takes
    """Do the acts of a printed run again, with every oracle and property; give the rig, closed, for further questions.

    Raises:
        PolicyViolationError: a rule does not hold, as it did not when the run was printed.
    """
    properties, oracles = more.pop("properties", ()), more.pop("oracles", ORACLES)
    house = House(definition, **more)
    at = datetime.fromisoformat(start_at) if isinstance(start_at, str) else start_at
    try:
        return run_acts(house, acts, start_at=at, properties=properties, oracles=oracles)
    finally:
        house.close()


def shortened(
    failure: PolicyViolationError, *, properties: Sequence[Oracle] = (), oracles: Sequence[Oracle] = ORACLES
) -> PolicyViolationError:
    """Leave out what is not needed: acts in ever smaller pieces, then crashes and keys."""
    rig, best = failure.rig, failure
    left = MAX_RUNS
    acts, size = list(rig.acts), max(1, len(rig.acts) // 2)
    while size and left:
        first = 0
        while first < len(acts) and left:
            left -= 1
            fewer = acts[:first] + acts[first + size :]
            found = _breaks(rig, fewer, best, (properties, oracles))
            if found is None:
                first += size
            else:
                best, acts = found, fewer
        size //= 2
    for index, act in enumerate(acts):
        if (simpler := _simpler(act)) is not None:
            found = _breaks(rig, [*acts[:index], simpler, *acts[index + 1 :]], best, (properties, oracles))
            if found is not None:
                best, acts[index] = found, simpler
    return best


def _breaks(rig: Rig, acts: Sequence[AnyAct], wanted: PolicyViolationError, rules: _Rules) -> PolicyViolationError | None:
    try:
        run_acts(rig.house, acts, start_at=rig.start_at, properties=rules[0], oracles=rules[1])
    except PolicyViolationError as found:
        return found if found.name == wanted.name else None
    return None


def _simpler(act: AnyAct) -> AnyAct | None:
    if isinstance(act, Fire) and (act.crash is not None or act.cut is not None or act.key is not None):
        return replace(act, crash=None, cut=None, key=None)
    if isinstance(act, Start | Tick | Perform | Erase) and (act.crash is not None or act.cut is not None):
        return replace(act, crash=None, cut=None)
    return None
