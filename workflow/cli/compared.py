"""How a comparison of two versions is told: the changes in groups, then what they mean for a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from workflow.cli import output
from workflow.policy.changes import Way, lasting

if TYPE_CHECKING:
    from workflow.policy.changes import Change, Comparison
    from workflow.policy.figures import Case, Groups, Impact, Shift

_TITLES = {
    Way.LOOSENED: "Loosened: allowed now, or more time for it",
    Way.TIGHTENED: "Tightened: refused now, or less time for it",
    Way.OTHER: "Otherwise different",
}
_STYLES = {Way.LOOSENED: "bold yellow", Way.TIGHTENED: "bold", Way.OTHER: "bold"}


def tell(comparison: Comparison, impact: Impact | None) -> None:
    """Print everything for people."""
    if not comparison.changes:
        output.say(f"{comparison.new.name}: the meaning is the same.")
    for way, title in _TITLES.items():
        changes = list(comparison.of(way))
        if changes:
            output.say(f"{title} ({len(changes)})", style=_STYLES[way])
            for change in changes:
                _tell_change(change)
            output.say()
    if impact is not None:
        _tell_impact(impact)
    if comparison.changes:
        counted = ", ".join(f"{sum(1 for _ in comparison.of(way))} {way.value}" for way in _TITLES)
        output.say(f"{comparison.new.name}: {len(comparison.changes)} change(s) in meaning: {counted}.")


def _tell_change(change: Change) -> None:
    places = " -> ".join(place for place in (change.old, change.new) if place)
    mark = "" if change.old and change.new else " (new)" if change.new else " (before)"
    output.pairs([("-", f"{change.sentence}\n{places}{mark}")], indent=2)


def _tell_impact(impact: Impact) -> None:
    output.say("What it would mean", style="bold")
    output.say(
        f"  Histories: {impact.histories:,} ({impact.live:,} under way), entries: {impact.entries:,}. Decisions taken again, given the"
        f" recorded facts and roles: {impact.decisions:,}."
    )
    output.say()
    _tell_groups("Would be stuck", impact.stuck, "Nobody would be stuck.")
    _tell_groups("Rests in a state that is called otherwise, so it must be moved", impact.renamed)
    _tell_groups("Accepted then, would be refused now", impact.refused, "No past decision would be refused.")
    _tell_groups("Refused then, would be accepted now", impact.allowed, "No past refusal would be accepted.")
    _tell_groups("Refused then, would come further now; how far, the history does not say", impact.perhaps)
    _tell_groups("Would lead elsewhere", impact.elsewhere)
    _tell_shifts("Running deadlines that move", impact.live_deadlines, is_live=True)
    _tell_groups("Running deadlines that would not be any more", impact.gone)
    _tell_groups("Deadlines that would begin to run", impact.new)
    _tell_shifts("Past deadlines that were reached and would be at another time", impact.past_deadlines, is_live=False)
    _tell_groups("In time then, after the deadline as it is now", impact.late)
    _tell_groups("Cannot be judged", impact.unjudged)


def _tell_groups(title: str, groups: Groups, otherwise: str = "") -> None:
    if not groups:
        if otherwise:
            output.say(f"  {otherwise}")
            output.say()
        return
    output.say(f"  {title}: {sum(group.count for group in groups.values()):,}", style="bold")
    for label, group in sorted(groups.items(), key=lambda item: (-item[1].count, item[0])):
        output.pairs([(f"{group.count:>6,} x", label)], indent=2)
        _tell_examples(group.examples)
    output.say()


def _tell_examples(cases: list[Case]) -> None:
    for case in cases:
        by = f" by {case.actor}" if case.actor else ""
        said = f"; {case.said}" if case.said else ""
        output.pairs([("e.g.", f"{case.instance_id} entry {case.sequence}, {output.local(case.at)}{by}{said}")], indent=13)


def _tell_shifts(title: str, shifts: dict[str, Shift], *, is_live: bool) -> None:
    if not shifts:
        return
    output.say(f"  {title}: {sum(shift.count for shift in shifts.values()):,}", style="bold")
    for key, shift in sorted(shifts.items()):
        more = f"; {shift.reached:,} of them would be reached already" if is_live and shift.reached else ""
        more += f"; before {shift.overtaken:,} of them something was done by then" if shift.overtaken else ""
        output.pairs([(f"{shift.count:>6,} x", f"{key}: {_by(shift)}{more}")], indent=2)
        _tell_examples(shift.examples)
    output.say()


def _by(shift: Shift) -> str:
    least, most = (shift.least or timedelta()), (shift.most or timedelta())
    if least == most:
        return _moved(least)
    return f"{_moved(least)} to {_moved(most)}"


def _moved(by: timedelta) -> str:
    seconds = int(by.total_seconds())
    return f"{lasting(seconds)} {'later' if seconds > 0 else 'earlier'}" if seconds else "not moved"


# For programs


def as_data(comparison: Comparison, impact: Impact | None) -> dict[str, object]:
    """Give the same as plain data; instants are in UTC, shifts in seconds."""
    return {
        "definition": comparison.new.name,
        "old": {"digest": comparison.old.digest},
        "new": {"digest": comparison.new.digest},
        "is_same": not comparison.changes,
        "is_loosened": comparison.is_loosened,
        "renamed": comparison.renamed,
        "changes": [asdict(change) for change in comparison.changes],
        "impact": None if impact is None else dict(_impact_data(impact)),
    }


def _impact_data(impact: Impact) -> Iterator[tuple[str, object]]:
    for name in ("live", "histories", "entries", "decisions"):
        yield name, getattr(impact, name)
    for name in ("stuck", "renamed", "refused", "allowed", "perhaps", "elsewhere", "gone", "new", "late", "unjudged"):
        groups: Groups = getattr(impact, name)
        yield name, {label: {"count": group.count, "examples": [_case(case) for case in group.examples]} for label, group in groups.items()}
    for name in ("live_deadlines", "past_deadlines"):
        shifts: dict[str, Shift] = getattr(impact, name)
        yield name, {key: _shift(shift) for key, shift in shifts.items()}


def _shift(shift: Shift) -> dict[str, object]:
    return {
        "count": shift.count,
        "least_seconds": int(shift.least.total_seconds()) if shift.least is not None else None,
        "most_seconds": int(shift.most.total_seconds()) if shift.most is not None else None,
        "reached": shift.reached,
        "overtaken": shift.overtaken,
        "examples": [_case(case) for case in shift.examples],
    }


def _case(case: Case) -> dict[str, object]:
    return {**asdict(case), "at": output.instant(case.at)}
