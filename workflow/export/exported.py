"""Exports read back, entry by entry, to be compared with an account of the tree.

Promises: reads our own files line by line (OCEL, which is one JSON document, as a whole); what is no export of ours is refused.
"""

from __future__ import annotations

import csv
import hashlib
import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from workflow.audit.canonical import canonical_entry
from workflow.errors import AuditError
from workflow.export.tables import FORMULA

_ATTRIBUTE = re.compile(r'^ *<\w+ key="([^"]*)" value="([^"]*)"/>$')


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One entry of an export: whose, its number, the hash it has or claims, and what it says where its hashed bytes are there."""

    instance: str
    sequence: int
    hash: bytes
    said: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A format: how it is read, whether it has every entry of a history, and whether the entries' own bytes are in it."""

    read: Callable[[Path], Iterator[Exported]]
    is_whole: bool = True
    has_bytes: bool = False


def read_export(path: Path, form: Form) -> Iterator[Exported]:
    """Read an export entry by entry.

    Raises:
        AuditError: it is no such export.
    """
    try:
        yield from form.read(path)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise AuditError(f"{path} cannot be read as the export it should be ({type(error).__name__}: {error}).") from error


def _csv(path: Path) -> Iterator[Exported]:
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield Exported(instance=_plain(row["instance"]), sequence=int(row["sequence"]), hash=bytes.fromhex(row["hash"]))


def _plain(cell: str) -> str:
    """Undo what keeps a spreadsheet from taking a cell for a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _jsonl(path: Path) -> Iterator[Exported]:
    with path.open("rb") as stream:
        for line in stream:
            said = orjson.loads(line)["entry"]
            yield Exported(instance=said["instance"], sequence=said["sequence"], hash=leaf_of(said), said=said)


def leaf_of(said: Mapping[str, Any]) -> bytes:
    """Hash what an entry says, in its canonical form (RFC 8785), as a leaf of the tree (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + canonical_entry(dict(said))).digest()


def _ocel(path: Path) -> Iterator[Exported]:
    for event in orjson.loads(path.read_bytes())["events"]:
        instance, _, sequence = event["id"].rpartition("/")
        hashed = next(one["value"] for one in event["attributes"] if one["name"] == "hash")
        yield Exported(instance=instance, sequence=int(sequence), hash=bytes.fromhex(hashed))


def _xes(path: Path) -> Iterator[Exported]:
    """Read our own form of XES, which has an attribute a line; no XML parser is let loose on a file from outside."""
    instance = ""
    event: dict[str, str] | None = None
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            match line.strip():
                case "<event>":
                    event = {}
                case "</event>" if event is not None:
                    yield Exported(instance=instance, sequence=int(event["sequence"]), hash=bytes.fromhex(event["hash"]))
                    event = None
                case _ if (found := _ATTRIBUTE.match(line.rstrip("\r\n"))) is not None:
                    key, value = (html.unescape(part) for part in found.groups())
                    if event is not None:
                        event[key] = value
                    elif key == "concept:name" and value:
                        instance = value


FORMS: Mapping[str, Form] = {
    "csv": Form(read=_csv),
    "jsonl": Form(read=_jsonl, has_bytes=True),
    "xes": Form(read=_xes, is_whole=False),
    "xes-all": Form(read=_xes),
    "ocel": Form(read=_ocel),
}
