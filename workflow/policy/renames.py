"""Renames: which name of a new version is an old one's, where nothing else is possible.

Promises: pure; a rename is guessed only when it is certain: the thing itself is the same, everything that named it names the
new one, and nothing else fits. Otherwise it is one thing less and another one more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workflow.states.grammar import PROSE
from workflow.states.node import Node
from workflow.states.semantics import canonical

MAX_PAIRS = 100
"""With more candidates than these a new version is a new definition, and nothing is certain."""
SECTIONS = ("roles", "fields", "checks", "events")
STATES = "states"
_ANOTHER = "\N{WHITE SQUARE}"
"""Stands for every other name that only one version has."""
_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """An old name and the new one, of a kind: ``states``, ``events``, ``roles``, ``fields`` or ``checks``."""

    kind: str
    old: str
    new: str


def certain_renames(old: Node, new: Node) -> tuple[Rename, ...]:
    """Find the renames of which there is no doubt."""
    names = [(kind, _names(old, kind), _names(new, kind)) for kind in (*SECTIONS, STATES)]
    pairs = [Rename(kind=kind, old=a, new=b) for kind, before, after in names for a in before - after for b in after - before]
    if not pairs or len(pairs) > MAX_PAIRS:
        return ()
    gone = {one.old for one in pairs} | {one.new for one in pairs}
    fitting = [one for one in sorted(pairs, key=lambda p: (p.kind, p.old, p.new)) if _fits(one, old, new, gone)]
    return tuple(one for one in fitting if sum(one.old == p.old or one.new == p.new for p in fitting if p.kind == one.kind) == 1)


def renamed(node: Node, renames: Sequence[Rename]) -> Node:
    """Give a document in which the old names are the new ones; everything stands where it stood."""
    return _replaced(node, {one.old: one.new for one in renames}) if renames else node


def _names(root: Node, kind: str) -> set[str]:
    if kind != STATES:
        section = root.get(kind)
        return set(section.entries) if section else set()
    return {name for name, _ in _states(root)}


def _states(node: Node) -> Iterator[tuple[str, Node]]:
    for name, below in (found.entries if (found := node.get("states")) else {}).items():
        yield name, below
        yield from _states(below)


def _replaced(node: Node, words: Mapping[str, str]) -> Node:
    value = node.value
    if isinstance(value, str):
        return Node(value=_reworded(value, words), line=node.line, column=node.column, is_plain=node.is_plain)
    if isinstance(value, tuple):
        return Node(value=tuple(_replaced(item, words) for item in value), line=node.line, column=node.column)
    if isinstance(value, Mapping):
        entries = {_reworded(key, words): _replaced(item, words) for key, item in value.items()}
        places = {_reworded(key, words): place for key, place in node.key_places.items()}
        return Node(value=entries, line=node.line, column=node.column, key_places=places)
    return node


def _reworded(text: str, words: Mapping[str, str]) -> str:
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])(?:{pattern})(?![\w-])", lambda found: words[found[0]], text)


def _fits(one: Rename, old: Node, new: Node, gone: set[str]) -> bool:
    """Tell whether the two are the same thing, and are named in the same places."""
    others = dict.fromkeys(gone - {one.old, one.new}, _ANOTHER)
    before, after = _meaning(_replaced(old, {**others, one.old: one.new})), _meaning(_replaced(new, {**others, one.old: _ANOTHER}))
    word = re.compile(rf"(?<![\w-]){re.escape(one.new)}(?![\w-])")
    return not any(one.new in path or word.search(text) for path, text in _differences(before, after, ()))


def _meaning(node: Node) -> object:
    """Give the plain value without prose; a value that happens to be called like prose is left out too, on both sides."""
    if isinstance(node.value, Mapping):
        return {key: _meaning(part) for key, part in node.entries.items() if key not in PROSE and key != "order"}
    return [_meaning(item) for item in node.items] if isinstance(node.value, tuple) else node.value


def _differences(before: object, after: object, path: _Path) -> Iterator[tuple[_Path, str]]:
    """Give every text that only one side has, with the keys that lead there."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            if key in before and key in after:
                yield from _differences(before[key], after[key], (*path, key))
            else:
                yield path, canonical({key: before.get(key, after.get(key))}).decode()
    elif isinstance(before, list) and isinstance(after, list):
        mine, theirs = _leftover(before, after), _leftover(after, before)
        if len(mine) == len(theirs):
            for one, other in zip(mine, theirs, strict=True):
                yield from _differences(one, other, path)
        else:
            yield from ((path, canonical(one).decode()) for one in (*mine, *theirs))
    elif before != after:
        yield from ((path, canonical(one).decode()) for one in (before, after))


def _leftover(items: list[object], others: list[object]) -> list[object]:
    """Give the items that the other list does not have; what only changed its place is no difference here."""
    known = [canonical(one) for one in others]
    left = []
    for item in items:
        text = canonical(item)
        if text in known:
            known.remove(text)
        else:
            left.append(item)
    return left
