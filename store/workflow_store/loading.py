"""The statements that read: above all the one that reads everything a decision needs.

Promises: one round trip, no lock; the same columns from both databases, read by `mapping`.
"""

# ruff: noqa: S608  # statements are put together from templates of ours; what comes from data is always bound

from __future__ import annotations

from functools import cache

from workflow_store.statements import Database

TIMER = (
    "t.key, t.event, t.state, t.position, micros(t.armed_at), micros(t.base_at), t.remaining_days, t.remaining_seconds, micros(t.due_at)"
)
CREDENTIAL = (
    "c.subject, c.kind, c.name, c.version, hexed(c.sealed), c.is_active, c.failure_count, c.last_step, "
    "micros(c.locked_until), micros(c.created_at)"
)
DELEGATION = "d.id, d.principal, d.deputy, d.role, d.scope, micros(d.starts_at), micros(d.ends_at), d.reason"
ANSWER = "a.key, a.content, a.instance_id, a.sequence, a.is_accepted, hexed(a.body), micros(a.expires_at)"
INSTANCE = (
    "i.id, i.definition, i.digest, i.state, i.subject, i.version, i.head, i.head_hash, i.outcome, "
    "micros(i.started_at), micros(i.recorded_at), i.suppressed_count, i.data"
)
MESSAGE = (
    "o.id, o.instance_id, o.sequence, o.state, micros(o.queued_at), micros(o.available_at), micros(o.due_at), "
    "o.attempts, o.token, o.last_error, o.effect"
)
ENTRY = (
    "e.instance_id, e.sequence, e.kind, e.event, e.actor, e.on_behalf_of, e.from_state, e.to_state, "
    "micros(e.occurred_at), micros(e.recorded_at), e.canonical, e.entry_hash"
)
WORK = "w.event, w.role, w.scope, micros(w.due_at)"
WORK_ORDER = "w.due_at, w.instance_id, w.event, w.role, w.scope"
DOCUMENT = "d.kind, d.name, d.digest, d.text_digest, d.content, d.text"

LOCK = "SELECT 1 FROM {instances} i WHERE i.id = :instance_id FOR UPDATE"
FREE = (
    "SELECT i.id FROM {instances} i JOIN json_array_elements_text(:ids::text::json) WITH ORDINALITY d(id, place) ON d.id = i.id "
    "ORDER BY d.place FOR UPDATE OF i SKIP LOCKED"
)
"""Locks what nobody else has locked, in the order in which it was asked for; waits for nobody."""
PERSONAL = (
    "SELECT s.subject, s.instance_id, s.sequence, s.slot, s.sealed FROM {sealed_values} s WHERE s.instance_id = :instance_id::text "
    "AND s.sequence = (SELECT max(n.sequence) FROM {sealed_values} n WHERE n.instance_id = s.instance_id AND n.slot = s.slot) "
    "ORDER BY s.sequence, s.slot"
)
HOLDER = (
    "SELECT u.instance_id FROM {unique_values} u "
    "WHERE u.definition = :definition::text AND u.field = :field::text AND u.blind = :blind::text"
)
BY_DIGEST = f"SELECT {DOCUMENT} FROM {{documents}} d WHERE d.digest = :digest::text ORDER BY d.position DESC LIMIT 1"
NEWEST = f"SELECT {DOCUMENT} FROM {{documents}} d WHERE d.kind = :kind::text AND d.name = :name::text ORDER BY d.position DESC LIMIT 1"

NOW = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"


def _listed(database: Database, columns: str, source: str) -> str:
    """Give a sub-select of all rows as one JSON text of arrays in any order; null or empty when there are none."""
    if database == "sqlite":
        return f"(SELECT json_group_array(json_array({columns})) {source})"
    return f"(SELECT json_agg(json_build_array({columns}))::text {source})"


def situation(database: Database) -> str:
    """Give the fourteen columns of an instance `i` with its timers."""
    timers = _listed(database, TIMER, "FROM {timers} t WHERE t.instance_id = i.id")
    return f"{INSTANCE}, {timers}"


def _rest(database: Database, subject: str, since: str, *, has_key: bool) -> str:
    array = "json_array" if database == "sqlite" else "json_build_array"
    answer = f"(SELECT {array}({ANSWER})::text FROM {{answers}} a WHERE a.key = :key::text)" if has_key else "NULL"
    parts = (
        _listed(database, CREDENTIAL, f"FROM {{credentials}} c WHERE c.subject = {subject}"),
        _listed(database, DELEGATION, f"FROM {{delegations}} d WHERE d.ends_at > {since}"),
        f"(SELECT k.sealed FROM {{subject_keys}} k WHERE k.subject = {subject})",
        answer,
        "NULL" if database == "sqlite" else NOW,
        "(SELECT p.count FROM {publications} p WHERE p.id = 1)",
    )
    return ", ".join(parts)


@cache  # of four statements
def existing(database: Database, *, has_key: bool) -> str:
    """Give the template that reads an instance by `:instance_id`."""
    # A delegation that ended before the instance's newest entry is over for it: its time never runs backwards.
    rest = _rest(database, "i.subject", "i.recorded_at", has_key=has_key)
    return f"SELECT {situation(database)}, {rest} FROM {{instances}} i WHERE i.id = :instance_id::text"


@cache
def starting(database: Database, *, has_key: bool) -> str:
    """Give the template that reads for a start by `:subject`; delegations by the time of the system's own chain."""
    ages_ago = "-9223372036854775808" if database == "sqlite" else "'-infinity'::timestamptz"
    since = f"coalesce((SELECT s.recorded_at FROM {{instances}} s WHERE s.id = 'system'), {ages_ago})"
    return f"SELECT {_rest(database, ':subject::text', since, has_key=has_key)}"
