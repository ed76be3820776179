"""The lines of one history, as people read them: each entry with what became of the messages it queued.

Promises: every word comes from the entries, their messages and the definition in force, and what a code means from `reasons`; nothing is
guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from workflow.audit.canonical import read_instant
from workflow.audit.entry import EntryRow
from workflow.export.reasons import words_of
from workflow.ports import Message
from workflow.states.definition import Definition, StatePath

_DIGEST_CHARACTERS = 64  # SHA-256 in hex; whole in --json
SENT = {"done": "delivered", "queued": "queued", "leased": "being sent", "dead": "given up", "superseded": "replaced by a newer one"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry, with what became of the messages it queued.

    Attributes:
        reasons: code and words of every reason of a refusal or of a report; no words for a code of a host's own check.
        deadlines: (timer, due instant) of those armed or moved; None for one that stands still.
        messages: (kind, name, reader, what became of it).
        suppressed: notices that a later rung of a ladder overtook.
        facts: what checks found, as ``name=value``; values: the payload's plain values likewise.
        sealed: names of personal and secret values that were given; the history has commitments of the personal ones.
    """

    row: EntryRow
    reasons: tuple[tuple[str, str], ...]
    roles: tuple[str, ...]
    deadlines: tuple[tuple[str, datetime | None], ...]
    disarmed: tuple[str, ...]
    messages: tuple[tuple[str, str, str, str], ...]
    suppressed: tuple[str, ...]
    facts: tuple[str, ...]
    values: tuple[str, ...]
    sealed: tuple[str, ...]
    is_automatic: bool

    @property
    def is_refusal(self) -> bool:
        """Tell whether an attempt was refused."""
        return self.row.kind == "event:refused"

    @property
    def states(self) -> str:
        """Write what it changed, ``from -> to``, or the state it stayed in; empty when no state is concerned."""
        before, after = self.row.from_state, self.row.to_state
        return f"{before} -> {after}" if before and before != after else after or ""


def read_lines(entries: Sequence[EntryRow], messages: Sequence[Message], definition: Definition | None) -> Iterator[Line]:
    """Join entries with their messages."""
    by_sequence: dict[int, list[Message]] = {}
    for message in messages:
        by_sequence.setdefault(message.sequence, []).append(message)
    for row in entries:
        yield _line(row, by_sequence.get(row.sequence, []), definition)


def _line(row: EntryRow, messages: Sequence[Message], definition: Definition | None) -> Line:
    words = _words(definition, row)
    said: dict[str, Any] = orjson.loads(row.canonical)
    armed = [(one["timer"], one["due_at"]) for one in said.get("armed", ())]
    moved = [(one["timer"], one["after"]) for one in said.get("moved", ())]
    return Line(
        row=row,
        reasons=tuple((one["code"], words_of(one, words)) for one in said.get("reasons", ())),
        roles=tuple(said.get("roles", ())),
        deadlines=tuple((timer, read_instant(due) if due else None) for timer, due in [*armed, *moved]),
        disarmed=tuple(said.get("disarmed", ())),
        messages=tuple((m.effect.kind, m.effect.name, m.effect.to, m.state) for m in messages),
        suppressed=tuple(f"{one['kind']} {one['name']}" for one in said.get("suppressed", ())),
        facts=tuple(f"{name}={_written(value)}" for name, value in said.get("facts", {}).items()),
        values=tuple(f"{name}={_written(value)}" for name, value in said.get("payload", {}).items()),
        sealed=tuple(dict.fromkeys([*(slot.partition(":")[2] for slot in said.get("personal", {})), *said.get("withheld", ())])),
        is_automatic=bool(said.get("automatic")),
    )


def _words(definition: Definition | None, row: EntryRow) -> dict[str, str]:
    """Collect what the guards of an entry's event say in its state, by their codes; an inner state speaks last, so that it wins."""
    path = StatePath(row.from_state) if row.from_state is not None else None
    if definition is None or path not in definition.states or path is None:
        return {}
    states = (definition.states[found] for found in reversed(definition.lineage(path)))
    rules = (rule for state in states for one in state.transitions if one.event == row.event for rule in one.guards)
    return {rule.code: rule.message for rule in rules if rule.message}


def _written(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ",".join(map(str, value))
        case str() if len(value) == _DIGEST_CHARACTERS and set(value) <= set("0123456789abcdef"):
            return f"{value[:16]}.."
        case _:
            return str(value)
