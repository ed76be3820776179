"""Shapes: what a value of a document may look like, as values.

Promises: one description serves for judging a document, for the digest and for the editors' schema, so that they cannot drift
apart. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from workflow.states.findings import Findings, quote
from workflow.states.node import Node

NAME = r"[a-z][a-z0-9_]*"
MAX_NAME = 64
# Words that CEL keeps for itself: `instance.in` or `event.as` could not be written in a guard (CEL specification, "Syntax").
RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"}
    | {"let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One scalar of text.

    Attributes:
        pattern: a regular expression that the whole text must match; empty for any text.
        choices: the texts that are allowed; empty for any.
        what: how a message calls it (``a duration like PT5M``).
        max_length: the most characters it may have.
    """

    pattern: str = ""
    choices: tuple[str, ...] = ()
    what: str = "text"
    max_length: int = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole number, not below `least`."""

    least: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """``true`` or ``false``; only the one of them that `only` says."""

    only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """``null`` or nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list of values of one shape."""

    item: Shape
    least: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A mapping from names that the author chooses to values of one shape.

    Attributes:
        what: how a message calls a name (``a state``).
        is_ordered: whether the order of the names means something; a stored document keeps it beside the mapping.
        may_be_reserved: whether a name is never written in an expression, so that CEL's own words are allowed.
    """

    item: Shape
    what: str
    is_ordered: bool = False
    may_be_reserved: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a record."""

    shape: Shape
    description: str
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A mapping whose keys the language defines.

    Attributes:
        what: how a message calls it (``a transition``).
        keys: by name, in the order in which documentation shows them.
        others: the shape of further keys; None when there are none. What they mean is judged elsewhere.
        usual: descriptions of further keys that editors may offer.
        one_of: keys of which exactly one must be there.
    """

    what: str
    keys: Mapping[str, Key]
    others: Shape | None = None
    usual: Mapping[str, str] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """One of several shapes that differ in their kind of value (text, list, mapping, ...)."""

    options: tuple[Shape, ...]
    what: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A record by its name; lets records contain themselves."""

    find: Callable[[], Record] = field(repr=False)


Shape = Text | Whole | Flag | Empty | ListOf | Named | Record | Either | Ref


def judge(node: Node, shape: Shape, findings: Findings) -> None:
    """Compare a value with a shape and note every difference."""
    match shape:
        case Text():
            _judge_text(node, shape, findings)
        case Whole() | Flag() | Empty():
            _judge_scalar(node, shape, findings)
        case ListOf():
            _judge_list(node, shape, findings)
        case Named():
            _judge_named(node, shape, findings)
        case Record():
            _judge_record(node, shape, findings)
        case Either():
            _judge_either(node, shape, findings)
        case Ref():
            _judge_record(node, shape.find(), findings)
        case _:
            assert_never(shape)


def describe(node: Node) -> str:
    """Say what kind of value a node is."""
    match node.value:
        case None:
            return "nothing"
        case bool():
            return str(node.value).lower()
        case int() | float():
            return f"the number {quote(node.raw or str(node.value))[1:-1]}"
        case str():
            return f"the text {quote(node.value)}"
        case tuple():
            return "a list"
        case _:
            return "a mapping"


def expected(shape: Shape) -> str:
    """Say what a shape wants."""
    match shape:
        case Text(choices=choices) if choices:
            return f"one of {', '.join(choices)}"
        case Text() | Either():
            return shape.what
        case Whole() | Flag() | Empty():
            return _expected_scalar(shape)
        case ListOf():
            return "a list"
        case Named():
            return f"a mapping, with the name of {shape.what} as each key"
        case Record():
            return f"{shape.what} (a mapping)"
        case Ref():
            return expected(shape.find())
        case _:
            assert_never(shape)


def _expected_scalar(shape: Whole | Flag | Empty) -> str:
    match shape:
        case Whole():
            return "a whole number" if shape.least is None else f"a whole number from {shape.least}"
        case Flag():
            return "true or false" if shape.only is None else str(shape.only).lower()
        case Empty():
            return "nothing"
        case _:
            assert_never(shape)


def fits(node: Node, shape: Shape) -> bool:
    """Tell whether a value is of the kind that a shape wants; what is in it is not looked at."""
    match shape:
        case Text():
            return isinstance(node.value, str)
        case Whole():
            return isinstance(node.value, int) and not isinstance(node.value, bool)
        case Flag():
            return isinstance(node.value, bool)
        case Empty():
            return node.value is None
        case ListOf():
            return isinstance(node.value, tuple)
        case Named() | Record() | Ref():
            return isinstance(node.value, Mapping)
        case Either():
            return any(fits(node, option) for option in shape.options)
        case _:
            assert_never(shape)


def _wrong_type(node: Node, shape: Shape, findings: Findings) -> None:
    hint = ""
    if isinstance(shape, Text) and not isinstance(node.value, tuple | Mapping) and node.value is not None:
        hint = " Put it in quotes when text is meant."
    if isinstance(shape, Flag) and node.text is not None:
        hint = " Only true and false are booleans in YAML 1.2."
    findings.note(node, "wrong-type", f"Expected {expected(shape)}, found {describe(node)}.{hint}")


def _judge_text(node: Node, shape: Text, findings: Findings) -> None:
    if node.text is None:
        _wrong_type(node, shape, findings)
    elif len(node.text) > shape.max_length:
        findings.note(node, "text-too-long", f"This text has {len(node.text)} characters; at most {shape.max_length} are allowed.")
    elif shape.choices and node.text not in shape.choices:
        hint = findings.hint(node.text, shape.choices, is_listed=True)
        findings.note(node, "invalid-value", f"Expected {expected(shape)}, found {quote(node.text)}.{hint}")
    elif shape.pattern and re.fullmatch(shape.pattern, node.text) is None:
        findings.note(node, "invalid-value", f"Expected {shape.what}, found {quote(node.text)}.")


def _judge_scalar(node: Node, shape: Whole | Flag | Empty, findings: Findings) -> None:
    if not fits(node, shape):
        _wrong_type(node, shape, findings)
    elif isinstance(shape, Whole) and shape.least is not None and isinstance(node.value, int) and node.value < shape.least:
        findings.note(node, "invalid-value", f"Expected {expected(shape)}, found {node.value}.")
    elif isinstance(shape, Flag) and shape.only is not None and node.value is not shape.only:
        findings.note(node, "invalid-value", f"Only {expected(shape)} has a meaning here; leave the key out otherwise.")


def _judge_list(node: Node, shape: ListOf, findings: Findings) -> None:
    if not isinstance(node.value, tuple):
        _wrong_type(node, shape, findings)
    elif len(node.value) < shape.least:
        findings.note(node, "empty-list", f"At least {shape.least} must be listed here.")
    for item in node.items:
        judge(item, shape.item, findings)


def _judge_named(node: Node, shape: Named, findings: Findings) -> None:
    if not isinstance(node.value, Mapping):
        _wrong_type(node, shape, findings)
    elif len(node.value) < shape.least:
        findings.note(node, "empty-mapping", f"At least {shape.least} must be named here.")
    for name, item in node.entries.items():
        if re.fullmatch(NAME, name) is None or len(name) > MAX_NAME:
            message = f"{quote(name)} cannot be the name of {shape.what}: lower-case letters, digits and _, at most {MAX_NAME}."
            findings.note(node.place_of(name), "invalid-name", message)
        elif name in RESERVED and not shape.may_be_reserved:
            findings.note(node.place_of(name), "reserved-name", f"{quote(name)} is a word of the expression language; choose another name.")
        judge(item, shape.item, findings)


def _judge_record(node: Node, shape: Record, findings: Findings) -> None:
    if not isinstance(node.value, Mapping):
        _wrong_type(node, shape, findings)
        return
    for name, item in node.entries.items():
        key = shape.keys.get(name)
        if key is not None:
            judge(item, key.shape, findings)
        elif shape.others is not None:
            judge(item, shape.others, findings)
        else:
            hint = " Inside { } a text with a comma must be in quotes." if " " in name else findings.hint(name, shape.keys)
            message = f"{shape.what.capitalize()} has no key {quote(name)}.{hint}"
            findings.note(node.place_of(name), "unknown-key", message)
    for name, key in shape.keys.items():
        if key.is_required and name not in node.entries:
            findings.note(node, "missing-key", f"{shape.what.capitalize()} needs the key {name!r}: {key.description}")
    _judge_one_of(node, shape, findings)


def _judge_one_of(node: Node, shape: Record, findings: Findings) -> None:
    present = [name for name in node.entries if name in shape.one_of]
    if shape.one_of and not present:
        findings.note(node, "missing-key", f"{shape.what.capitalize()} needs one of the keys {', '.join(shape.one_of)}.")
    for name in present[1:]:
        message = f"{shape.what.capitalize()} can have only one of the keys {', '.join(shape.one_of)}; {present[0]!r} is there already."
        findings.note(node.place_of(name), "keys-exclude-each-other", message)


def _judge_either(node: Node, shape: Either, findings: Findings) -> None:
    for option in shape.options:
        if fits(node, option):
            judge(node, option, findings)
            return
    _wrong_type(node, shape, findings)
