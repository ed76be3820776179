"""Every column of an entry times every way to edit it: the part of the tamper matrix that is a product.

From editing a column alone up to making bytes, chain, tree and checkpoints fit it: each way knows more than the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.sound import Store
from tests.support.tamperings import ENTRY_COLUMNS, LATER, value_for

SAID: Mapping[str, tuple[str, Any]] = {
    "kind": ("kind", "mallory"),
    "event": ("event", "mallory"),
    "actor": ("actor", "mallory"),
    "on_behalf_of": ("on_behalf_of", "mallory"),
    "from_state": ("from", "mallory"),
    "to_state": ("to", "mallory"),
    "occurred_at": ("occurred_at", LATER.replace("+00:00", ".000000Z")),
    "recorded_at": ("recorded_at", LATER.replace("+00:00", ".000000Z")),
    "canonical": ("facts", {"mallory.ok": True}),
}
"""What the bytes say where a column has another value; of the bytes themselves something that is in no column."""
IDENTITY = {"instance_id", "sequence"}
"""Columns that make it another entry, which is found as well as the missing one."""


@dataclass(frozen=True)
class Edit:
    """One way to edit a column, and what finds it; `names_entry` tells whether the report names the very entry."""

    name: str
    do: Callable[[Store, str, str, int], bool]
    found_by: frozenset[str]
    names_entry: bool = True
    needs_outside: bool = False


def _other(store: Store, instance: str, column: str, sequence: int) -> bool:
    """Write another value."""
    store.forger.edit(instance, sequence, **{column: value_for(store, column)})
    return True


def _emptied(store: Store, instance: str, column: str, sequence: int) -> bool:
    """Write nothing, where the column may hold nothing; else the least that it can hold."""
    least = {"sequence": 0, "canonical": b"", "entry_hash": b"", "on_behalf_of": None, "from_state": None, "to_state": None}
    value = least.get(column, "") if not column.endswith("_at") else (0 if store.forger.is_sqlite else "1970-01-01T00:00:00+00:00")
    if store.forger.entry(instance, sequence)[column] == value:
        return False
    store.forger.edit(instance, sequence, **{column: value})
    return True


def _of_another(store: Store, instance: str, column: str, sequence: int) -> bool:
    """Write the value that the entry of somebody else has."""
    if column in IDENTITY:
        return False  # the place is taken: the database itself refuses
    ours = store.forger.entry(instance, sequence)[column]
    others = store.forger.rows(f"SELECT DISTINCT {column} AS value FROM {{t}}entries WHERE instance_id <> :i", i=instance)
    value = next((row["value"] for row in others if row["value"] not in {None, ours}), None)
    if value is None:
        return False
    store.forger.edit(instance, sequence, **{column: value})
    return True


def _fitted(store: Store, instance: str, column: str, sequence: int) -> bool:
    """Let the bytes say the same, with a hash that fits them."""
    if column not in SAID:
        return False  # a hash that fits is no other hash; another place is the business of inserting and reordering
    key, said = SAID[column]
    before = orjson.loads(bytes(store.forger.entry(instance, sequence)["canonical"]))
    if before.get(key) == said:
        return False
    if column != "canonical":
        _other(store, instance, column, sequence)
    store.forger.say(instance, sequence, **{key: said})
    return True


def _chained(store: Store, instance: str, column: str, sequence: int) -> bool:
    """Make the whole chain fit."""
    if not _fitted(store, instance, column, sequence):
        return False
    store.forger.rechain(instance)
    return True


def _treed(store: Store, instance: str, column: str, sequence: int) -> bool:
    """Make the tree fit."""
    if not _chained(store, instance, column, sequence):
        return False
    store.forger.retree()
    return True


def _unsigned(store: Store, instance: str, column: str, sequence: int) -> bool:
    """Delete the checkpoints that contradict it."""
    if not _treed(store, instance, column, sequence):
        return False
    store.forger.forget_checkpoints()
    return True


CHANGED = frozenset({"entry:changed"})
EDITS = (
    Edit("another value", _other, CHANGED | {"row:unreadable"}),
    Edit("emptied", _emptied, CHANGED | {"row:unreadable"}),
    Edit("the value of another entry", _of_another, CHANGED),
    Edit("bytes and hash fitted", _fitted, CHANGED | {"entry:other-in-tree"}),
    Edit("bytes, hash and chain fitted", _chained, frozenset({"entry:other-in-tree"})),
    Edit("bytes, hash, chain and tree fitted", _treed, frozenset({"checkpoint:inconsistent"}), names_entry=False),
    Edit(
        "bytes, hash, chain and tree fitted, checkpoints deleted",
        _unsigned,
        frozenset({"checkpoint:inconsistent"}),
        names_entry=False,
        needs_outside=True,
    ),
)


def ways(column: str) -> set[str]:
    """Name the ways that there are to edit a column, as the test must have tried them."""
    without = {
        "entry_hash": {edit.name for edit in EDITS if "fitted" in edit.name},
        "on_behalf_of": {"emptied", "the value of another entry"},  # nobody acted for somebody else in these histories: it is empty
    } | dict.fromkeys(IDENTITY, {edit.name for edit in EDITS if "fitted" in edit.name} | {"the value of another entry"})
    return {edit.name for edit in EDITS} - without.get(column, set())


__all__ = ["EDITS", "ENTRY_COLUMNS", "IDENTITY", "Edit", "ways"]
