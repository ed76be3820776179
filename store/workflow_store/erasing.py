"""What an erasure destroys, as statements for both databases.

Promises: everything personal of an instance, or of its subject, goes in the same write as the entry that says so. The outbox
keeps that something was sent, but neither what a server answered nor what nobody can be told, or waits for, any more.
"""

# ruff: noqa: S608  # statements are put together from templates of ours; what comes from data is always bound

from __future__ import annotations

NOTICES = "('mail', 'sms', 'push', 'alert')"
"""Kinds of messages that only tell something (`Effect.is_notice`).

They are dropped with the orders whose outcome the onboarding waits for (`Effect.ends_with_subject`); others, such as closing an
account, are still to be done.
"""

DELETES_OF_INSTANCE = (
    "DELETE FROM {sealed_values} WHERE instance_id = :a",
    "DELETE FROM {unique_values} WHERE instance_id = :a",
    "DELETE FROM {answers} WHERE instance_id = :a",
)
UPDATES_OF_MESSAGES = (
    "UPDATE {outbox} SET last_error = '' WHERE id BETWEEN :a AND :b AND last_error <> ''",
    (
        "UPDATE {outbox} SET state = 'superseded', due_at = NULL WHERE id BETWEEN :a AND :b AND state IN ('queued', 'leased', 'dead') "
        f"AND (json_extract(effect, '$.kind') IN {NOTICES} OR json_extract(effect, '$.done') IS NOT NULL)"
    ),
)
DELETES_OF_SUBJECT = (
    "DELETE FROM {sealed_values} WHERE subject = :a",
    "DELETE FROM {subject_keys} WHERE subject = :a",
    "DELETE FROM {credentials} WHERE subject = :a",
    "DELETE FROM {sessions} WHERE actor = :a",
    "UPDATE {delegations} SET reason = '' WHERE :a IN (principal, deputy)",
)

ARMS_OF_INSTANCE = {
    "erased_sealed": (
        "did_erased_sealed AS (DELETE FROM {sealed_values} s USING did_head h "
        "WHERE s.instance_id = h.id OR s.subject = :erased_subject::text)"
    ),
    "erased_unique": "did_erased_unique AS (DELETE FROM {unique_values} u USING did_head h WHERE u.instance_id = h.id)",
    "erased_answers": "did_erased_answers AS (DELETE FROM {answers} a USING did_head h WHERE a.instance_id = h.id)",
    "erased_outbox": (
        "did_erased_outbox AS (UPDATE {outbox} o SET last_error = '', "
        "state = CASE WHEN n.is_waiting THEN 'superseded' ELSE o.state END, due_at = CASE WHEN n.is_waiting THEN NULL ELSE o.due_at END "
        "FROM did_head h, LATERAL (SELECT p.id, p.state IN ('queued', 'leased', 'dead') "
        f"AND (p.effect::json->>'kind' IN {NOTICES} OR p.effect::json->>'done' IS NOT NULL) AS is_waiting "
        "FROM {outbox} p WHERE p.id BETWEEN h.id || '-' AND h.id || '.') n WHERE o.id = n.id)"
    ),
}
ARMS_OF_SUBJECT = {
    "erased_key": "did_erased_key AS (DELETE FROM {subject_keys} k USING did_head h WHERE k.subject = :erased_subject::text)",
    "erased_credentials": (
        "did_erased_credentials AS (DELETE FROM {credentials} c USING did_head h WHERE c.subject = :erased_subject::text)"
    ),
    "erased_sessions": "did_erased_sessions AS (DELETE FROM {sessions} s USING did_head h WHERE s.actor = :erased_subject::text)",
    "erased_delegations": (
        "did_erased_delegations AS (UPDATE {delegations} d SET reason = '' FROM did_head h "
        "WHERE :erased_subject::text IN (d.principal, d.deputy))"
    ),
}
