"""What a history says the other rows of its instance must be.

Promises: pure; takes what entries say, one after the other, and never an instance's own row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflow.audit.canonical import instant
from workflow.audit.entry import EntryRow
from workflow.audit.plans import Plan
from workflow.ports import SYSTEM, Message, instance_of
from workflow.states.instance import Instance, Situation, Timer
from workflow.states.verdict import Kind

Granted = tuple[str, str, str | None, str | None, datetime, datetime]
"""Principal, deputy, role, scope, start and end of a delegation."""
Published = tuple[str, str, str, str]
"""Kind, name, digest and digest of the text of a document."""
Difference = tuple[str, object, object]
"""What differs, what the history says, what the row says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """An effect as its entry names it; `at` is when the entry was recorded."""

    sequence: int
    kind: str
    name: str
    to: str
    link: str | None
    serial: int
    at: datetime

    @property
    def told(self) -> tuple[int, str, str, str, str | None, int]:
        """What a message must say of itself to be this effect's."""
        return (self.sequence, self.kind, self.name, self.to, self.link, self.serial)


@dataclass(slots=True)
class Replay:
    """One history, replayed entry by entry."""

    state: str | None = None
    version: int = 0
    definition: str | None = None
    started_at: datetime | None = None
    last: EntryRow | None = None
    timers: dict[str, str | None] = field(default_factory=dict)
    queued: list[Queued] = field(default_factory=list)
    reports: int = 0
    is_erased: bool = False
    delegations: dict[str, Granted] = field(default_factory=dict)
    published: set[Published] = field(default_factory=set)

    def add(self, row: EntryRow, said: Mapping[str, Any]) -> None:
        """Take the next entry."""
        if self.last is None:
            self.started_at = row.recorded_at
        self.last = row
        if row.to_state is not None:
            self.state = row.to_state
        self.definition = said.get("documents", {}).get("definition", self.definition)
        if row.kind == Kind.REPORTED:
            self.reports += 1
        elif row.kind == Kind.ERASED:
            self.is_erased = True
        elif row.instance_id == SYSTEM:
            self._administrate(row, said["payload"])
        if "armed" in said:  # only steps arm, disarm and send; refusals and administrative acts do not
            self._step(row, said)

    def _administrate(self, row: EntryRow, payload: Mapping[str, Any]) -> None:
        if row.kind == Kind.PUBLISHED:
            self.published.add((payload["document"], payload["name"], payload["digest"], payload["text_digest"]))
        elif row.kind in {Kind.GRANTED, Kind.ENDED}:
            ends_at = row.occurred_at if row.kind == Kind.ENDED else datetime.fromisoformat(payload["ends_at"])
            told = (payload["principal"], payload["deputy"], payload["role"], payload["scope"])
            self.delegations[payload["id"]] = (*told, datetime.fromisoformat(payload["starts_at"]), ends_at)

    def _step(self, row: EntryRow, said: Mapping[str, Any]) -> None:
        self.version += row.kind != Kind.CALENDAR_CHANGED
        timers = self.timers
        for key in said["disarmed"]:
            timers.pop(key, None)
        for moved in said["moved"]:
            timers[moved["timer"]] = moved["after"]
        for armed in said["armed"]:
            timers[armed["timer"]] = armed["due_at"]
        for effect in said["effects"]:
            self.queued.append(
                Queued(
                    sequence=row.sequence,
                    kind=effect["kind"],
                    name=effect["name"],
                    to=effect["to"],
                    link=effect.get("link"),
                    serial=effect.get("serial", 0),
                    at=row.recorded_at,
                )
            )

    # Comparing

    def instance_differences(self, instance: Instance, plan: Plan | None) -> Iterator[Difference]:
        """Compare the instance's own row; the outcome and the name only where the definition is at hand."""
        last = self.last
        if last is None:
            return
        yield from _different("head", last.sequence, instance.head)
        yield from _different("head_hash", last.entry_hash.hex(), instance.head_hash.hex())
        yield from _different("recorded_at", instant(last.recorded_at), instant(instance.recorded_at))
        yield from _different("version", self.version, instance.version)
        if instance.id == SYSTEM:
            return
        yield from _different("state", self.state, instance.state)
        yield from _different("digest", self.definition, instance.digest)
        if self.started_at is not None:
            yield from _different("started_at", instant(self.started_at), instant(instance.started_at))
        if plan is not None:
            yield from _different("definition", plan.name, instance.definition)
            yield from _different("outcome", plan.outcome_of(self.state or ""), instance.outcome)

    def timer_differences(self, situation: Situation, plan: Plan | None) -> Iterator[Difference]:
        """Compare the timers' rows."""
        rows = {timer.key: timer for timer in situation.timers}
        for key in sorted(self.timers.keys() | rows.keys()):
            row = rows.get(key)  # type: ignore[call-overload]  # keys of timers are text
            if key not in self.timers:
                yield f"timer {key}", "not armed", "armed"
            elif row is None:
                yield f"timer {key}", "armed", "not armed"
            else:
                yield from _different(f"due_at of timer {key}", self.timers[key], None if row.due_at is None else instant(row.due_at))
                yield from _timer_by_plan(row, plan)

    def message_differences(self, messages: Sequence[Message]) -> Iterator[tuple[int | None, Difference]]:
        """Compare the outbox, each difference with the entry that it belongs to."""
        rows = Counter((m.sequence, m.effect.kind, m.effect.name, m.effect.to, m.effect.link, m.effect.serial) for m in messages)
        for effect in self.queued:
            if rows[effect.told]:
                rows[effect.told] -= 1
            elif not self._is_replaced(effect):
                yield effect.sequence, (f"message {effect.kind} {effect.name}", "queued", "not there")
        for told in +rows:
            sequence = told[0]
            yield sequence, (f"message {told[1]} {told[2]} to {told[3]}", "never queued by this entry", "there")
        queued_at = {effect.sequence: effect.at for effect in self.queued}
        for message in messages:
            if message.instance_id != (named := instance_of(message.id)):
                yield message.sequence, (f"instance of message {message.id}", named, message.instance_id)
            at = queued_at.get(message.sequence)
            if at is not None and at != message.queued_at:
                yield message.sequence, (f"queued_at of message {message.id}", instant(at), instant(message.queued_at))
            if message.state == "superseded" and not (self.is_erased or self._has_newer(message)):
                yield message.sequence, (f"state of message {message.id}", "not superseded: nothing newer was sent", "superseded")
        ended = sum(message.state in {"done", "dead"} for message in messages)
        if ended > self.reports:
            yield None, ("messages done or given up", f"{self.reports} reported", ended)

    def _is_replaced(self, effect: Queued) -> bool:
        """Tell whether a link was replaced within the change that made it, so that its message was never written."""
        if effect.link is None:
            return False
        return any(one.link == effect.link and one.serial > effect.serial and one.at == effect.at for one in self.queued)

    def _has_newer(self, message: Message) -> bool:
        link, serial = message.effect.link, message.effect.serial
        return link is not None and any(one.link == link and one.serial > serial for one in self.queued)


def _different(name: str, expected: object, found: object) -> Iterator[Difference]:
    if expected != found:
        yield name, expected, found


def _timer_by_plan(row: Timer, plan: Plan | None) -> Iterator[Difference]:
    """Compare what only the definition knows of a timer."""
    said = plan.timers.get(row.key) if plan else None
    if said is not None:
        yield from _different(f"state and event of timer {row.key}", said, (row.state, row.event))
