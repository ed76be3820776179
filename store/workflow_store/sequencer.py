"""The sequencer: takes entries into the one tree, off the hot path.

Promises: one process at a time, by a lock; leaves, tiles and the rows of `unsequenced` that they stand for change in one transaction, so
whoever is killed has done nothing or everything. There is no high-water mark: an entry waits by a row of its own, written by the
statement that wrote the entry, so it does not matter in which order transactions commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from workflow.audit.tiles import Growth, ReadTile, Tile
from workflow.errors import AuditError
from workflow.ports import Backlog
from workflow_store.snapshot import TILE
from workflow_store.statements import Book, Reader, Row
from workflow_store.tables import instant, micros, qualified

if TYPE_CHECKING:
    from workflow_store.postgres import PostgresDatabase
    from workflow_store.sqlite import SqliteDatabase

ANY = "SELECT 1 FROM {unsequenced} u LIMIT 1"
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:name::text, 0))"
SIZE = "SELECT coalesce(max(l.position) + 1, 0) FROM {leaves} l"
WAITING = (
    "SELECT u.instance_id, u.sequence, e.entry_hash, l.position FROM {unsequenced} u "
    "LEFT JOIN {entries} e ON e.instance_id = u.instance_id AND e.sequence = u.sequence "
    "LEFT JOIN {leaves} l ON l.instance_id = u.instance_id AND l.sequence = u.sequence "
    "ORDER BY u.instance_id, u.sequence LIMIT :limit::bigint"
)
BACKLOG = (
    "SELECT b.count, micros(b.oldest_at) FROM (SELECT count(*) AS count, min(e.recorded_at) AS oldest_at FROM {unsequenced} u "
    "LEFT JOIN {entries} e ON e.instance_id = u.instance_id AND e.sequence = u.sequence) b"
)
LEAVES = {
    "sqlite": (
        "INSERT INTO {leaves} (position, instance_id, sequence, leaf_hash) "
        "SELECT json_extract(r.value, '$[0]'), e.instance_id, e.sequence, e.entry_hash FROM json_each(:rows) r "
        "JOIN {entries} e ON e.instance_id = json_extract(r.value, '$[1]') AND e.sequence = json_extract(r.value, '$[2]') "
        "RETURNING position"
    ),
    "postgresql": (
        "INSERT INTO {leaves} (position, instance_id, sequence, leaf_hash) "
        "SELECT (r.value->>0)::bigint, r.value->>1, (r.value->>2)::bigint, decode(r.value->>3, 'hex') "
        "FROM json_array_elements(:rows::text::json) r(value) RETURNING position"
    ),
}
DONE = {
    "sqlite": (
        "DELETE FROM {unsequenced} WHERE (instance_id, sequence) IN "
        "(SELECT json_extract(r.value, '$[1]'), json_extract(r.value, '$[2]') FROM json_each(:rows) r) RETURNING sequence"
    ),
    "postgresql": (
        "DELETE FROM {unsequenced} u USING json_array_elements(:rows::text::json) r(value) "
        "WHERE u.instance_id = r.value->>1 AND u.sequence = (r.value->>2)::bigint RETURNING u.sequence"
    ),
}
TILES = (
    "INSERT INTO {tiles} (level, number, hashes) VALUES (:level::int, :number::bigint, :hashes::bytea) "
    "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes RETURNING level"
)
KEEP = (
    "INSERT INTO {checkpoints} (number, size, note, recorded_at) "
    "SELECT coalesce(max(c.number), 0) + 1, :size::bigint, :note::text, :recorded_at::timestamptz FROM {checkpoints} c RETURNING number"
)


class Sequencer:
    """`ports.Sequencing` on a store of our own."""

    def __init__(self, database: SqliteDatabase | PostgresDatabase) -> None:
        """Keep the database."""
        self._database = database

    def run(self, limit: int = 1000) -> int:
        """Take at most `limit` waiting entries into the tree, in one transaction; gives how many were taken.

        (1) wait for the lock, then look: what another one has taken is no longer waiting; (2) order by instance and sequence, so that an
        entry never stands before its predecessor; (3) the tree grows at its right edge; (4) leaves, tiles and waiting rows change together.

        Raises:
            AuditError: an entry that waits is not there, or is in the tree already, or the tree's edge was changed.
            ConflictError: another one holds the lock for too long; try again.
        """
        book = self._database.book
        if not self._database.rows(book[ANY], {}):
            return 0  # nobody is held up by a lock for nothing
        with self._database.transaction() as run:
            # (1)
            self._lock(run)
            # (2)
            waiting = run.rows(book[WAITING], {"limit": limit})
            if not waiting:
                return 0
            _refuse_strange(waiting)
            # (3)
            size = int(run.rows(book[SIZE], {})[0][0])
            tree = Growth.read(_tiles_of(run, book), size)
            tiles = tree.extend([bytes(row[2]) for row in waiting])
            # (4)
            _write(run, book, waiting, size, tiles)
            run.commit()
        return len(waiting)

    def backlog(self) -> Backlog:
        """Say what is not yet in the tree."""
        count, oldest_at = self._database.rows(self._database.book[BACKLOG], {})[0]
        return Backlog(count=count, oldest_at=None if oldest_at is None else instant(oldest_at))

    def keep(self, note: str, *, size: int, recorded_at: datetime) -> None:
        """Keep a signed checkpoint."""
        book = self._database.book
        at = micros(recorded_at) if book.database == "sqlite" else recorded_at
        with self._database.transaction() as run:
            self._lock(run)
            run.rows(book[KEEP], {"note": note, "size": size, "recorded_at": at})
            run.commit()

    def _lock(self, run: Reader) -> None:
        """Wait until no other one sequences; on SQLite the write transaction itself is that lock."""
        tables = self._database.book.tables
        if self._database.book.database == "postgresql":
            run.rows(self._database.book[LOCK], {"name": qualified(f"{tables.prefix}leaves", tables.schema)})


def _refuse_strange(waiting: Sequence[Row]) -> None:
    """Refuse what only tampering can bring about: nothing is taken past it."""
    for instance_id, sequence, entry_hash, position in waiting:
        if entry_hash is None or position is not None:
            what = "but is not there" if entry_hash is None else "but is there already"
            raise AuditError(f"Entry {sequence} of {instance_id} waits to be taken into the tree {what}: run `workflow audit verify`.")


def _tiles_of(run: Reader, book: Book) -> ReadTile:
    def read(level: int, number: int) -> bytes | None:
        rows = run.rows(book[TILE], {"level": level, "number": number})
        return bytes(rows[0][0]) if rows else None

    return read


def _write(run: Reader, book: Book, waiting: Sequence[Row], size: int, tiles: Sequence[Tile]) -> None:
    listed = [(size + place, row[0], row[1], bytes(row[2]).hex()) for place, row in enumerate(waiting)]
    rows = {"rows": orjson.dumps(listed).decode()}
    made, done = run.rows(book[LEAVES[book.database]], rows), run.rows(book[DONE[book.database]], rows)
    if not len(made) == len(done) == len(waiting):
        raise AuditError("The entries that wait changed while they were taken into the tree: run `workflow audit verify`.")
    for tile in tiles:
        run.rows(book[TILES], {"level": tile.level, "number": tile.number, "hashes": tile.hashes})
