"""What published documents say, as far as rows are compared with it.

Promises: reads stored documents and compiles nothing; verifies that their bytes are those that were published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from workflow.auditing.report import Found, What
from workflow.ports import SYSTEM, Document, Snapshot
from workflow.states.node import node_of
from workflow.states.semantics import semantic_digest


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


@dataclass(slots=True)
class Library:
    """The published documents as they are stored: definitions by digest, and what identifies each document."""

    plans: dict[str, Plan] = field(default_factory=dict)
    stored: set[tuple[str, str, str, str]] = field(default_factory=set)

    def read(self, snapshot: Snapshot, found: Found) -> None:
        """Read them, and note every one whose bytes do not have its digests."""
        for document in snapshot.documents():
            self.stored.add((document.kind, document.name, document.digest, document.text_digest))
            plan = _plan(document) if document.kind == "definition" else None
            for part, expected, got in (
                ("text", document.text_digest, hashlib.sha256(document.text).hexdigest()),
                ("content", document.digest, _digest(document)),
            ):
                if expected != got:
                    message = f"The {part} of the {document.kind} {document.name!r} was changed after it was published."
                    found.add(What.DOCUMENT_CHANGED, message, expected=expected, found=got)
                    plan = None
            if plan is not None:
                self.plans[str(document.digest)] = plan

    def compare(self, published: set[tuple[str, str, str, str]], found: Found) -> None:
        """Compare what is stored with what the history says was published."""
        for kind, name, digest, _ in sorted(self.stored - published):
            message = f"The {kind} {name!r} was never published: no entry says so."
            found.add(What.DOCUMENT_CHANGED, message, instance=SYSTEM, found=digest)
        for kind, name, digest, _ in sorted(published - self.stored):
            message = f"The {kind} {name!r} was published, but is no longer there."
            found.add(What.DOCUMENT_CHANGED, message, instance=SYSTEM, expected=digest)


def _digest(document: Document) -> str:
    """Give the digest that a document's content has (a definition's is that of its meaning)."""
    if document.kind != "definition":
        return hashlib.sha256(document.content).hexdigest()
    try:
        return str(semantic_digest(node_of(orjson.loads(document.content))))
    except ValueError:
        return "unreadable"


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
