"""A recorded entry against the step that the definition leads to.

Promises: pure; compares everything that an entry says of a step but personal values, which nobody can make again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from workflow.audit.entry import EntryRow, Head, record_step
from workflow.states.verdict import Step

_COMPARED = ("from", "to", "roles", "on_behalf_of", "effects", "suppressed", "armed", "disarmed", "moved", "automatic", "occurred_at")
_WORDS = {
    "from": "the state before",
    "to": "the state after",
    "roles": "the roles",
    "on_behalf_of": "the principal",
    "effects": "the effects",
    "suppressed": "the notices that were not sent",
    "armed": "the deadlines that began to run",
    "disarmed": "the deadlines that ended",
    "moved": "the deadlines that moved",
    "automatic": "whether the engine decided",
    "occurred_at": "the instant",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first thing that an entry says otherwise, by its key, and a sentence about it."""

    code: str
    message: str


def difference(row: EntryRow, said: Mapping[str, Any], step: Step) -> Difference | None:
    """Say what an entry says otherwise than the step that the definition leads to, None when nothing."""
    bare = replace(step, personal={}, personal_payload={})
    head = Head(sequence=row.sequence - 1, hash=b"")
    made = orjson.loads(record_step(bare, after=head, recorded_at=row.recorded_at, digests={}, salts={}).canonical)
    for key in _COMPARED:
        if _ordered(key, said.get(key)) != _ordered(key, made.get(key)):
            message = f"{_WORDS[key].capitalize()}: recorded {_short(said.get(key))}, but it should be {_short(made.get(key))}."
            return Difference(code=key, message=message)
    fields = {f"field:{name}" for name in step.personal}
    found = {slot for slot in said.get("personal", {}) if slot.startswith("field:")}
    if fields != found:
        return Difference(code="personal", message=f"Personal fields: recorded {sorted(found)}, but it should be {sorted(fields)}.")
    return None


def _ordered(key: str, value: Any) -> Any:  # noqa: ANN401  # a part of an entry
    """Put deadlines in order: that of an entry is the one in which the store gave them, which means nothing."""
    if not value or key not in {"armed", "disarmed", "moved"}:
        return value
    return sorted(value, key=lambda one: one if isinstance(one, str) else one["timer"])


def _short(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 200 else f"{text[:200]} ..."  # noqa: PLR2004  # a line of a report
