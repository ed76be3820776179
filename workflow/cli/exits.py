"""Exit codes, and how errors are told."""

from __future__ import annotations

import json
import sys
from typing import Final

from workflow.errors import (
    AuditError,
    ConflictError,
    CursorError,
    DefinitionError,
    NotFoundError,
    RefusedError,
    SettingsError,
    WorkflowError,
)

OK: Final = 0
FINDINGS: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
CONFLICT: Final = 4
OPERATOR: Final = 5
LOOSENED: Final = 6

MEANINGS: Final = {
    OK: "done",
    FINDINGS: "refused, or something was found (faults of a document, a broken chain)",
    USAGE: "the command was written wrongly",
    NOT_FOUND: "there is no such thing",
    CONFLICT: "somebody was faster, or a key was used before: read again, try again",
    OPERATOR: "settings, database or another system: the operator must act",
    LOOSENED: "something is allowed that was not, or somebody would be stuck (policy diff)",
}

EPILOG: Final = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + "."


def code_of(error: WorkflowError) -> int:
    """Give the exit code of an error, by who must act on it."""
    match error:
        case RefusedError() | DefinitionError() | AuditError():
            return FINDINGS
        case NotFoundError():
            return NOT_FOUND
        case CursorError():
            return USAGE
        case ConflictError():
            return CONFLICT
        case _:
            return OPERATOR


def unusable(error: OSError) -> WorkflowError:
    """Say that a file or folder which was named cannot be used; nobody but who named it can help that."""
    return SettingsError(f"{error.filename}: {error.strerror or type(error).__name__}.")


def tell(error: WorkflowError, *, is_json: bool) -> None:
    """Say on standard error what happened and what to do; with ``--json`` also on standard output, for programs."""
    sys.stderr.write(f"{error.explain()}\n")
    if is_json:
        sys.stdout.write(f"{json.dumps({'error': told(error)}, ensure_ascii=False)}\n")


def told(error: WorkflowError) -> dict[str, object]:
    """Give an error as data."""
    said: dict[str, object] = {"kind": type(error).__name__, "message": str(error)}
    match error:
        case RefusedError():
            said["reasons"] = [
                {"code": reason.code, "message": reason.message, "needed": reason.needed, "field": reason.field} for reason in error.reasons
            ]
            said |= {"instance": error.instance_id, "sequence": error.sequence}
        case DefinitionError():
            said["findings"] = [
                {"file": f.file, "line": f.line, "column": f.column, "severity": f.severity, "code": f.code, "message": f.message}
                for f in error.findings
            ]
        case ConflictError():
            said |= {"expected_version": error.expected_version, "found_version": error.found_version}
        case _:
            pass
    return said
