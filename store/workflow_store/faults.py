"""Foreign exceptions end here: what a database says becomes one of our errors.

Promises: whoever must act is told what to do; no value of a row is repeated in a message.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from workflow.errors import ConflictError, StoreError, WorkflowError
from workflow_store.changes import moved

UPGRADE = "The tables of the workflow store are missing or old in this database: run `workflow db upgrade`."
MOVED_PART = re.compile(r"moved (\w+)")

# PostgreSQL "Appendix A. PostgreSQL Error Codes".
UNIQUE_VIOLATION = "23505"
INVALID_TEXT = "22P02"
TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})
NOT_THERE = frozenset({"42P01", "42703", "3F000", "42704"})
# SQLite "Result and Error Codes": constraints that no faster writer explains, so trying again is no use.
BROKEN_RULES = frozenset({f"SQLITE_CONSTRAINT_{kind}" for kind in ("TRIGGER", "CHECK", "NOTNULL", "FOREIGNKEY")})


class LostConnectionError(StoreError):
    """The database went away; whether the last statement took effect is not known."""


def from_sqlite(error: BaseException, *, is_joined: bool) -> WorkflowError:
    """Say what an error of SQLite's driver means."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError) and not _is_broken_rule(error):
        return moved("row")
    if "locked" in text or "busy" in text:
        if is_joined:
            return ConflictError("Another connection is writing to this SQLite file; run your whole transaction again.")
        return StoreError(
            "The SQLite file stayed locked by another writer until the waiting time was over; find who holds it, then try again."
        )
    if "no such table" in text or "no such column" in text:
        return StoreError(UPGRADE)
    return StoreError(f"SQLite cannot do it: {text}.")


def _is_broken_rule(error: sqlite3.IntegrityError) -> bool:
    """Tell a rule of the database that refuses the row itself; our own trigger refuses an entry that somebody else wrote first."""
    return error.sqlite_errorname in BROKEN_RULES and "append-only" not in str(error)


def from_postgres(error: BaseException) -> WorkflowError:
    """Say what an error of a PostgreSQL driver means, by its SQLSTATE."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state == UNIQUE_VIOLATION:
        return moved("row")
    if state == INVALID_TEXT and (part := MOVED_PART.search(str(error))):
        return moved(part[1])
    if state in TRY_AGAIN:
        return ConflictError("PostgreSQL stopped this transaction for the sake of another one; try again.")
    if state in NOT_THERE:
        return StoreError(UPGRADE)
    if state is None or state.startswith(("08", "57P")):
        return LostConnectionError(f"The connection to PostgreSQL was lost ({type(error).__name__}); try again when it is back.")
    return StoreError(f"PostgreSQL refuses it (SQLSTATE {state}, {type(error).__name__}).")


@contextmanager
def translated(database: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises on a host's connection into our errors."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        cause = error.orig or error
        raise (from_sqlite(cause, is_joined=True) if database == "sqlite" else from_postgres(cause)) from error
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"The connection cannot be used: {error}") from error
