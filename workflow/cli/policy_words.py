"""The command `policy explain`: what a policy demands, and when deadlines come, in words for the one who owns it."""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from workflow.cli.options import Json

if TYPE_CHECKING:
    from workflow.policy.english import Words
    from workflow.policy.timetable import Ladder, Rung
    from workflow.states.calendar import Calendar
    from workflow.states.definition import Definition, Property

_WIDEST = 110
_INDENT = 4
_WEEK = 7
"""Days within which a weekday alone says which one is meant."""


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("explain")(explain)


def explain(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A definition: a path, or the name of a shipped one.")],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="WHEN", help="Show deadlines as a timetable from this instant, e.g. 2026-11-20T16:30 (office time)."),
    ] = None,
    json: Json = False,
) -> None:
    """Say in plain English what a policy demands, and what the deadlines are.

    With --at every ladder of deadlines becomes a timetable for whoever begins to wait at that instant.
    """
    from workflow.cli import output
    from workflow.policy.english import Words
    from workflow.policy.timetable import ladders

    definition, calendar = _read(file)
    zone = calendar.zone if calendar else "UTC"
    start = _instant(at, zone)
    found = ladders(definition, start, calendar=calendar)
    words = Words(definition)
    if json:
        output.emit(_data(definition, words, found, start))
        return
    _tell_properties(definition, words, _limits(definition, start, calendar))
    _tell_ladders(found, words, start, zone)


def _read(file: str) -> tuple[Definition, Calendar | None]:
    from workflow import bootstrap, load

    known = bootstrap.known()
    definition = load.load(bootstrap.find_definition(file), known=known)
    documents = {document.kind: document for document in bootstrap.documents_of(file)}
    return definition, bootstrap.readers(known).calendar(documents["calendar"]) if "calendar" in documents else None


def _instant(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date and time like 2026-11-20T16:30.", param_hint="--at") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone))


def _limits(definition: Definition, at: datetime | None, calendar: Calendar | None) -> dict[str, str]:
    """Say of each property with a time limit by when, counted from an instant."""
    from workflow.cli import output
    from workflow.policy.clocks import due, unit_of
    from workflow.states.deadlines import budget

    found: dict[str, str] = {}
    zone = calendar.zone if calendar else "UTC"
    for rule in definition.policy:
        if at is not None and "within" in rule.body:
            unit = unit_of(rule.body["within"])
            by = due(at, budget(unit), unit.kind, calendar)
            found[rule.name] = f"From {output.local(at, zone)}: by {output.local(by, zone) or 'a day that the calendar does not know'}."
    return found


def _tell_properties(definition: Definition, words: Words, limits: dict[str, str]) -> None:
    from workflow.cli import output

    warnings = sum(rule.severity == "warning" for rule in definition.policy)
    mild = f", {warnings} of them as a warning only" if warnings else ""
    output.say(f"{definition.title or definition.name}: {len(definition.policy)} rules for every onboarding{mild}", style="bold")
    for number, rule in enumerate(definition.policy, 1):
        output.say()
        output.say(f"{number:>2}. {rule.name}{' (warning)' if rule.severity == 'warning' else ''}", style="bold")
        _tell(words.sentence(rule))
        if rule.name in limits:
            _tell(limits[rule.name])
        if rule.sentence:
            _tell(f"Why: {rule.sentence}")


def _tell(text: str) -> None:
    from workflow.cli import output

    for line in textwrap.wrap(
        text, min(output.console().width, _WIDEST) - _INDENT, initial_indent=" " * _INDENT, subsequent_indent=" " * _INDENT
    ):
        output.say(line)


def _tell_ladders(found: tuple[Ladder, ...], words: Words, at: datetime | None, zone: str) -> None:
    from workflow.cli import output

    if not found:
        return
    output.say()
    when = f", from {output.local(at, zone)} ({zone})" if at is not None else ""
    output.say(f"Deadlines{when}", style="bold")
    for ladder in found:
        output.say()
        output.say(f"  {_heading(ladder, words)}")
        if at is not None:
            output.say(f"    {_short(ladder, at, zone)}")
        output.pairs([(_due(rung, at, zone), f"{_after(rung)}: {words.event(rung.event)}") for rung in ladder.rungs], indent=_INDENT)


def _heading(ladder: Ladder, words: Words) -> str:
    since = "" if ladder.since is None else f", counted from {words.event(ladder.since)}"
    paused = f"; the clock stands still in {', '.join(words.state(path) for path in ladder.pauses)}" if ladder.pauses else ""
    return f"{words.state(ladder.state)}{since}{paused}"


def _short(ladder: Ladder, at: datetime, zone: str) -> str:
    """Write a ladder in one line: ``Fri 16:30: remind Mon 16:30, breach Tue 16:30``; days of later weeks have their date."""
    local = at.astimezone(ZoneInfo(zone))
    rungs = [f"{rung.timer} {_brief(rung.due_at.astimezone(ZoneInfo(zone)), local) if rung.due_at else '?'}" for rung in ladder.rungs]
    return f"{local:%a %H:%M}: {', '.join(rungs)}"


def _brief(due: datetime, start: datetime) -> str:
    if due.date() == start.date():
        return f"{due:%H:%M}"
    if (due.date() - start.date()).days < _WEEK:
        return f"{due:%a %H:%M}"
    year = f" {due.year}" if due.year != start.year else ""
    return f"{due:%a} {due.day} {due:%b}{year} {due:%H:%M}"


def _due(rung: Rung, at: datetime | None, zone: str) -> str:
    from workflow.cli import output

    if at is None:
        return rung.timer
    return output.local(rung.due_at, zone) or "unknown to the calendar"


def _after(rung: Rung) -> str:
    from workflow.policy.english import in_words

    return f"after {in_words(rung.after)}"


def _data(definition: Definition, words: Words, found: tuple[Ladder, ...], at: datetime | None) -> dict[str, object]:
    from workflow.cli import output

    return {
        "definition": definition.name,
        "title": definition.title,
        "at": output.instant(at),
        "properties": [_property(rule, words) for rule in definition.policy],
        "ladders": [
            {
                "state": ladder.state,
                "since": ladder.since,
                "pauses": ladder.pauses,
                "rungs": [
                    {"timer": rung.timer, "after": rung.after.text, "event": rung.event, "due_at": output.instant(rung.due_at)}
                    for rung in ladder.rungs
                ],
            }
            for ladder in found
        ],
    }


def _property(rule: Property, words: Words) -> dict[str, object]:
    return {
        "name": rule.name,
        "kind": rule.kind,
        "severity": rule.severity,
        "sentence": words.sentence(rule),
        "because": rule.sentence,
        "body": dict(rule.body),
    }
