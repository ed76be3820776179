"""Checkpoints: what the tree was at one moment, signed, to be kept by somebody else (C2SP tlog-checkpoint, signed note v1.0).

Promises: reads strictly, one way to write each thing; signs and verifies through functions it is given, so that no key comes here. A
signature of an unknown key says nothing; a wrong signature of a known key condemns the whole note.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from workflow.audit.merkle import HASH_BYTES
from workflow.errors import AuditError

ED25519 = b"\x01"  # C2SP signed-note "Signature types"
KEY_ID_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES = 4, 32, 64
MOST_SIGNATURES = 100
MOST_CHARACTERS = 100_000
MOST_LEAVES = 2**53 - 1
DASH = "\u2014 "
_SIGNATURE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_KEY_NAME = re.compile(r"[^\s+]+")

Sign = Callable[[bytes], bytes]
"""Signs the text of a note with Ed25519 (RFC 8032)."""


class CheckpointError(AuditError):
    """A checkpoint cannot be believed; `is_key_unknown` says that nothing is wrong with it but that no known key signed it."""

    def __init__(self, message: str, *, is_key_unknown: bool = False) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.is_key_unknown = is_key_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key by which checkpoints are verified; `name` is the log's name in its signature lines."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse a name that cannot stand in a signature line, and a key of another length."""
        if not _KEY_NAME.fullmatch(self.name):
            raise CheckpointError(f"The name {self.name!r} cannot sign: it may have neither blanks nor a plus sign.")
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise CheckpointError(f"The public key of {self.name!r} has {len(self.public_key)} bytes instead of {PUBLIC_KEY_BYTES}.")

    @property
    def id(self) -> bytes:
        """The four bytes by which signatures name the key (C2SP signed-note "Ed25519 signatures")."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:KEY_ID_BYTES]

    def write(self) -> str:
        """Give ``name+id+key``, the form in which such keys are handed on."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"

    @staticmethod
    def read(text: str) -> VerifierKey:
        """Read what `write` wrote.

        Raises:
            CheckpointError: it is no such key.
        """
        parts = text.strip().split("+", 2)
        raw = _base64(parts[2]) if len(parts) == 3 else None  # noqa: PLR2004  # name, id, key
        if raw is None or raw[:1] != ED25519 or len(raw) != 1 + PUBLIC_KEY_BYTES:
            raise CheckpointError("This is no Ed25519 verifier key: it is written name+id+key, as `workflow audit keys` prints it.")
        key = VerifierKey(name=parts[0], public_key=raw[1:])
        if key.id.hex() != parts[1]:
            raise CheckpointError(f"The verifier key of {key.name!r} does not have the id {parts[1]!r}: it was changed or cut.")
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A verifier key with the function that signs for it."""

    key: VerifierKey
    sign: Sign


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: who, by which key, and the signature itself."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A signed note taken apart; nothing of it is to be believed before `verify`. `text` ends with a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a note says of a tree: whose it is, how many leaves it has, and its root."""

    origin: str
    size: int
    root: bytes

    def write(self) -> str:
        """Give the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @staticmethod
    def read(text: str) -> Checkpoint:
        """Read the text of a note; extension lines are refused, since nothing vouches for them.

        Raises:
            CheckpointError: it is not a checkpoint.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:  # noqa: PLR2004  # origin, size, root, and the end of the last line
            raise CheckpointError("This is no checkpoint: it needs the lines origin, size and root, and no other.")
        root = _base64(lines[2])
        if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MOST_LEAVES or root is None or len(root) != HASH_BYTES:
            raise CheckpointError("This is no checkpoint: its second line is a number without leading zeros, its third a hash in base64.")
        return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)


def sign(checkpoint: Checkpoint, signers: Sequence[Signer]) -> str:
    """Give the signed note; while keys are rotated it has a signature of each, so that holders of either can verify it."""
    text = checkpoint.write()
    lines = [f"{DASH}{one.key.name} {base64.b64encode(one.key.id + one.sign(text.encode())).decode()}\n" for one in signers]
    note = f"{text}\n{''.join(lines)}"
    read_note(note)  # what could not be read again is not handed out
    return note


def read_note(note: str) -> Note:
    """Take a signed note apart, strictly.

    (1) no control characters but newlines, of bounded length; (2) the last empty line parts text and signatures; (3) every line below
    it is a signature line; (4) base64 is written in its one canonical way.

    Raises:
        CheckpointError: it is no signed note.
    """
    # (1)
    if len(note) > MOST_CHARACTERS or any(ord(one) < 0x20 and one != "\n" for one in note):  # noqa: PLR2004  # U+0020, the first printable
        raise CheckpointError("This is no signed note: it is too long, or has control characters.")
    # (2)
    text, blank, below = note.rpartition("\n\n")
    lines = below.split("\n")
    if not blank or not text or lines[-1] or not 1 <= len(lines) - 1 <= MOST_SIGNATURES:
        raise CheckpointError("This is no signed note: it has no text, no empty line, or no signature lines below it.")
    # (3) (4)
    return Note(text=f"{text}\n", signatures=tuple(_signature(line) for line in lines[:-1]))


def _signature(line: str) -> NoteSignature:
    match = _SIGNATURE.fullmatch(line)
    raw = _base64(match[2]) if match else None
    if match is None or raw is None or len(raw) <= KEY_ID_BYTES:
        raise CheckpointError("This is no signed note: a line below its last empty line is no signature.")
    return NoteSignature(name=match[1], key_id=raw[:KEY_ID_BYTES], signature=raw[KEY_ID_BYTES:])


def verify(note: Note, keys: Iterable[VerifierKey], *, is_signed: Callable[[bytes, bytes, bytes], bool]) -> tuple[VerifierKey, ...]:
    """Verify a note, and name the known keys that signed it (C2SP signed-note "Signatures").

    (1) a signature whose name or id is not a known key's is ignored; (2) a signature of a known key must be right, or the whole note is
    refused; (3) at least one known key must have signed.

    Args:
        note: taken apart by `read_note`.
        keys: known from elsewhere, not from the note's own giver.
        is_signed: (public key, message, signature) -> whether the signature is right.

    Raises:
        CheckpointError: no known key signed it, or a signature is wrong.
    """
    known = {(key.name, key.id): key for key in keys}
    found = []
    for one in note.signatures:
        # (1)
        key = known.get((one.name, one.key_id))
        if key is None:
            continue
        # (2)
        if len(one.signature) != SIGNATURE_BYTES or not is_signed(key.public_key, note.text.encode(), one.signature):
            raise CheckpointError(f"The signature of {key.name!r} (key {key.id.hex()}) is wrong: the checkpoint was changed.")
        found.append(key)
    # (3)
    if not found:
        signed = ", ".join(f"{one.name} (key {one.key_id.hex()})" for one in note.signatures)
        wanted = ", ".join(f"{name} (key {id_.hex()})" for name, id_ in known) or "none"
        raise CheckpointError(f"No known key signed this checkpoint: signed by {signed}; known: {wanted}.", is_key_unknown=True)
    return tuple(found)


def _base64(text: str) -> bytes | None:
    """Read base64 in its one canonical form (RFC 4648 §3.5), None when it is not."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
