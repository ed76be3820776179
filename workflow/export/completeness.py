"""Checking that nothing was left out of a population: offline, from an export, its proof, and a checkpoint that somebody else has kept.

Promises: opens no store and believes no count. The argument, in the numbers of `check_export`:

(1) The checkpoint is signed by a known key, and is, or goes on from, the one that somebody outside has kept. (2) The hashes lead to its
root, so they are all the entries of the log there were: N. (3) Each of the N belongs to one history, and to one only. (4) Of each history
the first and the newest entry are given; they have the hashes of the first and the last of its leaves, and the newest says its own number,
which is how many leaves the history has. A log takes each entry once, in its order, so the histories that are named have N entries
together: there is no room left for another history, or for another entry of one of these. (5) By what the first and the newest entry
say, each history belongs to the population or does not. (6) The export has exactly the entries of those that do.

What this cannot show: that the log itself was led as it should be (`workflow audit verify` does, on the store); what the entries
between the first and the newest of a history *outside* the population say (their hashes are known, no more); and what happened after
the checkpoint.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from workflow.audit.checkpoint import Checkpoint, CheckpointError, VerifierKey, read_note
from workflow.audit.checkpoint import verify as verify_note
from workflow.audit.merkle import HASH_BYTES, root_of
from workflow.audit.plans import Plan, read_plan
from workflow.checks.vault import is_signed
from workflow.engine.genuine import digest_of_content
from workflow.errors import AuditError
from workflow.export.exported import FORMS, Exported, Form, leaf_of, read_export
from workflow.export.population import Wanted
from workflow.export.proven import CHECKPOINT, FORM, HISTORIES, LEAVES, MANIFEST, outcome_of
from workflow.ports import SYSTEM, Document
from workflow.states.definition import Digest

KeysFor = Callable[[str], Iterable[VerifierKey]]
"""Gives the known keys of a log by its origin."""


MOST_BYTES = 20_000_000
"""Of a checkpoint, a manifest or a definition in a proof; what is packed small may unpack to anything."""


@dataclass(slots=True)
class Checked:
    """What was shown, and what was not, in sentences; counts of the population and of all that is under the checkpoint."""

    checkpoint: Checkpoint
    histories: int = 0
    entries: int = 0
    outside_histories: int = 0
    outside_entries: int = 0
    proved: list[str] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)


def check_export(
    file: Path, proof: Path, *, keys: KeysFor | None, kept: Sequence[tuple[str, str]] = (), wanted: Wanted | None = None
) -> Checked:
    """Check that an export is complete.

    Args:
        file: the export.
        proof: the zip that was written beside it.
        keys: known keys by origin; the signature is not verified when None, and the answer says so.
        kept: checkpoints from outside, as (where it came from, note).
        wanted: the population that was asked for; the one that the proof names when None.

    Raises:
        AuditError: something does not hold; the message says what and where.
    """
    try:
        with zipfile.ZipFile(proof) as bundle:
            return _Check(bundle, file).run(keys=keys, kept=kept, wanted=wanted)
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise AuditError(f"{proof} cannot be read as a proof ({type(error).__name__}: {error}).") from error


class _Check:
    """One check; `seen` marks the leaves that a history has claimed."""

    def __init__(self, bundle: zipfile.ZipFile, file: Path) -> None:
        self.bundle, self.file = bundle, file
        self.manifest: dict[str, Any] = orjson.loads(self._file(MANIFEST))
        self.note = self._file(CHECKPOINT).decode()
        self.found = Checked(checkpoint=Checkpoint.read(read_note(self.note).text))
        self.size = self.found.checkpoint.size
        self.leaves = b""
        self.seen = bytearray()
        self.plans: dict[str, Plan | None] = {}
        self.wanted = Wanted()

    def run(self, *, keys: KeysFor | None, kept: Sequence[tuple[str, str]], wanted: Wanted | None) -> Checked:
        """Go through the argument; the numbers are those of the module."""
        _refuse_unless(self.manifest["form"] == FORM, f"This program checks proofs of form {FORM}, not {self.manifest['form']!r}.")
        self.wanted = wanted or Wanted.read(self.manifest["filter"])
        # (1) who signed, (2) what the log is
        self._signed(keys)
        self._rooted()
        for source, note in kept:
            self._goes_on_from(source, note)
        if not kept:
            self.found.not_proved.append("That this is the log others have seen: give a checkpoint that was kept elsewhere (--checkpoint).")
        # (3) to (6) whose each entry is, and what of it is exported
        form = FORMS[self.manifest["format"]]
        self._accounted(form)
        self._digested()
        self._say(form)
        return self.found

    def _file(self, name: str) -> bytes:
        _refuse_unless(self.bundle.getinfo(name).file_size <= MOST_BYTES, f"{name} in the proof is larger than anything of ours.")
        return self.bundle.read(name)

    def _signed(self, keys: KeysFor | None) -> None:
        head = self.found.checkpoint
        if keys is None:
            self.found.not_proved.append("Who signed the checkpoint: give the log's public key (--key).")
            return
        signed = verify_note(
            read_note(self.note),
            keys(head.origin),
            is_signed=lambda key, text, by: is_signed(public_key=key, message=text, signature=by),
        )
        names = ", ".join(f"{key.name} (key {key.id.hex()})" for key in signed)
        self.found.proved.append(f"The checkpoint of {head.size} entries is signed by {names}.")

    def _rooted(self) -> None:
        is_whole = self.bundle.getinfo(LEAVES).file_size == self.size * HASH_BYTES
        _refuse_unless(is_whole, f"The proof has not the {self.size} hashes that the checkpoint counts.")
        self.leaves = self.bundle.read(LEAVES)
        _refuse_unless(root_of(self._hashes(self.size)) == self.found.checkpoint.root, "The hashes do not lead to the signed root.")
        self.seen = bytearray(self.size)
        self.found.proved.append(f"These are the hashes of all {self.size} entries of the log.")

    def _goes_on_from(self, source: str, note: str) -> None:
        older = Checkpoint.read(read_note(note).text)
        if older.size > self.size:
            self.found.not_proved.append(f"That the log is the one of {source}: it is newer, with {older.size} entries.")
            return
        holds = older.origin == self.found.checkpoint.origin and root_of(self._hashes(older.size)) == older.root
        _refuse_unless(holds, f"The log does not go on from {source}: something in its first {older.size} entries was rewritten.")
        self.found.proved.append(f"The log goes on from {source} ({older.size} entries).")

    def _hashes(self, size: int) -> Iterator[bytes]:
        return (self.leaves[at : at + HASH_BYTES] for at in range(0, size * HASH_BYTES, HASH_BYTES))

    def _leaf(self, position: int) -> bytes:
        return self.leaves[position * HASH_BYTES : (position + 1) * HASH_BYTES]

    def _accounted(self, form: Form) -> None:
        """Go through all histories, and through the export beside them: both are ordered by id."""
        groups = groupby(read_export(self.file, form), key=lambda one: one.instance)
        before = ""
        with self.bundle.open(HISTORIES) as lines:
            for line in lines:
                read = orjson.loads(line)
                account = read["account"]
                id_, leaves = account["instance"], account["leaves"]
                _refuse_unless(id_ > before, f"The history {id_} stands in the proof twice, or not in its order.")
                before = id_
                self._claim(id_, leaves)
                self._ends(id_, leaves, read["first"], read["newest"])
                is_in = self._belongs(id_, read["first"], read["newest"])
                _refuse_unless(
                    is_in == account["is_in"], f"The history {id_} is {'' if is_in else 'not '}of the population, unlike the proof says."
                )
                if is_in:
                    self._exported(id_, leaves, next(groups, None), form)
                self._count(len(leaves), is_in=is_in)
        extra = next(groups, None)
        _refuse_unless(extra is None, f"The export has the history {extra[0] if extra else ''}, which is not of the population.")
        missing = self.seen.find(0)
        _refuse_unless(missing < 0, f"No history accounts for entry {missing} of the log: something was left out.")

    def _claim(self, id_: str, leaves: Sequence[int]) -> None:
        _refuse_unless(bool(leaves) and list(leaves) == sorted(set(leaves)), f"The leaves of {id_} are not in their order.")
        for position in leaves:
            is_free = 0 <= position < self.size and not self.seen[position]
            _refuse_unless(is_free, f"Entry {position} of the log is claimed by {id_}, and is not there or another history's.")
            self.seen[position] = 1

    def _ends(self, id_: str, leaves: Sequence[int], first: Mapping[str, Any], newest: Mapping[str, Any]) -> None:
        for said, position, sequence in ((first, leaves[0], 1), (newest, leaves[-1], len(leaves))):
            _refuse_unless(leaf_of(said) == self._leaf(position), f"Entry {sequence} of {id_} is not the one in the log.")
            is_here = said["instance"] == id_ and said["sequence"] == sequence
            _refuse_unless(is_here, f"{id_} should have {len(leaves)} entries, but this is entry {said['sequence']} of {said['instance']}.")

    def _belongs(self, id_: str, first: Mapping[str, Any], newest: Mapping[str, Any]) -> bool:
        if id_ == SYSTEM:
            return False
        plan, state = self._plan(newest["documents"]["definition"]), newest["to"] or ""
        started_at = datetime.fromisoformat(first["recorded_at"])
        return self.wanted.covers(definition=plan.name, state=state, outcome=outcome_of(plan, state), started_at=started_at)

    def _plan(self, digest: str) -> Plan:
        if digest not in self.plans:
            content = self._file(f"documents/{digest}.json")
            name = str(orjson.loads(content)["definition"])
            document = Document(
                kind="definition", name=name, digest=Digest(digest), text_digest=Digest(digest), content=content, text=content
            )
            is_it = digest_of_content(document) == digest
            self.plans[digest] = read_plan(name, content) if is_it else None
        plan = self.plans[digest]
        if plan is None:
            raise AuditError(f"The definition {digest} in the proof is another one.")
        return plan

    def _exported(self, id_: str, leaves: Sequence[int], group: tuple[str, Iterator[Exported]] | None, form: Form) -> None:
        _refuse_unless(group is not None and group[0] == id_, f"The history {id_} is of the population, and the export does not have it.")
        before = 0
        for one in group[1] if group else ():
            is_next = one.sequence == before + 1 if form.is_whole else one.sequence > before
            _refuse_unless(is_next and one.sequence <= len(leaves), f"Entry {before + 1} of {id_} is not in the export.")
            hashed = self._leaf(leaves[one.sequence - 1])
            _refuse_unless(one.hash == hashed, f"Entry {one.sequence} of {id_} in the export is not the one in the log.")
            before = one.sequence
        is_whole = before == len(leaves) if form.is_whole else before > 0
        _refuse_unless(is_whole, f"Entry {before + 1} of {id_} is not in the export.")

    def _count(self, entries: int, *, is_in: bool) -> None:
        found = self.found
        if is_in:
            found.histories, found.entries = found.histories + 1, found.entries + entries
        else:
            found.outside_histories, found.outside_entries = found.outside_histories + 1, found.outside_entries + entries

    def _digested(self) -> None:
        with self.file.open("rb") as stream:
            is_it = hashlib.file_digest(stream, "sha256").hexdigest() == self.manifest["sha256"]
        _refuse_unless(is_it, f"{self.file} is not the file that was exported with this proof: its SHA-256 is another.")

    def _say(self, form: Form) -> None:
        found, said = self.found, self.wanted.as_data()
        limits = ", ".join(f"{name} {value}" for name, value in said.items()) or "everything"
        found.proved.append(
            f"Nothing was left out: {found.histories} histories with {found.entries} entries are the population ({limits}); "
            f"the other {found.outside_histories} histories have the remaining {found.outside_entries} entries, and are outside."
        )
        if form.has_bytes:
            found.proved.append("The export says word for word what was taken into the log.")
        elif form.is_whole:
            found.proved.append("The export names every entry by its hash.")
            found.not_proved.append("What the other columns say: only JSON Lines has the bytes that were hashed.")
        else:
            found.proved.append("The export has every history of the population, and its entries are in the log.")
            found.not_proved.append("That no step is missing inside a history: this log has the steps only. Take xes-all, or JSON Lines.")
        found.not_proved.append("What happened after the checkpoint, and that what was recorded is true.")
        found.not_proved.append("What entries between the first and the newest of a history outside say: only their hashes are here.")


def _refuse_unless(holds: bool, message: str) -> None:  # noqa: FBT001  # reads as a sentence
    if not holds:
        raise AuditError(message)


__all__ = ["Checked", "CheckpointError", "check_export"]
