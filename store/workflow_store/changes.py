"""What a change asks for, sorted into what is new, what is set and what goes.

Promises: no row is named twice, because PostgreSQL cannot touch a row twice in one statement.
"""

from __future__ import annotations

from dataclasses import replace

from workflow.errors import ConflictError
from workflow.ports import Change, Credential, CredentialChange, UniqueValue

Key = tuple[str, str, str]


def credential_changes(change: Change) -> tuple[list[Credential], list[Credential], list[Credential]]:
    """Give credentials to insert, to update and to remove; their versions are those that were read."""
    last: dict[Key, CredentialChange] = {}
    for item in change.credentials:
        one = item.credential
        key = (one.subject, one.kind, one.name)
        before = last.get(key)
        # Removed and enrolled again under the same name in one step: the row stays, with new content.
        last[key] = item if before is None else replace(item, credential=replace(one, version=before.credential.version))
    kept = [item.credential for item in last.values() if not item.is_removed]
    gone = [item.credential for item in last.values() if item.is_removed]
    return [one for one in kept if one.version == 0], [one for one in kept if one.version > 0], gone


def unique_changes(change: Change) -> tuple[list[UniqueValue], list[UniqueValue]]:
    """Give unique values to add and to remove; one that is in both stays as it is."""
    added, removed = dict.fromkeys(change.unique_added), dict.fromkeys(change.unique_removed)
    return [one for one in added if one not in removed], [one for one in removed if one not in added]


def removed_timers(change: Change) -> list[str]:
    """Give the keys of timers that go; one that is set in the same change stays, with new content."""
    kept = {timer.key for timer in change.timers_set}
    return [key for key in change.timers_removed if key not in kept]


def moved(what: str) -> ConflictError:
    """Give the error for a part of a change that is not as it was read."""
    return ConflictError(MOVED.get(what, f"The {what} changed meanwhile; read again, then try again."))


MOVED = {
    "instance": "Somebody else changed this instance meanwhile; read it again, then try again.",
    "credential": "Somebody else changed a credential of this person meanwhile; read again, then try again.",
    "message": "This report is late: another worker holds the message, or its report is recorded already.",
    "answer": "The idempotency key was used by another event meanwhile; read its answer.",
    "value": "A unique value belongs to another instance by now; read again, then try again.",
    "row": "A value that may exist only once was written by somebody else meanwhile; read again, then try again.",
}
