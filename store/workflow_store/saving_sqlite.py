"""`save` on SQLite: driver-level statements, one after the other, inside one write transaction.

Promises: the caller has begun a write transaction (or a savepoint) and ends it; a `ConflictError` leaves the ending to it.
"""

from __future__ import annotations

from workflow.ports import Change, message_bounds
from workflow_store.changes import moved
from workflow_store.erasing import DELETES_OF_INSTANCE, DELETES_OF_SUBJECT, UPDATES_OF_MESSAGES
from workflow_store.statements import Book, Runner
from workflow_store.tables import micros
from workflow_store.writes import writes_of

PUBLICATIONS = "INSERT INTO {publications} (id, count) VALUES (1, :a) ON CONFLICT (id) DO UPDATE SET count = count + :a"
DOCUMENTS = (
    "INSERT INTO {documents} (kind, name, digest, text_digest, content, text, position) "
    "SELECT :a, :b, :c, :d, :e, :f, p.count + :g FROM {publications} p WHERE p.id = 1 "
    "ON CONFLICT (digest, text_digest) DO UPDATE SET position = excluded.position"
)


def save(run: Runner, book: Book, change: Change) -> None:
    """Write everything of a change, or raise `ConflictError` at the first thing that is not as it was read."""
    for template, row, expected in writes_of(change, micros):
        if run.change(book[template], row) != 1 and expected is not None:
            raise moved(expected)
    if change.documents:
        _documents(run, book, change)
    if change.erased is not None:
        _erased(run, book, change)


def _documents(run: Runner, book: Book, change: Change) -> None:
    count = len(change.documents)
    run.change(book[PUBLICATIONS], (count, count))
    for place, one in enumerate(change.documents):
        run.change(book[DOCUMENTS], (one.kind, one.name, one.digest, one.text_digest, one.content, one.text, 1 + place - count))


def _erased(run: Runner, book: Book, change: Change) -> None:
    for template in DELETES_OF_INSTANCE:
        run.change(book[template], (change.instance.id,))
    for template in UPDATES_OF_MESSAGES:
        run.change(book[template], message_bounds(change.instance.id))
    for template in DELETES_OF_SUBJECT if change.erased == "subject" else ():
        run.change(book[template], (change.instance.subject,))
