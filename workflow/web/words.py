"""What the engine says, in the reader's words: labels instead of names of values, titles of documents, in the reader's language.

Promises: a sentence that no catalogue knows shows in English; nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from workflow.errors import Reason
from workflow.web.forms import Problems
from workflow.web.language import Reader, patterns_of, texts_of

LONGEST_SENTENCE = 600
"""Longer ones hold what somebody typed; they are not searched for patterns."""
_NAME = re.compile(r"[a-z][a-z_]*")
_ROLES = re.compile(r"[a-z_]+( for \S+)?( or [a-z_]+( for \S+)?)*")
_OWN = {
    "value_missing": "Fill this in.",
    "values_differ": "The two are not the same.",
    "guard_error": "This is not possible now.",
    "wrong_state": "This is not possible at this point; somebody may have moved it on meanwhile.",
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
    return replace(
        reason,
        message=reader.say("{label}: {said}", label=label, said=said) if label else said,
        needed="" if is_own else said_in(reader, reason.needed),
    )


def said_in(reader: Reader, text: str) -> str:
    """Look a sentence up in the catalogue; where the engine put values into it, they may be any, and are looked up themselves."""
    found = reader.say(text)
    if found != text or not text or len(text) > LONGEST_SENTENCE:
        return found
    for pattern, translation in patterns_of(reader.language):
        if match := pattern.fullmatch(text):
            return translation.format(*(_value_in(reader, value) for value in match.groups()))
    return text


def _value_in(reader: Reader, value: str) -> str:
    """Look up a value that stands in a sentence: a title, a name of the definition, or a sentence of its own (a hint)."""
    bare = value.strip()
    if _NAME.fullmatch(bare):
        return texts_of(reader.language).get(bare.replace("_", " ").capitalize(), value)
    if _ROLES.fullmatch(bare):
        return f" {reader.say('or')} ".join(_role_in(reader, role) for role in bare.split(" or "))
    said = said_in(reader, bare) if bare.endswith(("?", ".")) else reader.say(bare)
    return value.replace(bare, said) if bare else value


def _role_in(reader: Reader, role: str) -> str:
    name, _, scope = role.partition(" for ")
    said = _value_in(reader, name)
    return f"{said} {reader.say('for {name}', name=scope)}" if scope else said


def recorded_in(reader: Reader, text: str) -> str:
    """Look up what a recorded reason means; the name of the value it is about may follow a colon."""
    sentence, _, field = text.removesuffix(".").rpartition(": ")
    known = reader.say(f"{sentence}.")
    if not sentence or known == f"{sentence}.":
        return reader.say(text)
    return reader.say("{label}: {said}", label=known.removesuffix("."), said=_value_in(reader, field)) + "."


def title_in(reader: Reader, set_name: str, key: str, item: Mapping[str, object]) -> str:
    """Give the title of an item of a catalogue's set; what has a name in every language keeps to the reader's."""
    title = str(item.get("title", key))
    return (BY_NAME[set_name](reader, key) or title) if set_name in BY_NAME else reader.say(title)


BY_NAME: Mapping[str, Callable[[Reader, str], str]] = {"countries": Reader.country, "centres": lambda _, __: ""}
"""Sets whose items have names and no texts to translate: countries have theirs in every language, centres are called what they are."""
