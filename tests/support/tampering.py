"""Tampering with a history straight in the database, past every trigger, as somebody who owns it could."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from workflow.audit.canonical import canonical_entry
from workflow.audit.tiles import Growth


class Forger:
    """Somebody with every right on the database, who knows how the history is made, but has no signing key."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
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
        previous = b""
        rows = self.rows("SELECT sequence, canonical FROM {t}entries WHERE instance_id = :i ORDER BY sequence", i=instance)
        for row in rows:
            body = orjson.loads(bytes(row["canonical"])) | {"previous": previous.hex(), "sequence": row["sequence"]}
            previous = self._write(instance, row["sequence"], body)
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
        self.run("DELETE FROM {t}leaves")
        self.run("DELETE FROM {t}tiles")
        for position, row in enumerate(rows):
            self.run("INSERT INTO {t}leaves VALUES (:p, :instance_id, :sequence, :entry_hash)", p=position, **row)
        for tile in Growth().extend([bytes(row["entry_hash"]) for row in rows]):
            self.run("INSERT INTO {t}tiles VALUES (:a, :b, :c)", a=tile.level, b=tile.number, c=tile.hashes)

    def forget_checkpoints(self) -> None:
        self.run("DELETE FROM {t}checkpoints")
