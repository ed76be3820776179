"""`save` on SQLite: driver-level statements, one after the other, inside one write transaction.

Promises: the caller has begun a write transaction (or a savepoint) and ends it; a `ConflictError` leaves the ending to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from workflow.ports import Change, Credential, Message
from workflow_store import mapping
from workflow_store.changes import credential_changes, moved, removed_timers, unique_changes
from workflow_store.erasing import DELETES_OF_INSTANCE, DELETES_OF_SUBJECT
from workflow_store.statements import Book, Runner
from workflow_store.tables import NEVER, micros

INSERT_INSTANCE = (
    "INSERT INTO {instances} (id, definition, digest, state, subject, version, head, head_hash, outcome, started_at, recorded_at, "
    "suppressed_count, data) VALUES (:id, :definition, :digest, :state, :subject, :version, :head, :head_hash, :outcome, :started_at, "
    ":recorded_at, :suppressed_count, :data) ON CONFLICT (id) DO NOTHING"
)
UPDATE_INSTANCE = (
    "UPDATE {instances} SET digest = :digest, state = :state, version = :version, head = :head, head_hash = :head_hash, "
    "outcome = :outcome, recorded_at = :recorded_at, suppressed_count = :suppressed_count, data = :data "
    "WHERE id = :id AND head = :expected_head AND suppressed_count = :expected_suppressed"
)
ENTRIES = "INSERT INTO {entries} VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j, :k, :l)"
UNSEQUENCED = "INSERT INTO {unsequenced} (instance_id, sequence) VALUES (:a, :b)"
TIMERS = (
    "INSERT INTO {timers} (instance_id, key, event, state, position, armed_at, base_at, remaining_days, remaining_seconds, due_at) "
    "VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j) ON CONFLICT (instance_id, key) DO UPDATE SET event = excluded.event, "
    "state = excluded.state, position = excluded.position, armed_at = excluded.armed_at, base_at = excluded.base_at, "
    "remaining_days = excluded.remaining_days, remaining_seconds = excluded.remaining_seconds, due_at = excluded.due_at"
)
TIMERS_REMOVED = "DELETE FROM {timers} WHERE instance_id = :a AND key = :b"
SUPERSEDED = (
    "UPDATE {outbox} SET state = 'superseded', due_at = NULL WHERE instance_id = :a AND link = :b AND serial < :c AND state = 'queued'"
)
MESSAGES = (
    "INSERT INTO {outbox} (id, instance_id, sequence, link, serial, state, queued_at, available_at, due_at, attempts, token, "
    "last_error, effect) VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j, :k, :l, :m)"
)
SETTLED = "UPDATE {outbox} SET state = :c, due_at = NULL WHERE id = :a AND token = :b AND state = 'leased'"
CREDENTIAL_NEW = (
    "INSERT INTO {credentials} (version, sealed, is_active, failure_count, last_step, locked_until, created_at, subject, kind, name) "
    "VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j)"
)
CREDENTIAL_SET = (
    "UPDATE {credentials} SET version = :a, sealed = :b, is_active = :c, failure_count = :d, last_step = :e, locked_until = :f, "
    "created_at = :g WHERE subject = :h AND kind = :i AND name = :j AND version = :k"
)
CREDENTIAL_GONE = "DELETE FROM {credentials} WHERE subject = :a AND kind = :b AND name = :c AND version = :d"
SEALED = "INSERT INTO {sealed_values} (subject, instance_id, sequence, slot, sealed) VALUES (:a, :b, :c, :d, :e)"
SUBJECT_KEY = "INSERT INTO {subject_keys} (subject, sealed) VALUES (:a, :b)"
WORK_GONE = "DELETE FROM {work} WHERE instance_id = :a"
WORK = "INSERT INTO {work} (instance_id, event, role, scope, due_at) VALUES (:a, :b, :c, :d, :e)"
ANSWER = (
    "INSERT INTO {answers} (key, content, instance_id, sequence, is_accepted, body, expires_at) VALUES (:a, :b, :c, :d, :e, :f, :g) "
    "ON CONFLICT (key) DO UPDATE SET content = excluded.content, instance_id = excluded.instance_id, sequence = excluded.sequence, "
    "is_accepted = excluded.is_accepted, body = excluded.body, expires_at = excluded.expires_at WHERE expires_at <= :h"
)
UNIQUE = (
    "INSERT INTO {unique_values} (definition, field, blind, instance_id) VALUES (:a, :b, :c, :d) "
    "ON CONFLICT (definition, field, blind) DO UPDATE SET instance_id = excluded.instance_id WHERE instance_id = excluded.instance_id"
)
UNIQUE_GONE = "DELETE FROM {unique_values} WHERE definition = :a AND field = :b AND blind = :c AND instance_id = :d"
DELEGATIONS = (
    "INSERT INTO {delegations} (id, principal, deputy, role, scope, starts_at, ends_at, reason) VALUES (:a, :b, :c, :d, :e, :f, :g, :h)"
)
DELEGATIONS_ENDED = "UPDATE {delegations} SET ends_at = :a WHERE id = :b"
PUBLICATIONS = "INSERT INTO {publications} (id, count) VALUES (1, :a) ON CONFLICT (id) DO UPDATE SET count = count + :a"
DOCUMENTS = (
    "INSERT INTO {documents} (kind, name, digest, text_digest, content, text, position) "
    "SELECT :a, :b, :c, :d, :e, :f, p.count + :g FROM {publications} p WHERE p.id = 1 "
    "ON CONFLICT (digest, text_digest) DO UPDATE SET position = excluded.position"
)


def save(run: Runner, book: Book, change: Change) -> None:
    """Write everything of a change, or raise `ConflictError` at the first thing that is not as it was read."""
    _instance(run, book, change)
    for part in _PARTS:
        part(run, book, change)


def _at(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def _instance(run: Runner, book: Book, change: Change) -> None:
    one = change.instance
    values: dict[str, Any] = {
        "id": one.id,
        "definition": one.definition,
        "digest": one.digest,
        "state": one.state,
        "subject": one.subject,
        "version": one.version,
        "head": one.head,
        "head_hash": one.head_hash,
        "outcome": one.outcome,
        "started_at": micros(one.started_at),
        "recorded_at": micros(one.recorded_at),
        "suppressed_count": one.suppressed_count,
        "data": mapping.instance_data(one),
        "expected_head": change.expected_head,
        "expected_suppressed": change.expected_suppressed,
    }
    if run.change(book[INSERT_INSTANCE if change.is_new else UPDATE_INSTANCE], values) != 1:
        raise moved("instance")


def _entries(run: Runner, book: Book, change: Change) -> None:
    if not change.entries:
        return
    rows = [
        (
            one.instance_id,
            one.sequence,
            one.kind,
            one.event,
            one.actor,
            one.on_behalf_of,
            one.from_state,
            one.to_state,
            micros(one.occurred_at),
            micros(one.recorded_at),
            one.canonical,
            one.entry_hash,
        )
        for one in change.entries
    ]
    run.change_many(book[ENTRIES], rows)
    run.change_many(book[UNSEQUENCED], [row[:2] for row in rows])


def _timers(run: Runner, book: Book, change: Change) -> None:
    id_ = change.instance.id
    if change.timers_removed:
        run.change_many(book[TIMERS_REMOVED], [(id_, key) for key in removed_timers(change)])
    if change.timers_set:
        rows = [
            (
                id_,
                one.key,
                one.event,
                one.state,
                one.index,
                micros(one.armed_at),
                micros(one.base_at),
                one.remaining.days,
                one.remaining.seconds,
                _at(one.due_at),
            )
            for one in change.timers_set
        ]
        run.change_many(book[TIMERS], rows)


def _outbox(run: Runner, book: Book, change: Change) -> None:
    id_ = change.instance.id
    if change.settled is not None:
        message, token, state = change.settled
        if run.change_many(book[SETTLED], [(state, message, token)]) != 1:
            raise moved("message")
    if change.superseded:
        run.change_many(book[SUPERSEDED], [(id_, link, serial) for link, serial in change.superseded])
    if change.messages:
        run.change_many(book[MESSAGES], [_message(one) for one in change.messages])


def _message(one: Message) -> tuple[Any, ...]:
    effect = one.effect
    return (
        one.id,
        one.instance_id,
        one.sequence,
        effect.link,
        effect.serial,
        one.state,
        micros(one.queued_at),
        micros(one.available_at),
        _at(mapping.message_due_at(one)),
        one.attempts,
        one.token,
        one.last_error,
        mapping.effect_json(effect),
    )


def _credentials(run: Runner, book: Book, change: Change) -> None:
    if not change.credentials:
        return
    new, kept, gone = credential_changes(change)
    if new:
        run.change_many(book[CREDENTIAL_NEW], [_credential(one) for one in new])
    if kept and run.change_many(book[CREDENTIAL_SET], [(*_credential(one), one.version) for one in kept]) != len(kept):
        raise moved("credential")
    if gone:
        rows = [(one.subject, one.kind, one.name, one.version) for one in gone]
        if run.change_many(book[CREDENTIAL_GONE], rows) != len(gone):
            raise moved("credential")


def _credential(one: Credential) -> tuple[Any, ...]:
    return (
        one.version + 1,
        one.sealed,
        one.is_active,
        one.failure_count,
        one.last_step,
        _at(one.locked_until),
        _at(one.created_at),
        one.subject,
        one.kind,
        one.name,
    )


def _sealed(run: Runner, book: Book, change: Change) -> None:
    if change.subject_key is not None:
        run.change_many(book[SUBJECT_KEY], [(change.instance.subject, change.subject_key)])
    if change.sealed:
        rows = [(one.subject, one.instance_id, one.sequence, one.slot, one.sealed) for one in change.sealed]
        run.change_many(book[SEALED], rows)


def _work(run: Runner, book: Book, change: Change) -> None:
    if change.work is None:
        return
    id_ = change.instance.id
    run.change_many(book[WORK_GONE], [(id_,)])
    if change.work:
        run.change_many(book[WORK], [(id_, one.event, one.role, one.scope or "", micros(one.due_at or NEVER)) for one in change.work])


def _answer(run: Runner, book: Book, change: Change) -> None:
    one = change.answer
    if one is None:
        return
    row = (one.key, one.content, one.instance_id, one.sequence, one.is_accepted, one.body, micros(one.expires_at))
    if run.change_many(book[ANSWER], [(*row, micros(change.instance.recorded_at))]) != 1:
        raise moved("answer")


def _unique(run: Runner, book: Book, change: Change) -> None:
    if not (change.unique_added or change.unique_removed):
        return
    added, removed = unique_changes(change)
    id_ = change.instance.id
    if removed:
        run.change_many(book[UNIQUE_GONE], [(one.definition, one.field, one.blind, id_) for one in removed])
    rows = [(one.definition, one.field, one.blind, id_) for one in added]
    if rows and run.change_many(book[UNIQUE], rows) != len(rows):
        raise moved("value")


def _delegations(run: Runner, book: Book, change: Change) -> None:
    if change.delegations_added:
        rows = [
            (one.id, one.principal, one.deputy, one.role, one.scope, micros(one.starts_at), micros(one.ends_at), one.reason)
            for one in change.delegations_added
        ]
        run.change_many(book[DELEGATIONS], rows)
    if change.delegations_ended:
        run.change_many(book[DELEGATIONS_ENDED], [(micros(ends_at), id_) for id_, ends_at in change.delegations_ended])


def _documents(run: Runner, book: Book, change: Change) -> None:
    if not change.documents:
        return
    count = len(change.documents)
    run.change_many(book[PUBLICATIONS], [(count, count)])
    rows = [
        (one.kind, one.name, one.digest, one.text_digest, one.content, one.text, 1 + place - count)
        for place, one in enumerate(change.documents)
    ]
    run.change_many(book[DOCUMENTS], rows)


def _erased(run: Runner, book: Book, change: Change) -> None:
    if change.erased is None:
        return
    for template in DELETES_OF_INSTANCE:
        run.change_many(book[template], [(change.instance.id,)])
    for template in DELETES_OF_SUBJECT if change.erased == "subject" else ():
        run.change_many(book[template], [(change.instance.subject,)])


_PARTS: Sequence[Callable[[Runner, Book, Change], None]] = (
    _entries,
    _timers,
    _outbox,
    _credentials,
    _sealed,
    _work,
    _answer,
    _unique,
    _delegations,
    _documents,
    _erased,
)
