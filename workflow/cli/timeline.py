"""The history of one instance, as the command line prints it: for ``trace`` and the demo."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from workflow.cli.output import instant, local
from workflow.export.lines import SENT, Line, read_lines

__all__ = ["SENT", "Line", "details", "line_data", "read_lines", "who"]


def line_data(line: Line) -> dict[str, object]:
    """Give a line for programs."""
    row = line.row
    return {
        "sequence": row.sequence,
        "kind": row.kind,
        "event": row.event,
        "actor": row.actor,
        "on_behalf_of": row.on_behalf_of,
        "roles": line.roles,
        "from": row.from_state,
        "to": row.to_state,
        "occurred_at": instant(row.occurred_at),
        "recorded_at": instant(row.recorded_at),
        "reasons": [{"code": code, "message": message} for code, message in line.reasons],
        "deadlines": [{"timer": timer, "due_at": instant(due_at)} for timer, due_at in line.deadlines],
        "disarmed": line.disarmed,
        "messages": [{"kind": kind, "name": name, "to": to, "state": state} for kind, name, to, state in line.messages],
        "suppressed": line.suppressed,
        "facts": line.facts,
        "values": line.values,
        "sealed": line.sealed,
        "automatic": line.is_automatic,
        "hash": row.entry_hash.hex(),
        "entry": orjson.loads(row.canonical),
    }


def who(line: Line) -> str:
    """Write who did it: the actor, the principal, the roles."""
    row = line.row
    behalf = f" for {row.on_behalf_of}" if row.on_behalf_of else ""
    roles = f" as {', '.join(line.roles)}" if line.roles else ""
    automatic = ", automatically" if line.is_automatic else ""
    return f"{row.actor}{behalf}{roles}{automatic}"


def details(line: Line, zone: str) -> Iterator[tuple[str, str]]:
    """Give what is said below an entry's own line, as (word, text)."""
    yield "by", who(line)
    if line.states:
        yield "state", line.states
    for code, message in line.reasons:
        yield ("why" if line.is_refusal else "because"), f"{code}: {message}" if message else code
    row = line.row
    if abs((row.recorded_at - row.occurred_at).total_seconds()) >= 1:
        yield "recorded", local(row.recorded_at, zone)
    for word, said in (("with", line.values), ("not shown", line.sealed), ("facts", line.facts)):
        if said:
            yield word, ", ".join(said)
    for timer, due_at in line.deadlines:
        yield "deadline", f"{timer} {'due ' + local(due_at, zone) if due_at else 'stands still'}"
    for timer in line.disarmed:
        yield "deadline", f"{timer} no longer runs"
    for kind, name, to, state in line.messages:
        yield kind, f"{name} to {to}: {SENT.get(state, state)}"
    for name in line.suppressed:
        yield "not sent", f"{name}, overtaken by a later deadline"
