"""The part of CEL that is understood, not only evaluated: read into a tree.

Promises: pure. Whatever it does not read is one `UnreadError`, and the caller then knows nothing about the whole expression: nothing
is guessed. The engine never evaluates by this; it is compared with the real CEL by a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")|(?P<number>\d+)(?![\w.])|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|[-+*/%<>!?:.,()\[\]]))"
)
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
MAX_DEPTH = 30
MAX_TOKENS = 500
"""What is nested deeper, or longer, is not read: every walk over a tree may recurse."""
_CONSTANTS = {"true": True, "false": False}


class UnreadError(Exception):
    """An expression lies outside the part of CEL that is read here."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text or a truth value."""

    value: bool | int | str


@dataclass(frozen=True, slots=True)
class Name:
    """A leaf by its full dotted name, or the beginning of one."""

    path: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list that is written out."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator, a function or a method (its object is the first part) with its parts."""

    op: str
    parts: tuple[Node, ...]


Node = Literal | Name | Items | Apply


def read(source: str) -> Node:
    """Read an expression.

    Raises:
        UnreadError: it is outside the part that is read here.
    """
    tokens = _tokens(source)
    if len(tokens) > MAX_TOKENS:
        raise UnreadError(source)
    reader = _Reader(tokens)
    node = reader.choice()
    if reader.place != len(reader.tokens):
        raise UnreadError(source)
    return node


def texts_of(node: Node) -> frozenset[str]:
    """Name every text that an expression writes out."""
    match node:
        case Literal(value=str() as text):
            return frozenset({text})
        case Apply(parts=parts) | Items(items=parts):
            return frozenset().union(*map(texts_of, parts))
        case _:
            return frozenset()


def _tokens(source: str) -> list[tuple[str, str]]:
    found, place, end = [], 0, len(source.rstrip())
    while place < end:
        match = _TOKEN.match(source, place)
        if match is None or match.lastgroup is None:
            raise UnreadError(source)
        found.append((match.lastgroup, match.group(match.lastgroup)))
        place = match.end()
    return found


class _Reader:
    """Reads tokens by descending through the levels of binding."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.place, self.depth = tokens, 0, 0

    def choice(self) -> Node:
        self._go_deeper()
        node = self._choice()
        self.depth -= 1
        return node

    def _go_deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadError("a deeply nested expression")

    def _choice(self) -> Node:
        first = self._binary(0)
        if not self._take("?"):
            return first
        then = self.choice()
        self._need(":")
        return Apply("?:", (first, then, self.choice()))

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (op := self._word()) in _LEVELS[level]:
            self.place += 1
            left = Apply(op, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Node:
        for op in ("!", "-"):
            if self._take(op):
                self._go_deeper()
                node = Apply(op, (self._unary(),))
                self.depth -= 1
                return node
        return self._member(self._primary())

    def _member(self, node: Node) -> Node:
        while self._take("."):
            kind, name = self._next()
            if kind != "name":
                raise UnreadError(name)
            if self._take("("):
                node = Apply(name, (node, *self._until(")")))
            elif isinstance(node, Name):
                node = Name(f"{node.path}.{name}")
            else:
                raise UnreadError(name)
        return node

    def _primary(self) -> Node:
        kind, word = self._next()
        match kind, word:
            case "number", _:
                return Literal(int(word))
            case "text", _ if "\\" not in word:
                return Literal(word[1:-1])
            case "sign", "(":
                node = self.choice()
                self._need(")")
                return node
            case "sign", "[":
                return Items(self._until("]"))
            case "name", _ if word in _CONSTANTS:
                return Literal(_CONSTANTS[word])
            case "name", _ if self._take("("):
                return Apply(word, self._until(")"))
            case "name", _:
                return Name(word)
        raise UnreadError(word)

    def _until(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._take(end):
            if found:
                self._need(",")
            found.append(self.choice())
        return tuple(found)

    def _word(self) -> str:
        kind, word = self.tokens[self.place] if self.place < len(self.tokens) else ("", "")
        return "" if kind == "text" else word

    def _next(self) -> tuple[str, str]:
        if self.place >= len(self.tokens):
            raise UnreadError("the end")
        self.place += 1
        return self.tokens[self.place - 1]

    def _take(self, sign: str) -> bool:
        if self._word() != sign:
            return False
        self.place += 1
        return True

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise UnreadError(sign)
