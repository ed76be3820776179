"""Verify a case bundle of the workflow engine, without the engine.

This file needs Python 3.11 and the package `cryptography` only; it reads one zip, opens no connection and trusts nothing inside it.
Give the log's public key (`workflow audit keys` prints it, and the operator publishes it) and, if you have one, a checkpoint that
you kept yourself:

    python verify_bundle.py case.zip --key "example.org/workflow+1a2b3c4d+AQ..." --checkpoint kept.txt

It prints what was proved and what was not, and exits with 0 when everything that is in the bundle holds, else with 1.
Standards: RFC 8785 (canonical JSON), RFC 9162 section 2.1 (Merkle tree), C2SP signed-note, tlog-checkpoint and tlog-proof, RFC 8032.
"""

# ruff: noqa: T201  # a program that prints

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORM = 1
MOST_BYTES = 200_000_000
COMMITMENT_TAG = b"workflow/commitment/1\x00"
SIGNATURE_LINE = re.compile("\u2014 (\\S+) (\\S+)")
UNREADABLE = (
    *(OSError, EOFError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""What a file that is no bundle makes of the libraries that read it; a program that verifies never ends in a traceback."""
ENTRY = re.compile(r"(entries|publications)/([0-9]{6})\.json")


class RefusedError(Exception):
    """The bundle does not hold; the message says where and why."""


@dataclass
class Found:
    """What was proved, and what was not."""

    proved: list[str] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)


def leaf_hash(data: bytes) -> bytes:
    """Hash an entry (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node of the tree (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Verify an inclusion proof (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def canonical(value: object) -> bytes:
    """Write JSON canonically; our keys are ASCII and our numbers whole, so this is RFC 8785."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def refuse_unless(holds: bool, message: str) -> None:  # noqa: FBT001  # reads as a sentence
    """Refuse the bundle."""
    if not holds:
        raise RefusedError(message)


def read_zip(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the files of a bundle and compare each with the manifest; gives the manifest and the files."""
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
        refuse_unless(len(names) == len(set(names)), "A file is in the bundle twice.")
        refuse_unless(sum(one.file_size for one in bundle.infolist()) <= MOST_BYTES, "The bundle is too large to be a case.")
        files = {name: bundle.read(name) for name in names}
    refuse_unless("manifest.json" in files, "The bundle has no manifest.")
    manifest = json.loads(files.pop("manifest.json"))
    refuse_unless(manifest.get("form") == FORM, f"This verifier reads bundles of form {FORM}, not {manifest.get('form')!r}.")
    refuse_unless(set(files) == set(manifest["files"]), "The bundle has other files than its manifest says.")
    for name, data in files.items():
        refuse_unless(hashlib.sha256(data).hexdigest() == manifest["files"][name], f"{name} is not the file that the manifest names.")
    return manifest, files


def entries_of(files: dict[str, bytes], folder: str) -> dict[int, bytes]:
    """Give the canonical bytes of the entries in a folder, by number."""
    found = {int(match[2]): data for name, data in files.items() if (match := ENTRY.fullmatch(name)) and match[1] == folder}
    return dict(sorted(found.items()))


def verify_chain(manifest: dict[str, Any], entries: dict[int, bytes]) -> None:
    """Verify the chain: (1) no gap; (2) each entry is this onboarding's, in its place; (3) it names the one before; (4) the head."""
    refuse_unless(list(entries) == list(range(1, manifest["entries"] + 1)), "An entry of the chain is missing.")  # (1)
    previous = ""
    for sequence, data in entries.items():
        said = json.loads(data)
        is_here = said["instance"] == manifest["instance"] and said["sequence"] == sequence and canonical(said) == data
        refuse_unless(is_here, f"Entry {sequence} is not in its place.")  # (2)
        refuse_unless(
            said["previous"] == previous, f"Entry {sequence} does not follow entry {sequence - 1}: one of them was changed."
        )  # (3)
        previous = leaf_hash(data).hex()
    refuse_unless(previous == manifest["head"], "The chain does not end with the head that the manifest names.")  # (4)


def read_checkpoint(note: str) -> tuple[str, int, bytes]:
    """Read origin, size and root of a checkpoint (C2SP tlog-checkpoint)."""
    text, _, _ = note.rpartition("\n\n")
    lines = text.split("\n")
    refuse_unless(len(lines) == 3 and lines[1].isdigit(), "The checkpoint is not one.")  # noqa: PLR2004  # origin, size, root
    return lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)


def verify_proof(name: str, entry: bytes, proof: bytes, note: str) -> None:
    """Verify that an entry is under the checkpoint (C2SP tlog-proof)."""
    head, _, own = proof.decode().partition("\n\n")
    header, index, *path = head.split("\n")
    refuse_unless(header == "c2sp.org/tlog-proof@v1" and own == note, f"{name}: its proof is for another checkpoint.")
    _, size, root = read_checkpoint(note)
    hashes = [base64.b64decode(line, validate=True) for line in path]
    is_in = is_included(leaf_hash(entry), int(index.removeprefix("index ")), size, hashes, root)
    refuse_unless(is_in, f"{name} is not in the tree of the checkpoint: the entry, its proof or the checkpoint was changed.")


def verify_signature(note: str, keys: Sequence[str], found: Found) -> None:
    """Verify the checkpoint's signature by a key that the verifier brought along (C2SP signed-note)."""
    text, _, below = note.rpartition("\n\n")
    known: dict[tuple[str, bytes], bytes] = {}
    for written in keys:
        name, _, key = written.strip().split("+", 2)
        raw = base64.b64decode(key, validate=True)
        refuse_unless(raw[:1] == b"\x01", "The key that was given is no Ed25519 key.")
        known[name, hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]] = raw[1:]
    by = []
    for match in map(SIGNATURE_LINE.fullmatch, below.rstrip("\n").split("\n")):
        refuse_unless(match is not None, "The checkpoint has a line that is no signature.")
        raw = base64.b64decode(match[2], validate=True) if match else b""
        public = known.get((match[1], raw[:4])) if match else None
        if match is None or public is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], f"{text}\n".encode())
        except InvalidSignature:
            raise RefusedError(f"The signature of {match[1]} under the checkpoint is wrong.") from None
        by.append(match[1])
    if by:
        found.proved.append(f"The checkpoint was signed by {', '.join(by)}, by the key that you gave.")
    else:
        reason = "none of the keys that you gave signed it" if keys else "you gave no --key"
        found.not_proved.append(f"Who signed the checkpoint: {reason}. Without it, whoever made this bundle could have made all of it.")


def compare_kept(note: str, kept: str | None, found: Found) -> None:
    """Compare the bundle's checkpoint with one that the verifier has kept."""
    if kept is None:
        found.not_proved.append("That the tree is the one others saw: give a --checkpoint that somebody outside has kept.")
        return
    ours, theirs = read_checkpoint(note), read_checkpoint(kept)
    refuse_unless(ours[0] == theirs[0], f"The checkpoint that you kept is of another log: {theirs[0]}.")
    if ours[1] != theirs[1]:
        said = f"Your checkpoint has {theirs[1]} entries, the bundle's {ours[1]}: ask for a bundle under yours, or for a consistency proof."
        found.not_proved.append(said)
        return
    refuse_unless(ours[2] == theirs[2], "The checkpoint that you kept has another root for the same size: the log was rewritten.")
    found.proved.append("The checkpoint is the one that you have kept.")


def verify_documents(files: dict[str, bytes], entries: dict[int, bytes], publications: dict[int, bytes]) -> int:
    """Verify that each document an entry was written by was published under that digest, and is the text in the bundle."""
    texts: dict[str, str] = {}
    for data in publications.values():
        payload = json.loads(data)["payload"]
        texts[payload["digest"]] = payload["text_digest"]
    named = {digest for data in entries.values() for digest in json.loads(data)["documents"].values()}
    for digest in named:
        refuse_unless(digest in texts, f"No publication of the document {digest} is in the bundle.")
        text = files.get(f"documents/{texts[digest]}.yaml")
        is_it = text is not None and hashlib.sha256(text).hexdigest() == texts[digest]
        refuse_unless(is_it, f"The text of the document {digest} is not the one that was published.")
    return len(named)


def verify_personal(files: dict[str, bytes], entries: dict[int, bytes], found: Found) -> None:
    """Verify that each opened value is the one that its entry committed to; name those that are withheld."""
    opened = json.loads(files["personal.json"])["opened"]
    committed = {(n, slot): value for n, data in entries.items() for slot, value in json.loads(data).get("personal", {}).items()}
    for one in opened:
        place = (one["sequence"], one["slot"])
        salt = base64.b64decode(one["salt"], validate=True)
        made = hashlib.sha256(COMMITMENT_TAG + salt + canonical(one["value"])).hexdigest()
        refuse_unless(committed.get(place) == made, f"The opened value of {place[1]} is not the one that entry {place[0]} committed to.")
    if opened:
        found.proved.append(f"{len(opened)} opened personal value(s) are those that were given at the time.")
    if len(committed) > len(opened):
        found.not_proved.append(f"{len(committed) - len(opened)} personal value(s) are withheld or erased: only that they existed.")


def verify(path: Path, *, keys: Sequence[str] = (), kept: str | None = None) -> Found:
    """Verify a bundle; raises `RefusedError` at the first thing that does not hold."""
    found = Found()
    manifest, files = read_zip(path)
    entries, publications = entries_of(files, "entries"), entries_of(files, "publications")
    note = files["checkpoint.txt"].decode()
    verify_chain(manifest, entries)
    found.proved.append(f"The {len(entries)} entries of {manifest['instance']} are a chain without a gap, each naming the one before.")
    for folder, listed in (("entries", entries), ("publications", publications)):
        for number, data in listed.items():
            verify_proof(f"{folder}/{number:06}", data, files[f"proofs/{folder}/{number:06}.txt"], note)
    origin, size, _ = read_checkpoint(note)
    found.proved.append(f"Every one of them is in the tree of {size} entries of {origin} that the checkpoint speaks of.")
    verify_signature(note, keys, found)
    compare_kept(note, kept, found)
    count = verify_documents(files, entries, publications)
    found.proved.append(f"The {count} documents (definition, calendar, catalogue) are the published ones by which it was decided.")
    verify_personal(files, entries, found)
    found.not_proved += [
        "That nothing came after the last entry: the bundle shows the history up to its checkpoint.",
        "That the people held their roles and that the checks found true facts: the history says so, the operator vouches for it.",
        "timeline.html and log.xes: they are made for reading; what counts are the entries.",
    ]
    return found


def main(run: Callable[..., Found] = verify) -> int:
    """Verify the bundle named on the command line."""
    parser = argparse.ArgumentParser(description="Verify a case bundle without the engine that made it.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", action="append", default=[], help="public key of the log, name+id+key; may be repeated")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that you kept yourself")
    asked = parser.parse_args()
    try:
        kept = asked.checkpoint.read_text(encoding="utf-8") if asked.checkpoint else None
        found = run(asked.bundle, keys=asked.key, kept=kept)
    except RefusedError as refused:
        print(f"REFUSED: {refused}")
        return 1
    except UNREADABLE as error:
        print(f"REFUSED: this is no bundle that can be read ({type(error).__name__}: {error}).")
        return 1
    for word, lines in (("PROVED", found.proved), ("NOT PROVED", found.not_proved)):
        print(f"{word}:")
        for line in lines:
            print(f"  - {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
