"""Populations: which histories an export or a report is about, read one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from workflow.audit.entry import EntryRow
from workflow.engine.archive import Archive
from workflow.ports import InstanceQuery
from workflow.states.definition import Digest
from workflow.states.instance import Instance

_PAGE = 200
OPEN = "open"
"""Stands for the outcome of an onboarding under way."""
OUTCOMES = ("success", "failure", "neutral", OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What belongs to a population; None means any.

    Attributes:
        definition: name.
        state: the present state, or one inside it.
        outcome: ``success``, ``failure``, ``neutral``, or ``open`` for those under way.
        since, until: the onboarding started at or after `since` and before `until`.
    """

    definition: str | None = None
    state: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def as_data(self) -> dict[str, object]:
        """Give the filter as an entry keeps it; what is not limited is left out."""
        said = {"definition": self.definition, "state": self.state, "outcome": self.outcome}
        said |= {name: at.isoformat() for name, at in (("since", self.since), ("until", self.until)) if at is not None}
        return {name: value for name, value in said.items() if value is not None}

    def has(self, instance: Instance) -> bool:
        """Tell whether an instance belongs to the population."""
        return self.covers(
            definition=instance.definition, state=instance.state, outcome=instance.outcome or OPEN, started_at=instance.started_at
        )

    def covers(self, *, definition: str, state: str, outcome: str, started_at: datetime) -> bool:
        """Tell whether what is known of an onboarding, from its row or from its entries, puts it into the population."""
        is_state = self.state is None or state == self.state or state.startswith(f"{self.state}.")
        is_late_enough = self.since is None or started_at >= self.since
        is_early_enough = self.until is None or started_at < self.until
        return self.definition in (None, definition) and self.outcome in (None, outcome) and is_state and is_late_enough and is_early_enough

    @staticmethod
    def read(said: Mapping[str, str]) -> Wanted:
        """Read what `as_data` gave.

        Raises:
            ValueError: it is no such filter.
        """
        known = {"definition", "state", "outcome", "since", "until"}
        if set(said) - known:
            raise ValueError(f"A filter has no {', '.join(sorted(set(said) - known))}.")
        instants = {name: datetime.fromisoformat(said[name]) for name in ("since", "until") if name in said}
        return Wanted(**{name: said[name] for name in known - {"since", "until"} if name in said}, **instants)  # type: ignore[arg-type]  # text and instants


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One onboarding with all its entries, and what each of them says."""

    instance: Instance
    rows: tuple[EntryRow, ...]
    said: tuple[dict[str, Any], ...]

    @property
    def digest(self) -> Digest:
        """The definition that the onboarding is pinned to."""
        return self.instance.digest

    @property
    def steps(self) -> Iterator[tuple[EntryRow, dict[str, Any]]]:
        """The entries that are steps of the process: neither refusals nor what was done to the history itself."""
        return ((row, said) for row, said in zip(self.rows, self.said, strict=True) if "effects" in said)


def instances(archive: Archive, wanted: Wanted) -> Iterator[Instance]:
    """Give the instances of a population, by id."""
    is_open = None if wanted.outcome is None else wanted.outcome == OPEN
    after: str | None = None
    while True:
        query = InstanceQuery(definition=wanted.definition, state=wanted.state, is_open=is_open, after=after, limit=_PAGE)
        page = archive.engine.instances(query)
        yield from (one.instance for one in page.rows if wanted.has(one.instance))
        after = page.next
        if after is None:
            return


def histories(archive: Archive, wanted: Wanted) -> Iterator[History]:
    """Give the histories of a population, one at a time."""
    return (history_of(archive, instance) for instance in instances(archive, wanted))


def history_of(archive: Archive, instance: Instance) -> History:
    """Read one history."""
    rows = tuple(archive.entries(instance.id))
    return History(instance=instance, rows=rows, said=tuple(orjson.loads(row.canonical) for row in rows))
