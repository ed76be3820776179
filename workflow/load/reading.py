"""What reading a calendar and reading a catalogue have in common.

Promises: a source becomes a tree or findings; nothing of it is believed before it was judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workflow.errors import DefinitionError, Finding
from workflow.load.yaml import MAX_BYTES, compose_leniently, source_lines
from workflow.states.findings import Findings
from workflow.states.node import Node, node_of

Source = Path | str | bytes
"""A path, or the YAML itself as text or bytes."""


def open_source(source: Source, *, name: str) -> tuple[Node, Findings]:
    """Read a document that a person wrote.

    Args:
        source: a path, or the YAML itself.
        name: how findings call it when `source` is no path.

    Raises:
        DefinitionError: the file cannot be read, or it is no YAML of ours.
    """
    file = str(source) if isinstance(source, Path) else name
    data = _bytes(source, file)
    root, faults = compose_leniently(data, file=file)
    if root is None or faults:
        raise DefinitionError(faults)
    return root, Findings(file=file, lines=source_lines(data))


def open_data(data: Mapping[str, object], *, kind: str) -> tuple[Node, Findings]:
    """Take stored plain data; its findings have no place but the document's name.

    Raises:
        DefinitionError: it is no plain data.
    """
    findings = Findings(file=f"<stored {data.get(kind) or kind}>"[:120])
    try:
        return node_of(data), findings
    except ValueError as error:
        findings.note((1, 1), "no-plain-data", f"This is no plain data: {error}.")
        raise DefinitionError(findings.in_order()) from error


def refuse_faults(findings: Findings) -> None:
    """Raise what was found, when any of it is an error.

    Raises:
        DefinitionError: with every finding.
    """
    if findings.has_errors:
        raise DefinitionError(findings.in_order())


def _bytes(source: Source, file: str) -> bytes:
    if not isinstance(source, Path):
        return source.encode("utf-8", errors="surrogatepass") if isinstance(source, str) else source
    try:
        with source.open("rb") as stream:
            # One byte more than is allowed is enough to know that it is too much.
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"The file cannot be read: {error.strerror or type(error).__name__}."
        raise DefinitionError([Finding(file=file, line=1, column=1, code="cannot-read", message=message)]) from error
