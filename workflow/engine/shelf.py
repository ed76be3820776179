"""The documents in force, compiled once and kept in the process.

Promises: a document is read by its digest and never changes, so it is cached without end; which documents are the newest is
read again as soon as the store's count of publications has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from workflow.errors import NotFoundError
from workflow.ports import Document, UnitOfWork
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Definition, Digest
from workflow.states.known import Known
from workflow.states.machine import Table
from workflow.states.making import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """How stored documents become values; the loader supplies them through `bootstrap`."""

    definition: Callable[[Document], Definition]
    calendar: Callable[[Document], Calendar]
    catalogue: Callable[[Document], Catalogue]
    meaning: Callable[[Document], Digest] | None = None
    """Gives the semantic digest of a definition's text, as it is written; what is published is compared with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A definition with the calendar and catalogue in force, and their digests as an entry names them."""

    world: World
    digests: Mapping[str, Digest]


@dataclass(slots=True)
class Shelf:
    """Keeps compiled documents. Safe to share between threads: a race costs a second compilation, nothing else."""

    readers: Readers
    known: Known
    _publications: int = -1
    _tables: dict[Digest, Table] = field(default_factory=dict)
    _in_force: dict[Digest, InForce] = field(default_factory=dict)
    _newest: dict[str, Digest] = field(default_factory=dict)

    def at_hand(self, digest: Digest, publications: int) -> InForce | None:
        """Give what is known without reading, None when something was published since."""
        return self._in_force.get(digest) if publications == self._publications else None

    def newest_at_hand(self, name: str, publications: int) -> InForce | None:
        """Give the newest definition of a name without reading, None when it is not known or outdated."""
        digest = self._newest.get(name)
        return None if digest is None else self.at_hand(digest, publications)

    def fetch(self, uow: UnitOfWork, digest: Digest, publications: int) -> InForce:
        """Read a definition by its digest, with the newest calendar and catalogue that it names."""
        self._notice(publications)
        table = self._tables.get(digest)
        if table is None:
            document = uow.document(digest)
            if document is None:
                raise NotFoundError("definition", digest)
            table = self._tables[digest] = Table(self.readers.definition(document), self.known)
        definition = table.definition
        calendar = self._calendar(uow, definition)
        catalogue = self._catalogue(uow, definition)
        digests = {"definition": definition.digest}
        if calendar is not None:
            digests["calendar"] = calendar.digest
        if catalogue is not None:
            digests["catalogue"] = catalogue.digest
        found = InForce(world=World(table=table, calendar=calendar, catalogue=catalogue), digests=digests)
        self._in_force[digest] = found
        return found

    def fetch_newest(self, uow: UnitOfWork, name: str, publications: int) -> InForce:
        """Read the newest published definition of a name."""
        document = uow.newest("definition", name)
        if document is None:
            raise NotFoundError("definition", name)
        found = self.fetch(uow, document.digest, publications)
        self._newest[name] = document.digest
        return found

    def _notice(self, publications: int) -> None:
        """Forget which documents are the newest when something was published; compiled ones stay good for ever."""
        if publications != self._publications:
            self._in_force.clear()
            self._newest.clear()
            self._publications = publications

    def _calendar(self, uow: UnitOfWork, definition: Definition) -> Calendar | None:
        if definition.calendar is None:
            return None
        document = uow.newest("calendar", definition.calendar)
        if document is None:
            raise NotFoundError("calendar", definition.calendar)
        return self.readers.calendar(document)

    def _catalogue(self, uow: UnitOfWork, definition: Definition) -> Catalogue | None:
        if definition.catalogue is None:
            return None
        document = uow.newest("catalogue", definition.catalogue)
        if document is None:
            raise NotFoundError("catalogue", definition.catalogue)
        return self.readers.catalogue(document)
