"""Definitions: from a file, a text or stored data to a value, with every fault at once.

Promises: whatever is given, the answer is a definition or findings; nothing else is raised for a faulty document.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workflow.errors import DefinitionError, Finding
from workflow.load.yaml import MAX_BYTES, compose_leniently, source_lines, surprises
from workflow.states.check import check
from workflow.states.definition import Definition
from workflow.states.findings import Findings
from workflow.states.known import Known
from workflow.states.node import node_of
from workflow.states.parse import Parsed, parse
from workflow.states.semantics import digest_of


def load(source: Path | str | bytes, *, name: str = "<string>", known: Known) -> Definition:
    """Read a definition.

    Args:
        source: a path, or the YAML itself as text or bytes.
        name: how findings call it when `source` is no path.
        known: kinds of checks and actions that may be named.

    Raises:
        DefinitionError: with all findings.
    """
    definition, findings = inspect(source, name=name, known=known)
    if definition is None:
        raise DefinitionError(findings)
    return definition


def inspect(
    source: Path | str | bytes, *, name: str = "<string>", known: Known, with_notes: bool = False
) -> tuple[Definition | None, tuple[Finding, ...]]:
    """Read a definition and give everything there is to say about it, warnings included, by line and column.

    Args:
        source: a path, or the YAML itself as text or bytes.
        name: how findings call it when `source` is no path.
        known: kinds of checks and actions that may be named.
        with_notes: also what is worth knowing and no fault.

    Returns:
        The definition, None when a finding is an error; and the findings.
    """
    found, findings = parsed(source, name=name, known=known, with_notes=with_notes)
    return (found.definition if found else None), findings


def parsed(
    source: Path | str | bytes, *, name: str = "<string>", known: Known, with_notes: bool = False, is_stored: bool = False
) -> tuple[Parsed | None, tuple[Finding, ...]]:
    """Read a definition with the places of its parts, and give everything there is to say about it; see `inspect`.

    One that `is_stored`, or was in force before, is not judged by what newer checks find.
    """
    file = str(source) if isinstance(source, Path) else name
    try:
        data = _read(source)
    except OSError as error:
        return None, (_unreadable(file, error),)
    root, faults = compose_leniently(data, file=file)
    if root is None:
        return None, faults
    findings = Findings(file=file, lines=source_lines(data))
    surprises(root, findings)
    made = parse(root, known=known, findings=findings, text_digest=digest_of(data))
    if made is not None:
        check(made, known=known, findings=findings, is_whole=not faults, with_notes=with_notes, is_stored=is_stored)
    found = findings.in_order(faults)
    is_usable = made is not None and all(finding.severity != "error" for finding in found)
    return (made if is_usable else None), found


def load_data(data: Mapping[str, object], *, text: bytes | None = None, known: Known) -> Definition:
    """Read a stored definition: plain data without places.

    Args:
        data: what `Definition.data` was.
        text: the bytes as they were once written; the canonical data when left out.
        known: kinds of checks and actions that may be named.

    Raises:
        DefinitionError: with all findings, at line 1.
    """
    name = data.get("definition")
    findings = Findings(file=f"<stored {name}>" if isinstance(name, str) else "<stored definition>")
    try:
        root = node_of(data)
    except ValueError as error:
        findings.note((1, 1), "no-plain-data", f"This is no plain data: {error}.")
        raise DefinitionError(findings.in_order()) from error
    parsed = parse(root, known=known, findings=findings, text_digest=None if text is None else digest_of(text))
    if parsed is not None:
        check(parsed, known=known, findings=findings, is_stored=True)
    if parsed is None or findings.has_errors:
        raise DefinitionError(findings.in_order())
    return parsed.definition


def _read(source: Path | str | bytes) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as file:
            # One byte more than is allowed is enough to know that it is too much.
            return file.read(MAX_BYTES + 1)
    return source.encode("utf-8", errors="surrogatepass") if isinstance(source, str) else source


def _unreadable(file: str, error: OSError) -> Finding:
    what = error.strerror or type(error).__name__
    return Finding(file=file, line=1, column=1, code="cannot-read", message=f"The file cannot be read: {what}.")
