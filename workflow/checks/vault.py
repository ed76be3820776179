"""Seals, opens and signs; the only importer of `cryptography`.

Promises: keys come in through the constructor and never leave; each purpose has its own key, derived from the environment key;
whatever was changed is noticed. Never logs, and never raises with a plain text or a key in it.

What is sealed begins with a format byte and the kid of its key, so that older keys still open what they sealed.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from workflow.errors import AuditError, SettingsError
from workflow.settings import KEY_BYTES, MasterKey
from workflow.states.instance import ActorId, InstanceId

_NONCE_BYTES: Final = 12  # NIST SP 800-38D §8.2: 96 bits; random ones are safe for 2^32 values of one key
_SEALED: Final = b"\x01"
_SUBJECT_KEY: Final = b"\x02"
_PERSONAL: Final = b"\x03"
_CACHED_KEYS: Final = 1024
_PLAIN_PART: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_MAC: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SERIAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParts:
    """What a well-formed link token says of itself; nothing of it is to be believed before `is_genuine`."""

    kid: str
    purpose: str
    instance: InstanceId
    serial: int
    mac: str


def read_link(token: str) -> LinkParts | None:
    """Take a token apart; None when it is not well-formed. Works for tokens of retired keys too: their purpose still shows."""
    parts = token.split(".") if len(token) <= 1_000 else []  # noqa: PLR2004  # far above any token of ours
    if len(parts) != 5 or not (_SERIAL.fullmatch(parts[3]) and _MAC.fullmatch(parts[4])):  # noqa: PLR2004  # kid.purpose.instance.serial.mac
        return None
    kid, purpose, instance = parts[0], parts[1], _decode_part(parts[2])
    if instance is None or not (_PLAIN_PART.fullmatch(kid) and _PLAIN_PART.fullmatch(purpose)):
        return None
    return LinkParts(kid=kid, purpose=purpose, instance=InstanceId(instance), serial=int(parts[3]), mac=parts[4])


def is_signed(*, public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is the Ed25519 signature of `message` by the owner of the 32-byte `public_key` (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class _Subkeys:
    """The keys derived from one environment key, one per purpose."""

    def __init__(self, key: MasterKey) -> None:
        self.header = bytes([len(key.kid)]) + key.kid.encode()
        self.seal = AESGCM(_derive(key.secret, "seal"))
        self.wrap = AESGCM(_derive(key.secret, "personal-wrap"))
        self.link = _derive(key.secret, "link")
        self.blind = _derive(key.secret, "blind")
        self.sign = Ed25519PrivateKey.from_private_bytes(_derive(key.secret, "sign"))


class KeyVault:
    """`ports.Vault` over environment keys, newest first.

    The newest key seals, makes links and signs; every key given opens and verifies. Blind digests are made under one key for
    ever, because unique fields compare them: the key named by `blind_kid`, else the oldest one given. So a rotation adds
    a key in front, and the oldest stays until everything under it has been made again.
    """

    def __init__(self, keys: Sequence[MasterKey], *, blind_kid: str | None = None) -> None:
        """Derive all subkeys; raises `SettingsError` when there is no key, or `blind_kid` is none of them."""
        if not keys:
            raise SettingsError("WORKFLOW_KEYS has no key: `workflow keys new` prints one")
        self._subkeys = {key.kid: _Subkeys(key) for key in keys}
        self._kid = keys[0].kid
        self._newest = self._subkeys[self._kid]
        self._blind = hmac.new(self._of(blind_kid or keys[-1].kid).blind, digestmod=sha256)
        self._opened: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._lock = Lock()

    def __repr__(self) -> str:
        """Name the keys, never show them."""
        return f"KeyVault({', '.join(self._subkeys)})"

    @property
    def kids(self) -> tuple[str, ...]:
        """The names of the keys, newest first."""
        return tuple(self._subkeys)

    def seal(self, plain: bytes, /, *, bound_to: str) -> bytes:
        """Encrypt under the newest environment key; `bound_to` is authenticated with it."""
        head, nonce = _SEALED + self._newest.header, secrets.token_bytes(_NONCE_BYTES)
        return head + nonce + self._newest.seal.encrypt(nonce, plain, head + bound_to.encode())

    def open(self, sealed: bytes, /, *, bound_to: str) -> bytes:
        """Decrypt; raises `SettingsError` when the key is missing, `AuditError` when the bytes were changed."""
        subkeys, head, rest = self._split(sealed, _SEALED)
        return _decrypt(subkeys.seal, rest, head + bound_to.encode())

    def kid_of(self, sealed: bytes, /) -> str:
        """Name the key that sealed these bytes (or a subject key), for a rotation that looks for what is left."""
        if len(sealed) < 2 or sealed[:1] not in {_SEALED, _SUBJECT_KEY}:  # noqa: PLR2004  # format byte and length
            raise AuditError("These bytes were not sealed by this vault: look at where they come from.")
        return sealed[2 : 2 + sealed[1]].decode(errors="replace")

    def new_subject_key(self, subject: ActorId, /) -> bytes:
        """Make a random per-subject key, itself sealed under the environment key; it remembers whose it is."""
        return self._wrap(secrets.token_bytes(KEY_BYTES) + subject.encode())

    def rewrap_subject_key(self, subject_key: bytes, /) -> bytes:
        """Seal a subject's key again, under the newest environment key; what it sealed stays readable."""
        return self._wrap(self._unwrap(subject_key))

    def seal_personal(self, plain: bytes, /, *, subject_key: bytes, bound_to: str) -> bytes:
        """Encrypt a personal value under a (sealed) per-subject key."""
        nonce = os.urandom(_NONCE_BYTES)
        return _PERSONAL + nonce + self._cipher(subject_key).encrypt(nonce, plain, bound_to.encode())

    def open_personal(self, sealed: bytes, /, *, subject_key: bytes, bound_to: str) -> bytes:
        """Decrypt a personal value; raises `AuditError` when the bytes, the subject's key or the binding do not fit."""
        if sealed[:1] != _PERSONAL:
            raise AuditError("A personal value is not in the form in which this vault seals: look at its row.")
        return _decrypt(self._cipher(subject_key), sealed[1:], bound_to.encode())

    def forget(self, subject_key: bytes | None = None, /) -> None:
        """Drop an unwrapped subject key from memory (all of them for None): an erasure calls it after its commit."""
        with self._lock:
            if subject_key is None:
                self._opened.clear()
            else:
                self._opened.pop(subject_key, None)

    def blind(self, purpose: str, *parts: str) -> str:
        """Give a keyed digest (hex) over the length-prefixed parts: blind indexes, idempotency contents."""
        mac = self._blind.copy()  # a step makes two of them: the key is put in once
        mac.update(_framed(purpose, *parts))
        return mac.hexdigest()

    def link_token(self, *, purpose: str, definition: str, instance: InstanceId, subject: ActorId, serial: int) -> str:
        """Give ``kid.purpose.instance.serial.mac``; `definition` is the definition's name, so a link survives its new version."""
        mac = self._mac(self._kid, purpose, definition, instance, subject, str(serial))
        return f"{self._kid}.{purpose}.{_encode_part(instance)}.{serial}.{mac}"

    def read_link(self, token: str, /) -> LinkParts | None:
        """Take a token apart; None when it is not well-formed. It says nothing of whether the token is genuine."""
        return read_link(token)

    def is_genuine(self, token: str, /, *, definition: str, subject: ActorId) -> bool:
        """Tell in constant time whether the token is ours, for this definition (by name) and subject, and the instance it names."""
        parts = read_link(token)
        if parts is None or parts.kid not in self._subkeys:
            return False
        expected = self._mac(parts.kid, parts.purpose, definition, parts.instance, subject, str(parts.serial))
        # The whole token is compared, so that only the one way in which we write an instance's id is genuine.
        whole = f"{parts.kid}.{parts.purpose}.{_encode_part(parts.instance)}.{parts.serial}.{expected}"
        return hmac.compare_digest(whole.encode(), token.encode())

    def salt(self) -> bytes:
        """Give 32 random bytes for a commitment."""
        return os.urandom(32)  # what `secrets` asks too, after two conversions

    def sign(self, message: bytes, /, *, kid: str | None = None) -> bytes:
        """Sign with the Ed25519 key derived from an environment key, the newest one when None (RFC 8032); 64 bytes."""
        return self._of(kid or self._kid).sign.sign(message)

    def public_key(self, kid: str | None = None) -> bytes:
        """Give the 32 bytes that verify signatures made under a key (the newest one when None)."""
        return self._of(kid or self._kid).sign.public_key().public_bytes_raw()

    def _of(self, kid: str) -> _Subkeys:
        subkeys = self._subkeys.get(kid)
        if subkeys is None:
            raise SettingsError(
                f"WORKFLOW_KEYS does not have the key {kid!r}: add it again behind the newer ones until nothing is under it"
            )
        return subkeys

    def _split(self, sealed: bytes, form: bytes) -> tuple[_Subkeys, bytes, bytes]:
        end = 2 + sealed[1] if len(sealed) > 1 else 0
        if sealed[:1] != form or len(sealed) <= end + _NONCE_BYTES:
            raise AuditError("Sealed bytes are not in the form in which this vault seals: look at their row.")
        return self._of(sealed[2:end].decode(errors="replace")), sealed[:end], sealed[end:]

    def _wrap(self, plain: bytes) -> bytes:
        head, nonce = _SUBJECT_KEY + self._newest.header, secrets.token_bytes(_NONCE_BYTES)
        return head + nonce + self._newest.wrap.encrypt(nonce, plain, head)

    def _unwrap(self, subject_key: bytes) -> bytes:
        subkeys, head, rest = self._split(subject_key, _SUBJECT_KEY)
        return _decrypt(subkeys.wrap, rest, head)

    def _cipher(self, subject_key: bytes) -> AESGCM:
        # Unwrapping costs as much as sealing a value, and an onboarding seals many under one key.
        with self._lock:
            cipher = self._opened.get(subject_key)
            if cipher is not None:
                self._opened.move_to_end(subject_key)
                return cipher
        cipher = AESGCM(self._unwrap(subject_key)[:KEY_BYTES])
        with self._lock:
            self._opened[subject_key] = cipher
            if len(self._opened) > _CACHED_KEYS:
                self._opened.popitem(last=False)
        return cipher

    def _mac(self, kid: str, *parts: str) -> str:
        mac = hmac.new(self._subkeys[kid].link, _framed(*parts), sha256).digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def _derive(secret: bytes, purpose: str) -> bytes:
    """Give the subkey of one purpose (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"workflow/1/{purpose}".encode()).derive(secret)


def _decrypt(cipher: AESGCM, rest: bytes, associated: bytes) -> bytes:
    try:
        return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], associated)
    except (InvalidTag, ValueError):
        raise AuditError("Sealed bytes were changed, moved to another place, or sealed under another key: look at their row.") from None


def _framed(*parts: str) -> bytes:
    """Join parts so that no two lists of parts give the same bytes: each with its length in front."""
    framed = bytearray()
    for part in parts:
        encoded = part.encode()
        framed += len(encoded).to_bytes(4, "big")
        framed += encoded
    return bytes(framed)


def _encode_part(text: str) -> str:
    """Write an id into a token; ids with other characters than base64url's are encoded, marked by a tilde."""
    return text if _PLAIN_PART.fullmatch(text) else "~" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_part(text: str) -> str | None:
    if _PLAIN_PART.fullmatch(text):
        return text
    if not text.startswith("~") or not _PLAIN_PART.fullmatch(text[1:]):
        return None
    try:
        return base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4)).decode()
    except ValueError:
        return None
