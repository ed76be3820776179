"""Looking for what must not be there: raw bytes of a database, in every way in which a text could have been written down.

Promises: a text that is there in clear, in hexadecimal digits, in base64 (whatever stands before it), in JSON or in a URL is found,
and so is a hash of it, plain or with a salt that whoever holds the database knows, which a dictionary would find too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg

from tests.support.postgres import plain

SHORT = 8
"""A text of at most so many characters is looked for as a word of its own, because it could stand in a hash or a number by chance."""
HASHES = ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s")
COMMON = ("md5", "sha1", "sha256")
_GRAM = 4

Secret = str | bytes
Found = tuple[Secret, str, str]
"""What was found, how it was written, and where."""


@dataclass(frozen=True)
class Part:
    """Bytes in which something is looked for often."""

    data: bytes

    @cached_property
    def grams(self) -> frozenset[tuple[int, ...]]:
        """Every four bytes that follow one another: thousands of patterns are ruled out by them without reading the data again."""
        return frozenset(zip(*(self.data[at:] for at in range(_GRAM)), strict=False))

    def holds(self, pattern: bytes) -> bool:
        """Tell whether a pattern is there."""
        places = range(0, len(pattern) - _GRAM + 1, _GRAM)
        return all(tuple(pattern[at : at + _GRAM]) in self.grams for at in places) and pattern in self.data

    def holds_word(self, pattern: bytes) -> bool:
        """Tell whether a pattern is there, and is no part of a longer word or number."""
        return self.holds(pattern) and re.search(rb"(?<![0-9A-Za-z])" + re.escape(pattern) + rb"(?![0-9A-Za-z])", self.data) is not None


@dataclass(frozen=True)
class Haystack:
    """Bytes in which something is looked for, by where they are from."""

    texts: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """The same, made ready for many questions."""
        return {place: Part(data) for place, data in self.texts.items()}

    def found(self, secrets: Iterable[Secret], *, salts: Iterable[str] = ()) -> list[Found]:
        """Give everything that is found of what must not be there.

        Args:
            secrets: what must not be there.
            salts: what somebody with the database would put before or behind a text before hashing it (ids, for example).
        """
        known = tuple(salts)
        return [
            (secret, way, place)
            for secret in dict.fromkeys(secrets)
            for way, pattern, is_word in _ways(secret, known)
            for place, part in self.parts.items()
            if (part.holds_word(pattern) if is_word else part.holds(pattern))
        ]


def _ways(secret: Secret, salts: tuple[str, ...]) -> Iterator[tuple[str, bytes, bool]]:
    """Give every way in which something could stand somewhere, and whether it must be a word of its own to count."""
    clear = secret if isinstance(secret, bytes) else secret.encode()
    is_short = len(clear) <= SHORT
    yield "in clear", clear, is_short
    if isinstance(secret, bytes):
        yield "base32", base64.b32encode(secret).rstrip(b"="), False
    else:
        yield "JSON", json.dumps(secret)[1:-1].encode(), is_short
        yield "URL", quote(secret, safe="").encode(), is_short
        yield "form", quote_plus(secret).encode(), is_short
        yield "UTF-16", secret.encode("utf-16-le"), False
    for way, pattern in _encoded("", clear):
        yield way, pattern, is_short
    for name in HASHES:
        for text in (clear, *_salted(clear, salts if name in COMMON else ())):
            digest = hashlib.new(name, text).digest()
            yield name, digest, False
            for way, pattern in _encoded(f"{name}, ", digest):
                yield way, pattern, False


def _salted(clear: bytes, salts: tuple[str, ...]) -> Iterator[bytes]:
    for salt in map(str.encode, salts):
        yield from (salt + clear, clear + salt, salt + b":" + clear, salt + b"|" + clear)


def _encoded(before: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Give data as hexadecimal digits, and as base64 at each of the three places where it can begin."""
    yield f"{before}hex", data.hex().encode()
    yield f"{before}HEX", data.hex().upper().encode()
    for offset in range(3):
        # Only the characters that hold no bit of what stands before or behind (RFC 4648 §4: six bits each).
        inner = base64.b64encode(bytes(offset) + data)[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]
        if len(inner) > SHORT:  # fewer could be there by chance
            yield f"{before}base64", inner
            yield f"{before}base64url", inner.translate(bytes.maketrans(b"+/", b"-_"))


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder: of SQLite the write-ahead log and the shared memory, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def tables_of(url: str) -> dict[str, bytes]:
    """Read every table of a PostgreSQL database as text, the way `pg_dump` does."""
    with closing(psycopg.connect(plain(url))) as connection:
        named = connection.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname !~ '^(pg_|information_)'")
        return {name: _copied(connection, name) for (name,) in named.fetchall()}


def _copied(connection: psycopg.Connection, table: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as rows:
        return b"".join(bytes(row) for row in rows)


def wal_place(url: str) -> str:
    """Name the file of PostgreSQL's write-ahead log that is written now."""
    with closing(psycopg.connect(plain(url))) as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()
    assert row is not None
    return str(row[0])


def heaps_of(url: str, *, since: str) -> Iterator[tuple[str, bytes]]:
    """Read the files of a PostgreSQL database on disk, after everything was written: tables, indexes, and the log since a file of it."""
    with closing(psycopg.connect(plain(url), autocommit=True)) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT current_setting('data_directory')").fetchone()
        wanted = "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname LIKE 'workflow%' AND relfilenode <> 0"
        ours = connection.execute(wanted).fetchall()
    assert row is not None
    data = Path(row[0])
    log = [path for path in (data / "pg_wal").glob("0*") if path.name >= since]
    for path in (*(data / name for (name,) in ours if name), *log):
        if path.is_file():
            yield f"{path.parent.name}/{path.name}", path.read_bytes()
