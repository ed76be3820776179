"""Many statements in one round trip: how a change is written on our own connections to PostgreSQL.

Promises: the statements are sent together, outside a transaction they are one transaction, and the first that fails undoes them
all. A statement that must touch a row and touches none fails; so nothing that follows it is kept.

One data-modifying statement with an arm for each table does the same in one round trip too, and in a host's transaction it is what
we use (`saving_postgres`). Planned once and run one by one, the same rows cost the server half of that.
"""

# ruff: noqa: S608  # statements are put together from templates of ours; what comes from data is always bound

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.waiting import Ready, Wait

from workflow_store.statements import Book, Row, Statement
from workflow_store.tables import micros
from workflow_store.writes import ANSWER, TIMER_REPLACED, Write

# PostgreSQL "Message Data Types": timestamps travel as microseconds since 2000-01-01, with integer_datetimes.
_MICROSECONDS_TO_2000 = 946_684_800_000_000
_FAILED = pq.ExecStatus.FATAL_ERROR
_END = pq.ExecStatus.PIPELINE_SYNC
_NUMBER: Callable[[int], bytes] = lambda value: value.to_bytes(8, "big", signed=True)  # noqa: E731  # the quickest form there is
_BINARY: dict[type, Callable[[Any], bytes | None]] = {
    str: str.encode,
    int: _NUMBER,
    bytes: lambda value: value,
    bool: lambda value: b"\x01" if value else b"\x00",
    type(None): lambda value: value,
}


FAILING = {
    # The compare-and-set of the instance says already that its timers are those that were read.
    TIMER_REPLACED: TIMER_REPLACED,
    ANSWER: (
        "INSERT INTO {answers} AS a (key, content, instance_id, sequence, is_accepted, body, expires_at) "
        "VALUES (:a, :b, :c, :d, :e, :f, :g) ON CONFLICT (key) DO UPDATE SET content = excluded.content, "
        "instance_id = excluded.instance_id, sequence = excluded.sequence, body = excluded.body, expires_at = excluded.expires_at, "
        "is_accepted = CASE WHEN a.expires_at <= :h THEN excluded.is_accepted ELSE ('moved answer ' || a.sequence)::boolean END"
    ),
}
"""Statements that every step runs and that must touch a row, in a form that needs no counting of rows, which costs as much again."""


def timestamp(at: datetime) -> bytes:
    """Write an instant as PostgreSQL's binary form has it."""
    return (micros(at) - _MICROSECONDS_TO_2000).to_bytes(8, "big", signed=True)


def binary(row: Sequence[Any]) -> list[bytes | None]:
    """Write values as PostgreSQL's binary form has them; integers with eight bytes, instants by `timestamp`."""
    return [_BINARY[type(value)](value) for value in row]


class Pipeline:
    """Sends prepared statements together on one connection of psycopg."""

    __slots__ = ("_connection", "_names", "_pg", "_readers")

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Take a connection in autocommit mode."""
        self._connection = connection
        self._pg = connection.pgconn
        self._names: dict[tuple[str, str | None], bytes] = {}
        self._readers: dict[bytes, Any] = {}  # psycopg names its own type only where it is made

    def run(self, book: Book, writes: Iterable[Write], *, is_part: bool = False) -> None:
        """Run all writes; raises psycopg's error of the first that fails, and then none has happened.

        With `is_part` they are a savepoint of the transaction that is open, which goes on after an error.
        """
        ready = [
            (self._names.get((template, expected)) or self._prepared(book, template, expected), row) for template, row, expected in writes
        ]
        pg, failed = self._pg, None
        pg.enter_pipeline_mode()
        if is_part:
            pg.send_query_params(b"SAVEPOINT workflow_part", None)
        for name, row in ready:
            pg.send_query_prepared(name, binary(row), (1,) * len(row), 1)
        if is_part:
            pg.send_query_params(b"RELEASE workflow_part", None)
        pg.pipeline_sync()
        failed = self._connection.wait(_answers(pg))
        pg.exit_pipeline_mode()
        if failed is not None and is_part:
            self.tell(b"ROLLBACK TO workflow_part")
        if failed is not None:
            raise psycopg.errors.error_from_result(failed, encoding="utf-8")

    def tell(self, command: bytes) -> None:
        """Run a command that begins or ends a transaction.

        psycopg's own cursor would forget, after a ROLLBACK, every statement that is prepared on the connection.
        """
        self._pg.send_query(command)
        failed = self._connection.wait(_answers(self._pg))
        if failed is not None:
            raise psycopg.errors.error_from_result(failed, encoding="utf-8")

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is under way: after an interruption answers are still to come, and there is no telling which."""
        return self._pg.pipeline_status == pq.PipelineStatus.OFF

    def rows(self, statement: Statement, values: Sequence[str | None]) -> Sequence[Row]:
        """Run a statement that gives rows, for text values in its own order; a cursor does the same at three times the cost."""
        name = self._names.get((statement.text, None)) or self._named(statement.text, (statement.text, None))
        pg = self._pg
        pg.send_query_prepared(name, [None if value is None else value.encode() for value in values], None, 1)
        answers: list[pq.abc.PGresult] = []
        failed = self._connection.wait(_answers(pg, answers))
        if failed is not None:
            raise psycopg.errors.error_from_result(failed, encoding="utf-8")
        read = self._readers.get(name)
        if read is None:
            read = self._readers[name] = Transformer(self._connection)
            read.set_pgresult(answers[0])
        else:
            read.set_pgresult(answers[0], set_loaders=False)  # the columns of a prepared statement stay what they are
        return read.load_rows(0, answers[0].ntuples, tuple)

    def _prepared(self, book: Book, template: str, expected: str | None) -> bytes:
        """Prepare a statement on this connection; one that must touch a row is made to fail when it touches none."""
        text = book[FAILING.get(template, template)].text
        if expected is not None and template not in FAILING:
            # The count cannot be known before the statement has run, so the cast is not tried when it is planned.
            counted = f"('moved {expected} ' || (SELECT count(*) FROM done))::int"
            text = f"WITH done AS ({text} RETURNING 1) SELECT CASE WHEN EXISTS (SELECT 1 FROM done) THEN 1 ELSE {counted} END"
        return self._named(text, (template, expected))

    def _named(self, text: str, key: tuple[str, str | None]) -> bytes:
        name = f"workflow_{len(self._names)}"
        self._connection.execute(f"PREPARE {name} AS {text}".encode())
        self._names[key] = name.encode()
        return name.encode()


def _answers(pg: pq.abc.PGconn, kept: list[pq.abc.PGresult] | None = None) -> Generator[Wait, Ready | int, pq.abc.PGresult | None]:
    """Wait for the answers of all statements, and give that of the one that failed; the others are put into `kept`."""
    failed: pq.abc.PGresult | None = None
    while True:
        if pg.flush():
            yield Wait.RW
            pg.consume_input()
            continue
        if pg.is_busy():
            yield Wait.R
            pg.consume_input()
            continue
        answer = pg.get_result()
        if answer is None:
            if pg.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError("the connection was lost in the middle of an answer")
            if pg.pipeline_status == pq.PipelineStatus.OFF:
                return failed
        elif answer.status == _END:
            return failed
        elif answer.status == _FAILED:
            failed = failed or answer
        elif kept is not None:
            kept.append(answer)
