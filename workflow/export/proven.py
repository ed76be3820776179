"""Exports whose completeness can be checked: a population as it was under a signed checkpoint, with an account of the whole tree.

Promises: everything is read at one moment, in memory that does not grow with the store. Beside the file stands one zip that accounts for
every leaf of the tree: those of the population, and those outside it by their hashes, with the first and the newest entry of each history,
which say that it is outside and how long it is. `workflow.export.completeness` checks it, offline, and has the argument.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import IO

import orjson

from workflow.audit.checkpoint import Checkpoint, read_note
from workflow.audit.entry import EntryRow
from workflow.audit.merkle import root_of
from workflow.audit.plans import Plan, read_plan
from workflow.engine.archive import Archive
from workflow.errors import AuditError
from workflow.export.files import Exported, Progress, export
from workflow.export.population import OPEN, History, Wanted
from workflow.ports import SYSTEM, SequencedEntry, Snapshot
from workflow.states.definition import Digest, StatePath
from workflow.states.instance import Actor, Instance

FORM = 1
CHECKPOINT, LEAVES, HISTORIES, MANIFEST = "checkpoint.txt", "leaves.bin", "histories.jsonl", "manifest.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_README = """This proves that the export beside it is complete. Check it with:
    workflow audit verify-export FILE --key KEY [--checkpoint KEPT]

checkpoint.txt is the signed head of the log; leaves.bin the hashes of all its entries, 32 bytes each, in their order (RFC 9162: they lead
to the root in the checkpoint). histories.jsonl says of each history which leaves are its, whether it belongs to the population, and has
its first and its newest entry as they were hashed: SHA-256 over a zero byte and the entry's canonical JSON (RFC 8785) is the leaf.
documents/ are the definitions by which an outcome follows from a state.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """An export with its proof: under which tree, and how much of it is outside the population."""

    exported: Exported
    proof: Path
    checkpoint: Checkpoint
    outside_histories: int
    outside_entries: int


@dataclass(slots=True, kw_only=True)
class Accounts:
    """One pass over a snapshot, as of a checkpoint: gives the histories of a population, and accounts for all."""

    archive: Archive
    snapshot: Snapshot
    wanted: Wanted
    size: int
    outside_histories: int = 0
    outside_entries: int = 0
    inside_entries: int = 0
    documents: dict[Digest, bytes] = field(default_factory=dict)
    _plans: dict[Digest, Plan] = field(default_factory=dict)

    def read(self, to: IO[bytes]) -> Iterator[History]:
        """Give the histories of the population, and write a line about every history.

        Raises:
            AuditError: the store does not agree with its tree.
        """
        situations = self.snapshot.situations()
        situation = next(situations, None)
        for id_, group in groupby(self.snapshot.entries(), key=lambda one: one.row.instance_id):
            while situation is not None and situation.instance.id < id_:
                situation = next(situations, None)
            leaves, rows = self._covered(group, is_kept=id_ != SYSTEM)
            if not leaves:
                continue
            if situation is None or situation.instance.id != id_:
                raise AuditError(f"The history {id_} has no row of its own: run `workflow audit verify`.")
            history = self._as_of(situation.instance, rows) if id_ != SYSTEM else None
            is_in = history is not None and self.wanted.has(history.instance)
            self._count(len(leaves), is_in=is_in)
            line = {"instance": id_, "is_in": is_in, "leaves": leaves}
            to.write(b'{"account":%b,"first":%b,"newest":%b}\n' % (orjson.dumps(line), rows[0].canonical, rows[-1].canonical))
            if history is not None and is_in:
                yield history
        if self.inside_entries + self.outside_entries != self.size:
            raise AuditError(f"The tree has {self.size} entries, the histories {self.inside_entries + self.outside_entries} of them.")

    def _covered(self, group: Iterator[SequencedEntry], *, is_kept: bool) -> tuple[list[int], list[EntryRow]]:
        """Give places in the tree and rows of the entries under the checkpoint; of a chain that is not kept, the first and the last row."""
        leaves: list[int] = []
        rows: list[EntryRow] = []
        for one in group:
            if one.position is None or one.position >= self.size:
                continue
            if one.leaf_hash != one.row.entry_hash:
                raise AuditError(
                    f"Entry {one.row.sequence} of {one.row.instance_id} is not the one in the tree: run `workflow audit verify`."
                )
            leaves.append(one.position)
            if is_kept or len(rows) < 2:  # noqa: PLR2004  # the first and the newest
                rows.append(one.row)
            else:
                rows[-1] = one.row
        return leaves, rows

    def _as_of(self, instance: Instance, rows: Sequence[EntryRow]) -> History:
        """Give a history as it was under the checkpoint: state and outcome are those after its newest entry there."""
        said = tuple(orjson.loads(row.canonical) for row in rows)
        state = rows[-1].to_state or ""
        digest = Digest(said[-1]["documents"]["definition"])
        outcome = self._plan(digest, instance.definition).outcome_of(state)
        head = {"head": rows[-1].sequence, "head_hash": rows[-1].entry_hash, "recorded_at": rows[-1].recorded_at}
        before = replace(instance, state=StatePath(state), outcome=outcome, digest=digest, **head)  # type: ignore[arg-type]  # as named
        return History(instance=before, rows=tuple(rows), said=said)

    def _plan(self, digest: Digest, name: str) -> Plan:
        if digest not in self._plans:
            content = self.archive.document("definition", digest).content
            plan = read_plan(name, content)
            if plan is None:
                raise AuditError(f"The definition {digest} cannot be read: run `workflow audit verify`.")
            self.documents[digest], self._plans[digest] = content, plan
        return self._plans[digest]

    def _count(self, entries: int, *, is_in: bool) -> None:
        if is_in:
            self.inside_entries += entries
        else:
            self.outside_histories, self.outside_entries = self.outside_histories + 1, self.outside_entries + entries


def proof_path(path: Path) -> Path:
    """Say where the proof of an export lies: beside it."""
    return path.with_name(f"{path.name}.proof.zip")


def newest_noted(snapshot: Snapshot) -> dict[str, object]:
    """Give what the entry of an export that is not proven says of the newest checkpoint; nothing when there is none."""
    kept = snapshot.checkpoints()
    return _noted(Checkpoint.read(read_note(kept[-1].note).text), is_proven=False) if kept else {}


def _noted(head: Checkpoint, *, is_proven: bool) -> dict[str, object]:
    return {"checkpoint": {"size": head.size, "root": head.root.hex()}, "is_proven": is_proven}


def export_proven(
    archive: Archive,
    snapshot: Snapshot,
    wanted: Wanted,
    *,
    path: Path,
    form: str,
    actor: Actor,
    progress: Progress = lambda _histories, _entries: None,
) -> Proven:
    """Write a population as of the newest checkpoint to a file, with the proof of its completeness beside it.

    Raises:
        AuditError: there is no checkpoint, or the store does not agree with its tree.
    """
    kept = snapshot.checkpoints()
    if not kept:
        raise AuditError("There is no checkpoint to prove anything under: run `workflow audit checkpoint` first.")
    head = Checkpoint.read(read_note(kept[-1].note).text)
    accounts = Accounts(archive=archive, snapshot=snapshot, wanted=wanted, size=head.size)
    noted = _noted(head, is_proven=True)
    beside = proof_path(path)
    aside = beside.with_name(f"{beside.name}.part")
    try:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as bundle:
            _add(bundle, CHECKPOINT, kept[-1].note.encode())
            _add(bundle, "README.txt", _README.encode())
            with bundle.open(_named(LEAVES), "w", force_zip64=True) as to:
                if root_of(_leaves(snapshot, head.size, to)) != head.root:
                    raise AuditError("The tree does not lead to the root that was signed: run `workflow audit verify`.")
            with bundle.open(_named(HISTORIES), "w", force_zip64=True) as to:
                source = accounts.read(to)
                exported = export(archive, wanted, path, form=form, actor=actor, progress=progress, source=source, noted=noted)
            for digest, content in sorted(accounts.documents.items()):
                _add(bundle, f"documents/{digest}.json", content)
            _add(bundle, MANIFEST, orjson.dumps(_manifest(exported, wanted, accounts, form=form), option=orjson.OPT_INDENT_2))
        aside.replace(beside)
    finally:
        aside.unlink(missing_ok=True)
    return Proven(
        exported=exported,
        proof=beside,
        checkpoint=head,
        outside_histories=accounts.outside_histories,
        outside_entries=accounts.outside_entries,
    )


def _manifest(exported: Exported, wanted: Wanted, accounts: Accounts, *, form: str) -> dict[str, object]:
    return {
        "form": FORM,
        "file": exported.path.name,
        "format": form,
        "sha256": exported.sha256,
        "filter": wanted.as_data(),
        "histories": exported.histories,
        "entries": exported.entries,
        "outside_histories": accounts.outside_histories,
        "outside_entries": accounts.outside_entries,
    }


def _leaves(snapshot: Snapshot, size: int, to: IO[bytes]) -> Iterator[bytes]:
    for leaf in snapshot.leaves():
        if leaf.position >= size:
            return
        to.write(leaf.leaf_hash)
        yield leaf.leaf_hash


def _named(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, date_time=_LONG_AGO)
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


def _add(bundle: zipfile.ZipFile, name: str, data: bytes) -> None:
    bundle.writestr(_named(name), data)


def outcome_of(plan: Plan, state: str) -> str:
    """Give the outcome of a state as a filter names it."""
    return plan.outcome_of(state) or OPEN
