"""Idempotency: keys, digests of what was asked, and the answers kept under them.

Promises: no key and no secret is stored; what is stored are keyed digests.
"""

from __future__ import annotations

from datetime import timedelta

import orjson

from workflow.engine.writing import Draft
from workflow.errors import Reason
from workflow.ports import (
    StoredAnswer,
    Vault,
    make_answer,
)
from workflow.states.definition import Definition
from workflow.states.instance import Event

ANSWER_KEPT = timedelta(hours=24)
KEPT_DIGITS = 32
"""Hexadecimal digits of a keyed digest that are kept: 128 bits are enough to tell two keys apart, and every step writes two."""


def scoped_key(vault: Vault, instance_id: str, event: Event) -> str | None:
    """Scope an idempotency key by instance and actor; the stored key is a keyed digest, so it tells nothing."""
    return None if event.key is None else vault.blind("answer-key", instance_id, event.actor.id, event.key)[:KEPT_DIGITS]


def scoped_start_key(vault: Vault, definition: str, event: Event) -> str | None:
    """Scope a start's idempotency key by definition and actor."""
    return None if event.key is None else vault.blind("start-key", definition, event.actor.id, event.key)[:KEPT_DIGITS]


def content_of(vault: Vault, definition: Definition, event: Event) -> str:
    """Give the keyed digest of what was asked, without secret values."""
    type_ = definition.events.get(event.name)
    secret = {name for name, f in type_.payload.items() if f.is_secret} if type_ else set()
    shown = {str(n): v for n, v in event.payload.items() if n not in secret}
    try:
        plain = orjson.dumps(shown, option=orjson.OPT_SORT_KEYS, default=repr).decode()
    except orjson.JSONEncodeError:  # half characters, very deep nesting: the payload will be refused, but its digest is needed
        plain = ascii(sorted(shown.items()))
    return vault.blind("answer-content", ascii(event.name), plain)[:KEPT_DIGITS]


def stored_answer(
    vault: Vault, draft: Draft, definition: Definition, event: Event, *, key: str | None, sequence: int, reasons: tuple[Reason, ...] | None
) -> StoredAnswer | None:
    """Give the answer to be kept under the event's idempotency key, None when it has none."""
    if key is None or draft.latest is None:
        return None
    body = [{"code": r.code, "message": r.message, "needed": r.needed, "field": r.field} for r in reasons] if reasons else []
    return make_answer(
        key=key,
        content=content_of(vault, definition, event),
        instance_id=draft.latest.instance.id,
        sequence=sequence,
        is_accepted=reasons is None,
        body=orjson.dumps(body),
        expires_at=draft.now + ANSWER_KEPT,
    )
