"""Small faults: an expression without a part, a deadline by one unit off, a role too many.

Promises: pure text and names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from workflow.states.cel_tree import UnreadError, read
from workflow.states.definition import Definition, EventType, FieldName, FieldType, Role
from workflow.states.durations import read_duration

_DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}
_DURATION = re.compile(r"duration\('(\d+)([smh])'\)")
_COUNT = re.compile(r"(count\.\w+\s*<=?\s*)(\d+)")


def conjuncts(source: str) -> tuple[str, ...]:
    """Part an expression at its outermost ``&&``; the whole when there is none, or a weaker operator stands outside."""
    parts, depth, quote, start, index = [], 0, "", 0, 0
    while index < len(source):
        sign = source[index]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in _DEPTH:
            depth += _DEPTH[sign]
        elif depth == 0 and (source.startswith("||", index) or sign == "?"):
            return (source,)
        elif depth == 0 and source.startswith("&&", index):
            parts.append(source[start:index].strip())
            start, index = index + 2, index + 1
        index += 1
    return (*parts, source[start:].strip())


def is_said_again(definition: Definition, part: str, others: Sequence[str]) -> bool:
    """Tell whether a part is ``has.x`` of an instant that another part reads: unset it is an error there, which refuses as well."""
    name = part.removeprefix("has.")
    field = definition.fields.get(FieldName(name))
    if name == part or field is None or field.type is not FieldType.INSTANT:
        return False
    return any(re.search(rf"\binstance\.{re.escape(name)}\b", one) for one in others)


def negated(source: str) -> str:
    """Write the contrary of an expression."""
    bare = source[1:] if source.startswith("!") else ""
    return bare if bare and _is_one(bare) else f"!({source})"


def _is_one(source: str) -> bool:
    """Tell whether a text is one operand."""
    try:
        read(source)
    except UnreadError:
        return False
    return re.fullmatch(r"[\w.]+|\([^()]*\)", source) is not None


def limits(source: str) -> Iterator[tuple[str, str]]:
    """Let limits of an expression allow one unit more: a minute of a duration, one of a count."""
    for found in _DURATION.finditer(source):
        more = f"duration('{int(found[1]) + 1}{found[2]}')"
        yield source[: found.start()] + more + source[found.end() :], f"{more} for {found[0]}"
    for found in _COUNT.finditer(source):
        more = f"{found[1]}{int(found[2]) + 1}"
        yield source[: found.start()] + more + source[found.end() :], "one more"


def shifted(text: str, *, is_shorter: bool = True) -> Iterator[tuple[str, str]]:
    """Give a duration by one unit longer, and shorter where something is left: a minute, a working day, a working hour."""
    unit = read_duration(text)
    if unit is None:
        return
    sizes = {"elapsed": 60, "working_days": 1, "working_time": 3600}
    names = {"elapsed": "a minute", "working_days": "a working day", "working_time": "a working hour"}
    for sign, how in ((1, "longer"), (-1, "shorter")) if is_shorter else ((1, "longer"),):
        amount = unit.amount + sign * sizes[unit.kind]
        written = {"elapsed": f"PT{amount}S", "working_days": f"{amount}bd", "working_time": f"{amount // 3600}bh"}[unit.kind]
        if amount > 0 and read_duration(written) is not None:
            yield written, f"{names[unit.kind]} {how} than {text}"


def widened(definition: Definition, type_: EventType) -> str | None:
    """Choose a role that may fire an event too; None where anybody may already.

    It is the subject, except for a decision, which the subject cannot take whatever the roles; else one that is held everywhere.
    """
    if any(definition.roles[name].is_anyone for name in type_.by):
        return None
    is_decision = type_.decision is not None
    return _first(definition, type_, lambda role: (role.is_subject is is_decision, role.scope is not None))


def other_role(definition: Definition, type_: EventType) -> str | None:
    """Choose a role that may fire an event instead: an office that is held everywhere, else the subject, who cannot take a decision."""
    is_decision = type_.decision is not None
    return _first(definition, type_, lambda role: (is_decision and role.is_subject, role.scope is not None, role.is_subject))


def _first(definition: Definition, type_: EventType, order: Callable[[Role], tuple[bool, ...]]) -> str | None:
    """Give the role that comes first in an order, of those that may not fire an event yet."""
    others = [role for role in definition.roles.values() if role.name not in type_.by and not role.is_anyone]
    found = min(others, key=order, default=None)
    return None if found is None else str(found.name)
