"""`save` on PostgreSQL: one data-modifying statement, put together from the arms that a change needs.

Promises: every arm depends on the compare-and-set of the instance, so that a lost race writes nothing; a part that is not as
it was read (a credential, a fencing token) makes the statement fail, so that nothing of it stays.

A single entry, timer, message or answer, which is the usual thing, comes in as plain values. Several rows come in as JSON, one
value per arm, so that the text of the statement does not depend on their number. Sub-statements see the tables as they
were before, and may not touch a row twice: therefore what stays is upserted and only the rest deleted.
"""

# ruff: noqa: S608  # statements are put together from templates of ours; what comes from data is always bound

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from workflow.audit.entry import EntryRow
from workflow.ports import Change, Message, StoredAnswer
from workflow.states.instance import Instance, Timer
from workflow_store import mapping
from workflow_store.changes import credential_changes, moved, removed_timers, unique_changes
from workflow_store.erasing import ARMS_OF_INSTANCE, ARMS_OF_SUBJECT
from workflow_store.statements import Reader, Statement

Values = dict[str, Any]

NEW = (
    "did_head AS (INSERT INTO {instances} (id, definition, digest, state, subject, version, head, head_hash, outcome, started_at, "
    "recorded_at, suppressed_count, data) VALUES (:id::text, :definition::text, :digest::text, :state::text, :subject::text, "
    ":version::bigint, :head::bigint, :head_hash::bytea, :outcome::text, :started_at::text::timestamptz, :recorded_at::text::timestamptz, "
    ":suppressed_count::bigint, :data::text) ON CONFLICT (id) DO NOTHING RETURNING id)"
)
KNOWN = (
    "did_head AS (UPDATE {instances} SET digest = :digest::text, state = :state::text, version = :version::bigint, head = :head::bigint, "
    "head_hash = :head_hash::bytea, outcome = :outcome::text, recorded_at = :recorded_at::text::timestamptz, "
    "suppressed_count = :suppressed_count::bigint, data = :data::text "
    "WHERE id = :id::text AND head = :expected_head::bigint AND suppressed_count = :expected_suppressed::bigint RETURNING id)"
)

ARMS = {
    **ARMS_OF_INSTANCE,
    **ARMS_OF_SUBJECT,
    "entries": (
        "did_entries AS (INSERT INTO {entries} (instance_id, sequence, kind, event, actor, on_behalf_of, from_state, "
        "to_state, occurred_at, "
        "recorded_at, canonical, entry_hash) SELECT h.id, r.sequence, r.kind, r.event, r.actor, r.on_behalf_of, r.from_state, r.to_state, "
        "r.occurred_at, r.recorded_at, decode(r.canonical, 'hex'), decode(r.entry_hash, 'hex') "
        "FROM did_head h, json_to_recordset(:entries::text::json) AS r(sequence bigint, kind text, event text, actor "
        "text, on_behalf_of text, "
        "from_state text, to_state text, occurred_at timestamptz, recorded_at timestamptz, canonical text, entry_hash text) "
        "RETURNING instance_id, sequence), "
        "did_unsequenced AS (INSERT INTO {unsequenced} (instance_id, sequence) SELECT instance_id, sequence FROM did_entries)"
    ),
    "entry": (
        "did_entry AS (INSERT INTO {entries} (instance_id, sequence, kind, event, actor, on_behalf_of, from_state, to_state, occurred_at, "
        "recorded_at, canonical, entry_hash) SELECT h.id, :entry_sequence::bigint, :entry_kind::text, :entry_event::text, "
        ":entry_actor::text, :entry_on_behalf_of::text, :entry_from::text, :entry_to::text, :entry_occurred_at::text::timestamptz, "
        ":entry_recorded_at::text::timestamptz, :entry_canonical::bytea, :entry_hash::bytea FROM did_head h), "
        "did_unsequenced AS (INSERT INTO {unsequenced} (instance_id, sequence) SELECT h.id, :entry_sequence::bigint FROM did_head h)"
    ),
    "timer": (
        "did_timer AS (INSERT INTO {timers} (instance_id, key, event, state, position, armed_at, base_at, remaining_days, "
        "remaining_seconds, due_at) SELECT h.id, :timer_key::text, :timer_event::text, :timer_state::text, :timer_index::int, "
        ":timer_armed_at::text::timestamptz, :timer_base_at::text::timestamptz, :timer_days::bigint, :timer_seconds::bigint, "
        ":timer_due_at::text::timestamptz FROM did_head h "
        "ON CONFLICT (instance_id, key) DO UPDATE SET event = excluded.event, state = excluded.state, position = excluded.position, "
        "armed_at = excluded.armed_at, base_at = excluded.base_at, remaining_days = excluded.remaining_days, "
        "remaining_seconds = excluded.remaining_seconds, due_at = excluded.due_at)"
    ),
    "message": (
        "did_message AS (INSERT INTO {outbox} (id, instance_id, sequence, link, serial, state, queued_at, available_at, due_at, attempts, "
        "token, last_error, effect) SELECT :message_id::text, h.id, :message_sequence::bigint, :message_link::text, "
        ":message_serial::bigint, 'queued', :message_queued_at::text::timestamptz, :message_available_at::text::timestamptz, "
        ":message_available_at::text::timestamptz, 0, 0, '', :message_effect::text FROM did_head h)"
    ),
    "timers": (
        "did_timers AS (INSERT INTO {timers} (instance_id, key, event, state, position, armed_at, base_at, remaining_days, "
        "remaining_seconds, due_at) SELECT h.id, r.key, r.event, r.state, r.index, r.armed_at, r.base_at, "
        "(r.remaining->>'days')::bigint, (r.remaining->>'seconds')::bigint, r.due_at "
        "FROM did_head h, json_to_recordset(:timers::text::json) AS r(key text, event text, state text, index int, "
        "armed_at timestamptz, base_at timestamptz, remaining json, due_at timestamptz) "
        "ON CONFLICT (instance_id, key) DO UPDATE SET event = excluded.event, state = excluded.state, position = excluded.position, "
        "armed_at = excluded.armed_at, base_at = excluded.base_at, remaining_days = excluded.remaining_days, "
        "remaining_seconds = excluded.remaining_seconds, due_at = excluded.due_at)"
    ),
    "timer_removed": (
        "did_timer_removed AS (DELETE FROM {timers} t USING did_head h WHERE t.instance_id = h.id AND t.key = :timer_removed::text)"
    ),
    "timers_removed": (
        "did_timers_removed AS (DELETE FROM {timers} t USING did_head h, json_array_elements_text(:timers_removed::text::json) r(key) "
        "WHERE t.instance_id = h.id AND t.key = r.key)"
    ),
    "settled": (
        "did_settled AS (UPDATE {outbox} o SET state = r.value->>2, due_at = NULL FROM did_head h, (SELECT "
        ":settled::text::json AS value) r "
        "WHERE o.id = r.value->>0 AND o.token = (r.value->>1)::bigint AND o.state = 'leased' RETURNING 1)"
    ),
    "superseded": (
        "did_superseded AS (UPDATE {outbox} o SET state = 'superseded', due_at = NULL "
        "FROM did_head h, json_array_elements(:superseded::text::json) r(value) "
        "WHERE o.id BETWEEN h.id || '-' AND h.id || '.' AND o.link = r.value->>0 AND o.serial < (r.value->>1)::bigint "
        "AND o.state = 'queued')"
    ),
    "messages": (
        "did_messages AS (INSERT INTO {outbox} (id, instance_id, sequence, link, serial, state, queued_at, available_at, due_at, attempts, "
        "token, last_error, effect) SELECT r.id, r.instance_id, r.sequence, r.effect->>'link', (r.effect->>'serial')::bigint, r.state, "
        "r.queued_at, r.available_at, CASE r.state WHEN 'queued' THEN r.available_at WHEN 'leased' THEN r.leased_until END, r.attempts, "
        "r.token, r.last_error, json_strip_nulls(r.effect)::text "
        "FROM did_head h, json_to_recordset(:messages::text::json) AS r(id text, instance_id text, sequence bigint, effect json, "
        "queued_at timestamptz, available_at timestamptz, attempts int, token bigint, leased_until timestamptz, state "
        "text, last_error text))"
    ),
    "credentials_new": (
        "did_credentials_new AS (INSERT INTO {credentials} (subject, kind, name, version, sealed, is_active, failure_count, last_step, "
        "locked_until, created_at) SELECT r.subject, r.kind, r.name, r.version + 1, decode(r.sealed, 'hex'), r.is_active, r.failure_count, "
        "r.last_step, r.locked_until, r.created_at "
        "FROM did_head h, json_to_recordset(:credentials_new::text::json) AS r(subject text, kind text, name text, version bigint, "
        "sealed text, is_active boolean, failure_count int, last_step bigint, locked_until timestamptz, created_at timestamptz))"
    ),
    "credentials_set": (
        "did_credentials_set AS (UPDATE {credentials} c SET version = r.version + 1, sealed = decode(r.sealed, 'hex'), "
        "is_active = r.is_active, failure_count = r.failure_count, last_step = r.last_step, locked_until = r.locked_until, "
        "created_at = r.created_at "
        "FROM did_head h, json_to_recordset(:credentials_set::text::json) AS r(subject text, kind text, name text, version bigint, "
        "sealed text, is_active boolean, failure_count int, last_step bigint, locked_until timestamptz, created_at timestamptz) "
        "WHERE c.subject = r.subject AND c.kind = r.kind AND c.name = r.name AND c.version = r.version RETURNING 1)"
    ),
    "credentials_gone": (
        "did_credentials_gone AS (DELETE FROM {credentials} c USING did_head h, "
        "json_to_recordset(:credentials_gone::text::json) AS r(subject text, kind text, name text, version bigint) "
        "WHERE c.subject = r.subject AND c.kind = r.kind AND c.name = r.name AND c.version = r.version RETURNING 1)"
    ),
    "subject_key": (
        "did_subject_key AS (INSERT INTO {subject_keys} (subject, sealed) SELECT r.value->>0, decode(r.value->>1, 'hex') "
        "FROM did_head h, (SELECT :subject_key::text::json AS value) r)"
    ),
    "sealed": (
        "did_sealed AS (INSERT INTO {sealed_values} (subject, instance_id, sequence, slot, sealed) "
        "SELECT r.subject, r.instance_id, r.sequence, r.slot, decode(r.sealed, 'hex') "
        "FROM did_head h, json_to_recordset(:sealed::text::json) AS r(subject text, instance_id text, sequence bigint, "
        "slot text, sealed text))"
    ),
    "work": (
        "did_work AS (INSERT INTO {work} AS w (instance_id, event, role, scope, due_at) "
        "SELECT h.id, r.event, r.role, coalesce(r.scope, ''), coalesce(r.due_at, '9999-12-31T23:59:59.999999Z'::timestamptz) "
        "FROM did_head h, json_to_recordset(:work::text::json) AS r(event text, role text, scope text, due_at timestamptz) "
        "ON CONFLICT (instance_id, event, role, scope) DO UPDATE SET due_at = excluded.due_at WHERE w.due_at IS "
        "DISTINCT FROM excluded.due_at)"
    ),
    "work_gone": (
        "did_work_gone AS (DELETE FROM {work} w USING did_head h WHERE w.instance_id = h.id AND NOT EXISTS (SELECT 1 "
        "FROM json_to_recordset(:work::text::json) AS r(event text, role text, scope text) "
        "WHERE r.event = w.event AND r.role = w.role AND coalesce(r.scope, '') = w.scope))"
    ),
    "answer": (
        "did_answer AS (INSERT INTO {answers} AS a (key, content, instance_id, sequence, is_accepted, body, expires_at) "
        "SELECT :answer_key::text, :answer_content::text, h.id, :answer_sequence::bigint, :answer_is_accepted::boolean, "
        ":answer_body::bytea, :answer_expires_at::text::timestamptz FROM did_head h "
        "ON CONFLICT (key) DO UPDATE SET content = excluded.content, instance_id = excluded.instance_id, sequence = excluded.sequence, "
        "is_accepted = excluded.is_accepted, body = excluded.body, expires_at = excluded.expires_at "
        "WHERE a.expires_at <= :recorded_at::text::timestamptz RETURNING 1)"
    ),
    "unique_gone": (
        "did_unique_gone AS (DELETE FROM {unique_values} u USING did_head h, "
        "json_to_recordset(:unique_gone::text::json) AS r(definition text, field text, blind text) "
        "WHERE u.definition = r.definition AND u.field = r.field AND u.blind = r.blind AND u.instance_id = h.id)"
    ),
    "unique": (
        "did_unique AS (INSERT INTO {unique_values} AS u (definition, field, blind, instance_id) "
        "SELECT r.definition, r.field, r.blind, h.id "
        "FROM did_head h, json_to_recordset(:unique::text::json) AS r(definition text, field text, blind text) "
        "ON CONFLICT (definition, field, blind) DO UPDATE SET instance_id = excluded.instance_id "
        "WHERE u.instance_id = excluded.instance_id RETURNING 1)"
    ),
    "delegations": (
        "did_delegations AS (INSERT INTO {delegations} (id, principal, deputy, role, scope, starts_at, ends_at, reason) "
        "SELECT r.id, r.principal, r.deputy, r.role, r.scope, r.starts_at, r.ends_at, r.reason "
        "FROM did_head h, json_to_recordset(:delegations::text::json) AS r(id text, principal text, deputy text, role text, scope text, "
        "starts_at timestamptz, ends_at timestamptz, reason text))"
    ),
    "delegations_ended": (
        "did_delegations_ended AS (UPDATE {delegations} d SET ends_at = (r.value->>1)::timestamptz "
        "FROM did_head h, json_array_elements(:delegations_ended::text::json) r(value) WHERE d.id = r.value->>0)"
    ),
    "documents": (
        "did_publications AS (INSERT INTO {publications} AS p (id, count) SELECT 1, "
        "json_array_length(:documents::text::json) FROM did_head "
        "ON CONFLICT (id) DO UPDATE SET count = p.count + excluded.count RETURNING count), "
        "did_documents AS (INSERT INTO {documents} (kind, name, digest, text_digest, content, text, position) "
        "SELECT r.kind, r.name, r.digest, r.text_digest, decode(r.content, 'hex'), decode(r.text, 'hex'), p.count + r.place "
        "FROM did_publications p, json_to_recordset(:documents::text::json) AS r(kind text, name text, digest text, text_digest text, "
        "content text, text text, place int) ON CONFLICT (digest, text_digest) DO UPDATE SET position = excluded.position)"
    ),
}

# Arm -> (what moved, how many rows it must have touched). The sum cannot be computed before the arm has run, so the cast,
# which fails and takes the whole statement with it, is only tried when a part was not as it was read.
CHECKED = {
    "settled": ("message", "1"),
    "credentials_set": ("credential", "json_array_length(:credentials_set::text::json)"),
    "credentials_gone": ("credential", "json_array_length(:credentials_gone::text::json)"),
    "answer": ("answer", "1"),
    "unique": ("value", "json_array_length(:unique::text::json)"),
}


@cache
def template(arms: tuple[str, ...], *, is_new: bool) -> str:
    """Give the statement with these arms; it yields 1, or 0 when the instance is not as it was read."""
    parts = ", ".join((NEW if is_new else KNOWN, *(ARMS[arm] for arm in arms)))
    cases = "".join(
        f" WHEN (SELECT count(*) FROM did_{arm}) <> {count} THEN ('moved {what} ' || (SELECT count(*) FROM did_{arm}))::int"
        for arm, (what, count) in CHECKED.items()
        if arm in arms
    )
    return f"WITH {parts} SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM did_head) THEN 0{cases} ELSE 1 END"


def values_of(change: Change) -> tuple[tuple[str, ...], Values]:
    """Give the arms that a change needs, and all values of the statement."""
    made = _instance(change.instance)
    made["expected_head"] = change.expected_head
    made["expected_suppressed"] = change.expected_suppressed
    arms: list[str] = []

    def arm(name: str, rows: object) -> None:
        arms.append(name)
        made[name] = mapping.to_json(rows)

    _rows_of(change, arm, arms, made)
    _usual(change, arm, arms, made)
    if change.credentials or change.sealed or change.subject_key is not None:
        _people(change, arm)
    if change.unique_added or change.unique_removed:
        _unique(change, arm)
    if change.delegations_added or change.delegations_ended or change.documents:
        _published(change, arm)
    if change.erased is not None:
        arms += ARMS_OF_INSTANCE if change.erased == "instance" else (*ARMS_OF_INSTANCE, *ARMS_OF_SUBJECT)
        made["erased_subject"] = change.instance.subject if change.erased == "subject" else None
    return tuple(arms), made


def save_with(run: Reader, statement: Statement, values: Mapping[str, Any]) -> None:
    """Run the statement of a change; it wrote nothing when it gives 0."""
    if run.rows(statement, values)[0][0] != 1:
        raise moved("instance")


Arm = Callable[[str, object], None]


def _instance(one: Instance) -> Values:
    return {
        "id": one.id,
        "definition": one.definition,
        "digest": one.digest,
        "state": one.state,
        "subject": one.subject,
        "version": one.version,
        "head": one.head,
        "head_hash": one.head_hash,
        "outcome": one.outcome,
        "started_at": one.started_at.isoformat(),
        "recorded_at": one.recorded_at.isoformat(),
        "suppressed_count": one.suppressed_count,
        "data": mapping.instance_data(one),
    }


def _rows_of(change: Change, arm: Arm, arms: list[str], made: Values) -> None:
    if len(change.entries) == 1:
        arms.append("entry")
        _entry(change.entries[0], made)
    elif change.entries:
        arm("entries", change.entries)
    if len(change.timers_set) == 1:
        arms.append("timer")
        _timer(change.timers_set[0], made)
    elif change.timers_set:
        arm("timers", change.timers_set)
    if len(change.messages) == 1 and change.messages[0].state == "queued" and not change.messages[0].attempts:
        arms.append("message")
        _message(change.messages[0], made)
    elif change.messages:
        arm("messages", change.messages)


def _usual(change: Change, arm: Arm, arms: list[str], made: Values) -> None:
    removed = removed_timers(change) if change.timers_removed else []
    if len(removed) == 1:
        arms.append("timer_removed")
        made["timer_removed"] = removed[0]
    elif removed:
        arm("timers_removed", removed)
    if change.settled is not None:
        arm("settled", change.settled)
    if change.superseded:
        arm("superseded", change.superseded)
    if change.work is not None:
        _work(change, arm, arms)
    if change.answer is not None:
        arms.append("answer")
        _answer(change.answer, made)


def _entry(one: EntryRow, made: Values) -> None:
    made["entry_sequence"] = one.sequence
    made["entry_kind"] = one.kind
    made["entry_event"] = one.event
    made["entry_actor"] = one.actor
    made["entry_on_behalf_of"] = one.on_behalf_of
    made["entry_from"] = one.from_state
    made["entry_to"] = one.to_state
    made["entry_occurred_at"] = one.occurred_at.isoformat()
    made["entry_recorded_at"] = one.recorded_at.isoformat()
    made["entry_canonical"] = one.canonical
    made["entry_hash"] = one.entry_hash


def _timer(one: Timer, made: Values) -> None:
    made["timer_key"] = one.key
    made["timer_event"] = one.event
    made["timer_state"] = one.state
    made["timer_index"] = one.index
    made["timer_armed_at"] = one.armed_at.isoformat()
    made["timer_base_at"] = one.base_at.isoformat()
    made["timer_days"] = one.remaining.days
    made["timer_seconds"] = one.remaining.seconds
    made["timer_due_at"] = None if one.due_at is None else one.due_at.isoformat()


def _answer(one: StoredAnswer, made: Values) -> None:
    made["answer_key"] = one.key
    made["answer_content"] = one.content
    made["answer_sequence"] = one.sequence
    made["answer_is_accepted"] = one.is_accepted
    made["answer_body"] = one.body
    made["answer_expires_at"] = one.expires_at.isoformat()


def _message(one: Message, made: Values) -> None:
    effect = one.effect
    made["message_id"] = one.id
    made["message_sequence"] = one.sequence
    made["message_link"] = effect.link
    made["message_serial"] = effect.serial
    made["message_queued_at"] = one.queued_at.isoformat()
    made["message_available_at"] = one.available_at.isoformat()
    made["message_effect"] = mapping.effect_json(effect)


def _work(change: Change, arm: Arm, arms: list[str]) -> None:
    arm("work", change.work)
    if not change.is_new:
        arms.append("work_gone")  # reads the same value


def _people(change: Change, arm: Arm) -> None:
    if change.credentials:
        new, kept, gone = credential_changes(change)
        for name, rows in (("credentials_new", new), ("credentials_set", kept), ("credentials_gone", gone)):
            if rows:
                arm(name, rows)
    if change.subject_key is not None:
        arm("subject_key", (change.instance.subject, change.subject_key))
    if change.sealed:
        arm("sealed", change.sealed)


def _unique(change: Change, arm: Arm) -> None:
    added, removed = unique_changes(change)
    if removed:
        arm("unique_gone", removed)
    if added:
        arm("unique", added)


def _published(change: Change, arm: Arm) -> None:
    if change.delegations_added:
        arm("delegations", change.delegations_added)
    if change.delegations_ended:
        arm("delegations_ended", change.delegations_ended)
    if change.documents:
        last = len(change.documents) - 1
        rows = [{field: getattr(one, field) for field in DOCUMENT} | {"place": place - last} for place, one in enumerate(change.documents)]
        arm("documents", rows)


DOCUMENT = ("kind", "name", "digest", "text_digest", "content", "text")
