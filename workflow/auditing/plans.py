"""What published documents say, as far as rows are compared with it.

Promises: reads stored documents and compiles nothing; verifies that their bytes are those that were published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from workflow.auditing.report import Found, What
from workflow.ports import Document, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A definition's name, its outcomes by state, and (state, event) of its timers by key."""

    name: str
    outcomes: Mapping[str, str]
    timers: Mapping[str, tuple[str, str]]

    def outcome_of(self, state: str) -> str | None:
        """Give the outcome of the innermost state around `state` that has one."""
        parts = state.split(".")
        inside_out = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((self.outcomes[path] for path in inside_out if path in self.outcomes), None)


def read_plans(snapshot: Snapshot, found: Found) -> dict[str, Plan]:
    """Give the definitions by digest, and note every document whose text is not the one that was published."""
    plans = {}
    for document in snapshot.documents():
        digest = hashlib.sha256(document.text).hexdigest()
        if digest != document.text_digest:
            message = f"The text of the {document.kind} {document.name!r} was changed after it was published."
            found.add(What.DOCUMENT_CHANGED, message, expected=document.text_digest, found=digest)
        elif document.kind == "definition":
            plan = _plan(document)
            if plan is None:
                message = f"The content of the definition {document.name!r} cannot be read."
                found.add(What.DOCUMENT_CHANGED, message, expected="a definition", found=document.content[:60])
            else:
                plans[str(document.digest)] = plan
    return plans


def _plan(document: Document) -> Plan | None:
    try:
        content = orjson.loads(document.content)
        states = dict(_states("", content))
        outcomes = {path: str(state["outcome"]) for path, state in states.items() if state.get("outcome")}
        timers = {
            f"{path}.{timer['name']}" if path else str(timer["name"]): (path, str(timer["event"]))
            for path, state in states.items()
            for timer in state.get("timers") or ()
        }
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    return Plan(name=document.name, outcomes=outcomes, timers=timers)


def _states(path: str, state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk through all states, the root included, which has the empty path."""
    yield path, state
    for name, inner in (state.get("states") or {}).items():
        yield from _states(f"{path}.{name}" if path else name, inner or {})
