"""Histories judged again: replayed against the definition in force, and held against its policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from workflow.audit.replay import Illegal
from workflow.cli import output
from workflow.engine.archive import Archive
from workflow.errors import NotFoundError
from workflow.policy.expressed import Expressed, Expressions, listed_violations
from workflow.policy.history import Violation
from workflow.policy.sentences import sentence_of
from workflow.policy.stored import Rechecked, parted, recheck

if TYPE_CHECKING:
    from datetime import datetime

    from workflow.audit.delegations import Delegations
    from workflow.audit.entry import EntryRow
    from workflow.audit.replay import Replayed, Stage
    from workflow.states.instance import Instance

T = TypeVar("T")
MOST_KEPT = 200
"""Findings that are kept; the rest is counted, so that memory stays flat in a store where everything is wrong."""
_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A property that a history breaks, at the first entry that does."""

    instance_id: str
    event: str
    violation: Violation


@dataclass(slots=True)
class Conformance:
    """What was found in a whole population.

    Attributes:
        illegal, broken: the first `MOST_KEPT`; the counts count all.
        unjudged: why the policy could not be judged over a history, by instance.
        judged, beyond: names of the properties that were judged, and of those that are about the definition itself, by definition.
    """

    histories: int = 0
    entries: int = 0
    illegal: list[Illegal] = field(default_factory=list)
    illegal_count: int = 0
    broken: list[Broken] = field(default_factory=list)
    error_count: int = 0
    warning_count: int = 0
    unjudged: list[tuple[str, str]] = field(default_factory=list)
    unjudged_count: int = 0
    judged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    beyond: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _expressions: dict[str, Expressions] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Tell whether every history is legal, was judged, and breaks no property whose severity is an error."""
        return not (self.illegal_count or self.error_count or self.unjudged_count)

    def read(self, archive: Archive, instance: Instance, delegations: Delegations, *, now: datetime) -> None:
        """Judge one history, as it is at an instant."""
        rows = archive.entries(instance.id)
        expressed = self._expressed(archive, instance)
        replayed = archive.conform(instance, delegations, rows, on_stage=expressed.see if expressed else _ignore)
        self.histories, self.entries = self.histories + 1, self.entries + replayed.count
        if replayed.illegal is not None:
            self.illegal_count += 1
            _keep(self.illegal, replayed.illegal)
        rechecked = self._recheck(archive, instance, rows, until=_settled_until(replayed, now))
        if rechecked.stopped is not None:
            self.unjudged_count += 1
            _keep(self.unjudged, (instance.id, rechecked.stopped))
        if expressed is not None:
            expressed.end()
        events = {row.sequence: row.event for row in rows}
        for one in listed_violations(rechecked.violations, expressed.found if expressed else ()):
            self.keep_broken(Broken(instance_id=instance.id, event=events[one.sequence], violation=one))

    def _expressed(self, archive: Archive, instance: Instance) -> Expressed | None:
        """Make the expressions of the instance's definition ready, and note which properties are judged; None when it is missing."""
        if instance.digest not in self._expressions:
            try:
                table = archive.table(instance.digest)
            except NotFoundError:
                return None
            expressions = self._expressions[instance.digest] = Expressions.of(table, archive.engine.parts.shelf.known)
            judged, beyond = parted(table.definition, expressions)
            name = f"{table.definition.name} ({instance.digest[:12]})"
            self.judged[name], self.beyond[name] = tuple(r.name for r in judged), tuple(r.name for r in beyond)
        return Expressed(self._expressions[instance.digest], instance.subject)

    def keep_broken(self, broken: Broken) -> None:
        """Count a broken property, and keep it while there is room."""
        is_error = broken.violation.rule.severity == "error"
        self.error_count, self.warning_count = self.error_count + is_error, self.warning_count + (not is_error)
        _keep(self.broken, broken)

    def _recheck(self, archive: Archive, instance: Instance, rows: list[EntryRow], *, until: datetime | None) -> Rechecked:
        try:
            definition = archive.table(instance.digest).definition
            return recheck(definition, rows, subject=instance.subject, calendars=archive.calendar, until=until)
        except NotFoundError as error:
            return Rechecked(stopped=str(error))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return Rechecked(stopped=f"An entry is not made as entries are made ({type(error).__name__}: {error}).")


def _settled_until(replayed: Replayed, now: datetime) -> datetime | None:
    """Give the instant up to which a history is settled: now, or the first deadline that has not fired yet; None when it is illegal."""
    if replayed.illegal is not None or replayed.situation is None:
        return None
    running = (timer.due_at for timer in replayed.situation.timers if timer.due_at is not None)
    return min((now, *running))


def _ignore(stage: Stage) -> None:
    """Look at nothing."""


def _keep(found: list[T], one: T) -> None:
    if len(found) < MOST_KEPT:
        found.append(one)


def print_conformance(found: Conformance, *, is_json: bool) -> None:
    """Print what was found: illegal entries first, then broken properties."""
    if is_json:
        output.emit(_data(found))
        return
    output.say(f"{found.histories} histories replayed, {found.entries} entries are legal given the recorded facts and roles.")
    for name, judged in sorted(found.judged.items()):
        beyond = found.beyond[name]
        output.say(f"{name}: {len(judged)} properties of the policy were judged over each history.")
        if beyond:
            output.pairs([(f"{len(beyond)} not judged here", f"they are about the definition itself: {', '.join(beyond)}")], indent=2)
    for one in found.illegal[:_SHOWN]:
        output.say(f"\n{one.instance_id}  entry {one.sequence} ({one.event}) is illegal: {one.code}", style="bold red")
        output.pairs([("why", one.message)], indent=2)
    for broken in found.broken[:_SHOWN]:
        _print_broken(broken)
    for instance_id, why in found.unjudged[:_SHOWN]:
        output.say(f"\n{instance_id}  the policy could not be judged", style="bold red")
        output.pairs([("why", why)], indent=2)
    shown = sum(min(len(listed), _SHOWN) for listed in (found.illegal, found.broken, found.unjudged))
    total = found.illegal_count + found.error_count + found.warning_count + found.unjudged_count
    if total > shown:
        output.say(f"\n... and {total - shown} more; --json lists up to {MOST_KEPT} of each kind.")
    output.say("" if total else "Every history is legal and keeps the policy.", style="green")
    if total:
        output.say(_summary(found), style="" if found.is_clean else "bold")


def _summary(found: Conformance) -> str:
    counted = (
        (found.illegal_count, "illegal histories"),
        (found.error_count, "broken properties"),
        (found.warning_count, "warnings"),
        (found.unjudged_count, "histories not judged"),
    )
    return f"Found: {', '.join(f'{count} {name}' for count, name in counted if count)}."


def _print_broken(broken: Broken) -> None:
    one = broken.violation
    is_error = one.rule.severity == "error"
    word = "breaks" if is_error else "warning, against"
    style = "bold red" if is_error else "yellow"
    output.say(f"\n{broken.instance_id}  entry {one.sequence} ({broken.event}) {word}: {one.rule.name}", style=style)
    output.pairs([("property", sentence_of(one.rule)), ("found", one.detail)], indent=2)


def _data(found: Conformance) -> dict[str, object]:
    return {
        "is_clean": found.is_clean,
        "histories": found.histories,
        "legal_entries": found.entries,
        "illegal_count": found.illegal_count,
        "illegal": [
            {"instance": one.instance_id, "sequence": one.sequence, "event": one.event, "code": one.code, "message": one.message}
            for one in found.illegal
        ],
        "error_count": found.error_count,
        "warning_count": found.warning_count,
        "violations": [
            {
                "instance": one.instance_id,
                "sequence": one.violation.sequence,
                "event": one.event,
                "property": one.violation.rule.name,
                "severity": one.violation.rule.severity,
                "sentence": sentence_of(one.violation.rule),
                "detail": one.violation.detail,
            }
            for one in found.broken
        ],
        "unjudged": [{"instance": instance_id, "why": why} for instance_id, why in found.unjudged],
        "properties": {name: {"judged": found.judged[name], "not_judged": found.beyond[name]} for name in found.judged},
    }
