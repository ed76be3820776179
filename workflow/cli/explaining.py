"""Deadlines explained, as people read them: for ``workflow explain`` and the printable page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from workflow.audit.explain import Deadline, Stretch
from workflow.cli import output
from workflow.states.deadlines import Segment

_ENDS = {
    "running": "still running",
    "paused": "stands still",
    "reached": "reached, and about to be recorded",
    "fired": "fired",
    "disarmed": "no longer needed",
    "armed again": "armed again",
}


def span(length: timedelta) -> str:
    """Write a length of time to the second (microseconds only where there are any): ``1 d 07:30:00``."""
    sign, length = ("-", -length) if length < timedelta() else ("", length)
    hours, rest = divmod(length.seconds, 3600)
    fraction = f".{length.microseconds:06}" if length.microseconds else ""
    days = f"{length.days} d " if length.days else ""
    return f"{sign}{days}{hours:02}:{rest // 60:02}:{rest % 60:02}{fraction}"


def title(deadline: Deadline) -> str:
    """Write a deadline's own line."""
    by = f" by entry {deadline.ended_by}" if deadline.ended_by is not None else ""
    return f"{deadline.timer}  {deadline.after} -> {deadline.event}, armed by entry {deadline.armed_by}, {_ENDS[deadline.end]}{by}"


def figures(deadline: Deadline, zone: str) -> Iterator[tuple[str, str]]:
    """Give a deadline's figures as (word, text)."""
    yield "counted", f"{span(deadline.counted)} of {span(deadline.budget)} ({deadline.after})"
    yield "due", output.local(deadline.due_at, zone) if deadline.due_at else "stands still"
    if not deadline.agrees:
        yield "BUT", f"the history does not lead to that: computed again it is {output.local(deadline.computed_due_at, zone) or 'none'}"
    for move in deadline.moves:
        before, after = (output.local(at, zone) or "standing still" for at in (move.before, move.after))
        yield f"entry {move.entry}", f"{before} -> {after}"


def stretch_rows(stretch: Stretch, zone: str) -> Iterator[tuple[str, str, str, str]]:
    """Give the rows of one stretch: from, to, counted, why."""
    if stretch.is_paused:
        ends = _exactly(stretch.starts_at, zone), _exactly(stretch.ends_at, zone)
        yield (*ends, "-", f"paused by entry {stretch.opened_by}")
    for one in stretch.segments:
        yield _row(one, zone)


def _row(one: Segment, zone: str) -> tuple[str, str, str, str]:
    counted = span(one.counted) if one.counted else "-"
    return _exactly(one.starts_at, zone), _exactly(one.ends_at, zone), counted, one.reason


def _exactly(at: datetime, zone: str) -> str:
    """Write an instant to the second where there are seconds, so that what is counted can be added up by hand."""
    return output.local(at, zone) + (f":{at.second:02}" if at.second else "")


def calendars_of(deadline: Deadline) -> str:
    """Name the calendars a deadline was counted by, each with the beginning of its digest."""
    named = dict.fromkeys((s.calendar, s.calendar_digest) for s in deadline.stretches if s.calendar)
    return ", ".join(f"{name} ({digest[:16]})" for name, digest in named)


def print_deadlines(deadlines: tuple[Deadline, ...], zone: str) -> None:
    """Print every deadline with its stretches."""
    for deadline in deadlines:
        output.say(f"\n{title(deadline)}", style="bold" if deadline.agrees else "bold red")
        output.pairs(figures(deadline, zone), indent=2)
        if named := calendars_of(deadline):
            output.pairs([("calendar", named)], indent=2)
        rows = [row for stretch in deadline.stretches for row in stretch_rows(stretch, zone)]
        if rows:
            output.columns(("  from", "to", "counted", "why"), [(f"  {start}", *rest) for start, *rest in rows])


def as_data(deadline: Deadline) -> dict[str, object]:
    """Give a deadline for programs; lengths are seconds, with a fraction only where there is one."""
    return {
        "timer": deadline.timer,
        "event": deadline.event,
        "state": deadline.state,
        "after": deadline.after,
        "kind": deadline.kind,
        "armed_by": deadline.armed_by,
        "armed_at": output.instant(deadline.armed_at),
        "end": deadline.end,
        "ended_by": deadline.ended_by,
        "ended_at": output.instant(deadline.ended_at),
        "due_at": output.instant(deadline.due_at),
        "computed_due_at": output.instant(deadline.computed_due_at),
        "agrees": deadline.agrees,
        "budget_seconds": _seconds(deadline.budget),
        "counted_seconds": _seconds(deadline.counted),
        "moves": [
            {"entry": move.entry, "before": output.instant(move.before), "after": output.instant(move.after)} for move in deadline.moves
        ],
        "stretches": [_stretch(one) for one in deadline.stretches],
    }


def _stretch(one: Stretch) -> dict[str, object]:
    return {
        "from": output.instant(one.starts_at),
        "to": output.instant(one.ends_at),
        "is_paused": one.is_paused,
        "opened_by": one.opened_by,
        "calendar": one.calendar,
        "calendar_digest": one.calendar_digest,
        "counted_seconds": _seconds(one.counted),
        "remaining_after": {"days": one.remaining_after.days, "seconds": one.remaining_after.seconds},
        "segments": [
            {
                "from": output.instant(segment.starts_at),
                "to": output.instant(segment.ends_at),
                "reason": segment.reason,
                "is_counted": segment.is_counted,
                "counted_seconds": _seconds(segment.counted),
            }
            for segment in one.segments
        ],
    }


def _seconds(length: timedelta) -> int | float:
    return length // timedelta(seconds=1) if not length.microseconds else length / timedelta(seconds=1)
