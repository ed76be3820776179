"""What a new version would mean for every onboarding in a store.

Promises: reads only; one history is in memory at a time. Every history is replayed as it was recorded (`audit.replay`) and beside
it by the new version (`supposing`); onboardings under way are looked at as if they were moved to it now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from workflow.audit.delegations import Delegations
from workflow.audit.replay import walk
from workflow.engine.archive import Archive
from workflow.errors import NotFoundError
from workflow.policy.changes import Comparison
from workflow.policy.deciding import Deciding
from workflow.policy.figures import Case, Impact, note
from workflow.policy.supposing import Supposing
from workflow.policy.translating import Words
from workflow.ports import InstanceQuery
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Digest, StatePath
from workflow.states.instance import Instance
from workflow.states.known import Known
from workflow.states.machine import Table
from workflow.states.making import World
from workflow.states.reach import Graph

_PAGE = 200
Progress = Callable[[int, int], None]
"""Told how many histories and entries are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A new version with the calendar and the catalogue that it names, for where the store has none of these names."""

    comparison: Comparison
    known: Known
    calendar: Calendar | None = None
    catalogue: Catalogue | None = None


def impact_of(archive: Archive, version: Version, *, now: datetime, progress: Progress = lambda _histories, _entries: None) -> Impact:
    """Look at every stored history of the old version's definition.

    Args:
        archive: the store.
        version: the new version, compared with the old one.
        now: deadlines of onboardings under way are compared with it.
        progress: told after each history.
    """
    looking = _Looking(archive, version, now)
    after: str | None = None
    while True:
        page = archive.engine.instances(InstanceQuery(definition=version.comparison.old.name, after=after, limit=_PAGE))
        for situation in page.rows:
            looking.look(situation.instance)
            progress(looking.impact.histories, looking.impact.entries)
        after = page.next
        if after is None:
            return looking.impact


class _Looking:
    """Goes through the histories of a store."""

    def __init__(self, archive: Archive, version: Version, now: datetime) -> None:
        self.archive, self.version, self.now = archive, version, now
        self.impact = Impact()
        self.words = Words.of(version.comparison)
        self.delegations: Delegations = archive.delegations()
        definition = version.comparison.new
        self.table = Table(definition, version.known)
        outcomes = [
            leaf.path for leaf in definition.leaves() if any(definition.states[path].outcome for path in definition.lineage(leaf.path))
        ]
        self._ending = Graph.of(definition).leading_to(outcomes) if outcomes else frozenset(definition.states)

    def look(self, instance: Instance) -> None:
        """Look at one history."""
        self.impact.histories += 1
        try:
            old = self.archive.table(instance.digest).definition
            rows = self.archive.entries(instance.id)
            world = self._world({})
            deciding = Deciding(world=world, old=old, subject=instance.subject, delegations=self.delegations)
            supposing = Supposing(deciding=deciding, worlds=self._world, words=self.words, impact=self.impact)
            for stage in walk(rows, subject=instance.subject, worlds=self.archive.world, delegations=self.delegations):
                if stage.illegal is not None:
                    self._unread(instance, f"its own definition does not allow it ({stage.illegal.code})")
                    return
                supposing.see(stage)
        except NotFoundError as error:
            self._unread(instance, str(error))
            return
        supposing.live(self.now, self._ends)

    def _unread(self, instance: Instance, why: str) -> None:
        """Note a history that cannot be replayed; whether it is stuck can be said all the same."""
        case = Case(instance_id=instance.id, sequence=instance.head, at=instance.recorded_at, state=instance.state)
        note(self.impact.unjudged, f"a history that cannot be replayed: {why}", case)
        if instance.outcome is None:
            self.impact.live += 1
            state = self.words.state(instance.state)
            if state is None or not self._ends(state):
                note(self.impact.stuck, f"in {instance.state}", case)

    def _ends(self, leaf: StatePath) -> bool:
        """Tell whether a leaf is an outcome, or a way leads from it to one."""
        return leaf in self._ending

    def _world(self, digests: Mapping[str, Digest]) -> World:
        """Give the new version with the calendar and catalogue that an entry names, where it still names the same ones."""
        old, new = self.version.comparison.old, self.version.comparison.new
        calendar = self.archive.calendar(digests.get("calendar")) if old.calendar == new.calendar else None
        catalogue = self.archive.catalogue(digests.get("catalogue")) if old.catalogue == new.catalogue else None
        return World(table=self.table, calendar=calendar or self.version.calendar, catalogue=catalogue or self.version.catalogue)
