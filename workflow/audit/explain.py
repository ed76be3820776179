"""Deadlines explained: every one of a history, with each stretch of time that counted or did not, and why.

Promises: a pure function of (history, calendars, definitions) and, for deadlines that still run, of the instant asked about.
Nothing is accumulated anywhere: the due instants are computed again from the entries alone and compared with those that the
engine recorded, so the counted stretches sum, to the second, to the engine's own figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

from workflow.audit.canonical import read_instant
from workflow.audit.entry import EntryRow
from workflow.errors import AuditError
from workflow.states import deadlines
from workflow.states.calendar import Calendar
from workflow.states.deadlines import Segment
from workflow.states.definition import Definition, Digest, TimerKey, TimerType
from workflow.states.instance import Remaining
from workflow.states.verdict import Kind

End = Literal["running", "paused", "reached", "fired", "disarmed", "armed again"]
"""``reached``: the instant has passed, but no sweep and no event has recorded it yet."""

EARLIER = "the report is of an earlier instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One stretch of a deadline's life: running under a calendar, or standing still.

    Attributes:
        opened_by: sequence of the entry that armed, resumed or paused it.
        calendar: name and digest by which it was counted; empty for elapsed time and while it stands still.
        segments: what counted and what did not; their `counted` sum to `counted`.
        remaining_after: what was left of the budget when it ended.
    """

    starts_at: datetime
    ends_at: datetime
    is_paused: bool
    opened_by: int
    calendar: str = ""
    calendar_digest: str = ""
    segments: tuple[Segment, ...] = ()
    counted: timedelta = timedelta()
    remaining_after: Remaining = field(default_factory=Remaining)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A due instant that was changed: by a pause (`after` is None), a resume (`before` is None) or a new calendar."""

    entry: int
    before: datetime | None
    after: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One life of one deadline, from being armed to its end.

    Attributes:
        after: the duration as written, ``2bd``; `kind` what it counts.
        armed_at: when its budget began to run; `armed_by` the entry that says so.
        end: what became of it; `ended_by` the entry, None when it has not ended.
        due_at: the engine's own figure, from the newest entry that names it; None while it stands still.
        computed_due_at: the same, computed again from the history.
        agrees: whether every due instant that the engine recorded for it is the one computed again.
        budget: what it had in the beginning; `counted` what was taken from it, over all stretches.
    """

    timer: TimerKey
    event: str
    state: str
    after: str
    kind: str
    armed_by: int
    armed_at: datetime
    end: End
    ended_by: int | None
    ended_at: datetime
    due_at: datetime | None
    computed_due_at: datetime | None
    agrees: bool
    budget: timedelta
    counted: timedelta
    stretches: tuple[Stretch, ...]
    moves: tuple[Move, ...]


@dataclass(slots=True, kw_only=True)
class _Life:
    """A deadline while its history is being read."""

    type_: TimerType
    armed_by: int
    armed_at: datetime
    opened_by: int
    base_at: datetime
    remaining: Remaining
    due_at: datetime | None
    computed: datetime | None = None
    agrees: bool = True
    stretches: list[Stretch] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)

    def compare(self, calendar: Calendar | None) -> None:
        """Compute the due instant again and compare it with the recorded one."""
        if self.due_at is not None:
            self.computed = deadlines.due(self.base_at, self.remaining, self.type_.after.kind, calendar)
            self.agrees = self.agrees and self.computed == self.due_at
        else:
            self.computed = None

    def close(self, at: datetime, calendar: Calendar | None) -> None:
        """End the present stretch."""
        if self.due_at is None:
            ends_at = max(at, self.base_at)
            self.stretches.append(
                Stretch(starts_at=self.base_at, ends_at=ends_at, is_paused=True, opened_by=self.opened_by, remaining_after=self.remaining)
            )
            return
        kind = self.type_.after.kind
        counted = deadlines.counted(self.base_at, at, kind=kind, calendar=calendar)
        segments = deadlines.segments(self.base_at, at, kind=kind, calendar=calendar)
        if at < self.base_at:
            segments = (Segment(starts_at=at, ends_at=self.base_at, reason=EARLIER, counted=counted),)
        self.remaining = deadlines.left(self.base_at, self.remaining, at, kind, calendar)
        is_by_calendar = kind != "elapsed" and calendar is not None
        self.stretches.append(
            Stretch(
                starts_at=min(self.base_at, at),
                ends_at=max(self.base_at, at),
                is_paused=False,
                opened_by=self.opened_by,
                calendar=calendar.name if calendar and is_by_calendar else "",
                calendar_digest=calendar.digest if calendar and is_by_calendar else "",
                segments=segments,
                counted=counted,
                remaining_after=self.remaining,
            )
        )

    def ended(self, end: End, *, at: datetime, by: int | None) -> Deadline:
        """Give the whole life."""
        budget = deadlines.budget(self.type_.after)
        return Deadline(
            timer=self.type_.key,
            event=self.type_.event,
            state=self.type_.state,
            after=self.type_.after.text,
            kind=self.type_.after.kind,
            armed_by=self.armed_by,
            armed_at=self.armed_at,
            end=end,
            ended_by=by,
            ended_at=at,
            due_at=self.due_at,
            computed_due_at=self.computed,
            agrees=self.agrees,
            budget=timedelta(days=budget.days, seconds=budget.seconds),
            counted=sum((one.counted for one in self.stretches), timedelta()),
            stretches=tuple(self.stretches),
            moves=tuple(self.moves),
        )


def explain(
    entries: Iterable[EntryRow],
    *,
    definitions: Mapping[Digest, Definition],
    calendars: Mapping[Digest, Calendar],
    now: datetime,
    calendar: Digest | None = None,
) -> tuple[Deadline, ...]:
    """Explain every deadline of a history.

    Args:
        entries: of one instance, first to last.
        definitions: those that the entries name, by digest.
        calendars: those that the entries name, by digest.
        now: until when deadlines that still run are explained.
        calendar: digest of the calendar in force at `now`; the newest entry's when None.

    Returns:
        Every life of every deadline, in the order in which they were armed.

    Raises:
        AuditError: an entry names a document that is not given, or a deadline that its definition does not have.
    """
    reader = _Reader(definitions, calendars)
    for row in entries:
        reader.read(row.sequence, orjson.loads(row.canonical))
    return reader.finish(now, calendar)


class _Reader:
    """Reads a history entry by entry, and keeps the deadlines that are alive."""

    def __init__(self, definitions: Mapping[Digest, Definition], calendars: Mapping[Digest, Calendar]) -> None:
        self._definitions, self._calendars = definitions, calendars
        self._alive: dict[TimerKey, _Life] = {}
        self._done: list[Deadline] = []
        self._newest: Digest | None = None

    def read(self, sequence: int, said: Mapping[str, Any]) -> None:
        """Read one entry: what it disarmed, moved and armed, in the order in which a step does that."""
        self._newest = said["documents"].get("calendar", self._newest)
        if "armed" not in said:
            return
        at, calendar = read_instant(said["occurred_at"]), self._calendar(self._newest)
        fired = self._fired(said, at) if said["kind"] == Kind.FIRED else None
        if fired is not None:
            self._end(fired, "fired", at=at, by=sequence, calendar=calendar)
        for key in said["disarmed"]:
            if key in self._alive:
                self._end(key, "disarmed", at=at, by=sequence, calendar=calendar)
        for one in said["moved"]:
            self._move(one, at=at, by=sequence, calendar=calendar)
        for one in said["armed"]:
            if one["timer"] in self._alive:
                self._end(one["timer"], "armed again", at=at, by=sequence, calendar=calendar)
            self._arm(one, said, at=at, by=sequence, calendar=calendar)

    def finish(self, now: datetime, calendar: Digest | None) -> tuple[Deadline, ...]:
        """Explain what is still alive up to `now`."""
        in_force = self._calendar(calendar or self._newest)
        for key, life in list(self._alive.items()):
            if life.due_at is None:
                self._end(key, "paused", at=max(now, life.base_at), by=None, calendar=in_force)
            elif life.due_at <= now:
                self._end(key, "reached", at=life.due_at, by=None, calendar=in_force)
            else:
                self._end(key, "running", at=max(now, life.base_at), by=None, calendar=in_force)
        return tuple(sorted(self._done, key=lambda one: (one.armed_by, one.timer)))

    def _fired(self, said: Mapping[str, Any], at: datetime) -> TimerKey | None:
        """Find the deadline that fired: of those due at that instant the first declared; an entry names only its event."""
        due = [life for life in self._alive.values() if life.due_at == at and life.type_.event == said["event"]]
        return min(due, key=lambda life: life.type_.index).type_.key if due else None

    def _end(self, key: TimerKey, end: End, *, at: datetime, by: int | None, calendar: Calendar | None) -> None:
        life = self._alive.pop(key)
        life.compare(calendar)
        life.close(at, calendar)
        self._done.append(life.ended(end, at=at, by=by))

    def _move(self, one: Mapping[str, Any], *, at: datetime, by: int, calendar: Calendar | None) -> None:
        life = self._alive.get(one["timer"])
        if life is None:
            raise AuditError(f"Entry {by} moves the deadline {one['timer']}, which was not armed.")
        before, after = _instant(one["before"]), _instant(one["after"])
        life.moves.append(Move(entry=by, before=before, after=after))
        if before is None or after is None:  # a pause or a resume; a new calendar counts the whole stretch anew
            at = max(at, life.base_at)  # as `timers` does: what an earlier entry counted stays counted
            if before is not None:
                life.compare(calendar)
            life.close(at, calendar)
            life.base_at, life.opened_by = at, by
        life.due_at = after
        life.compare(calendar)

    def _arm(self, one: Mapping[str, Any], said: Mapping[str, Any], *, at: datetime, by: int, calendar: Calendar | None) -> None:
        type_ = self._type(said, one["timer"], by)
        due_at = _instant(one["due_at"])
        base_at = at
        if type_.since == said["event"] and type_.after.kind == "elapsed" and due_at is not None:
            # A mail server's clock may be ahead: then the report counts from its own instant, although it is dated now.
            base_at = max(at, due_at - timedelta(seconds=type_.after.amount))
        budget = deadlines.budget(type_.after)
        life = _Life(type_=type_, armed_by=by, armed_at=base_at, opened_by=by, base_at=base_at, remaining=budget, due_at=due_at)
        life.compare(calendar)
        self._alive[type_.key] = life

    def _type(self, said: Mapping[str, Any], key: str, by: int) -> TimerType:
        definition = self._definitions.get(said["documents"]["definition"])
        type_ = definition.timer(TimerKey(key)) if definition else None
        if type_ is None:
            raise AuditError(f"Entry {by} arms the deadline {key}, which the definition in force does not have.")
        return type_

    def _calendar(self, digest: Digest | None) -> Calendar | None:
        if digest is None:
            return None
        found = self._calendars.get(digest)
        if found is None:
            raise AuditError(f"The calendar {digest} that the history names is not at hand.")
        return found


def _instant(text: str | None) -> datetime | None:
    return None if text is None else read_instant(text)
