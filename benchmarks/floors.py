"""The floor: one durable state change with a guard, a history row, an outbox row and a timer row, written by hand.

"Plain" is what a careful developer writes without thinking of round trips: one statement for each thing, in one transaction.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psycopg

from tests.support.postgres import plain

_SCHEMA = """
CREATE TABLE plain_instances (id text PRIMARY KEY, state text NOT NULL, version integer NOT NULL, fields text NOT NULL);
CREATE TABLE plain_history (instance_id text, sequence integer, body {blob} NOT NULL, PRIMARY KEY (instance_id, sequence));
CREATE TABLE plain_outbox (id text PRIMARY KEY, instance_id text NOT NULL, body text NOT NULL, available_at {instant} NOT NULL);
CREATE TABLE plain_timers (instance_id text, name text, due_at {instant} NOT NULL, PRIMARY KEY (instance_id, name));
CREATE INDEX plain_timers_due ON plain_timers (due_at);
CREATE INDEX plain_outbox_due ON plain_outbox (available_at);
"""
_MOVES = {"left": "right", "right": "left"}
_NOTE, _FIELDS = "x" * 120, '{"level":3}'


def _is_allowed(fields: str) -> bool:
    """Judge the guard that our side judges."""
    return bool(orjson.loads(fields)["level"] >= 1 and _NOTE)


def _history(instance_id: str, sequence: int, state: str) -> bytes:
    """Give a history row of about 400 bytes."""
    said = {
        "instance": instance_id,
        "sequence": sequence,
        "event": "swing",
        "actor": "somebody",
        "from": state,
        "to": _MOVES[state],
        "occurred_at": "2026-11-23T09:30:00.000000Z",
        "recorded_at": "2026-11-23T09:30:00.000000Z",
        "payload": {"note": _NOTE},
        "effects": [{"kind": "mail", "name": "request_received", "to": "subject"}],
    }
    return orjson.dumps(said)


class PlainPostgres:
    """Hand-written psycopg 3, one statement per round trip."""

    def __init__(self, url: str) -> None:
        """Connect and make the tables."""
        self._connection = psycopg.connect(plain(url))
        for statement in filter(str.strip, _SCHEMA.format(blob="bytea", instant="timestamptz").split(";")):
            self._connection.execute(statement)
        self._connection.commit()

    def start(self) -> str:
        """Insert an instance."""
        id_ = secrets.token_hex(10)
        with self._connection.transaction():
            self._connection.execute("INSERT INTO plain_instances VALUES (%s, 'left', 0, %s)", (id_, _FIELDS))
        return id_

    def step(self, id_: str) -> None:
        """Make one durable step."""
        now = datetime.now(UTC)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("SELECT state, version, fields FROM plain_instances WHERE id = %s FOR UPDATE", (id_,))
            state, version, fields = cursor.fetchone() or ("", 0, "")
            if not _is_allowed(fields):
                return
            cursor.execute("UPDATE plain_instances SET state = %s, version = %s WHERE id = %s", (_MOVES[state], version + 1, id_))
            cursor.execute("INSERT INTO plain_history VALUES (%s, %s, %s)", (id_, version + 1, _history(id_, version + 1, state)))
            cursor.execute("INSERT INTO plain_outbox VALUES (%s, %s, %s, %s)", (secrets.token_hex(16), id_, '{"kind":"mail"}', now))
            cursor.execute(
                "INSERT INTO plain_timers VALUES (%s, %s, %s) ON CONFLICT (instance_id, name) DO UPDATE SET due_at = excluded.due_at",
                (id_, "late", now + timedelta(hours=1)),
            )

    @contextmanager
    def apart(self) -> Iterator[str]:
        """Keep this process and the server's on a CPU each, as on two machines; left to itself, the scheduler changes its mind."""
        free = os.sched_getaffinity(0)
        with self._placed({min(free)}, {max(free)}):
            yield "a CPU each"

    @contextmanager
    def together(self) -> Iterator[str]:
        """Keep this process and the server's on one CPU."""
        one = {min(os.sched_getaffinity(0))}
        with self._placed(one, one):
            yield "one CPU for client and server"

    @contextmanager
    def _placed(self, client: set[int], servers: set[int]) -> Iterator[None]:
        rows = self._connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchall()
        self._connection.commit()
        places = dict.fromkeys((row[0] for row in rows), servers) | {0: client}
        before = {pid: os.sched_getaffinity(pid) for pid in places}
        try:
            for pid, place in places.items():
                os.sched_setaffinity(pid, place)
            yield
        finally:
            for pid, place in before.items():
                os.sched_setaffinity(pid, place)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class PlainSqlite:
    """Hand-written SQLite: WAL, synchronous FULL, BEGIN IMMEDIATE."""

    def __init__(self, path: Path) -> None:
        """Open the file and make the tables."""
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA.format(blob="blob", instant="integer"))

    def start(self) -> str:
        """Insert an instance."""
        id_ = secrets.token_hex(10)
        self._connection.execute("INSERT INTO plain_instances VALUES (?, 'left', 0, ?)", (id_, _FIELDS))
        return id_

    def step(self, id_: str) -> None:
        """Make one durable step."""
        now = int(datetime.now(UTC).timestamp() * 1_000_000)
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        state, version, fields = run("SELECT state, version, fields FROM plain_instances WHERE id = ?", (id_,)).fetchone()
        if not _is_allowed(fields):
            run("ROLLBACK")
            return
        run("UPDATE plain_instances SET state = ?, version = ? WHERE id = ?", (_MOVES[state], version + 1, id_))
        run("INSERT INTO plain_history VALUES (?, ?, ?)", (id_, version + 1, _history(id_, version + 1, state)))
        run("INSERT INTO plain_outbox VALUES (?, ?, ?, ?)", (secrets.token_hex(16), id_, '{"kind":"mail"}', now))
        run(
            "INSERT INTO plain_timers VALUES (?, ?, ?) ON CONFLICT (instance_id, name) DO UPDATE SET due_at = excluded.due_at",
            (id_, "late", now + 3_600_000_000),
        )
        run("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
