"""Tampering with a history straight in the database, past every trigger, as somebody who owns it could."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import sqlalchemy as sa

from workflow.audit.canonical import canonical_entry
from workflow.audit.checkpoint import Checkpoint
from workflow.audit.merkle import root_of
from workflow.audit.tiles import Growth

HISTORY = ("entries", "instances", "leaves", "tiles", "checkpoints", "unsequenced")


class Forger:
    """Somebody with every right on the database, who knows how the history is made, but has no signing key."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._is_kept = False
        self._drop_triggers()

    def close(self) -> None:
        self.engine.dispose()

    def _drop_triggers(self) -> None:
        with self.engine.begin() as on:
            if self.is_sqlite:
                for (name,) in on.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                    on.exec_driver_sql(f'DROP TRIGGER "{name}"')
                return
            wanted = (
                "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                "WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
            )
            for name, table in on.exec_driver_sql(wanted).fetchall():
                on.exec_driver_sql(f'DROP TRIGGER "{name}" ON "{table}"')

    def run(self, statement: str, **values: Any) -> int:
        """Run a statement; `{t}` stands for the prefix of our tables."""
        with self.engine.begin() as on:
            return on.execute(sa.text(statement.replace("{t}", "workflow_")), values).rowcount

    def rows(self, statement: str, **values: Any) -> list[Mapping[str, Any]]:
        with self.engine.begin() as on:
            return [dict(row._mapping) for row in on.execute(sa.text(statement.replace("{t}", "workflow_")), values)]

    # Undoing, so that one database serves for many tamperings

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undo at the end of the block what was done to the history within it."""
        if not self._is_kept:
            for name in HISTORY:
                self.run(f"CREATE TABLE kept_{name} AS SELECT * FROM {{t}}{name}")
            self._is_kept = True
        yield
        with self.engine.begin() as on:
            for name in HISTORY:
                on.exec_driver_sql(f"DELETE FROM workflow_{name}")
                on.exec_driver_sql(f"INSERT INTO workflow_{name} SELECT * FROM kept_{name}")

    # Entries

    def entry(self, instance: str, sequence: int) -> Mapping[str, Any]:
        return self.rows("SELECT * FROM {t}entries WHERE instance_id = :i AND sequence = :s", i=instance, s=sequence)[0]

    def edit(self, instance: str, sequence: int, /, **columns: Any) -> None:
        """Change columns of one entry."""
        setting = ", ".join(f"{name} = :new_{name}" for name in columns)
        values = {f"new_{name}": value for name, value in columns.items()}
        changed = self.run(f"UPDATE {{t}}entries SET {setting} WHERE instance_id = :i AND sequence = :s", i=instance, s=sequence, **values)
        assert changed == 1

    def say(self, instance: str, sequence: int, /, **said: Any) -> None:
        """Change what one entry says, with a hash that fits its bytes."""
        body = orjson.loads(bytes(self.entry(instance, sequence)["canonical"])) | said
        self._write(instance, sequence, body)

    def _write(self, instance: str, sequence: int, body: Mapping[str, Any]) -> bytes:
        canonical = canonical_entry(body)
        hashed = hashlib.sha256(b"\x00" + canonical).digest()
        self.edit(instance, sequence, canonical=canonical, entry_hash=hashed)
        return hashed

    def rechain(self, instance: str) -> None:
        """Make every entry's hash fit again, from the first to the last, and the instance's head too."""
        previous, fitted = b"", []
        rows = self.rows("SELECT sequence, canonical FROM {t}entries WHERE instance_id = :i ORDER BY sequence", i=instance)
        for row in rows:
            canonical = canonical_entry(orjson.loads(bytes(row["canonical"])) | {"previous": previous.hex(), "sequence": row["sequence"]})
            previous = hashlib.sha256(b"\x00" + canonical).digest()
            fitted.append({"i": instance, "s": row["sequence"], "c": canonical, "h": previous})
        with self.engine.begin() as on:
            said = "UPDATE workflow_entries SET canonical = :c, entry_hash = :h WHERE instance_id = :i AND sequence = :s"
            on.execute(sa.text(said), fitted)
        self.run("UPDATE {t}instances SET head = :n, head_hash = :h WHERE id = :i", n=len(rows), h=previous, i=instance)

    def delete_entry(self, instance: str, sequence: int) -> None:
        self.run("DELETE FROM {t}entries WHERE instance_id = :i AND sequence = :s", i=instance, s=sequence)

    def move_entry(self, instance: str, sequence: int, to: int, *, new_instance: str | None = None) -> None:
        moved = {"i": instance, "s": sequence, "t": to, "n": new_instance or instance}
        self.run("UPDATE {t}entries SET instance_id = :n, sequence = :t WHERE instance_id = :i AND sequence = :s", **moved)

    def swap_entries(self, instance: str, first: int, second: int) -> None:
        self.move_entry(instance, first, -1)
        self.move_entry(instance, second, first)
        self.move_entry(instance, -1, second)

    def copy_entry(self, instance: str, sequence: int, *, to: int, to_instance: str | None = None) -> None:
        row = dict(self.entry(instance, sequence)) | {"sequence": to, "instance_id": to_instance or instance}
        names = ", ".join(row)
        self.run(f"INSERT INTO {{t}}entries ({names}) VALUES ({', '.join(f':{name}' for name in row)})", **row)

    def delete_instance(self, instance: str) -> None:
        """Delete everything that has an instance's id, the tree's leaves too."""
        for table in ("entries", "timers", "outbox", "work", "unsequenced", "leaves"):
            self.run(f"DELETE FROM {{t}}{table} WHERE instance_id = :i", i=instance)
        self.run("DELETE FROM {t}instances WHERE id = :i", i=instance)

    # The tree

    def retree(self) -> None:
        """Make leaves and tiles fit the entries as they are now; positions are closed up."""
        rows = self.rows(
            "SELECT e.instance_id, e.sequence, e.entry_hash FROM {t}leaves l "
            "JOIN {t}entries e ON e.instance_id = l.instance_id AND e.sequence = l.sequence ORDER BY l.position"
        )
        leaves = [{**row, "position": position} for position, row in enumerate(rows)]
        tiles = [{"a": t.level, "b": t.number, "c": t.hashes} for t in Growth().extend([bytes(row["entry_hash"]) for row in rows])]
        with self.engine.begin() as on:
            on.exec_driver_sql("DELETE FROM workflow_leaves")
            on.exec_driver_sql("DELETE FROM workflow_tiles")
            on.execute(sa.text("INSERT INTO workflow_leaves VALUES (:position, :instance_id, :sequence, :entry_hash)"), leaves)
            on.execute(sa.text("INSERT INTO workflow_tiles VALUES (:a, :b, :c)"), tiles)

    def sign(self, note: Callable[[Checkpoint], str]) -> None:
        """Keep a checkpoint of the tree as it is now, signed by somebody: it becomes the newest."""
        rows = self.rows("SELECT leaf_hash FROM {t}leaves ORDER BY position")
        leaves = [bytes(row["leaf_hash"]) for row in rows]
        made = note(Checkpoint(origin=self.origin(), size=len(leaves), root=root_of(leaves)))
        number, at = "SELECT coalesce(max(number), 0) + 1 FROM {t}checkpoints", "SELECT max(recorded_at) FROM {t}entries"
        self.run(
            f"INSERT INTO {{t}}checkpoints (number, size, note, recorded_at) VALUES (({number}), :s, :n, ({at}))", s=len(leaves), n=made
        )

    def origin(self) -> str:
        """Give the log's name, by which everything was signed."""
        return str(self.rows("SELECT note FROM {t}checkpoints ORDER BY number LIMIT 1")[0]["note"]).partition("\n")[0]

    def forget_checkpoints(self) -> None:
        self.run("DELETE FROM {t}checkpoints")
