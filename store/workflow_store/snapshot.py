"""The whole store at one moment, page by page, for whoever verifies it.

Promises: one read transaction, so that all calls see the same rows while others go on writing; memory does not grow with the store.
"""

# ruff: noqa: S608  # statements are put together from templates of ours; what comes from data is always bound

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from workflow.errors import AuditError
from workflow.ports import Document, KeptCheckpoint, Leaf, Message, SequencedEntry
from workflow.states.instance import Delegation, InstanceId, Situation
from workflow_store import loading, mapping
from workflow_store.statements import Book, Reader, Row
from workflow_store.tables import instant

if TYPE_CHECKING:
    from workflow_store.postgres import PostgresDatabase
    from workflow_store.sqlite import SqliteDatabase

T = TypeVar("T")
PAGE = 2000
LEAF = "l.position, l.instance_id, l.sequence, l.leaf_hash"
ENTRIES = (
    f"SELECT {loading.ENTRY}, l.position, l.leaf_hash, CASE WHEN u.instance_id IS NULL THEN 0 ELSE 1 END FROM {{entries}} e "
    "LEFT JOIN {leaves} l ON l.instance_id = e.instance_id AND l.sequence = e.sequence "
    "LEFT JOIN {unsequenced} u ON u.instance_id = e.instance_id AND u.sequence = e.sequence "
    "WHERE (e.instance_id, e.sequence) > (:id::text, :number::bigint) ORDER BY e.instance_id, e.sequence LIMIT :limit::bigint"
)
MESSAGES = f"SELECT {loading.MESSAGE} FROM {{outbox}} o WHERE o.id > :id::text ORDER BY o.id LIMIT :limit::bigint"
LEAVES = f"SELECT {LEAF} FROM {{leaves}} l WHERE l.position > :position::bigint ORDER BY l.position LIMIT :limit::bigint"
LEAF_OF = f"SELECT {LEAF} FROM {{leaves}} l WHERE l.instance_id = :id::text AND l.sequence = :number::bigint"
ORPHANS = (
    f"SELECT {LEAF} FROM {{leaves}} l WHERE NOT EXISTS "
    "(SELECT 1 FROM {entries} e WHERE e.instance_id = l.instance_id AND e.sequence = l.sequence) ORDER BY l.position LIMIT :limit::bigint"
)
WAITING = (
    "SELECT u.instance_id, u.sequence FROM {unsequenced} u WHERE NOT EXISTS "
    "(SELECT 1 FROM {entries} e WHERE e.instance_id = u.instance_id AND e.sequence = u.sequence) "
    "ORDER BY u.instance_id, u.sequence LIMIT :limit::bigint"
)
TILE = "SELECT t.hashes FROM {tiles} t WHERE t.level = :level::int AND t.number = :number::bigint"
CHECKPOINTS = "SELECT c.number, c.size, c.note, micros(c.recorded_at) FROM {checkpoints} c ORDER BY c.number"
DOCUMENTS = (
    f"SELECT {loading.DOCUMENT} FROM {{documents}} d WHERE (d.digest, d.text_digest) > (:digest::text, :text_digest::text) "
    "ORDER BY d.digest, d.text_digest LIMIT :limit::bigint"
)


DELEGATIONS = f"SELECT {loading.DELEGATION} FROM {{delegations}} d WHERE d.id > :id::text ORDER BY d.id LIMIT :limit::bigint"


@contextmanager
def snapshot(database: SqliteDatabase | PostgresDatabase) -> Iterator[StoreSnapshot]:
    """Open a read transaction that sees one moment."""
    with database.moment() as run:
        yield StoreSnapshot(database.book, run)


class StoreSnapshot:
    """`ports.Snapshot` on one connection inside its read transaction."""

    def __init__(self, book: Book, run: Reader) -> None:
        """Use `snapshot`."""
        self._book, self._run = book, run

    def _rows(self, template: str, values: Mapping[str, Any] | None = None) -> Sequence[Row]:
        return self._run.rows(self._book[template], values or {})

    def _pages(self, template: str, first: Mapping[str, Any], after: Callable[[Row], Mapping[str, Any]]) -> Iterator[Row]:
        """Give the rows of a template page by page; `after` makes the cursor behind a row."""
        cursor = first
        while rows := self._rows(template, {**cursor, "limit": PAGE}):
            yield from rows
            if len(rows) < PAGE:
                return
            cursor = after(rows[-1])

    def entry_count(self) -> int:
        """Count all entries."""
        return int(self._rows("SELECT count(*) FROM {entries}")[0][0])

    def entries(self) -> Iterator[SequencedEntry]:
        """Give every entry by instance and sequence."""
        rows = self._pages(ENTRIES, {"id": "", "number": 0}, lambda row: {"id": row[0], "number": row[1]})
        return _made(rows, lambda row: SequencedEntry(mapping.entry_from(row), row[12], row[13], bool(row[14])), "an entry")

    def situations(self) -> Iterator[Situation]:
        """Give every instance with its timers by id."""
        wanted = loading.situation(self._book.database)
        template = f"SELECT {wanted} FROM {{instances}} i WHERE i.id > :id::text ORDER BY i.id LIMIT :limit::bigint"
        return _made(self._pages(template, {"id": ""}, lambda row: {"id": row[0]}), mapping.situation_from, "an instance")

    def messages(self) -> Iterator[Message]:
        """Give the whole outbox by id: by instance, then in the order of queueing."""
        rows = self._pages(MESSAGES, {"id": ""}, lambda row: {"id": row[0]})
        return _made(rows, mapping.message_from, "a message")

    def leaf_count(self) -> int:
        """Give the size of the tree."""
        return int(self._rows("SELECT count(*) FROM {leaves}")[0][0])

    def leaves(self) -> Iterator[Leaf]:
        """Give every leaf by position."""
        return map(Leaf._make, self._pages(LEAVES, {"position": -1}, lambda row: {"position": row[0]}))

    def leaf_of(self, instance_id: InstanceId, sequence: int) -> Leaf | None:
        """Give the leaf of an entry, None when it is not yet in the tree."""
        rows = self._rows(LEAF_OF, {"id": instance_id, "number": sequence})
        return Leaf._make(rows[0]) if rows else None

    def leaves_without_entry(self, *, limit: int) -> Sequence[Leaf]:
        """Give leaves whose entry is not there, by position."""
        return [Leaf._make(row) for row in self._rows(ORPHANS, {"limit": limit})]

    def waiting_without_entry(self, *, limit: int) -> Sequence[tuple[InstanceId, int]]:
        """Name entries that wait to be sequenced but are not there."""
        return [(InstanceId(row[0]), row[1]) for row in self._rows(WAITING, {"limit": limit})]

    def tile(self, level: int, number: int) -> bytes | None:
        """Give the hashes of a tile, None when there is none."""
        rows = self._rows(TILE, {"level": level, "number": number})
        return bytes(rows[0][0]) if rows else None

    def checkpoints(self) -> Sequence[KeptCheckpoint]:
        """Give every checkpoint that was kept, oldest first."""
        return [KeptCheckpoint(number=row[0], size=row[1], note=row[2], recorded_at=instant(row[3])) for row in self._rows(CHECKPOINTS)]

    def delegations(self) -> Iterator[Delegation]:
        """Give every delegation by id."""
        return _made(self._pages(DELEGATIONS, {"id": ""}, lambda row: {"id": row[0]}), mapping.delegation_from, "a delegation")

    def documents(self) -> Iterator[Document]:
        """Give every published document."""
        first = {"digest": "", "text_digest": ""}
        return map(mapping.document_from, self._pages(DOCUMENTS, first, lambda row: {"digest": row[2], "text_digest": row[3]}))


def _made(rows: Iterable[Row], make: Callable[[Row], T], name: str) -> Iterator[T]:
    """Make values of rows; one that is no row of ours was changed, and the auditor is told which."""
    for row in rows:
        try:
            yield make(row)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise AuditError(f"The row of {name} ({row[0]}) cannot be read: it was changed.") from error
