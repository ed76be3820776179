"""Expressions as formulas: a tree of CEL over the variables of the model.

Promises: a truth value is a pair (certainly true, certainly false); neither means that CEL would give an error. That is CEL's own
logic: `true || error` is true. What is not translated becomes opaque: any truth value or an error, the same for the same words in
one step, and it is noted. Two expressions have the same words only when they are the same tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import z3

from workflow.states.cel_tree import Apply, Items, Literal, Name, Node, UnreadError, read
from workflow.states.durations import read_duration
from workflow.states.payload import MAX_INTEGER

Formula = Any
"""A z3 expression; z3 has no types of its own that a type checker could use."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A truth value of three: true, false, or an error (neither)."""

    yes: Formula
    no: Formula


@dataclass(frozen=True, slots=True)
class Number:
    """A number, an instant or a duration (in seconds), or a text by its code; `ok` says when it has a value."""

    value: Formula
    ok: Formula
    sort: str
    """``int``, ``time`` or ``text``."""


@dataclass(frozen=True, slots=True)
class Many:
    """A list of texts, known by what is among it."""

    has: Callable[[str], Formula | None]


@dataclass(frozen=True, slots=True)
class Opaque:
    """What is not translated."""


Term = Truth | Number | Many | Opaque
Leaves = Callable[[str], Term]

TRUE, FALSE = z3.BoolVal(True), z3.BoolVal(False)


@dataclass(slots=True)
class Codes:
    """Texts as numbers: the empty text is 0, every other has a number that depends on it alone.

    So the same text has the same number in the models of two definitions, and their formulas can be compared.
    """

    numbers: dict[str, int] = field(default_factory=lambda: {"": 0})

    def of(self, text: str) -> int:
        """Give the number of a text."""
        if text not in self.numbers:
            self.numbers[text] = int.from_bytes(sha256(text.encode()).digest()[:6])
        return self.numbers[text]

    def text(self, number: int) -> str | None:
        """Give the text of a number, None for a text that is written nowhere."""
        return next((text for text, known in self.numbers.items() if known == number), None)


@dataclass(slots=True)
class Translator:
    """Turns expressions into formulas; `opaque` collects what it could not."""

    codes: Codes
    make_input: Callable[[str], Formula]
    opaque: set[str] = field(default_factory=set)

    def truth(self, source: str, leaves: Leaves) -> Truth:
        """Translate an expression of type bool."""
        try:
            return self._truth(read(source), leaves)
        except UnreadError:
            return self._unknown(source)

    def value(self, source: str, leaves: Leaves) -> Term:
        """Translate an expression of any type."""
        try:
            return self._term(read(source), leaves)
        except UnreadError:
            return Opaque()

    def _truth(self, node: Node, leaves: Leaves) -> Truth:
        term = self._term(node, leaves)
        return term if isinstance(term, Truth) else self._unknown(_words(node))

    def _unknown(self, words: str) -> Truth:
        self.opaque.add(words)
        yes, fails = self.make_input(f"opaque:{words}"), self.make_input(f"fails:{words}")
        return Truth(yes, z3.And(z3.Not(yes), z3.Not(fails)))

    def _term(self, node: Node, leaves: Leaves) -> Term:
        match node:
            case Literal(value=bool() as value):
                return Truth(z3.BoolVal(value), z3.BoolVal(not value))
            case Literal(value=int() as value):
                # Values of fields are no larger, so that no sum of what is translated leaves CEL's 64 bits, which is an error there.
                return Number(z3.IntVal(value), TRUE, "int") if value <= MAX_INTEGER else Opaque()
            case Literal(value=value):
                return Number(z3.IntVal(self.codes.of(str(value))), TRUE, "text")
            case Name(path=path):
                return leaves(path)
            case Apply():
                return self._apply(node, leaves)
            case _:
                return Opaque()

    def _apply(self, node: Apply, leaves: Leaves) -> Term:  # noqa: PLR0911  # one answer for each operator
        match node.op, node.parts:
            case "!", (part,):
                inner = self._truth(part, leaves)
                return Truth(inner.no, inner.yes)
            case "&&", (left, right):
                a, b = self._truth(left, leaves), self._truth(right, leaves)
                return Truth(z3.And(a.yes, b.yes), z3.Or(a.no, b.no))
            case "||", (left, right):
                a, b = self._truth(left, leaves), self._truth(right, leaves)
                return Truth(z3.Or(a.yes, b.yes), z3.And(a.no, b.no))
            case "?:", (asked, then, other):
                return self._choice(self._truth(asked, leaves), self._term(then, leaves), self._term(other, leaves), node)
            case "in", (item, many):
                return self._among(item, many, leaves) or self._unknown(_words(node))
            case "duration", (Literal(value=str() as text),):
                seconds = _seconds(text)
                return Opaque() if seconds is None else Number(z3.RealVal(seconds), TRUE, "time")
            case ("==" | "!=" | "<" | "<=" | ">" | ">=") as op, (left, right):
                return self._compare(op, self._term(left, leaves), self._term(right, leaves)) or self._unknown(_words(node))
            case ("+" | "-") as op, (left, right):
                return _sum(op, self._term(left, leaves), self._term(right, leaves))
            case _:
                return Opaque()

    def _choice(self, asked: Truth, then: Term, other: Term, node: Node) -> Term:
        if not isinstance(then, Truth) or not isinstance(other, Truth):
            return self._unknown(_words(node)) if isinstance(then, Truth) or isinstance(other, Truth) else Opaque()
        return Truth(
            z3.Or(z3.And(asked.yes, then.yes), z3.And(asked.no, other.yes)), z3.Or(z3.And(asked.yes, then.no), z3.And(asked.no, other.no))
        )

    def _among(self, item: Node, many: Node, leaves: Leaves) -> Truth | None:
        if isinstance(many, Items):
            found = [self._compare("==", self._term(item, leaves), self._term(one, leaves)) for one in many.items]
            known = [one for one in found if one is not None]
            if len(known) != len(found):
                return None
            # A list with an error in it is an error, also where another of its items is the one that is looked for.
            is_whole = z3.And([z3.Or(one.yes, one.no) for one in known])
            return Truth(z3.And(is_whole, z3.Or([one.yes for one in known])), z3.And([one.no for one in known]))
        term = self._term(many, leaves)
        if isinstance(term, Many) and isinstance(item, Literal) and isinstance(item.value, str):
            has = term.has(item.value)
            return None if has is None else Truth(has, z3.Not(has))
        return None

    def _compare(self, op: str, left: Term, right: Term) -> Truth | None:
        match left, right:
            case Truth(), Truth() if op in {"==", "!="}:
                same = Truth(
                    z3.Or(z3.And(left.yes, right.yes), z3.And(left.no, right.no)),
                    z3.Or(z3.And(left.yes, right.no), z3.And(left.no, right.yes)),
                )
                return same if op == "==" else Truth(same.no, same.yes)
            case Number(), Number() if left.sort == right.sort and (left.sort != "text" or op in {"==", "!="}):
                holds, ok = _COMPARISONS[op](left.value, right.value), z3.And(left.ok, right.ok)
                return Truth(z3.And(ok, holds), z3.And(ok, z3.Not(holds)))
            case _:
                return None


_COMPARISONS: dict[str, Callable[[Formula, Formula], Formula]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _sum(op: str, left: Term, right: Term) -> Term:
    if not isinstance(left, Number) or not isinstance(right, Number) or left.sort != right.sort or left.sort == "text":
        return Opaque()
    value = left.value + right.value if op == "+" else left.value - right.value
    return Number(value, z3.And(left.ok, right.ok), left.sort)


def _seconds(text: str) -> int | None:
    """Read a duration as CEL writes it (``15m``, ``1h30m``); with a great letter it is none."""
    unit = read_duration("PT" + text.upper())
    return unit.amount if unit is not None and text.islower() else None


def _words(node: Node) -> str:
    """Write an expression so that no other tree is written alike: what an operator joins is in parentheses when it is joined itself."""
    match node:
        case Literal(value=bool() as value):
            return str(value).lower()
        case Literal(value=value):
            return repr(value)
        case Name(path=path):
            return path
        case Items(items=items):
            return f"[{', '.join(map(_words, items))}]"
    match node.parts:
        case asked, then, other if node.op == "?:":
            return f"{_part(asked)} ? {_part(then)} : {_part(other)}"
        case (one,) if _is_sign(node.op):
            return f"{node.op}{_part(one)}"
        case left, right if _is_sign(node.op):
            return f"{_part(left)} {node.op} {_part(right)}"
        case parts:
            return f"{node.op}({', '.join(map(_words, parts))})"


def _part(node: Node) -> str:
    is_joined = isinstance(node, Apply) and len(node.parts) > 1 and _is_sign(node.op)
    return f"({_words(node)})" if is_joined else _words(node)


def _is_sign(op: str) -> bool:
    return not op.isidentifier() or op == "in"
