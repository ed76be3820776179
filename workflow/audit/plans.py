"""What a definition's stored content says of its states, read without compiling it.

Promises: pure; content that is no definition gives None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson


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


def read_plan(name: str, content: bytes) -> Plan | None:
    """Read the canonical content of a definition."""
    try:
        read = orjson.loads(content)
        states = dict(_states("", read))
        outcomes = {path: str(state["outcome"]) for path, state in states.items() if state.get("outcome")}
        timers = {
            f"{path}.{timer['name']}" if path else str(timer["name"]): (path, str(timer["event"]))
            for path, state in states.items()
            for timer in state.get("timers") or ()
        }
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    return Plan(name=name, outcomes=outcomes, timers=timers)


def _states(path: str, state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk through all states, the root included, which has the empty path."""
    yield path, state
    for name, inner in (state.get("states") or {}).items():
        yield from _states(f"{path}.{name}" if path else name, inner or {})
