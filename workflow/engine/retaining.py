"""Retention: which ended onboardings have kept personal values longer than their definition wants, and their erasure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflow.engine import erasing
from workflow.engine.calls import drive
from workflow.engine.core import Engine
from workflow.engine.erasing import Erased, Expired
from workflow.states.instance import Actor
from workflow.states.verdict import Refused


@dataclass(frozen=True, slots=True)
class Retention:
    """The retention of one engine's store.

    An outcome that a definition's `retention` does not name keeps its values: after a success the account lives on.
    """

    engine: Engine

    def expired(self, definition: str | None = None) -> tuple[Expired, ...]:
        """Name the ended instances that are past their retention now and still have personal values."""
        engine = self.engine
        return drive(erasing.expired_of(engine.parts, engine.store, now=engine.now(), definition=definition))

    def erase(self, expired: Sequence[Expired], *, actor: Actor) -> tuple[Erased, ...]:
        """Erase what `expired` has named; a subject with another onboarding that is kept keeps key and credentials.

        Raises:
            RefusedError: the actor does not hold ``administrator``; nothing was destroyed.
        """
        done = drive(erasing.erase_expired(self.engine.parts, self.engine.store, expired, actor=actor))
        if isinstance(done, Refused):
            done.raise_()
        return done
