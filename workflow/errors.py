"""Every error this package raises, split by who must act on it.

Promises: one class per addressee, each with `explain()`, which says what happened and what to do next.
The command line and the pages print `explain()` and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

Severity = Literal["error", "warning", "note"]
"""A fault; something allowed and probably not meant; something worth knowing, given only when it is asked for."""


class WorkflowError(Exception):
    """Something a caller of this package can act on."""

    def explain(self) -> str:
        """Say what happened and what to do next, for a person, without a traceback."""
        return str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of a document, at one place.

    Attributes:
        file: the name the author knows the document by.
        line: 1-based.
        column: 1-based, in characters.
        code: stable kebab-case name of the kind of fault, e.g. ``unknown-state``.
        message: one sentence: what is wrong and what to do; may end in a "did you mean".
        source: the text of the line, for the caret; empty when unknown.
    """

    file: str
    line: int
    column: int
    severity: Severity = "error"
    code: str
    message: str
    source: str = ""

    def render(self) -> str:
        """Give `file:line:column: severity[code]: message`, then the source line and a caret.

        A place past the end of the source that is kept (long lines are cut) has no caret: the column says where it is.
        """
        head = f"{self.file}:{self.line}:{self.column}: {self.severity}[{self.code}]: {self.message}"
        if not self.source:
            return head
        if self.column > len(self.source) + 1:
            return f"{head}\n    {self.source}"
        caret = " " * (self.column - 1) + "^"
        return f"{head}\n    {self.source}\n    {caret}"


class DefinitionError(WorkflowError):
    """A definition, calendar or catalogue is faulty; its author must act."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep all findings; `findings` is never empty."""
        super().__init__(f"{len(findings)} finding(s), first: {findings[0].render().splitlines()[0]}")
        self.findings = tuple(findings)

    def explain(self) -> str:
        """Give every finding with its place, one after the other."""
        return "\n".join(finding.render() for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason for a refusal.

    Attributes:
        code: stable snake_case name, e.g. ``wrong_state``, ``role_missing``, ``too_short``.
        message: one sentence for the actor, without a secret and without anything the actor may not know.
        needed: what would be needed for the event to be accepted; empty when nothing can help.
        private: the precise code for the history when the actor must not learn it
            (a reused code reads as a wrong code); empty when `code` is precise.
        field: the payload field the reason belongs to; empty when it belongs to the whole event.
    """

    code: str
    message: str
    needed: str = ""
    private: str = ""
    field: str = ""


class RefusedError(WorkflowError):
    """The actor may not do this here and now; raised only after the refusal's entry is committed."""

    def __init__(self, reasons: Sequence[Reason], *, instance_id: str | None = None, sequence: int | None = None) -> None:
        """Keep every reason; `sequence` is the number of the refusal's own entry, None when it was summarised."""
        super().__init__("; ".join(reason.message for reason in reasons))
        self.reasons = tuple(reasons)
        self.instance_id = instance_id
        self.sequence = sequence

    def explain(self) -> str:
        """List all reasons and what would be needed."""
        lines = ["Refused:"]
        for reason in self.reasons:
            needed = f" Needed: {reason.needed}" if reason.needed else ""
            lines.append(f"  - {reason.message}{needed}")
        return "\n".join(lines)


class NotFoundError(WorkflowError):
    """There is no such thing; the caller must name another."""

    def __init__(self, kind: str, id_: str) -> None:
        """Name the kind (``instance``, ``definition``, ...) and the id that was not found."""
        super().__init__(f"There is no {kind} {id_!r}.")
        self.kind = kind
        self.id = id_


class ConflictError(WorkflowError):
    """Somebody else was faster, or a key was used for other content; read again, then try again."""

    def __init__(self, message: str, *, expected_version: int | None = None, found_version: int | None = None) -> None:
        """Say what conflicted; versions are the accepted-step counters where they are known."""
        super().__init__(message)
        self.expected_version = expected_version
        self.found_version = found_version


class ActionError(WorkflowError):
    """An effect could not be performed; the operator must act when it will not be tried again."""

    def __init__(self, message: str, *, effect: str, attempts: int = 0, will_retry: bool = True) -> None:
        """Name the effect, how often it was tried and whether it will be tried again."""
        super().__init__(message)
        self.effect = effect
        self.attempts = attempts
        self.will_retry = will_retry


class DeadlineError(WorkflowError):
    """A deadline cannot be computed from the calendar; whoever keeps the calendar must publish a newer one."""

    def __init__(self, message: str, *, calendar: str, known_from: date | None = None, known_until: date | None = None) -> None:
        """Name the calendar and the first and last dates it knows; dates are None when there is no calendar at all."""
        super().__init__(message)
        self.calendar = calendar
        self.known_from = known_from
        self.known_until = known_until

    def explain(self) -> str:
        """Say which dates the calendar knows and what to publish."""
        if self.known_until is None:
            return f"{self} Name a calendar in the definition and publish both."
        return (
            f"{self} The calendar {self.calendar!r} knows working days from {self.known_from} to {self.known_until}, and nothing is guessed"
            " outside. Publish a newer version of it with a later horizon (or an earlier start), then try again."
        )


class SettingsError(WorkflowError):
    """A setting is missing or wrong; the operator must act before anything starts."""


class StoreError(WorkflowError):
    """The database cannot be used as it is; the operator must act."""


class AuditError(WorkflowError):
    """The history does not say what it should; the auditor must look."""


class ChainBrokenError(AuditError):
    """An entry does not fit its predecessor or its own hash."""

    def __init__(self, message: str, *, sequence: int, expected: str, found: str) -> None:
        """Name the first entry that does not fit, with the expected and the found hash in hex."""
        super().__init__(message)
        self.sequence = sequence
        self.expected = expected
        self.found = found


class CursorError(WorkflowError):
    """A page's cursor was not made by this list; the caller begins again with the first page."""
