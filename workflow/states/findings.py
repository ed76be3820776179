"""Collects the faults of a document while it is read, so that its author sees all of them at once.

Promises: pure; a finding carries its place and the line it stands on; a hostile document gives a bounded number of findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from workflow.errors import Finding, Severity
from workflow.states.node import Node, Place

MAX_FINDINGS = 200
_MAX_LISTED = 12
_MAX_QUOTED = 64
_MAX_LINE = 200
# Comparing names is the one costly thing here; the bounds keep a document of nothing but mistakes below a second.
_MAX_HINTS = 50
_MAX_COMPARED = 500
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Findings:
    """The faults found so far in one document."""

    def __init__(self, *, file: str, lines: Sequence[str] = ()) -> None:
        """Start without any.

        Args:
            file: the name the author knows the document by.
            lines: the document as written, line by line; empty when it was not written by a person.
        """
        self._file = file
        self._lines = lines
        self._found: dict[tuple[Place, str, str], Finding] = {}
        self._hint_count = 0

    def note(self, where: Node | Place, code: str, message: str, *, severity: Severity = "error") -> None:
        """Add one fault; the same one at the same place counts once."""
        place = where.place if isinstance(where, Node) else where
        source = self._lines[place[0] - 1] if 0 < place[0] <= len(self._lines) else ""
        source = "".join(character if character.isprintable() else " " for character in source[:_MAX_LINE])
        self._found.setdefault(
            (place, code, message),
            Finding(file=self._file, line=place[0], column=place[1], severity=severity, code=code, message=message, source=source),
        )

    def warn(self, where: Node | Place, code: str, message: str) -> None:
        """Add something that is allowed and probably not meant."""
        self.note(where, code, message, severity="warning")

    def hint(self, name: str, known: Iterable[str], *, is_listed: bool = False) -> str:
        """Say which name was probably meant, to be appended to a message; empty when there is nothing to say.

        Args:
            name: as written.
            known: the names that exist.
            is_listed: the message lists them already.
        """
        self._hint_count += 1
        names = sorted(known)[:_MAX_COMPARED]
        if self._hint_count > _MAX_HINTS:
            return ""
        if close := get_close_matches(name[:_MAX_QUOTED], names, n=1):
            return f" Did you mean {close[0]!r}?"
        if names and not is_listed and len(names) <= _MAX_LISTED:
            return f" Known here: {', '.join(names)}."
        return ""

    @property
    def has_errors(self) -> bool:
        """Tell whether anything found so far makes the document unusable."""
        return any(finding.severity == "error" for finding in self._found.values())

    @property
    def codes(self) -> frozenset[str]:
        """The codes of the errors found so far."""
        return frozenset(finding.code for finding in self._found.values() if finding.severity == "error")

    def in_order(self, others: Iterable[Finding] = ()) -> tuple[Finding, ...]:
        """Give them by line and column, joined with `others`; after `MAX_FINDINGS` the rest is left out."""
        found = sorted([*others, *self._found.values()], key=lambda one: (one.line, one.column, one.severity, one.code, one.message))
        if len(found) <= MAX_FINDINGS:
            return tuple(found)
        # Errors first: a document with nothing but warnings shown would seem to be usable.
        kept = sorted(found, key=lambda one: _SEVERITIES.index(one.severity))[:MAX_FINDINGS]
        last = Finding(file=self._file, line=1, column=1, code="too-many-findings", message=f"There are {len(found)} findings.")
        return (last, *sorted(kept, key=lambda one: (one.line, one.column)))


def quote(text: str) -> str:
    """Quote a name of the document, shortened when it is absurdly long."""
    return repr(text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "...")
