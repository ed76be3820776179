"""Case bundle: one onboarding in one zip, to be verified by `verify_bundle.py` without this package and without us.

Promises: entries and documents are in it as the bytes that were hashed; every entry has its proof under one signed checkpoint;
personal values are opened one by one or withheld. The same case gives the same bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from workflow.audit.entry import EntryRow
from workflow.engine.archive import Archive, digests_of
from workflow.engine.disclosing import Opened
from workflow.errors import NotFoundError
from workflow.ports import SYSTEM
from workflow.states.verdict import Kind

FORM = 1
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first instant a zip can name; a bundle's time is that of its entries."""
_README = """This is one onboarding with its proofs. Verify it with verify_bundle.py, which needs Python and `cryptography` only:

    python verify_bundle.py THIS.zip --key KEY [--checkpoint KEPT]

KEY is the log's public key, from its operator by another way than this bundle; KEPT a checkpoint that somebody outside has kept.
entries/ are the entries as they were hashed, proofs/ their places in the tree of checkpoint.txt, publications/ the entries that
published the documents in documents/. personal.json has the values that were opened; timeline.html and log.xes are for reading.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What goes into a bundle.

    Attributes:
        note: the signed checkpoint under which everything is proven.
        prove: gives the proof (C2SP tlog-proof) of an entry, by instance and sequence, under that checkpoint.
        opened: personal values that may be seen.
        timeline: the printable page; `log` the event log (XES).
    """

    instance_id: str
    note: str
    prove: Callable[[str, int], str]
    opened: Sequence[Opened] = ()
    timeline: str = ""
    log: str = ""


def write_bundle(archive: Archive, case: Case, path: Path) -> str:
    """Write a bundle; gives its SHA-256.

    Raises:
        NotFoundError: an entry is not under the checkpoint, or a document was never published here.
    """
    rows = archive.entries(case.instance_id)
    publications = _publications(archive, rows)
    files = {f"entries/{row.sequence:06}.json": row.canonical for row in rows}
    files |= {f"publications/{row.sequence:06}.json": row.canonical for row, _, _ in publications}
    files |= {f"proofs/entries/{row.sequence:06}.txt": case.prove(case.instance_id, row.sequence).encode() for row in rows}
    files |= {f"proofs/publications/{row.sequence:06}.txt": case.prove(SYSTEM, row.sequence).encode() for row, _, _ in publications}
    files |= {f"documents/{digest}.yaml": text for _, digest, text in publications}
    files |= {
        "checkpoint.txt": case.note.encode(),
        "personal.json": orjson.dumps({"opened": [asdict(one) for one in case.opened]}),
        "timeline.html": case.timeline.encode(),
        "log.xes": case.log.encode(),
        "README.txt": _README.encode(),
    }
    _write(path, files, {"form": FORM, "instance": case.instance_id, "entries": len(rows), "head": rows[-1].entry_hash.hex()})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _publications(archive: Archive, rows: Sequence[EntryRow]) -> list[tuple[EntryRow, str, bytes]]:
    """Give the entries that published the documents which a history names, with digest and bytes of each text."""
    published: dict[tuple[str, str], EntryRow] = {}
    for row, said in archive.said(SYSTEM):
        if row.kind == Kind.PUBLISHED:
            published[said["payload"]["digest"], said["payload"]["text_digest"]] = row
    found = []
    for kind, digests in digests_of(rows).items():
        for digest in sorted(digests):
            document = archive.document(kind, digest)  # type: ignore[arg-type]  # one of the three kinds
            publication = published.get((digest, document.text_digest))
            if publication is None:
                raise NotFoundError(f"publication of the {kind}", digest)
            found.append((publication, str(document.text_digest), document.text))
    return found


def _write(path: Path, files: Mapping[str, bytes], said: Mapping[str, object]) -> None:
    manifest = {**said, "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    aside = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, data in sorted({**files, "manifest.json": orjson.dumps(manifest, option=orjson.OPT_INDENT_2)}.items()):
                bundle.writestr(zipfile.ZipInfo(name, date_time=_LONG_AGO), data, compress_type=zipfile.ZIP_DEFLATED)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
