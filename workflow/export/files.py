"""Exports as files: written aside, recorded in the history, then put in their place.

Promises: no file appears under its name without the entry that says who exported what; a failure leaves nothing behind. Beside a
log for process mining stand the Petri nets of the definitions that its histories follow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO

from workflow.engine.archive import Archive
from workflow.engine.disclosing import Disclosure, disclose
from workflow.export.ocel import write_ocel
from workflow.export.pnml import net_of, pnml
from workflow.export.population import History, Wanted, histories
from workflow.export.tables import write_csv, write_jsonl
from workflow.export.xes import write_whole_xes, write_xes
from workflow.states.definition import Digest
from workflow.states.instance import Actor

FORMATS: Mapping[str, Callable[[Iterable[History], IO[str]], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "xes": write_xes,
    "xes-all": write_whole_xes,
    "ocel": write_ocel,
}
MINED = frozenset({"xes", "xes-all", "ocel"})
"""Formats for process mining."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote: how much, the SHA-256 of the file, the nets beside it, and the sequence of the system's entry."""

    path: Path
    histories: int
    entries: int
    sha256: str
    nets: tuple[Path, ...]
    sequence: int


@dataclass(slots=True)
class _Count:
    """Counts histories on their way into a file."""

    progress: Progress
    histories: int = 0
    entries: int = 0
    digests: dict[Digest, None] = field(default_factory=dict)

    def through(self, found: Iterable[History]) -> Iterator[History]:
        """Pass histories on, counted."""
        for history in found:
            self.histories, self.entries = self.histories + 1, self.entries + len(history.rows)
            self.digests[history.digest] = None
            yield history
            self.progress(self.histories, self.entries)


def export(
    archive: Archive,
    wanted: Wanted,
    path: Path,
    *,
    form: str,
    actor: Actor,
    progress: Progress = lambda _histories, _entries: None,
    source: Iterable[History] | None = None,
    noted: Mapping[str, object] = MappingProxyType({}),
) -> Exported:
    """Write a population to a file.

    Args:
        archive: of the engine whose histories are exported.
        wanted: the population.
        path: of the file; one that exists is replaced.
        form: one of `FORMATS`.
        actor: who exports.
        progress: is told how many histories and entries are written.
        source: the histories of the population where they were read already; the archive's when None.
        noted: what the export's entry says beside filter, counts and digest.
    """
    count = _Count(progress)
    aside = path.with_name(f"{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8", newline="") as to:
            FORMATS[form](count.through(histories(archive, wanted) if source is None else source), to)
        sha256 = _sha256(aside)
        said = {"format": form, "filter": wanted.as_data(), "histories": count.histories, "entries": count.entries, "sha256": sha256}
        sequence = disclose(archive.engine, Disclosure(actor=actor, payload={**said, **noted}))
        nets = tuple(_write_net(archive, digest, path) for digest in count.digests) if form in MINED else ()
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return Exported(path=path, histories=count.histories, entries=count.entries, sha256=sha256, nets=nets, sequence=sequence)


def _write_net(archive: Archive, digest: Digest, path: Path) -> Path:
    table = archive.table(digest)
    beside = path.with_name(f"{path.stem}.{table.definition.name}-{digest[:12]}.pnml")
    beside.write_text(pnml(net_of(table), digest=digest), encoding="utf-8")
    return beside


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
