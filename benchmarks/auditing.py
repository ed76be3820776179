"""What auditors wait for: sequencing and verifying, on SQLite, on one core. `benchmarks.large` has what must stay small."""

from __future__ import annotations

import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import workflow_store
from workflow_store.tables import micros

from benchmarks.figures import Figure
from workflow.audit.entry import EntryRow, Head, Witnessed, record_witnessed
from workflow.auditing import drain, verify
from workflow.states.instance import ActorId, InstanceId
from workflow.states.verdict import Kind

BEGAN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PER_HISTORY = 20


def figures_of_auditing(entries: int) -> Iterator[Figure]:
    """Measure with this many entries."""
    with tempfile.TemporaryDirectory() as folder:
        store = workflow_store.connect(f"sqlite:///{folder}/audit.db")
        store.upgrade()
        _fill(store, entries)
        began = time.perf_counter()
        drain(store)
        rate = entries / (time.perf_counter() - began)
        yield Figure("sequencer, SQLite", rate, "entries/s", ">= 5,000", rate >= 5_000, f"{entries:,} entries")
        rate = statistics.median(verify(store).entries_per_second for _ in range(3))
        yield Figure("audit verify, SQLite", rate, "entries/s", ">= 50,000", rate >= 50_000, "chains, tree, instances; one core")
        tracemalloc.start()
        verify(store)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        yield Figure("audit verify, memory", peak, "MiB", "<= 32", peak <= 32, f"peak over {entries:,} entries")
        store.close()


def _fill(store: workflow_store.OwnStore, entries: int) -> None:
    """Write histories straight into the tables: the engine itself is measured elsewhere."""
    with store.engine.connect() as on:
        on.exec_driver_sql("BEGIN")
        for number in range(entries // PER_HISTORY):
            rows = list(_history(InstanceId(f"i{number:08}")))
            on.exec_driver_sql(f"INSERT INTO workflow_entries VALUES ({', '.join('?' * 12)})", [_row(one) for one in rows])
            on.exec_driver_sql("INSERT INTO workflow_unsequenced VALUES (?, ?)", [(one.instance_id, one.sequence) for one in rows])
            last = rows[-1]
            values = (last.instance_id, "bench", "", "requested", "somebody", 0, last.sequence, last.entry_hash, None)
            at = (micros(rows[0].recorded_at), micros(last.recorded_at), 0, "{}")
            on.exec_driver_sql(f"INSERT INTO workflow_instances VALUES ({', '.join('?' * 13)})", (*values, *at))
        on.exec_driver_sql("COMMIT")


def _history(instance_id: InstanceId) -> Iterator[EntryRow]:
    head = Head()
    for number in range(PER_HISTORY):
        seen = Witnessed(
            kind=Kind.REFUSED,
            event="approve",
            actor=ActorId("person-4711"),
            occurred_at=BEGAN,
            state="requested",
            payload={"network": "ERKNet", "note": "x" * 80},
            facts={"password_link.valid": True, "password_profile.ok": True},
        )
        digests = {"definition": "d" * 64, "calendar": "c" * 64, "catalogue": "a" * 64}
        row = record_witnessed(seen, instance_id, after=head, recorded_at=BEGAN + timedelta(seconds=number), digests=digests)  # type: ignore[arg-type]  # digests are text
        head = Head(sequence=row.sequence, hash=row.entry_hash)
        yield row


def _row(one: EntryRow) -> tuple[object, ...]:
    places = (one.instance_id, one.sequence, one.kind, one.event, one.actor, one.on_behalf_of, one.from_state, one.to_state)
    return (*places, micros(one.occurred_at), micros(one.recorded_at), one.canonical, one.entry_hash)
