"""Documents that a history names: definitions, calendars and catalogues of any age, by their digests.

Promises: reads only; what is published never changes, so each document is read and compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from workflow.audit.delegations import Delegations
from workflow.audit.entry import EntryRow
from workflow.audit.explain import Deadline, explain
from workflow.audit.replay import Illegal, Replayed, Stage, replay
from workflow.engine.core import Engine
from workflow.errors import NotFoundError
from workflow.ports import SYSTEM, Document, DocumentKind
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Digest
from workflow.states.instance import Instance
from workflow.states.machine import Table
from workflow.states.making import World

PAGE = 1000


@dataclass(slots=True)
class Archive:
    """The documents of an engine's store, as values."""

    engine: Engine
    _tables: dict[Digest, Table] = field(default_factory=dict)
    _calendars: dict[Digest, Calendar] = field(default_factory=dict)
    _catalogues: dict[Digest, Catalogue] = field(default_factory=dict)

    def table(self, digest: Digest) -> Table:
        """Give a definition, compiled.

        Raises:
            NotFoundError: no such definition was published here.
        """
        if digest not in self._tables:
            shelf = self.engine.parts.shelf
            self._tables[digest] = Table(shelf.readers.definition(self.document("definition", digest)), shelf.known)
        return self._tables[digest]

    def calendar(self, digest: Digest | None) -> Calendar | None:
        """Give a calendar, None for no digest."""
        if digest is None:
            return None
        if digest not in self._calendars:
            self._calendars[digest] = self.engine.parts.shelf.readers.calendar(self.document("calendar", digest))
        return self._calendars[digest]

    def catalogue(self, digest: Digest | None) -> Catalogue | None:
        """Give a catalogue, None for no digest."""
        if digest is None:
            return None
        if digest not in self._catalogues:
            self._catalogues[digest] = self.engine.parts.shelf.readers.catalogue(self.document("catalogue", digest))
        return self._catalogues[digest]

    def entries(self, instance_id: str) -> list[EntryRow]:
        """Read a whole history, page by page.

        Raises:
            NotFoundError: there is none.
        """
        found: list[EntryRow] = []
        while page := self.engine.history(instance_id, after=found[-1].sequence if found else 0, limit=PAGE):
            found += page
            if len(page) < PAGE:
                break
        if not found:
            raise NotFoundError("instance", instance_id)
        return found

    def said(self, instance_id: str) -> list[tuple[EntryRow, dict[str, Any]]]:
        """Read a whole history with what each entry says; empty when there is none."""
        try:
            return [(row, orjson.loads(row.canonical)) for row in self.entries(instance_id)]
        except NotFoundError:
            return []

    def explain(self, instance_id: str, *, now: datetime | None = None) -> tuple[Deadline, ...]:
        """Explain every deadline of an instance up to `now` (the engine's, when None); see `workflow.audit.explain`.

        Raises:
            NotFoundError: there is no such instance, or a document that its history names is not in the store.
            AuditError: the history names a deadline that its definition does not have.
        """
        entries = self.entries(instance_id)
        in_force = self.engine.in_force(instance_id)
        newest = in_force.digests.get("calendar")
        named = digests_of(entries)
        calendars = {digest: self.calendar(digest) for digest in {*named["calendar"], *([newest] if newest else ())}}
        return explain(
            entries,
            definitions={digest: self.table(digest).definition for digest in named["definition"]},
            calendars={digest: calendar for digest, calendar in calendars.items() if calendar is not None},
            now=now or max(self.engine.now(), entries[-1].recorded_at),
            calendar=newest,
        )

    def world(self, digests: Mapping[str, Digest]) -> World:
        """Give the documents that an entry names, compiled.

        Raises:
            NotFoundError: one of them is not in the store.
        """
        return World(
            table=self.table(digests["definition"]),
            calendar=self.calendar(digests.get("calendar")),
            catalogue=self.catalogue(digests.get("catalogue")),
        )

    def delegations(self) -> Delegations:
        """Read who could act for whom and when, from the system's chain; nobody when it is empty."""
        try:
            return Delegations.read(self.entries(SYSTEM))
        except NotFoundError:
            return Delegations()

    def conform(
        self,
        instance: Instance,
        delegations: Delegations,
        rows: Sequence[EntryRow] | None = None,
        *,
        on_stage: Callable[[Stage], None] = lambda _stage: None,
    ) -> Replayed:
        """Replay the stored history of an instance, `rows` where they were read already; see `workflow.audit.replay`."""
        rows = self.entries(instance.id) if rows is None else rows
        try:
            return replay(rows, subject=instance.subject, worlds=self.world, delegations=delegations, on_stage=on_stage)
        except NotFoundError as error:
            return _stopped(instance, rows, "document_missing", str(error))
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # forged by hand: no entry of ours looks like that
            return _stopped(instance, rows, "unreadable", f"An entry is not made as entries are made ({type(error).__name__}: {error}).")

    def document(self, kind: DocumentKind, digest: Digest) -> Document:
        """Read a document as it was published.

        Raises:
            NotFoundError: there is none of this kind and digest.
        """
        with self.engine.store.unit() as uow:
            found = uow.document(digest)
        if found is None or found.kind != kind:
            raise NotFoundError(kind, digest)
        return found


def digests_of(entries: Iterable[EntryRow]) -> dict[str, set[Digest]]:
    """Name the documents of each kind that entries were written by."""
    found: dict[str, set[Digest]] = {"definition": set(), "calendar": set(), "catalogue": set()}
    for row in entries:
        for kind, digest in orjson.loads(row.canonical)["documents"].items():
            found.setdefault(kind, set()).add(digest)
    return found


def _stopped(instance: Instance, rows: Sequence[EntryRow], code: str, message: str) -> Replayed:
    illegal = Illegal(instance_id=instance.id, sequence=1, event=rows[0].event, code=code, message=message)
    return Replayed(instance_id=instance.id, count=0, situation=None, illegal=illegal)
