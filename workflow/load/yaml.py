"""YAML text to a tree of nodes; the only importer of PyYAML.

Promises: YAML 1.2 core rules (``NO``, ``on`` and ``5:00`` are text), and nothing of YAML that is not data: no aliases, anchors,
tags, directives or second documents. Only the library's event stream is used, so nothing recurses and nothing is constructed;
size, depth and number of values are limited before they cost anything.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn, cast

import yaml

from workflow.errors import DefinitionError, Finding
from workflow.states.findings import Findings
from workflow.states.node import MAX_DEPTH, Node, Place, Scalar

MAX_BYTES: Final = 1_048_576
MAX_VALUES: Final = 50_000
"""Far above the largest allowed definition; keeps a hostile document below a second."""
MAX_INTEGER: Final = 2**53 - 1
"""RFC 8785 and RFC 7493: greater numbers do not survive every JSON reader."""

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
# Control characters, and line separators that YAML 1.1 and 1.2 read differently; and characters that make text look
# different from what it says (Unicode TR36, "Trojan Source").
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
# YAML 1.2.2 §10.3.2, core schema.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def compose(data: bytes, *, file: str) -> Node:
    """Read one YAML document.

    Args:
        data: the bytes as written, UTF-8.
        file: the name the author knows the document by.

    Raises:
        DefinitionError: it is no such document, with every fault found.
    """
    node, findings = compose_leniently(data, file=file)
    if node is None or findings:
        raise DefinitionError(findings)
    return node


def compose_leniently(data: bytes, *, file: str) -> tuple[Node | None, tuple[Finding, ...]]:
    """Read one YAML document as far as possible, with its faults; the tree is None when it cannot be read at all."""
    reader = _Reader(file)
    try:
        node = reader.read(data)
    except _Unreadable:
        node = None
    return node, tuple(reader.findings)


def source_lines(data: bytes) -> list[str]:
    """Split a document into lines as its findings count them."""
    return re.split(r"\r\n|\r|\n", data.decode("utf-8", errors="replace").removeprefix("\ufeff"))


class _Unreadable(Exception):  # noqa: N818  # never leaves this module; the finding says what is wrong
    """The document cannot be read on."""


class _Open:
    """A list or mapping whose end has not been read yet."""

    __slots__ = ("is_list", "items", "key", "key_places", "place")

    def __init__(self, place: Place, *, is_list: bool) -> None:
        self.place = place
        self.is_list = is_list
        self.items: dict[str, Node] = {}
        self.key_places: dict[str, Place] = {}
        self.key: str | None = None

    def close(self) -> Node:
        value = tuple(self.items.values()) if self.is_list else self.items
        return Node(value=value, line=self.place[0], column=self.place[1], key_places=self.key_places)


class _Reader:
    """Builds nodes from events, with its own stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self._text = ""
        self._lines: list[str] = []
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._value_count = 0

    def read(self, data: bytes) -> Node:
        self._text = self._decode(data)
        parser = _LOADER(self._text)
        try:
            while parser.check_event():
                self._take(cast("yaml.Event", parser.get_event()))
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except yaml.YAMLError as error:
            self._refuse((1, 1), "yaml-syntax", f"This is no YAML: {error}.")
        finally:
            parser.dispose()
        if self._root is None:
            self._refuse((1, 1), "empty-document", "The document is empty.")
        return self._root

    def _decode(self, data: bytes) -> str:
        if len(data) > MAX_BYTES:
            self._refuse((1, 1), "document-too-large", f"The document has more than {MAX_BYTES} bytes; no more are read.")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8")
            self._refuse(_place_after(before), "not-utf-8", "The document is not UTF-8 text; save it as UTF-8.")
        text = text.removeprefix("\ufeff")
        self._lines = source_lines(data)
        if found := _FORBIDDEN.search(text):
            code = f"U+{ord(found[0]):04X}"
            message = f"The character {code} cannot be seen and is not allowed here."
            self._refuse(_place_after(text[: found.start()]), "control-character", message)
        return text

    def _take(self, event: yaml.Event) -> None:
        place = _place(event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                self._start(event, place)
            case yaml.AliasEvent():
                self._refuse(place, "alias", f"The alias *{str(event.anchor)[:64]} is not allowed; write the value out.")
            case yaml.ScalarEvent():
                self._refuse_decoration(event, place)
                self._scalar(event, place)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._refuse_decoration(event, place)
                self._enter(_Open(place, is_list=isinstance(event, yaml.SequenceStartEvent)))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._add(self._open.pop().close())

    def _start(self, event: yaml.DocumentStartEvent, place: Place) -> None:
        if self._root is not None:
            self._refuse(place, "several-documents", "A second document begins here; a file holds exactly one.")
        if event.tags or event.version not in {None, (1, 2)}:
            self._refuse(place, "directive", "Directives are not allowed; the document is read as YAML 1.2.")

    def _refuse_decoration(self, event: yaml.NodeEvent, place: Place) -> None:
        if event.anchor is not None:
            self._refuse(place, "anchor", f"The anchor &{str(event.anchor)[:64]} is not allowed; write values out where they are needed.")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._refuse(place, "tag", f"The tag {tag[:64]!r} is not allowed; values are plain text, numbers, true, false and null.")

    def _enter(self, opened: _Open) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._refuse(opened.place, "too-deep", f"The document is nested deeper than {MAX_DEPTH} levels.")
        if self._open and not self._open[-1].is_list and self._open[-1].key is None:
            self._refuse(opened.place, "key-not-text", "A key must be a name, not a list or a mapping.")
        self._open.append(opened)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> None:
        if self._open and not self._open[-1].is_list and self._open[-1].key is None:
            self._key(event.value, place)
            return
        is_plain = event.style is None or event.style == ""
        value = self._resolve(event.value, place) if is_plain else event.value
        if isinstance(value, str) and (found := _FORBIDDEN.search(value)):
            self._refuse(place, "control-character", f"The text holds the character U+{ord(found[0]):04X}, which is not allowed.")
        start, end = cast("yaml.Mark", event.start_mark), cast("yaml.Mark", event.end_mark)
        written = self._text[start.index : end.index]
        raw = "" if isinstance(value, str) and written == value else written.replace("\r\n", "\n")
        self._add(Node(value=value, line=place[0], column=place[1], raw=raw, is_plain=is_plain))

    def _key(self, name: str, place: Place) -> None:
        opened = self._open[-1]
        if name == "<<":
            self._refuse(place, "merge-key", "Merge keys are not allowed; write the entries out.")
        if found := _FORBIDDEN.search(name):
            self._refuse(place, "control-character", f"The key holds the character U+{ord(found[0]):04X}, which is not allowed.")
        if name in opened.key_places:
            first = opened.key_places[name][0]
            self._note(place, "duplicate-key", f"The key {name[:64]!r} stands here twice, first on line {first}; only one can be meant.")
        opened.key_places.setdefault(name, place)
        opened.key = name

    def _add(self, node: Node) -> None:
        self._value_count += 1
        if self._value_count > MAX_VALUES:
            self._refuse(node.place, "too-many-values", f"The document has more than {MAX_VALUES} values.")
        if not self._open:
            self._root = node
            return
        opened = self._open[-1]
        if opened.is_list:
            opened.items[str(len(opened.items))] = node
        elif opened.key is not None:
            opened.items.setdefault(opened.key, node)
            opened.key = None

    def _resolve(self, text: str, place: Place) -> Scalar:
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INTEGER.fullmatch(text):
            return self._integer(text, place)
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan")) if _FLOAT.fullmatch(text) else text

    def _integer(self, text: str, place: Place) -> int:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        # A number of thousands of digits is refused by length, before it is computed.
        number = int(text, base) if len(text) <= 100 else MAX_INTEGER + 1  # noqa: PLR2004  # any bound above 54 bits will do
        if abs(number) > MAX_INTEGER:
            self._refuse(place, "number-too-large", f"Whole numbers may be at most {MAX_INTEGER}.")
        return number

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        place = _place(mark)
        what = ", ".join(part for part in (error.context, error.problem) if part)
        self._refuse(place, "yaml-syntax", f"This is no YAML: {what}.")

    def _refuse(self, place: Place, code: str, message: str) -> NoReturn:
        self._note(place, code, message)
        raise _Unreadable

    def _note(self, place: Place, code: str, message: str) -> None:
        source = self._lines[place[0] - 1] if place[0] <= len(self._lines) else ""
        self.findings.append(Finding(file=self.file, line=place[0], column=place[1], code=code, message=message, source=shorten(source)))


def shorten(source: str) -> str:
    """Keep a hostile line from flooding the terminal: unprintable characters are blanks, and it ends after 200 characters."""
    return "".join(character if character.isprintable() else " " for character in source[:200])


def _place(mark: Any) -> Place:  # noqa: ANN401  # the two loaders have a class of marks each
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _place_after(before: str) -> Place:
    lines = re.split(r"\r\n|\r|\n", before)
    return (len(lines), len(lines[-1]) + 1)


# What YAML 1.1 readers take for something else than text: booleans, and minutes and seconds as one number (YAML 1.1, "Tag repository").
_SURPRISE = re.compile(r"(?i:yes|no|on|off)|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+")
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_PROSE = frozenset({"title", "description", "because", "message", "needed", "waits_forever"})


def surprises(node: Node, findings: Findings) -> None:
    """Warn of unquoted values that a reader of YAML 1.1 would take for something else; prose is left alone."""
    for item in node.items:
        surprises(item, findings)
    for key, item in node.entries.items():
        if key not in _PROSE:
            surprises(item, findings)
    if not node.is_plain:
        return
    if node.text is not None and _SURPRISE.fullmatch(node.text):
        message = f"{node.text} is text in YAML 1.2 and something else in YAML 1.1; put it in quotes so that nobody is misled."
        findings.warn(node, "yaml11-surprise", message)
    if isinstance(node.value, int) and _OCTAL.fullmatch(node.raw):
        message = f"{node.raw[:20]} is {node.value} in YAML 1.2 and an octal number in YAML 1.1; leave out the leading zero."
        findings.warn(node, "yaml11-surprise", message)
