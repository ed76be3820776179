"""A trace as a page to print: the timeline, with every deadline explained below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workflow.cli import output
from workflow.cli.explaining import calendars_of, figures, stretch_rows, title
from workflow.cli.timeline import Line, details
from workflow.export.html import Page, Row, Table, page
from workflow.ports import SYSTEM

if TYPE_CHECKING:
    from workflow.audit.explain import Deadline
    from workflow.cli.tracing import Trace
    from workflow.engine import Engine


def write_page(engine: Engine, trace: Trace, path: Path) -> None:
    """Write a trace to a file, self-contained; one that exists is replaced."""
    from workflow.engine.archive import Archive

    # Deadlines of a broken history would be explained by what nobody can trust.
    is_explained = trace.instance != SYSTEM and trace.broken is None
    deadlines = Archive(engine).explain(trace.instance) if is_explained else ()
    path.write_text(page_of(trace, deadlines), encoding="utf-8")


def page_of(trace: Trace, deadlines: tuple[Deadline, ...]) -> str:
    """Give the page of a trace."""
    broken = trace.broken
    said = (
        f"The chain of these {trace.count} entries was verified; its head is {trace.head}."
        if broken is None
        else f"The chain is broken at entry {broken.sequence}: {broken.explain()} Expected {broken.expected}, found {broken.found}."
    )
    content = Page(
        title=trace.title,
        instance=trace.instance,
        facts=tuple(_facts(trace)),
        is_verified=broken is None,
        verification=said,
        rows=tuple(_row(line, trace.zone) for line in trace.lines),
        tables=tuple(_table(deadline, trace.zone) for deadline in deadlines),
    )
    return page(content)


def _facts(trace: Trace) -> Iterator[tuple[str, str]]:
    """Give what one wants to know first."""
    lines = trace.lines
    states = [line.row.to_state for line in lines if line.row.to_state]
    if states:
        yield "state", states[-1]
    yield "from", output.local(lines[0].row.occurred_at, trace.zone)
    yield "until", output.local(lines[-1].row.occurred_at, trace.zone)
    yield "times in", trace.zone
    refused = sum(line.is_refusal for line in lines)
    yield "entries", f"{len(lines)}, {refused} of them refused attempts" if refused else str(len(lines))


def _row(line: Line, zone: str) -> Row:
    row = line.row
    tone = "refused" if line.is_refusal else "engine" if row.kind.startswith(("timer", "effect")) else ""
    return Row(
        number=row.sequence,
        at=output.local(row.occurred_at, zone),
        at_utc=output.instant(row.occurred_at) or "",
        what=row.event,
        tone=tone,
        place=line.states.replace("->", "\u2192"),
        details=tuple((word, said) for word, said in details(line, zone) if word != "state"),
    )


def _table(deadline: Deadline, zone: str) -> Table:
    named = calendars_of(deadline)
    return Table(
        title=title(deadline),
        facts=(*figures(deadline, zone), *([("calendar", named)] if named else [])),
        columns=("from", "to", "counted", "why"),
        rows=tuple(row for stretch in deadline.stretches for row in stretch_rows(stretch, zone)),
    )
