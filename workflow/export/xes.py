"""XES (IEEE Std 1849-2016): histories as an event log for process mining.

Promises: one trace per onboarding, in the order of the chain, with everything plain that the entry says. There are two logs. That of the
*steps* (`write_xes`) is what the definition's Petri net (`workflow.export.pnml`) can be compared with: refusals and acts on the history
itself (reads, erasures) are no steps of the process. The *whole* log (`write_whole_xes`) loses nothing: every entry is an event, and its
lifecycle says what it was: ``complete`` a step, ``ate_abort`` a refused attempt, ``unknown`` an act on the history. Whoever keeps the
completed events of the whole log has the log of the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any

from workflow.audit.canonical import instant
from workflow.audit.entry import EntryRow
from workflow.export.markup import text
from workflow.export.population import History
from workflow.states.verdict import Kind

_EXTENSIONS = {"Concept": "concept", "Time": "time", "Lifecycle": "lifecycle", "Organizational": "org"}
_ADDRESS = "http://www.xes-standard.org/"


STEP, REFUSED, OTHER = "complete", "ate_abort", "unknown"
"""Transitions of the standard's lifecycle (IEEE Std 1849 Annex, "Lifecycle Extension")."""


def write_xes(histories: Iterable[History], to: IO[str]) -> None:
    """Write the log of the steps, one trace at a time."""
    _write(histories, to, is_whole=False)


def write_whole_xes(histories: Iterable[History], to: IO[str]) -> None:
    """Write the log of all entries, refusals and acts on the history included."""
    _write(histories, to, is_whole=True)


def _write(histories: Iterable[History], to: IO[str], *, is_whole: bool) -> None:
    to.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    to.write(f'<log xes.version="1849.2016" xes.features="" xmlns="{_ADDRESS}">\n')
    for name, prefix in _EXTENSIONS.items():
        to.write(f'  <extension name="{name}" prefix="{prefix}" uri="{_ADDRESS}{prefix}.xesext"/>\n')
    to.write('  <global scope="trace">\n    <string key="concept:name" value=""/>\n  </global>\n')
    to.write('  <global scope="event">\n    <string key="concept:name" value=""/>\n')
    to.write('    <date key="time:timestamp" value="1970-01-01T00:00:00.000000+00:00"/>\n')
    to.write('    <string key="lifecycle:transition" value="complete"/>\n  </global>\n')
    to.write('  <classifier name="Event" keys="concept:name"/>\n')
    if is_whole:
        to.write('  <classifier name="Event and what became of it" keys="concept:name lifecycle:transition"/>\n')
    to.write('  <string key="lifecycle:model" value="standard"/>\n')
    for history in histories:
        to.writelines(_trace(history, is_whole=is_whole))
    to.write("</log>\n")


def _trace(history: History, *, is_whole: bool) -> Iterator[str]:
    instance = history.instance
    yield "  <trace>\n"
    yield from _attributes(
        {
            "concept:name": instance.id,
            "definition": instance.definition,
            "definition_digest": instance.digest,
            "state": instance.state,
            "outcome": instance.outcome or "open",
            "started_at": instance.started_at,
        },
        indent=4,
    )
    for row, said in zip(history.rows, history.said, strict=True) if is_whole else history.steps:
        yield "    <event>\n"
        yield from _attributes(_event(row, said), indent=6)
        yield "    </event>\n"
    yield "  </trace>\n"


def _event(row: EntryRow, said: dict[str, Any]) -> dict[str, object]:
    plain: dict[str, object] = {
        "concept:name": row.event,
        "time:timestamp": row.occurred_at,
        "lifecycle:transition": _became(row, said),
        "org:resource": row.actor,
        "org:role": " ".join(said["roles"]),
        "on_behalf_of": row.on_behalf_of or "",
        "sequence": row.sequence,
        "kind": row.kind,
        "from": row.from_state or "",
        "to": row.to_state or "",
        "recorded_at": row.recorded_at,
        "automatic": bool(said.get("automatic")),
        "hash": row.entry_hash.hex(),
    }
    plain |= {f"facts.{name}": value for name, value in said["facts"].items()}
    plain |= {f"payload.{name}": value for name, value in said["payload"].items()}
    plain["effects"] = " ".join(f"{one['kind']}:{one['name']}" for one in said.get("effects", ()))
    plain["reasons"] = " ".join(reason["code"] for reason in said.get("reasons", ()))
    plain["withheld"] = " ".join(said.get("withheld", ()))
    plain["personal"] = " ".join(sorted(said.get("personal", {})))
    return {key: value for key, value in plain.items() if value not in ("", None)}


def _became(row: EntryRow, said: dict[str, Any]) -> str:
    """Say by the standard's lifecycle what an entry is."""
    if "effects" in said:
        return STEP
    return REFUSED if row.kind == Kind.REFUSED else OTHER


def _attributes(values: dict[str, object], *, indent: int) -> Iterator[str]:
    for key, value in values.items():
        kind, written = _typed(value)
        yield f'{" " * indent}<{kind} key="{text(key)}" value="{text(written)}"/>\n'


def _typed(value: object) -> tuple[str, str]:
    """Give an attribute's type and value as XES writes them."""
    match value:
        case bool():
            return "boolean", str(value).lower()
        case int():
            return "int", str(value)
        case datetime():
            return "date", instant(value).replace("Z", "+00:00")
        case list() | tuple():
            return "string", " ".join(map(str, value))
        case _:
            return "string", str(value)
