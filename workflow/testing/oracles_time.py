"""Oracles about deadlines: honoured, armed rightly, gone with their state, told once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from workflow.states.calendar import Calendar
from workflow.states.definition import Definition, TimerType
from workflow.states.verdict import Kind
from workflow.testing.observed import Observed, apply_timers, instant_of
from workflow.testing.run import Rig

STEPS = frozenset({Kind.STARTED, Kind.ACCEPTED, Kind.FIRED, Kind.REPORTED, Kind.CALENDAR_CHANGED})
NOTICES = frozenset({"mail", "sms", "push", "alert"})
Said = Mapping[str, object]


def deadline_honoured(rig: Rig, seen: Observed) -> Iterator[str]:
    """Go through the history with the timers that it arms itself."""
    running = dict(rig.timers_before)
    for said in seen.said:
        at = datetime.fromisoformat(str(said["occurred_at"]))
        if said["kind"] in {Kind.ACCEPTED, Kind.REPORTED, Kind.REFUSED}:
            for key, due_at in running.items():
                if due_at is not None and due_at <= seen.now:
                    yield f"{said['event']} came at {seen.now:%a %d %b %H:%M:%S}, and {key} was due at {due_at:%a %d %b %H:%M:%S}."
        if said["kind"] == Kind.FIRED:
            due = {key for key, due_at in running.items() if due_at == at}
            if not due:
                yield f"{said['event']} fired at {at:%a %d %b %H:%M:%S}, and no timer was due then."
            earlier = [key for key, due_at in running.items() if due_at is not None and due_at < at]
            if earlier:
                yield f"{said['event']} fired at {at:%a %d %b %H:%M:%S} before {', '.join(earlier)}, due earlier."
        apply_timers(running, said)


def armed_rightly(rig: Rig, seen: Observed) -> Iterator[str]:
    """A state that is entered arms its timers, each for the instant that its duration says."""
    definition = rig.definition
    for said in seen.said:
        if said["kind"] not in STEPS or said["to"] is None:
            continue
        armed = {one["timer"]: instant_of(one["due_at"]) for one in said.get("armed", ())}  # type: ignore[attr-defined]  # the entry's own form
        before = set(definition.lineage(said["from"])) if said["from"] is not None else set()  # type: ignore[arg-type]  # a leaf's path
        for path in definition.lineage(said["to"]):  # type: ignore[arg-type]  # as above
            for timer in definition.states[path].timers if path not in before else ():
                if timer.since is None and timer.key not in armed:
                    yield f"{said['event']} led into {path or 'the root'} and did not arm {timer.key}."
        occurred_at = datetime.fromisoformat(str(said["occurred_at"]))
        for key, due_at in armed.items():
            found = definition.timer(key)
            wanted = due_of(found, occurred_at, rig.world.calendar) if found and due_at is not None and found.since is None else None
            if wanted is not None and wanted != due_at:
                yield f"{key} was armed at {occurred_at.isoformat()} for {due_at:%a %d %b %H:%M:%S}, not {wanted:%a %d %b %H:%M:%S}."


def due_of(timer: TimerType, at: datetime, calendar: Calendar | None) -> datetime | None:
    """Work out when a timer is due, day by day; None for office hours, which only the core counts."""
    if timer.after.kind == "elapsed":
        return at + timedelta(seconds=timer.after.amount)
    if timer.after.kind != "working_days" or calendar is None:
        return None
    zone = ZoneInfo(calendar.zone)
    local = at.astimezone(zone)
    day, clock = local.date(), local.time().replace(fold=0, tzinfo=None)
    if local.fold or not _exists(local.replace(tzinfo=None), zone):
        return None  # the repeated hour has its own rules; the core's tests know them
    if not _works(day, calendar):
        day, clock = _next(day, calendar), time()
    for _ in range(timer.after.amount):
        day = _next(day, calendar)
    wall = datetime.combine(day, clock)
    return wall.replace(tzinfo=zone).astimezone(UTC) if _exists(wall, zone) else None


def _works(day: date, calendar: Calendar) -> bool:
    return day.isoweekday() in calendar.weekdays and day not in calendar.days_off


def _next(day: date, calendar: Calendar) -> date:
    day += timedelta(days=1)
    while not _works(day, calendar):
        day += timedelta(days=1)
    return day


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


def no_timer_outlives(rig: Rig, seen: Observed) -> Iterator[str]:
    """Every stored timer belongs to a state that the onboarding is in."""
    if seen.after is None:
        return
    lineage = rig.definition.lineage(seen.after.instance.state)
    for timer in seen.after.timers:
        if timer.state not in lineage:
            yield f"{timer.key} is armed, and the onboarding rests in {seen.after.instance.state}."


def once_per_rung(rig: Rig, seen: Observed) -> Iterator[str]:
    """As many messages as effects, none twice; of rungs that are reached together only the last one notifies."""
    queued: dict[object, list[tuple[object, ...]]] = {}
    for m in seen.messages:
        queued.setdefault(m.sequence, []).append((m.effect.kind, m.effect.name, m.effect.to, m.effect.serial))
    for said in seen.said:
        wanted = [(e["kind"], e["name"], e["to"], e.get("serial", 0)) for e in said.get("effects", ())]  # type: ignore[attr-defined]  # the entry's own form
        for one in queued.get(said["sequence"], []):
            if one not in wanted:
                yield f"Entry {said['sequence']} ({said['event']}) has no effect for the message {one[0]}.{one[1]}, or has queued it twice."
            else:
                wanted.remove(one)
        links = {e["name"] for e in said.get("effects", ()) if e.get("link")}  # type: ignore[attr-defined]  # as above
        for one in wanted:
            if one[1] not in links:  # a link that a later step has replaced is not queued any more
                yield f"Entry {said['sequence']} ({said['event']}) has the effect {one[0]}.{one[1]}, and no message was queued."
    yield from _overtaken(rig, seen)


def _overtaken(rig: Rig, seen: Observed) -> Iterator[str]:
    fired = [s for s in seen.said if s["kind"] == Kind.FIRED]
    running = dict(rig.timers_before)
    for said in seen.said:
        at = datetime.fromisoformat(str(said["occurred_at"]))
        spent = [key for key, due_at in running.items() if due_at == at] if said in fired else []
        state = _state_of(rig.definition, spent[0]) if spent else None
        apply_timers(running, said)
        until = datetime.fromisoformat(str(said["recorded_at"]))
        others = [
            key
            for key, due in running.items()
            if key not in spent and due is not None and due <= until and _state_of(rig.definition, key) == state
        ]
        loud = [e["name"] for e in said.get("effects", ()) if e["kind"] in NOTICES and not e.get("serial")]  # type: ignore[attr-defined]  # as above
        if len(spent) == 1 and others and loud:
            yield f"{spent[0]} notified ({', '.join(loud)}), although {', '.join(others)} had been reached as well."


def _state_of(definition: Definition, key: str) -> str | None:
    return next((state.path for state in definition.states.values() for timer in state.timers if timer.key == key), None)
