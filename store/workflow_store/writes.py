"""What a change writes, statement by statement.

Promises: the same statements for SQLite, which runs them one after the other, and for our own connections to PostgreSQL, which
sends them all at once; the caller has begun a transaction and ends it. A write that names what it expects must touch one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from workflow.ports import Change, Credential, Message, message_bounds
from workflow.states.instance import InstanceId, Timer
from workflow_store import mapping
from workflow_store.changes import credential_changes, removed_timers, unique_changes
from workflow_store.tables import NEVER

Write = tuple[str, tuple[Any, ...], str | None]
"""A template, its values in order, and what has moved when the statement touches no row (None when it need not touch one)."""
At = Callable[[datetime], Any]
"""How the database is given an instant."""

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
    "VALUES (:a, :b, :c, :d, :e::bigint, :f, :g, :h, :i, :j) ON CONFLICT (instance_id, key) DO UPDATE SET event = excluded.event, "
    "state = excluded.state, position = excluded.position, armed_at = excluded.armed_at, base_at = excluded.base_at, "
    "remaining_days = excluded.remaining_days, remaining_seconds = excluded.remaining_seconds, due_at = excluded.due_at"
)
TIMER_REPLACED = (
    "UPDATE {timers} SET key = :a, event = :b, state = :c, position = :d::bigint, armed_at = :e, base_at = :f, remaining_days = :g, "
    "remaining_seconds = :h, due_at = :i WHERE instance_id = :j AND key = :k"
)
TIMERS_REMOVED = "DELETE FROM {timers} WHERE instance_id = :a AND key = :b"
SUPERSEDED = (
    "UPDATE {outbox} SET state = 'superseded', due_at = NULL WHERE id BETWEEN :a AND :b AND link = :c AND serial < :d AND state = 'queued'"
)
MESSAGES = (
    "INSERT INTO {outbox} (id, instance_id, sequence, link, serial, state, queued_at, available_at, due_at, attempts, token, "
    "last_error, effect) VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j::bigint, :k, :l, :m)"
)
SETTLED = "UPDATE {outbox} SET state = :c, due_at = NULL WHERE id = :a AND token = :b AND state = 'leased'"
CREDENTIAL_NEW = (
    "INSERT INTO {credentials} (version, sealed, is_active, failure_count, last_step, locked_until, created_at, subject, kind, name) "
    "VALUES (:a, :b, :c, :d::bigint, :e, :f, :g, :h, :i, :j)"
)
CREDENTIAL_SET = (
    "UPDATE {credentials} SET version = :a, sealed = :b, is_active = :c, failure_count = :d::bigint, last_step = :e, locked_until = :f, "
    "created_at = :g WHERE subject = :h AND kind = :i AND name = :j AND version = :k"
)
CREDENTIAL_GONE = "DELETE FROM {credentials} WHERE subject = :a AND kind = :b AND name = :c AND version = :d"
SEALED = "INSERT INTO {sealed_values} (subject, instance_id, sequence, slot, sealed) VALUES (:a, :b, :c, :d, :e)"
SUBJECT_KEY = "INSERT INTO {subject_keys} (subject, sealed) VALUES (:a, :b)"
WORK_GONE = "DELETE FROM {work} WHERE instance_id = :a"
WORK = "INSERT INTO {work} (instance_id, event, role, scope, due_at) VALUES (:a, :b, :c, :d, :e)"
ANSWER = (
    "INSERT INTO {answers} AS a (key, content, instance_id, sequence, is_accepted, body, expires_at) VALUES (:a, :b, :c, :d, :e, :f, :g) "
    "ON CONFLICT (key) DO UPDATE SET content = excluded.content, instance_id = excluded.instance_id, sequence = excluded.sequence, "
    "is_accepted = excluded.is_accepted, body = excluded.body, expires_at = excluded.expires_at WHERE a.expires_at <= :h"
)
UNIQUE = (
    "INSERT INTO {unique_values} AS u (definition, field, blind, instance_id) VALUES (:a, :b, :c, :d) "
    "ON CONFLICT (definition, field, blind) DO UPDATE SET instance_id = excluded.instance_id WHERE u.instance_id = excluded.instance_id"
)
UNIQUE_GONE = "DELETE FROM {unique_values} WHERE definition = :a AND field = :b AND blind = :c AND instance_id = :d"
DELEGATIONS = (
    "INSERT INTO {delegations} (id, principal, deputy, role, scope, starts_at, ends_at, reason) VALUES (:a, :b, :c, :d, :e, :f, :g, :h)"
)
DELEGATIONS_ENDED = "UPDATE {delegations} SET ends_at = :a WHERE id = :b"


def is_plain(change: Change) -> bool:
    """Tell whether `writes_of` is all that a change writes."""
    return change.erased is None and not change.documents


def writes_of(change: Change, at: At) -> list[Write]:
    """Give everything that a change writes, but for publications and erasures."""
    made = [_instance(change, at)]
    _history(change, at, made)
    if change.timers_removed or change.timers_set:
        made += _timers(change, at)
    if change.settled is not None or change.superseded or change.messages:
        made += _outbox(change, at)
    if change.work is not None:
        made += _work(change, at)
    if change.answer is not None:
        one = change.answer
        row = (one.key, one.content, one.instance_id, one.sequence, one.is_accepted, one.body, at(one.expires_at))
        made.append((ANSWER, (*row, at(change.instance.recorded_at)), "answer"))
    if change.credentials or change.sealed or change.subject_key is not None:
        made += _people(change, at)
    if change.unique_added or change.unique_removed:
        made += _unique(change)
    if change.delegations_added or change.delegations_ended:
        made += _delegations(change, at)
    return made


def _instance(change: Change, at: At) -> Write:
    one = change.instance
    data, recorded_at = mapping.instance_data(one), at(one.recorded_at)
    if change.is_new:
        begun = (one.id, one.definition, one.digest, one.state, one.subject, one.version, one.head, one.head_hash, one.outcome)
        return INSERT_INSTANCE, (*begun, at(one.started_at), recorded_at, one.suppressed_count, data), "instance"
    changed = (one.digest, one.state, one.version, one.head, one.head_hash, one.outcome, recorded_at, one.suppressed_count, data)
    return UPDATE_INSTANCE, (*changed, one.id, change.expected_head, change.expected_suppressed), "instance"


def _history(change: Change, at: At, made: list[Write]) -> None:
    for one in change.entries:
        occurred_at = at(one.occurred_at)
        recorded_at = occurred_at if one.recorded_at is one.occurred_at else at(one.recorded_at)
        told = (one.instance_id, one.sequence, one.kind, one.event, one.actor, one.on_behalf_of, one.from_state, one.to_state)
        made.append((ENTRIES, (*told, occurred_at, recorded_at, one.canonical, one.entry_hash), None))
        made.append((UNSEQUENCED, (one.instance_id, one.sequence), None))


def _timers(change: Change, at: At) -> Iterable[Write]:
    id_ = change.instance.id
    replaced = {new: old for old, new in change.timers_replacing if old in change.timers_removed}
    for key in removed_timers(change) if len(change.timers_removed) > len(replaced) else ():
        if key not in replaced.values():
            yield TIMERS_REMOVED, (id_, key), None
    for timer in change.timers_set:
        row, old = _timer(id_, timer, at), replaced.get(timer.key)
        if old is None:
            yield TIMERS, row, None
        else:
            yield TIMER_REPLACED, (*row[1:], id_, old), "instance"


def _timer(id_: InstanceId, one: Timer, at: At) -> tuple[Any, ...]:
    armed_at, left = at(one.armed_at), one.remaining
    base_at = armed_at if one.base_at is one.armed_at else at(one.base_at)
    due_at = None if one.due_at is None else at(one.due_at)
    return (id_, one.key, one.event, one.state, one.index, armed_at, base_at, left.days, left.seconds, due_at)


def _outbox(change: Change, at: At) -> Iterable[Write]:
    if change.settled is not None:
        message, token, state = change.settled
        yield SETTLED, (state, message, token), "message"
    for link, serial in change.superseded:
        yield SUPERSEDED, (*message_bounds(change.instance.id), link, serial), None
    for one in change.messages:
        yield MESSAGES, _message(one, at), None


def _message(one: Message, at: At) -> tuple[Any, ...]:
    effect, queued_at = one.effect, at(one.queued_at)
    available_at = queued_at if one.available_at is one.queued_at else at(one.available_at)
    due_at = available_at if one.state == "queued" else _at(mapping.message_due_at(one), at)
    named = (one.id, one.instance_id, one.sequence, effect.link, effect.serial, one.state)
    return (*named, queued_at, available_at, due_at, one.attempts, one.token, one.last_error, mapping.effect_json(effect))


def _at(value: datetime | None, at: At) -> Any:  # noqa: ANN401  # as the database is given it
    return None if value is None else at(value)


def _work(change: Change, at: At) -> Iterable[Write]:
    id_ = change.instance.id
    yield WORK_GONE, (id_,), None
    for one in change.work or ():
        yield WORK, (id_, one.event, one.role, one.scope or "", at(one.due_at or NEVER)), None


def _people(change: Change, at: At) -> Iterable[Write]:
    new, kept, gone = credential_changes(change)
    for one in new:
        yield CREDENTIAL_NEW, _credential(one, at), None
    for one in kept:
        yield CREDENTIAL_SET, (*_credential(one, at), one.version), "credential"
    for one in gone:
        yield CREDENTIAL_GONE, (one.subject, one.kind, one.name, one.version), "credential"
    if change.subject_key is not None:
        yield SUBJECT_KEY, (change.instance.subject, change.subject_key), None
    for value in change.sealed:
        yield SEALED, (value.subject, value.instance_id, value.sequence, value.slot, value.sealed), None


def _credential(one: Credential, at: At) -> tuple[Any, ...]:
    said = (one.version + 1, one.sealed, one.is_active, one.failure_count, one.last_step)
    return (*said, _at(one.locked_until, at), _at(one.created_at, at), one.subject, one.kind, one.name)


def _unique(change: Change) -> Iterable[Write]:
    added, removed = unique_changes(change)
    id_ = change.instance.id
    for one in removed:
        yield UNIQUE_GONE, (one.definition, one.field, one.blind, id_), None
    for one in added:
        yield UNIQUE, (one.definition, one.field, one.blind, id_), "value"


def _delegations(change: Change, at: At) -> Iterable[Write]:
    for one in change.delegations_added:
        named = (one.id, one.principal, one.deputy, one.role, one.scope)
        yield DELEGATIONS, (*named, at(one.starts_at), at(one.ends_at), one.reason), None
    for id_, ends_at in change.delegations_ended:
        yield DELEGATIONS_ENDED, (at(ends_at), id_), None
