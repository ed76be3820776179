"""Histories of runs in memory: the steps of `tests.support.worlds.Run` as a chain of entries, without a store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.support.worlds import Run
from workflow.audit.entry import EntryRow, Head, record_step
from workflow.states.step import recalendar
from workflow.states.verdict import Step

SALT = b"s" * 32


@dataclass
class Recorded(Run):
    """A run whose steps become entries, as the engine records them."""

    entries: list[EntryRow] = field(default_factory=list)

    def publish(self, calendar) -> None:
        """Put another calendar in force; deadlines that it moves are an entry."""
        self.world = replace(self.world, calendar=calendar)
        step = recalendar(self.world, self.situation, now=self.now)
        if step is not None and step.moved:
            self._keep(step)
        elif step is not None:
            self.situation = step.after

    def due_now(self) -> dict[str, datetime | None]:
        """Give what the engine says of each armed deadline."""
        return {str(t.key): t.due_at for t in self.situation.timers}

    def _keep(self, made):
        if isinstance(made, Step):
            self._record(made)
        return super()._keep(made)

    def _record(self, step: Step) -> None:
        digests = {"definition": self.world.definition.digest}
        if self.world.calendar is not None:
            digests["calendar"] = self.world.calendar.digest
        last = self.entries[-1] if self.entries else None
        head = Head(sequence=last.sequence, hash=last.entry_hash) if last else Head()
        slots = {f"field:{name}": SALT for name in step.personal} | {f"payload:{name}": SALT for name in step.personal_payload}
        self.entries.append(record_step(step, after=head, recorded_at=self.now, digests=digests, salts=slots))
