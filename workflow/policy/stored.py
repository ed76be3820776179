"""Properties judged over stored histories: each entry by the calendar that it names.

Promises: pure. What cannot be judged, because an entry names a state that the definition does not have, is said and not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson

from workflow.audit.entry import EntryRow
from workflow.policy.expressed import Expressions
from workflow.policy.history import Said, Violation, Watch
from workflow.states.calendar import Calendar
from workflow.states.definition import Definition, Digest, Property

CalendarFor = Callable[[Digest | None], Calendar | None]
"""Gives a calendar by the digest that an entry names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """What a stored history breaks: for each property the first entry, in the order of entries.

    `stopped` says why properties could not be judged behind some entry, None when all was judged.
    """

    violations: tuple[Violation, ...] = ()
    stopped: str | None = None


def recheck(
    definition: Definition, rows: Iterable[EntryRow], *, subject: str, calendars: CalendarFor, until: datetime | None = None
) -> Rechecked:
    """Judge the properties of a definition over a stored history.

    Args:
        definition: whose `policy` is judged.
        rows: the whole history, first to last.
        subject: who is being onboarded.
        calendars: gives the calendars that the entries name.
        until: the instant up to which the history is settled: what should have followed by then is missed. The newest entry's when None.
    """
    watch = Watch(definition, subject=subject)
    found: dict[str, Violation] = {}
    last = until
    for row in rows:
        said = Said.read(row.canonical)
        strange = next((state for state in (said.source, said.target) if state is not None and state not in definition.states), None)
        if strange is not None:
            return Rechecked(
                violations=_in_order(found),
                stopped=f"Entry {said.sequence} names the state {strange!r}, which the definition does not have.",
            )
        watch.use(calendars(_calendar_of(row)), at=row.recorded_at)
        _keep_first(found, watch.see(said))
        last = max(last or said.occurred_at, said.occurred_at)
    if last is not None:
        _keep_first(found, watch.overdue(last))
    return Rechecked(violations=_in_order(found))


def parted(definition: Definition, expressions: Expressions) -> tuple[tuple[Property, ...], tuple[Property, ...]]:
    """Part the properties of a definition into those that a history can break, and those that are judged elsewhere."""
    names = {rule.name for rule in (*Watch(definition, subject="").rules, *expressions.rules)}
    judged = tuple(rule for rule in definition.policy if rule.name in names)
    return judged, tuple(rule for rule in definition.policy if rule.name not in names)


def _keep_first(found: dict[str, Violation], more: Iterable[Violation]) -> None:
    for violation in more:
        found.setdefault(violation.rule.name, violation)


def _in_order(found: dict[str, Violation]) -> tuple[Violation, ...]:
    return tuple(sorted(found.values(), key=lambda one: one.sequence))


def _calendar_of(row: EntryRow) -> Digest | None:
    digest = orjson.loads(row.canonical)["documents"].get("calendar")
    return None if digest is None else Digest(digest)
