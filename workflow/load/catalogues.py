"""Catalogues: from YAML or stored data to a value, with every fault at once.

Promises: every relation that the catalogue declares holds for every item, so that a choice can never lead nowhere; items are
in the order of their keys, whoever wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files

from workflow.load.reading import Source, open_data, open_source, refuse_faults
from workflow.states.catalogue import Catalogue, Item
from workflow.states.findings import Findings, quote
from workflow.states.node import Node
from workflow.states.semantics import canonical, digest_of
from workflow.states.shapes import Either, Flag, Key, ListOf, Named, Record, Text, Whole, judge

COUNTRIES = "countries"
"""The keys of a set by this name are country codes of ISO 3166."""
NEEDS = "needs"
"""The attribute that lists keys of the same set which must be chosen too."""

# The European institutions' own codes for Greece and the United Kingdom differ from ISO 3166.
_OFTEN_MEANT = {"EL": "GR", "UK": "GB"}
_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_LINE = Text(max_length=254)
_ITEM = Record(
    what="an item",
    keys={
        "title": Key(shape=_LINE, description="for people"),
        "description": Key(shape=Text(), description="for people"),
        NEEDS: Key(shape=ListOf(item=_LINE), description="keys of the same set that must be chosen too"),
    },
    others=Either(options=(_LINE, Flag(), Whole(), ListOf(item=_LINE)), what="text, a whole number, true, false or a list of texts"),
)
SHAPE = Record(
    what="a catalogue",
    keys={
        "catalogue": Key(
            shape=Text(pattern=r"[a-z][a-z0-9_-]*", what="a name of lower-case letters, digits, - and _", max_length=64),
            description="its name",
            is_required=True,
        ),
        "title": Key(shape=_LINE, description="for people"),
        "description": Key(shape=Text(), description="for people"),
        "relations": Key(
            shape=Named(item=Named(item=_LINE, what="an attribute"), what="a set"),
            description="for a set, its attributes that hold keys of another set, and which",
        ),
        "sets": Key(
            shape=Named(
                item=Record(what="a set", keys={}, others=Either(options=(_LINE, _ITEM), what="a title or an item's attributes")),
                what="a set",
                may_be_reserved=True,
                least=1,
            ),
            description="the items by key, for each set",
            is_required=True,
        ),
    },
)


def read_catalogue(source: Source, *, name: str = "<string>") -> Catalogue:
    """Read a catalogue that a person wrote.

    Args:
        source: a path, or the YAML itself as text or bytes.
        name: how findings call it when `source` is no path.

    Returns:
        The catalogue; `data` is its stored form, `digest` the SHA-256 of that in canonical JSON.

    Raises:
        DefinitionError: with all findings.
    """
    return _catalogue(*open_source(source, name=name))


def catalogue_from_data(data: Mapping[str, object]) -> Catalogue:
    """Read a stored catalogue; gives the value that `read_catalogue` gave when it was published.

    Raises:
        DefinitionError: with all findings, at line 1.
    """
    return _catalogue(*open_data(data, kind="catalogue"))


@lru_cache(maxsize=1)
def country_codes() -> frozenset[str]:
    """Give the two-letter codes of ISO 3166-1, as the zone database lists them."""
    lines = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split("\t")[0] for line in lines if line and not line.startswith("#"))


def _catalogue(root: Node, findings: Findings) -> Catalogue:
    judge(root, SHAPE, findings)
    _judge_keys(root, findings)
    _judge_lists(root, findings)
    _judge_relations(root, findings)
    refuse_faults(findings)
    sets = {name: {key: _item(node) for key, node in sorted(items.entries.items())} for name, items in sorted(_sets(root).items())}
    data = _data(root, sets)
    title = root.get("title")
    return Catalogue(
        name=root.entries["catalogue"].text or "",
        title=(title and title.text) or "",
        sets=sets,
        digest=digest_of(canonical(data)),
        data=data,
    )


def _data(root: Node, sets: Mapping[str, Mapping[str, Item]]) -> dict[str, object]:
    kept = {key: root.entries[key].plain() for key in ("catalogue", "title", "description", "relations") if key in root.entries}
    plain = {
        name: {
            key: {attribute: list(value) if isinstance(value, tuple) else value for attribute, value in item.items()}
            for key, item in items.items()
        }
        for name, items in sets.items()
    }
    return {**kept, "sets": plain}


def _item(node: Node) -> Item:
    """Read an item; a bare text is its title."""
    if node.text is not None:
        return {"title": node.text}
    return {attribute: _value(value) for attribute, value in sorted(node.entries.items())}


def _value(node: Node) -> str | bool | int | tuple[str, ...]:
    if isinstance(node.value, str | bool | int):
        return node.value
    return tuple(item.text or "" for item in node.items)


def _sets(root: Node) -> Mapping[str, Node]:
    sets = root.get("sets")
    return {} if sets is None else sets.entries


def _items(root: Node) -> Iterator[tuple[str, Node, str, Node]]:
    """Give set name, set, key and item of everything."""
    for name, items in _sets(root).items():
        for key, item in items.entries.items():
            yield name, items, key, item


def _judge_keys(root: Node, findings: Findings) -> None:
    for name, items, key, item in _items(root):
        if _KEY.fullmatch(key) is None:
            message = f"{quote(key)} cannot be a key: letters without accents, digits, and . _ - inside, at most 64."
            findings.note(items.place_of(key), "invalid-key", message)
        elif name == COUNTRIES and key not in country_codes():
            meant = _OFTEN_MEANT.get(key, key.upper())
            hint = f" Did you mean {meant!r}?" if meant in country_codes() else ""
            findings.note(items.place_of(key), "unknown-country", f"{quote(key)} is no country code of ISO 3166.{hint}")
        for attribute in item.entries:
            if re.fullmatch(r"[a-z][a-z0-9_]*", attribute) is None:
                message = f"{quote(attribute)} cannot be the name of an attribute: lower-case letters, digits and _."
                findings.note(item.place_of(attribute), "invalid-name", message)


def _judge_lists(root: Node, findings: Findings) -> None:
    for _, _, _, item in _items(root):
        for attribute, values in item.entries.items():
            seen: set[str | None] = set()
            for value in values.items:
                if value.text in seen:
                    findings.note(value, "duplicate-value", f"{quote(value.text or '')} is listed twice in {attribute!r}.")
                seen.add(value.text)


def _judge_relations(root: Node, findings: Findings) -> None:
    sets = _sets(root)
    for name in sets:
        _judge_relation(name, (NEEDS, name), sets=sets, findings=findings, is_optional=True)
    relations = root.get("relations") or Node(value={})
    for name, attributes in relations.entries.items():
        if name not in sets:
            findings.note(relations.place_of(name), "unknown-set", f"There is no set {quote(name)}.{findings.hint(name, sets)}")
            continue
        for attribute, target in attributes.entries.items():
            if target.text is not None and target.text not in sets:
                findings.note(target, "unknown-set", f"There is no set {quote(target.text)}.{findings.hint(target.text, sets)}")
            elif target.text is not None:
                _judge_relation(name, (attribute, target.text), sets=sets, findings=findings)


def _judge_relation(
    name: str, relation: tuple[str, str], *, sets: Mapping[str, Node], findings: Findings, is_optional: bool = False
) -> None:
    """Judge that an attribute of every item of a set holds keys of another set."""
    attribute, target = relation
    known = sets[target].entries
    for key, item in sets[name].entries.items():
        node = item.get(attribute)
        if node is None:
            if not is_optional:
                message = f"{quote(key)} of {name} says nothing about {attribute!r}, which relates it to {target}."
                findings.note(sets[name].place_of(key), "missing-attribute", message)
            continue
        for value in node.items or (node,):
            if value.text is not None and value.text not in known:
                message = f"There is no {quote(value.text)} among the {target}.{findings.hint(value.text, known)}"
                findings.note(value, "unknown-item", message)
