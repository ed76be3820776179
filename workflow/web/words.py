"""What the engine says, in the reader's words: labels instead of names of values, in the reader's language.

Promises: a sentence that no catalogue knows shows in English; nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from workflow.errors import Reason
from workflow.web.forms import Problems
from workflow.web.language import Reader

_VARIABLE = re.compile(r"'[^']*'|\d+")
_OWN = {
    "value_missing": "Fill this in.",
    "values_differ": "The two are not the same.",
    "guard_error": "This is not possible now.",
}
"""Sentences for codes whose own sentence names values as the definition does."""


def problems_of(reasons: Iterable[Reason], reader: Reader, labels: Mapping[str, str] | None = None) -> Problems:
    """Give the reasons of a refusal for the reader; `labels` are the names of the fields on the page."""
    return Problems.of(reworded(reason, reader, labels or {}) for reason in reasons)


def reworded(reason: Reason, reader: Reader, labels: Mapping[str, str]) -> Reason:
    """Give one reason in the reader's words."""
    is_own = reason.code in _OWN
    message = reason.message
    if reason.field and message.startswith(f"{reason.field}: "):
        rest = message.removeprefix(f"{reason.field}: ")
        message = rest[:1].upper() + rest[1:]
    said = reader.say(_OWN[reason.code]) if is_own else said_in(reader, message)
    label = labels.get(reason.field, "")
    return replace(reason, message=f"{label}: {said}" if label else said, needed="" if is_own else said_in(reader, reason.needed))


def said_in(reader: Reader, text: str) -> str:
    """Look a sentence up in the catalogue; numbers and quoted names in it may be any."""
    found = reader.say(text)
    if found != text or not text:
        return found
    variables: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        variables.append(match[0])
        return f"{{{len(variables) - 1}}}"

    pattern = _VARIABLE.sub(numbered, text.replace("{", "{{").replace("}", "}}"))
    known = reader.say(pattern)
    return known.format(*variables) if known != pattern else text
