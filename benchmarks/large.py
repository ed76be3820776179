"""What must stay quick or small however large the log is: a proof among a million entries, exporting and verifying in flat memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import workflow_store
from workflow_store.tables import micros

import workflow
from benchmarks.auditing import BEGAN
from benchmarks.figures import Figure
from tests.support.approvals import whole
from workflow.audit.canonical import canonical_entry
from workflow.audit.entry import EntryRow
from workflow.audit.tiles import Growth
from workflow.auditing import drain, make_checkpoint, prove, signers_of, verify
from workflow.checks import KeyVault
from workflow.engine.archive import Archive
from workflow.export.files import FORMATS
from workflow.export.population import Wanted, histories
from workflow.settings import development_keys

SIGNERS = signers_of(KeyVault(development_keys()), "bench")
BATCH = 50_000
FORMS = ("csv", "jsonl", "xes", "ocel")


def figures_of_proving(leaves: int) -> Iterator[Figure]:
    """Prove entries of a tree with this many leaves, by the way that `workflow audit prove` takes."""
    with tempfile.TemporaryDirectory() as folder:
        store = workflow_store.connect(f"sqlite:///{folder}/tree.db")
        store.upgrade()
        _plant(store, leaves)
        make_checkpoint(store, origin="bench", signers=SIGNERS, now=BEGAN)
        took = []
        for position in range(0, leaves, max(leaves // 100, 1)):
            began = time.perf_counter()
            with store.snapshot() as snapshot:
                prove(snapshot, *_place(position))
            took.append(1000 * (time.perf_counter() - began))
        slowest = max(took)
        yield Figure("proof of one entry", slowest, "ms", "<= 50", slowest <= 50, f"slowest of {len(took)} among {leaves:,}, store opened")
        store.close()


def _place(position: int) -> tuple[str, int]:
    return f"i{position // 20:08}", position % 20 + 1


def _plant(store: workflow_store.OwnStore, leaves: int) -> None:
    """Write leaves and tiles as the sequencer does, batch by batch: a million entries would take longer than everything else here."""
    tree = Growth()
    with store.engine.connect() as on:
        on.exec_driver_sql("BEGIN")
        for first in range(0, leaves, BATCH):
            places = range(first, min(first + BATCH, leaves))
            hashes = [hashlib.sha256(b"%d" % position).digest() for position in places]
            rows = [(position, *_place(position), hash_) for position, hash_ in zip(places, hashes, strict=True)]
            on.exec_driver_sql("INSERT INTO workflow_leaves (position, instance_id, sequence, leaf_hash) VALUES (?, ?, ?, ?)", rows)
            tiles = [(tile.level, tile.number, tile.hashes) for tile in tree.extend(hashes)]
            on.exec_driver_sql("INSERT OR REPLACE INTO workflow_tiles (level, number, hashes) VALUES (?, ?, ?)", tiles)
        on.exec_driver_sql("COMMIT")


def figures_of_memory(entries: int) -> Iterator[Figure]:
    """Export and verify a tenth of the entries and all of them, each in a process of its own, and compare what they needed."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/histories.db"
        whole_count = _clone(url, entries)
        small, large = (_child(url, count) for count in (whole_count // 10, whole_count))
        for form in FORMS:
            grown = large[form].mib - small[form].mib
            rate = large[form].entries / large[form].seconds
            detail = f"{large[form].entries:,} entries, {large[form].mib:.0f} MiB in all; {rate:,.0f} entries/s"
            yield Figure(f"export {form}, memory", grown, "MiB more", "<= 8", grown <= 8, f"than for a tenth; {detail}")
        verified = _child(url, 0)["verify"]
        grown = verified.mib - small["start"].mib
        detail = f"{verified.entries:,} entries, above the empty program"
        yield Figure("audit verify, resident memory", grown, "MiB", "<= 64", grown <= 64, detail)


@dataclass(frozen=True)
class Needed:
    """What something needed: entries, seconds, and the most memory that the process ever had resident."""

    entries: int
    seconds: float
    mib: float


def _child(url: str, entries: int) -> dict[str, Needed]:
    command = [sys.executable, "-m", "benchmarks.large", url, str(entries)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {name: Needed(**needed) for name, needed in json.loads(said).items()}


def _clone(url: str, entries: int) -> int:
    """Write one real history again and again, each with ids of its own and a chain that fits; gives how many entries there are."""
    store = workflow_store.connect(url)
    store.upgrade()
    house, id_ = whole(store)
    rows = house.engine.history(id_)
    count = max(entries // len(rows), 10)
    with store.engine.connect() as on:
        on.exec_driver_sql("BEGIN")
        columns = [row[1] for row in on.exec_driver_sql("PRAGMA table_info(workflow_instances)")]
        for number in range(count):
            instance, subject = f"c{number:08}", f"person-{number}"
            written = list(_cloned(rows, instance, subject))
            on.exec_driver_sql(f"INSERT INTO workflow_entries VALUES ({', '.join('?' * 12)})", written)
            on.exec_driver_sql("INSERT INTO workflow_unsequenced VALUES (?, ?)", [(one[0], one[1]) for one in written])
            other = {"id": instance, "subject": subject, "head_hash": written[-1][-1]}
            chosen = ", ".join("?" if name in other else name for name in columns)
            values = tuple(other[name] for name in columns if name in other)
            on.exec_driver_sql(f"INSERT INTO workflow_instances SELECT {chosen} FROM workflow_instances WHERE id = ?", (*values, id_))
        on.exec_driver_sql("COMMIT")
    drain(store)
    store.close()
    return count * len(rows)


def _cloned(rows: Sequence[EntryRow], instance: str, subject: str) -> Iterator[tuple[object, ...]]:
    previous = b""
    for row in rows:
        actor = subject if row.actor == "ana" else row.actor
        said = orjson.loads(row.canonical) | {"instance": instance, "previous": previous.hex(), "actor": actor}
        canonical = canonical_entry(said)
        previous = hashlib.sha256(b"\x00" + canonical).digest()
        places = (instance, row.sequence, row.kind, row.event, actor, row.on_behalf_of, row.from_state, row.to_state)
        yield (*places, micros(row.occurred_at), micros(row.recorded_at), canonical, previous)


def _highest_mib() -> float:
    """Give the most memory that this process ever had (proc(5), VmHWM: unlike `getrusage`, nothing of the process that started it)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def _measure(url: str, entries: int) -> dict[str, dict[str, float]]:
    """Be the process that is measured: export so many entries in every format, or verify everything when none are wanted."""
    engine = workflow.open(url, keys=development_keys())
    archive = Archive(engine)
    needed: dict[str, dict[str, float]] = {"start": {"entries": 0, "seconds": 0.0, "mib": _highest_mib()}}
    for form in FORMS if entries else ():
        began, seen = time.perf_counter(), 0
        with tempfile.TemporaryFile("w", encoding="utf-8", newline="") as to:
            per_history = len(next(iter(histories(archive, Wanted()))).rows)
            FORMATS[form](islice(histories(archive, Wanted()), entries // per_history), to)
            seen = entries // per_history * per_history
        needed[form] = {"entries": seen, "seconds": time.perf_counter() - began, "mib": _highest_mib()}
    if not entries:
        report = verify(engine.store)  # type: ignore[arg-type]  # a store of our own has a tree
        assert report.is_sound or {flaw.what.value for flaw in report.flaws} <= {"timer:differs", "message:differs"}, report.flaws[0]
        needed["verify"] = {"entries": report.entries, "seconds": report.seconds, "mib": _highest_mib()}
    engine.close()
    return needed


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))
