"""Properties that one entry breaks at once: `never` and `requires`.

Promises: pure; each sees one entry after the other and says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from workflow.policy.clocks import due, unit_of
from workflow.policy.said import Facts, Said
from workflow.states import deadlines
from workflow.states.definition import listed
from workflow.states.instance import ActorId

SUBJECT = "subject"


class Once(Protocol):
    """Watches one property that is broken by an entry, never by time alone."""

    def see(self, said: Said) -> Iterator[str]:
        """Look at the next entry; say how it breaks the property."""
        ...

    def overdue(self, until: datetime) -> Iterator[tuple[int, str]]:
        """Nothing is ever overdue."""
        ...

    def recalendar(self, at: datetime) -> None:
        """Nothing was counted ahead."""
        ...


class _AtOnce:
    """A property that only an entry can break."""

    def overdue(self, until: datetime) -> Iterator[tuple[int, str]]:
        """Nothing is ever overdue."""
        del until
        yield from ()

    def recalendar(self, at: datetime) -> None:
        """Nothing was counted ahead."""


@dataclass
class _Precedence(_AtOnce):
    body: Mapping[str, object]
    facts: Facts
    is_done: bool = False

    def see(self, said: Said) -> Iterator[str]:
        first, state = str(self.body["before"]), str(self.body["state"])
        is_state = self.facts.definition.resolve(first) is not None
        if not is_state and said.event == first:
            self.is_done = True
        if not self.is_done and self.facts.entered(said, state):
            yield f"{state} was entered by {said.event} and {first} had not been before."
        if is_state and self.facts.within(said.target, first):
            self.is_done = True


@dataclass
class _Actor(_AtOnce):
    body: Mapping[str, object]
    facts: Facts

    def see(self, said: Said) -> Iterator[str]:
        role = str(self.body["actor"])
        is_subject = role in (SUBJECT, self.facts.definition.subject)
        if said.event in listed(self.body["event"]) and (self.facts.subject in said.people if is_subject else role in said.roles):
            yield f"{said.event} was done by {said.actor}, acting as {role}."


@dataclass
class _SameActor(_AtOnce):
    body: Mapping[str, object]
    facts: Facts
    people: set[ActorId] = field(default_factory=set)

    def see(self, said: Said) -> Iterator[str]:
        if said.event in listed(self.body["event"]) and (both := sorted(self.people & said.people)):
            yield f"{', '.join(both)} did {self.body['same_actor_as']} and then {said.event}."
        if said.event == self.body["same_actor_as"]:
            self.people |= said.people


@dataclass
class _LaterThan(_AtOnce):
    body: Mapping[str, object]
    facts: Facts
    since: datetime | None = None

    def see(self, said: Said) -> Iterator[str]:
        if said.event in listed(self.body["event"]) and self.since is not None:
            unit = unit_of(self.body["later_than"])
            due_at = deadlines.due(self.since, deadlines.budget(unit), unit.kind, self.facts.calendar)
            if said.occurred_at >= due_at:
                yield f"{said.event} was accepted at {said.occurred_at:%a %d %b %H:%M:%S}; its time was over at {due_at:%a %d %b %H:%M:%S}."
        if said.event == self.body["since"]:
            self.since = said.occurred_at


@dataclass
class _MoreThan(_AtOnce):
    body: Mapping[str, object]
    facts: Facts
    count: int = 0

    def see(self, said: Said) -> Iterator[str]:
        if said.event in listed(self.body["event"]):
            self.count += 1
            if self.count > int(str(self.body["more_than"])):
                yield f"{said.event} was accepted {self.count} times."


@dataclass
class _EarlierThan(_AtOnce):
    body: Mapping[str, object]
    facts: Facts
    since: datetime | None = None

    def see(self, said: Said) -> Iterator[str]:
        unit, since = unit_of(self.body["earlier_than"]), str(self.body["since"])
        is_there = "state" not in self.body or self.facts.within(said.source, str(self.body["state"]))
        if said.event in listed(self.body["event"]) and is_there and self.since is not None:
            from_at = due(self.since, deadlines.budget(unit), unit.kind, self.facts.calendar)
            if from_at is not None and said.occurred_at < from_at:
                yield f"{said.event} came at {said.occurred_at:%a %d %b %H:%M:%S}, before {from_at:%a %d %b %H:%M:%S}."
        if said.event == since or (self.facts.definition.resolve(since) is not None and self.facts.entered(said, since)):
            self.since = said.occurred_at


@dataclass
class _Absence(_AtOnce):
    body: Mapping[str, object]
    facts: Facts

    def see(self, said: Said) -> Iterator[str]:
        state = str(self.body["state"])
        if "event" not in self.body and self.facts.entered(said, state):
            yield f"{state} was entered by {said.event}."
        if said.event in listed(self.body.get("event", ())) and self.facts.within(said.source, state):
            yield f"{said.event} happened in {state}."


NEVER: Mapping[str, Callable[[Mapping[str, object], Facts], Once]] = {
    "before": _Precedence,
    "same_actor_as": _SameActor,
    "later_than": _LaterThan,
    "earlier_than": _EarlierThan,
    "more_than": _MoreThan,
    "actor": _Actor,
    "state": _Absence,
}
"""The key that tells which kind of `never` it is; `state` last, because it stands beside others."""


@dataclass
class Required(_AtOnce):
    """`requires`: what an event, or the entering of a state, brings with it; one with a condition is judged by `policy.expressed`."""

    body: Mapping[str, object]
    facts: Facts

    def see(self, said: Said) -> Iterator[str]:
        """Look at the next entry."""
        if "when" in self.body or not self._asks(said):
            return
        names = {text for kind, name, _ in said.effects for text in (kind, name, f"{kind}.{name}", f"{kind}:{name}")}
        yield from (f"{said.event} happened without {one}." for one in listed(self.body.get("effect", ())) if one not in names)
        places, roles = listed(self.body.get("leads_to", ())), listed(self.body.get("actor", ()))
        if places and not any(self.facts.within(said.target, one) for one in places):
            yield f"{said.event} led to {said.target}."
        if roles and said.roles.isdisjoint(roles):
            yield f"{said.event} came from {said.actor}, who was let in as {', '.join(sorted(said.roles)) or 'nobody'}."

    def _asks(self, said: Said) -> bool:
        if "event" not in self.body:
            return self.facts.entered(said, str(self.body["state"]))
        is_there = "state" not in self.body or self.facts.within(said.source, str(self.body["state"]))
        return said.event in listed(self.body["event"]) and is_there
