"""Tables: CSV for people with a spreadsheet, JSON Lines for programs. One line is one entry.

Promises: no cell of a CSV can become a formula (a cell that begins with ``= + - @``, TAB, CR or NUL gets an apostrophe in
front); a JSON line has the entry's canonical bytes as they are hashed, so that whoever has the line can check the hash.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import IO, Any

import orjson

from workflow.audit.canonical import instant
from workflow.audit.entry import EntryRow
from workflow.export.population import History

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
COLUMNS = (
    "instance",
    "definition",
    "definition_digest",
    "calendar_digest",
    "sequence",
    "kind",
    "event",
    "actor",
    "on_behalf_of",
    "roles",
    "from",
    "to",
    "occurred_at",
    "recorded_at",
    "automatic",
    "reasons",
    "facts",
    "payload",
    "withheld",
    "personal",
    "effects",
    "deadlines_armed",
    "deadlines_moved",
    "deadlines_ended",
    "hash",
)


def neutral(cell: str) -> str:
    """Give a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def write_csv(histories: Iterable[History], to: IO[str]) -> None:
    """Write a row per entry, with a title row (RFC 4180, UTF-8)."""
    writer = csv.writer(to, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for history in histories:
        for row, said in zip(history.rows, history.said, strict=True):
            writer.writerow([neutral(cell) for cell in _cells(history, row, said)])


def write_jsonl(histories: Iterable[History], to: IO[str]) -> None:
    """Write a JSON object per entry: its definition, its hash, and the entry itself in its canonical form."""
    for history in histories:
        definition = orjson.dumps(history.instance.definition).decode()
        for row in history.rows:
            to.write(f'{{"definition":{definition},"entry":{row.canonical.decode()},"hash":"{row.entry_hash.hex()}"}}\n')


def _cells(history: History, row: EntryRow, said: dict[str, Any]) -> list[str]:
    return [
        row.instance_id,
        history.instance.definition,
        said["documents"].get("definition", ""),
        said["documents"].get("calendar", ""),
        str(row.sequence),
        row.kind,
        row.event,
        row.actor,
        row.on_behalf_of or "",
        " ".join(said["roles"]),
        row.from_state or "",
        row.to_state or "",
        instant(row.occurred_at),
        instant(row.recorded_at),
        "yes" if said.get("automatic") else "",
        " ".join(reason["code"] for reason in said.get("reasons", ())),
        _pairs(said["facts"]),
        _pairs(said["payload"]),
        " ".join(said.get("withheld", ())),
        " ".join(sorted(said.get("personal", {}))),
        " ".join(f"{one['kind']}:{one['name']}" for one in said.get("effects", ())),
        " ".join(f"{one['timer']}={one['due_at'] or 'paused'}" for one in said.get("armed", ())),
        " ".join(f"{one['timer']}={one['after'] or 'paused'}" for one in said.get("moved", ())),
        " ".join(said.get("disarmed", ())),
        row.entry_hash.hex(),
    ]


def _pairs(values: dict[str, Any]) -> str:
    return orjson.dumps(values).decode() if values else ""
