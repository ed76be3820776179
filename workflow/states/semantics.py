"""What a document means, apart from how it is written: its plain data and its semantic digest.

Promises: comments, blank lines, quoting, the order of keys, titles and descriptions do not change the digest. The order of
states and of payload values does mean something; it is kept beside the mappings, because stored documents sort their keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import orjson

from workflow.states.definition import Digest
from workflow.states.grammar import DEFINITION, PLAIN_TEXT, PROSE
from workflow.states.node import Node
from workflow.states.shapes import Either, ListOf, Named, Record, Ref, Shape, fits

Plain = dict[str, object]


def canonical(data: object) -> bytes:
    """Write plain data as canonical JSON: keys are ASCII and numbers whole and small, so this is RFC 8785."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def digest_of(content: bytes) -> Digest:
    """Give the SHA-256 of bytes in lower-case hex."""
    return Digest(hashlib.sha256(content).hexdigest())


def semantic_digest(root: Node, shape: Shape = DEFINITION) -> Digest:
    """Give the digest of what a document means: its plain data without prose."""
    return digest_of(canonical(_without_prose(root, shape)))


def in_order(root: Node) -> Node:
    """Give the document with its states and payload values in the order in which they were declared."""
    order = root.get("order")
    if order is None or not isinstance(root.value, Mapping):
        return root
    said = {place: [item.text or "" for item in names.items] for place, names in order.entries.items()}
    return _arranged(root, DEFINITION, "", said)


def with_order(root: Node) -> Node:
    """Give the document with `order`, which says all that is lost when keys are sorted."""
    if not isinstance(root.value, Mapping):
        return root
    found = {place: Node(value=tuple(Node(value=name) for name in names)) for place, names in _orders(root, DEFINITION, "")}
    entries = {key: node for key, node in root.value.items() if key != "order"}
    if found:
        entries["order"] = Node(value=found)
    return Node(value=entries, line=root.line, column=root.column, key_places=root.key_places)


def _below(node: Node, shape: Shape) -> Iterator[tuple[str, Node, Shape]]:
    """Give the parts of a mapping with their shapes; parts that the language does not know are left out."""
    match shape:
        case Ref():
            yield from _below(node, shape.find())
        case Either(options=options):
            yield from _below(node, next((one for one in options if fits(node, one)), options[0]))
        case Named(item=item):
            yield from ((key, part, item) for key, part in node.entries.items())
        case Record(keys=keys):
            yield from ((key, part, keys[key].shape) for key, part in node.entries.items() if key in keys)


def _orders(node: Node, shape: Shape, place: str) -> Iterator[tuple[str, list[str]]]:
    names = list(node.entries)
    if isinstance(shape, Named) and shape.is_ordered and names != sorted(names):
        yield place, names
    for key, part, below in _below(node, shape):
        yield from _orders(part, below, f"{place}.{key}" if place else key)


def _arranged(node: Node, shape: Shape, place: str, said: Mapping[str, list[str]]) -> Node:
    parts = {key: _arranged(part, below, f"{place}.{key}" if place else key, said) for key, part, below in _below(node, shape)}
    if not parts:
        return node
    names = [name for name in said.get(place, ()) if name in node.entries]
    value = {key: parts.get(key, node.entries[key]) for key in dict.fromkeys([*names, *node.entries])}
    return Node(value=value, line=node.line, column=node.column, key_places=node.key_places)


def _without_prose(node: Node, shape: Shape) -> object:
    """Give the plain value; prose is only left out where the language defines it, not where an author chose such a name."""
    match shape:
        case Ref():
            return _without_prose(node, shape.find())
        case Either(options=options):
            return _without_prose(node, next((one for one in options if fits(node, one)), options[0]))
        case ListOf(item=item) if isinstance(node.value, tuple):
            return [_without_prose(one, item) for one in node.value]
        case Named(item=item) if isinstance(node.value, Mapping):
            return {key: _without_prose(part, item) for key, part in node.value.items()}
        case Record(keys=keys, others=others) if isinstance(node.value, Mapping):
            return {
                key: _without_prose(part, keys[key].shape if key in keys else others or PLAIN_TEXT)
                for key, part in node.value.items()
                if not (key in PROSE and key in keys)
            }
        case _:
            return node.plain()
