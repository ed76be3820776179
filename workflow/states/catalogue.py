"""The catalogue as a value: the sets of keys that fields choose from, and what makes chosen values fit one another.

Promises: plain data; an item is a mapping of attributes, `title` for people and others that rules compare. The judgements
are pure and name every fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from workflow.errors import Reason
from workflow.states.definition import CatalogueRule, Digest, Field, FieldName

Item = Mapping[str, str | bool | int | tuple[str, ...]]

_SHOWN = 64
"""Characters of a given value that a reason repeats; it may come from anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Named sets of items, each by key: ``sets["centres"]["berlin-sample"]["network"]``."""

    name: str
    title: str
    sets: Mapping[str, Mapping[str, Item]]
    digest: Digest
    data: Mapping[str, object] = field(repr=False, compare=False)


def faults(
    field: Field, value: object, payload: Mapping[str, object], instance_fields: Mapping[str, object], catalogue: Catalogue | None
) -> tuple[Reason, ...]:
    """Judge one value against the catalogue.

    Args:
        field: with its catalogue rule; a field without one has no faults.
        value: in its normal form, a tuple of keys when `field.is_many`.
        payload: the other values of the same event; they come before those of the instance.
        instance_fields: the instance's plain fields.
        catalogue: in force now; None refuses, because nothing can be looked up.

    Returns:
        Every reason, of code ``not_in_catalogue``, ``does_not_belong``, ``not_offered``, ``choose_first``, ``needs_more`` or
        ``no_catalogue``.
    """
    rule = field.catalogue
    if rule is None:
        return ()
    if catalogue is None or rule.set_name not in catalogue.sets:
        message = f"{field.name} is chosen from {rule.set_name!r}, which is not published."
        return (Reason(code="no_catalogue", message=message, needed="a published catalogue with that set", field=field.name),)
    items = catalogue.sets[rule.set_name]
    chosen = _keys(value)
    unknown = tuple(_unknown(field.name, key, rule, items) for key in chosen if key not in items)
    known = {key: items[key] for key in chosen if key in items}
    others = {**instance_fields, **payload}
    return (
        *unknown,
        *_unmatched(field.name, rule, known, others),
        *_unlisted(field.name, rule, known, others=others, catalogue=catalogue),
        *(_needed(field.name, known, items) if field.is_many else ()),
    )


def choices(field: Field, others: Mapping[str, object], catalogue: Catalogue) -> Mapping[str, Item]:
    """Give the items a person may choose from, after the `others` that were chosen; all of the set while those are open."""
    rule = field.catalogue
    if rule is None:
        return {}
    found = dict(catalogue.sets.get(rule.set_name, {}))
    for attribute, other in rule.matches.items():
        if others.get(other):
            found = {key: item for key, item in found.items() if item.get(attribute) == others[other]}
    listed = _listed(rule, others, catalogue)
    return found if listed is None else {key: item for key, item in found.items() if key in listed}


def _keys(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, tuple | list) else (str(value),)


def _title(key: str, item: Item | None) -> str:
    return str((item or {}).get("title", key))


def _unknown(name: FieldName, key: str, rule: CatalogueRule, items: Mapping[str, Item]) -> Reason:
    close = get_close_matches(key[:_SHOWN], items, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    message = f"{name}: {key[:_SHOWN]!r} is not among the {rule.set_name}.{hint}"
    return Reason(code="not_in_catalogue", message=message, needed=f"a key of {rule.set_name}", field=name)


def _choose_first(name: FieldName, other: FieldName) -> Reason:
    return Reason(
        code="choose_first", message=f"{name} depends on {other}, which is not chosen.", needed=f"a value for {other}", field=name
    )


def _unmatched(name: FieldName, rule: CatalogueRule, known: Mapping[str, Item], others: Mapping[str, object]) -> Iterator[Reason]:
    for attribute, other in rule.matches.items():
        wanted = others.get(other)
        if wanted is None or wanted == "":
            yield _choose_first(name, other)
            continue
        for key, item in known.items():
            if item.get(attribute) != wanted:
                message = f"{name}: {_title(key, item)} does not belong to the {other} {str(wanted)[:_SHOWN]}."
                yield Reason(code="does_not_belong", message=message, needed=f"one of the {rule.set_name} of that {other}", field=name)


def _listed(rule: CatalogueRule, others: Mapping[str, object], catalogue: Catalogue) -> tuple[str, ...] | None:
    """Give the keys that the item chosen elsewhere lists; None when no such rule or no such item limits the choice."""
    if rule.listed_in is None:
        return None
    other, attribute = rule.listed_in
    item = catalogue.sets.get(rule.field_sets.get(other, ""), {}).get(str(others.get(other)))
    if item is None:
        return None
    listed = item.get(attribute, ())
    return listed if isinstance(listed, tuple) else (str(listed),)


def _unlisted(
    name: FieldName, rule: CatalogueRule, known: Mapping[str, Item], *, others: Mapping[str, object], catalogue: Catalogue
) -> Iterator[Reason]:
    if rule.listed_in is None:
        return
    other, _ = rule.listed_in
    listed = _listed(rule, others, catalogue)
    if listed is None:
        yield _choose_first(name, other)
        return
    for key, item in known.items():
        if key not in listed:
            message = f"{name}: {_title(key, item)} is not offered by the chosen {other}."
            yield Reason(code="not_offered", message=message, needed=", ".join(listed) or "another choice", field=name)


def _needed(name: FieldName, known: Mapping[str, Item], items: Mapping[str, Item]) -> Iterator[Reason]:
    for key, item in known.items():
        needs = item.get("needs", ())
        for other in needs if isinstance(needs, tuple) else ():
            if other not in known:
                message = f"{name}: {_title(key, item)} can only be chosen together with {_title(other, items.get(other))}."
                yield Reason(code="needs_more", message=message, needed=other, field=name)
