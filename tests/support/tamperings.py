"""The tamper matrix: every way to tamper with a history that we know, and what finds it.

`docs/audit.md` shows the same table, and a test compares the two.
"""

# one row of the table is one line

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.sound import ORIGIN, VAULT, Store
from workflow.audit.checkpoint import sign
from workflow.auditing import signers_of
from workflow.checks import KeyVault
from workflow.settings import MasterKey

ENTRY_COLUMNS = (
    "instance_id", "sequence", "kind", "event", "actor", "on_behalf_of", "from_state", "to_state", "occurred_at", "recorded_at",
    "canonical", "entry_hash",
)  # fmt: skip
OTHER = KeyVault([MasterKey(kid="other", secret=b"o" * 32)])
LATER = "2031-01-01T00:00:00+00:00"
LATER_MICROS = 1_924_992_000_000_000


def value_for(store: Store, column: str) -> Any:
    """Give another value for a column of an entry."""
    if column.endswith("_at"):
        return LATER_MICROS if store.forger.is_sqlite else LATER
    others = {"instance_id": "elsewhere", "sequence": 77, "canonical": b'{"form":1}', "entry_hash": bytes(32)}
    return others.get(column, "mallory")


@dataclass(frozen=True)
class Tampering:
    """One way: the table, what is done to it, how, what finds it, and whether that needs a checkpoint from outside."""

    table: str
    operation: str
    do: Callable[[Store], object]
    found_by: str
    needs_outside: bool = False

    @property
    def id(self) -> str:
        return f"{self.table}: {self.operation}"


def _sql(statement: str) -> Callable[[Store], object]:
    """Run a statement on Cid's rows."""

    def do(store: Store) -> None:
        values = {name: store.ids[person] for name, person in (("cid", "cid"), ("bob", "bob"), ("ann", "ann")) if f":{name}" in statement}
        later = {"later": value_for(store, "due_at")} if ":later" in statement else {}
        assert store.forger.run(statement, **values, **later) >= 1, statement

    return do


def _instance(column: str, value: str) -> Tampering:
    return Tampering(
        "instances", f"edit {column}", _sql(f"UPDATE {{t}}instances SET {column} = {value} WHERE id = :cid"), "instance:differs"
    )


def _forged(store: Store, *, say: dict[str, Any] | None = None, sequence: int = 3) -> None:
    """Make one entry of Ann say something else, projections included."""
    said = say or {"actor": "mallory"}
    store.forger.say(store.ids["ann"], sequence, **said)
    store.forger.edit(store.ids["ann"], sequence, **said)


def _rehashed(store: Store) -> None:
    _forged(store)


def _rechained(store: Store) -> None:
    _forged(store)
    store.forger.rechain(store.ids["ann"])


def _retreed(store: Store) -> None:
    _rechained(store)
    store.forger.retree()


def _unsigned(store: Store) -> None:
    _retreed(store)
    store.forger.forget_checkpoints()


def _last(store: Store, person: str) -> int:
    return int(store.forger.rows("SELECT max(sequence) AS n FROM {t}entries WHERE instance_id = :i", i=store.ids[person])[0]["n"])


def _cut(store: Store) -> None:
    """Cut Ann's newest entry off, as if it had never been."""
    ann, last = store.ids["ann"], _last(store, "ann")
    store.forger.delete_entry(ann, last)
    before = store.forger.entry(ann, last - 1)
    store.forger.run(
        "UPDATE {t}instances SET head = :n, head_hash = :h, recorded_at = :r WHERE id = :i",
        n=last - 1,
        h=bytes(before["entry_hash"]),
        r=before["recorded_at"],
        i=ann,
    )


def _cut_with_tree(store: Store) -> None:
    _cut(store)
    store.forger.retree()


def _cut_unsigned(store: Store) -> None:
    _cut_with_tree(store)
    store.forger.forget_checkpoints()


def _deleted_instance(store: Store) -> None:
    store.forger.delete_instance(store.ids["ann"])
    store.forger.retree()


def _deleted_instance_unsigned(store: Store) -> None:
    _deleted_instance(store)
    store.forger.forget_checkpoints()


def _replaced(store: Store) -> None:
    """Replace the whole log: everybody's history is another one, and everything fits."""
    for person in store.ids.values():
        store.forger.say(person, 1, actor="mallory")
        store.forger.edit(person, 1, actor="mallory")
        store.forger.rechain(person)
    store.forger.retree()
    store.forger.forget_checkpoints()


def _swapped(store: Store) -> None:
    store.forger.swap_entries(store.ids["ann"], 3, 4)


def _swapped_rechained(store: Store) -> None:
    _swapped(store)
    store.forger.rechain(store.ids["ann"])


def _inserted(store: Store) -> None:
    """Insert a copy behind Ann's newest entry, chained to it, and count it."""
    ann, last = store.ids["ann"], _last(store, "ann")
    store.forger.copy_entry(ann, last, to=last + 1)
    store.forger.rechain(ann)


def _inserted_between(store: Store) -> None:
    ann = store.ids["ann"]
    for sequence in range(_last(store, "ann"), 3, -1):
        store.forger.move_entry(ann, sequence, sequence + 1)
    store.forger.copy_entry(ann, 3, to=4)
    store.forger.rechain(ann)


def _effect(**changes: Any) -> Callable[[Store], None]:
    """Change what Cid's first message says of itself."""

    def do(store: Store) -> None:
        row = store.forger.rows("SELECT id, effect FROM {t}outbox WHERE instance_id = :i ORDER BY queued_at, id", i=store.ids["cid"])[0]
        said = orjson.loads(row["effect"]) | changes
        store.forger.run("UPDATE {t}outbox SET effect = :e WHERE id = :m", e=orjson.dumps(said).decode(), m=row["id"])

    return do


def _message_state(state: str) -> Callable[[Store], None]:
    """Say of Eve's first mail that it ended."""

    def do(store: Store) -> None:
        values = {"i": store.ids["cid"], "s": state}
        assert store.forger.run("UPDATE {t}outbox SET state = :s, due_at = NULL WHERE instance_id = :i AND state = 'queued'", **values)

    return do


def _other_message(store: Store) -> None:
    row = store.forger.rows("SELECT * FROM {t}outbox WHERE instance_id = :i", i=store.ids["cid"])[0]
    store.forger.run(
        f"INSERT INTO {{t}}outbox ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})",
        **{**row, "id": f"{row['id'][:-2]}ff"},
    )


def _other_timer(store: Store) -> None:
    row = store.forger.rows("SELECT * FROM {t}timers WHERE instance_id = :i", i=store.ids["bob"])[0]
    values = {**row, "key": f"{row['key']}_too"}
    store.forger.run(f"INSERT INTO {{t}}timers ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})", **values)


def _leaves_swapped(store: Store) -> None:
    for before, after in ((2, -2), (3, 2), (-2, 3)):
        store.forger.run("UPDATE {t}leaves SET position = :a WHERE position = :b", a=after, b=before)


def _tile(store: Store) -> None:
    row = store.forger.rows("SELECT hashes FROM {t}tiles WHERE level = 0 AND number = 0")[0]
    store.forger.run("UPDATE {t}tiles SET hashes = :h WHERE level = 0 AND number = 0", h=bytes(32) + bytes(row["hashes"])[32:])


def _signed(store: Store, *, vault: KeyVault = VAULT) -> None:
    """Sign the tree as it is now by the log's own key, or by another."""
    store.forger.sign(lambda head: sign(head, signers_of(vault, ORIGIN)))


def _signed_rewrite(store: Store) -> None:
    _retreed(store)
    _signed(store)


def _signed_alone(store: Store) -> None:
    """Rewrite everything, sign it by the log's own key, and delete what was signed before."""
    _retreed(store)
    _signed(store)
    store.forger.run("DELETE FROM {t}checkpoints WHERE number < (SELECT max(number) FROM {t}checkpoints)")
    store.forger.run("UPDATE {t}checkpoints SET number = 1")


def _signed_cut(store: Store) -> None:
    """Cut the log and sign the shorter one: a checkpoint that is newer and smaller."""
    _cut_with_tree(store)
    _signed(store)


TAMPERINGS: tuple[Tampering, ...] = (
    # Entries: each column is a test of its own, see test_tamper_matrix
    Tampering("entries", "edit one, its hash fitted", _rehashed, "entry:changed"),
    Tampering("entries", "edit one, the whole chain fitted", _rechained, "entry:other-in-tree"),
    Tampering("entries", "edit one, chain and tree fitted", _retreed, "checkpoint:inconsistent"),
    Tampering("entries", "edit one, chain and tree fitted, checkpoints deleted", _unsigned, "checkpoint:inconsistent", needs_outside=True),
    Tampering("entries", "delete one", lambda s: s.forger.delete_entry(s.ids["ann"], 4), "entry:changed"),
    Tampering("entries", "delete the newest", lambda s: s.forger.delete_entry(s.ids["ann"], _last(s, "ann")), "entry:deleted"),
    Tampering("entries", "delete the newest that still waits", lambda s: s.forger.delete_entry(s.ids["eve"], _last(s, "eve")), "entry:deleted"),
    Tampering("entries", "cut the tail, the head set back", _cut, "entry:deleted"),
    Tampering("entries", "cut the tail, head and tree fitted", _cut_with_tree, "checkpoint:inconsistent"),
    Tampering("entries", "cut the tail, head and tree fitted, checkpoints deleted", _cut_unsigned, "checkpoint:inconsistent", needs_outside=True),
    Tampering("entries", "insert one at the end, chained", _inserted, "entry:not-in-tree"),
    Tampering("entries", "insert one between, all chained anew", _inserted_between, "entry:other-in-tree"),
    Tampering("entries", "insert a history", lambda s: s.forger.copy_entry(s.ids["ann"], 1, to=1, to_instance="nobody"), "instance:deleted"),
    Tampering("entries", "reorder two", _swapped, "entry:changed"),
    Tampering("entries", "reorder two, all chained anew", _swapped_rechained, "entry:other-in-tree"),
    Tampering("entries", "move one to another history", lambda s: s.forger.move_entry(s.ids["ann"], 4, 99, new_instance=s.ids["bob"]), "entry:changed"),
    Tampering("all", "delete an instance, the tree fitted", _deleted_instance, "checkpoint:cut"),
    Tampering("all", "delete an instance, the tree fitted, checkpoints deleted", _deleted_instance_unsigned, "checkpoint:cut", needs_outside=True),
    Tampering("all", "replace the whole log, checkpoints deleted", _replaced, "checkpoint:inconsistent", needs_outside=True),
    # The instance's own row
    _instance("state", "'approved'"),
    _instance("version", "version + 1"),
    _instance("head", "head - 1"),
    Tampering("instances", "edit head_hash", lambda s: s.forger.run("UPDATE {t}instances SET head_hash = :h", h=bytes(32)), "instance:differs"),
    _instance("digest", "'d'"),
    _instance("definition", "'another'"),
    _instance("outcome", "'success'"),
    _instance("started_at", ":later"),
    _instance("recorded_at", ":later"),
    Tampering("instances", "edit data so that it cannot be read", _sql("UPDATE {t}instances SET data = '?' WHERE id = :cid"), "row:unreadable"),
    Tampering("instances", "delete the row", _sql("DELETE FROM {t}instances WHERE id = :cid"), "instance:deleted"),
    Tampering(
        "instances",
        "insert a row",
        _sql(
            "INSERT INTO {t}instances SELECT 'zz', definition, digest, state, subject, version, head, head_hash, outcome, started_at, "
            "recorded_at, suppressed_count, data FROM {t}instances WHERE id = :cid"
        ),
        "instance:without-history",
    ),
    # Timers
    Tampering("timers", "edit due_at", _sql("UPDATE {t}timers SET due_at = :later WHERE instance_id = :bob"), "timer:differs"),
    Tampering("timers", "pause one", _sql("UPDATE {t}timers SET due_at = NULL WHERE instance_id = :bob"), "timer:differs"),
    Tampering("timers", "edit event", _sql("UPDATE {t}timers SET event = 'x' WHERE instance_id = :bob"), "timer:differs"),
    Tampering("timers", "edit state", _sql("UPDATE {t}timers SET state = 'x' WHERE instance_id = :bob"), "timer:differs"),
    Tampering("timers", "delete", _sql("DELETE FROM {t}timers WHERE instance_id = :bob"), "timer:differs"),
    Tampering("timers", "insert", _other_timer, "timer:differs"),
    # The outbox
    Tampering("outbox", "edit the kind", _effect(kind="sms"), "message:differs"),
    Tampering("outbox", "edit the template", _effect(name="rejected"), "message:differs"),
    Tampering("outbox", "edit the recipient", _effect(to="helpdesk"), "message:differs"),
    Tampering("outbox", "edit the link's serial", _effect(link="password", serial=9), "message:differs"),
    Tampering("outbox", "edit the effect so that it cannot be read", _sql("UPDATE {t}outbox SET effect = '?' WHERE instance_id = :cid"), "row:unreadable"),
    Tampering("outbox", "say of one that it was done", _message_state("done"), "message:differs"),
    Tampering("outbox", "say of one that it was given up", _message_state("dead"), "message:differs"),
    Tampering("outbox", "say of one that it was superseded", _message_state("superseded"), "message:differs"),
    Tampering("outbox", "edit queued_at", _sql("UPDATE {t}outbox SET queued_at = :later WHERE instance_id = :cid"), "message:differs"),
    Tampering("outbox", "move to another entry", _sql("UPDATE {t}outbox SET sequence = 2 WHERE instance_id = :cid"), "message:differs"),
    Tampering("outbox", "move to another instance", _sql("UPDATE {t}outbox SET instance_id = :ann WHERE instance_id = :cid"), "message:differs"),
    Tampering("outbox", "name another instance in the id", _sql("UPDATE {t}outbox SET id = :ann || substr(id, 23) WHERE instance_id = :cid"), "message:differs"),
    Tampering("outbox", "delete", _sql("DELETE FROM {t}outbox WHERE instance_id = :cid"), "message:differs"),
    Tampering("outbox", "insert", _other_message, "message:differs"),
    # The tree
    Tampering("leaves", "edit leaf_hash", lambda s: s.forger.run("UPDATE {t}leaves SET leaf_hash = :h WHERE position = 2", h=bytes(32)), "entry:other-in-tree"),
    Tampering("leaves", "delete one", _sql("DELETE FROM {t}leaves WHERE position = 2"), "entry:not-in-tree"),
    Tampering("leaves", "delete the newest", _sql("DELETE FROM {t}leaves WHERE position = (SELECT max(position) FROM {t}leaves)"), "entry:not-in-tree"),
    Tampering("leaves", "reorder two", _leaves_swapped, "tree:tile"),
    Tampering("leaves", "name another entry", _sql("UPDATE {t}leaves SET sequence = 999 WHERE position = 2"), "entry:deleted"),
    Tampering("tiles", "edit hashes", _tile, "tree:tile"),
    Tampering("tiles", "delete", _sql("DELETE FROM {t}tiles"), "tree:tile"),
    Tampering("unsequenced", "delete", _sql("DELETE FROM {t}unsequenced"), "entry:not-in-tree"),
    Tampering("unsequenced", "insert an entry that is in the tree", _sql("INSERT INTO {t}unsequenced VALUES (:ann, 1)"), "entry:out-of-order"),
    Tampering("unsequenced", "insert one that is not there", _sql("INSERT INTO {t}unsequenced VALUES (:ann, 999)"), "entry:deleted"),
    Tampering("checkpoints", "edit the note", _sql("UPDATE {t}checkpoints SET note = replace(note, 'access', 'excess')"), "checkpoint:key"),
    Tampering("checkpoints", "edit the note's form", _sql("UPDATE {t}checkpoints SET note = 'x' || note || 'x'"), "checkpoint:unreadable"),
    Tampering("checkpoints", "edit size", _sql("UPDATE {t}checkpoints SET size = size + 1"), "checkpoint:unreadable"),
    Tampering("checkpoints", "sign the tree by another key", lambda s: _signed(s, vault=OTHER), "checkpoint:key"),
    Tampering("checkpoints", "sign a rewritten tree by the log's own key", _signed_rewrite, "checkpoint:inconsistent"),
    Tampering("checkpoints", "sign a tree that was cut by the log's own key", _signed_cut, "checkpoint:inconsistent"),
    Tampering("checkpoints", "sign a rewritten tree by the log's own key, older ones deleted", _signed_alone, "checkpoint:inconsistent", needs_outside=True),
    Tampering("checkpoints", "delete an older one", _sql("DELETE FROM {t}checkpoints WHERE number = 1"), "checkpoint:deleted"),
    # What was delegated and published
    Tampering("delegations", "edit who", _sql("UPDATE {t}delegations SET deputy = 'mallory'"), "delegation:differs"),
    Tampering("delegations", "edit until when", _sql("UPDATE {t}delegations SET ends_at = :later"), "delegation:differs"),
    Tampering("delegations", "insert", _sql("INSERT INTO {t}delegations SELECT 'x', principal, 'mallory', role, scope, starts_at, ends_at, reason FROM {t}delegations"), "delegation:differs"),
    Tampering("delegations", "delete", _sql("DELETE FROM {t}delegations"), "delegation:differs"),
    Tampering("documents", "edit a text", lambda s: s.forger.run("UPDATE {t}documents SET text = :x WHERE kind = 'definition'", x=b"x"), "document:changed"),
    Tampering("documents", "edit a content", lambda s: s.forger.run("UPDATE {t}documents SET content = :x WHERE kind = 'definition'", x=b"x"), "document:changed"),
    Tampering("documents", "insert one", _sql("INSERT INTO {t}documents SELECT 'x', text_digest, kind, name, position + 1, content, text FROM {t}documents WHERE kind = 'definition' AND :ann <> ''"), "document:changed"),
    Tampering("documents", "delete a calendar", _sql("DELETE FROM {t}documents WHERE kind = 'calendar'"), "document:changed"),
    Tampering("documents", "delete a definition", _sql("DELETE FROM {t}documents WHERE kind = 'definition'"), "document:changed"),
)  # fmt: skip


@dataclass(frozen=True)
class Undetected:
    """A change that `verify` cannot see, and why."""

    table: str
    what: str
    do: Callable[[Store], object]
    reason: str

    @property
    def id(self) -> str:
        return f"{self.table}: {self.what}"


def _in_window(store: Store) -> None:
    """Rewrite what happened after the newest checkpoint, with everything that must fit."""
    eve = store.ids["eve"]
    store.forger.say(eve, 1, actor="mallory")
    store.forger.edit(eve, 1, actor="mallory")
    store.forger.rechain(eve)


UNDETECTED: tuple[Undetected, ...] = (
    Undetected("entries", "rewrite what no checkpoint covers, all fitted", _in_window, "the window: nobody outside has seen it yet"),
    Undetected("instances", "subject, data", _sql("UPDATE {t}instances SET subject = 'x', data = '{}' WHERE id = :cid"),
               "fields are written by expressions of the definition, which verifying does not evaluate; the subject stands in no entry"),
    Undetected("timers", "armed_at, base_at, remaining, position",
               _sql("UPDATE {t}timers SET armed_at = :later, base_at = :later, remaining_seconds = 1, position = 9 WHERE instance_id = :bob"),
               "entries say when a deadline is due, not from what it was counted; verifying does not count again"),
    Undetected("outbox", "available_at, attempts, token, last_error, what follows the instance in an id",
               _sql("UPDATE {t}outbox SET available_at = :later, attempts = 9, token = 9, last_error = 'x', id = id || '0' WHERE instance_id = :cid"),
               "tries are the worker's own and no part of the history; delaying a message delays it"),
    Undetected("outbox", "params, done, failed of an effect", _effect(params={"x": 1}), "they follow from the definition and stand in no entry"),
    Undetected("work", "anything", _sql("DELETE FROM {t}work WHERE instance_id = :cid"), "it follows from the state; deciding never reads it"),
    Undetected("credentials", "anything", _sql("DELETE FROM {t}credentials WHERE kind = 'password'"),
               "sealed, changed at every attempt; a foreign one does not open, a deleted one locks out"),
    Undetected("sealed_values", "delete one", _sql("DELETE FROM {t}sealed_values WHERE instance_id = :cid"),
               "a changed value does not open, nor fit its commitment; a deleted one is only missed when it is opened"),
)  # fmt: skip
