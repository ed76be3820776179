"""What an entry of a history says to properties, and what several of them ask of a history so far.

Promises: pure; an entry is read once, and never what the engine would make of it now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from workflow.states.calendar import Calendar
from workflow.states.check_events import every_action
from workflow.states.definition import Definition, EventName, StatePath
from workflow.states.instance import ActorId
from workflow.states.verdict import Kind

STEPS = frozenset({Kind.STARTED, Kind.ACCEPTED, Kind.FIRED, Kind.REPORTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One entry as properties see it. `effects` are (kind, name, serial), those that a later rung overtook included."""

    sequence: int
    kind: str
    event: EventName
    actor: ActorId
    people: frozenset[ActorId]
    roles: frozenset[str]
    source: StatePath | None
    target: StatePath | None
    occurred_at: datetime
    effects: tuple[tuple[str, str, int], ...] = ()
    serial: int | None = None

    @staticmethod
    def read(canonical: bytes) -> Said:
        """Read the canonical bytes of an entry."""
        body = orjson.loads(canonical)
        people = {body["actor"], body.get("on_behalf_of") or body["actor"]}
        done = (*body.get("effects", ()), *body.get("suppressed", ()))
        return Said(
            sequence=body["sequence"],
            kind=body["kind"],
            event=body["event"],
            actor=body["actor"],
            people=frozenset(people),
            roles=frozenset(role.partition(":")[0] for role in body.get("roles", ())),
            source=body.get("from"),
            target=body.get("to"),
            occurred_at=datetime.fromisoformat(body["occurred_at"]),
            effects=tuple((e["kind"], e["name"], e.get("serial", 0)) for e in done),
            serial=body.get("payload", {}).get("serial"),
        )


class Facts:
    """What several properties ask of a definition and its history so far."""

    def __init__(self, definition: Definition, subject: ActorId, calendar: Calendar | None) -> None:
        """Begin without any entry."""
        self.definition, self.subject, self.calendar = definition, subject, calendar
        self._reports: dict[EventName, set[tuple[str, str]]] = {}
        for action in every_action(definition):
            if action.done is not None:
                self._reports.setdefault(action.done, set()).add((action.kind, action.name))
        self._newest: dict[tuple[str, str], int] = {}

    def happened(self, said: Said) -> bool:
        """Tell whether an entry is more than a note: something heard it, and nothing newer had replaced what it reports."""
        if said.kind in (Kind.STARTED, Kind.ACCEPTED):
            return True
        if said.kind == Kind.REPORTED and said.serial is not None:
            named = self._reports.get(said.event, set())
            if said.serial < max((self._newest.get(one, 0) for one in named), default=0):
                return False
        return said.source is None or self._is_heard(said.source, said.event)

    def note(self, said: Said) -> None:
        """Remember the newest serial of each action."""
        for kind, name, serial in said.effects:
            self._newest[kind, name] = max(serial, self._newest.get((kind, name), 0))

    def _is_heard(self, leaf: StatePath, event: EventName) -> bool:
        states = (self.definition.states[path] for path in self.definition.lineage(leaf))
        return any(t.event == event for s in states for t in s.transitions) or any(
            t.since == event for path in self.definition.lineage(leaf) for t in self.definition.states[path].timers
        )

    def within(self, path: StatePath | None, name: str) -> bool:
        """Tell whether a leaf lies in the state that a property names."""
        state = self.definition.resolve(name)
        return path is not None and state is not None and self.definition.is_within(path, state)

    def entered(self, said: Said, name: str) -> bool:
        """Tell whether an entry led into a state from outside."""
        return self.within(said.target, name) and not self.within(said.source, name)
