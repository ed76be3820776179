"""Our side: the real engine with everything on, doing the same step as the floor."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from workflow.bootstrap import Extensions, open_engine, publish
from workflow.engine import Engine, Parts
from workflow.settings import development_keys
from workflow.states.instance import Actor, Event

SWING, QUEUED = (Path(__file__).parent / name for name in ("swing.yaml", "queued.yaml"))
SOMEBODY = Actor.of("somebody", "operator")
NOTE = "x" * 120
_numbers = itertools.count()


def engine(url: str) -> Engine:
    """Open an engine on a fresh database and publish the benchmark's definition."""
    opened = open_engine(url, keys=development_keys(), upgrade=True, extensions=Extensions())
    publish(opened, SWING, QUEUED)
    return opened


@dataclass(frozen=True, slots=True)
class Stopped:
    """A clock that stands still."""

    at: datetime

    def now(self) -> datetime:
        """Give the one instant."""
        return self.at


def at(parts: Parts, instant: datetime) -> Parts:
    """Give the same engine parts at another instant."""
    return replace(parts, clock=Stopped(instant))


def start(on: Engine, definition: str = "swing") -> str:
    """Start an instance."""
    event = Event.of("begin", SOMEBODY, key=secrets.token_hex(8), level=3)
    return on.start(definition, event, subject=secrets.token_hex(8)).raise_().instance.id


def step(on: Engine, id_: str) -> None:
    """Fire one event: guard, history, outbox, timer, idempotency key."""
    on.fire(id_, Event.of("swing", SOMEBODY, {"note": NOTE}, key=f"swing {next(_numbers)}"))
