"""Deadlines of a recorded onboarding, worked out under another definition.

Promises: pure; the engine's own arithmetic (`states.deadlines`), over the stretches in which the other definition lets the
deadline run: it may last longer, pause elsewhere, or count working time instead of elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from workflow.audit.replay import Stage
from workflow.states import deadlines
from workflow.states.calendar import Calendar
from workflow.states.definition import Definition, StatePath, TimerType
from workflow.states.instance import Timer
from workflow.states.moves import paused_in


@dataclass(slots=True)
class Track:
    """Where one onboarding was and since when, told entry by entry."""

    visits: list[tuple[datetime, StatePath]] = field(default_factory=list)
    """Instants at which the onboarding came to rest in another leaf."""
    entered: dict[StatePath, datetime] = field(default_factory=dict)
    """State of the present leaf's lineage -> when it was entered."""

    def see(self, stage: Stage, definition: Definition) -> None:
        """Take the next entry; `definition` is the one that it was written by."""
        if stage.after is None:
            return
        leaf = stage.after.instance.state
        before = stage.before.instance.state if stage.before else None
        if leaf == before:
            return
        at = max(stage.row.occurred_at, self.visits[-1][0]) if self.visits else stage.row.occurred_at
        self.visits.append((at, leaf))
        lineage = definition.lineage(leaf)
        kept = set(definition.lineage(before)) if before is not None and before in definition.states else set()
        self.entered = {path: self.entered[path] if path in kept and path in self.entered else at for path in lineage}

    def since(self, at: datetime) -> Iterator[tuple[datetime, StatePath]]:
        """Give the leaves since an instant, the one that it fell into first."""
        first = max((index for index, (begins, _) in enumerate(self.visits) if begins <= at), default=0)
        # A report may tell of a performance before anything was recorded: a deadline that it starts runs from there.
        yield from ((at if index == first else max(begins, at), leaf) for index, (begins, leaf) in enumerate(self.visits) if index >= first)


def retimed(
    type_: TimerType, *, armed_at: datetime, visits: Iterator[tuple[datetime, StatePath | None]], by: Definition, calendar: Calendar | None
) -> Timer:
    """Give the timer as it would stand.

    Args:
        type_: the deadline, as the other definition has it.
        armed_at: when it began to run.
        visits: where the onboarding was since then, by the other definition's names; None for a state that it does not have.
        by: the other definition.
        calendar: for working time.

    Raises:
        DeadlineError: the calendar does not know the dates.
    """
    remaining, kind = deadlines.budget(type_.after), type_.after.kind
    runs_since, base_at = None, armed_at
    for at, leaf in visits:
        is_paused = leaf is not None and type_.state in paused_in(by, leaf)
        if is_paused and runs_since is not None:
            remaining, base_at, runs_since = deadlines.left(runs_since, remaining, at, kind, calendar), at, None
        elif not is_paused and runs_since is None:
            runs_since = base_at = at
    due_at = None if runs_since is None else deadlines.due(runs_since, remaining, kind, calendar)
    return Timer(
        key=type_.key,
        event=type_.event,
        state=type_.state,
        index=type_.index,
        armed_at=armed_at,
        base_at=base_at,
        remaining=remaining,
        due_at=due_at,
    )
