"""Who could act for whom and when, as the system's chain tells it.

Promises: pure; a delegation counts from the instant its grant was recorded at the earliest, and until its end or its early end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from workflow.audit.entry import EntryRow
from workflow.states.definition import RoleName
from workflow.states.instance import ActorId, Delegation
from workflow.states.verdict import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A delegation with what the chain says of its life."""

    delegation: Delegation
    granted_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delegations:
    """Every delegation that was ever granted."""

    known: tuple[_Known, ...] = ()

    @staticmethod
    def read(entries: Iterable[EntryRow]) -> Delegations:
        """Read the system's chain, first to last."""
        found: dict[str, _Known] = {}
        for row in entries:
            if row.kind == Kind.GRANTED:
                said: dict[str, Any] = orjson.loads(row.canonical)["payload"]
                found[said["id"]] = _Known(delegation=_delegation(said), granted_at=row.recorded_at)
            elif row.kind == Kind.ENDED:
                id_ = orjson.loads(row.canonical)["payload"]["id"]
                if id_ in found:
                    found[id_] = replace(found[id_], ended_at=row.recorded_at)
        return Delegations(tuple(found.values()))

    def at(self, now: datetime) -> tuple[Delegation, ...]:
        """Give the delegations that run at an instant, those granted or ended just then included."""
        return tuple(one.delegation for one in self.known if one.granted_at <= now and (one.ended_at is None or now <= one.ended_at))

    def possible_at(self, now: datetime) -> tuple[tuple[Delegation, ...], ...]:
        """Give what may have been in force at an instant: two chains do not say which of two things came first in it."""
        running = [one for one in self.known if one.granted_at <= now and (one.ended_at is None or now <= one.ended_at)]
        surely = tuple(one.delegation for one in running if one.granted_at < now and (one.ended_at is None or now < one.ended_at))
        whole = tuple(one.delegation for one in running)
        return (whole,) if surely == whole else (whole, surely)


def _delegation(said: dict[str, Any]) -> Delegation:
    return Delegation(
        id=said["id"],
        principal=ActorId(said["principal"]),
        deputy=ActorId(said["deputy"]),
        role=RoleName(said["role"]) if said["role"] is not None else None,
        scope=said["scope"],
        starts_at=datetime.fromisoformat(said["starts_at"]),
        ends_at=datetime.fromisoformat(said["ends_at"]),
    )
