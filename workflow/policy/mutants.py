"""Mutants: a definition with one small fault each, made on the tree of its document so that every fault knows its place.

Promises: pure and in the order of the document; no two mutants are the same. What each fault would need to be noticed is proposed
beside it, as properties written in YAML; whether they hold and notice it is judged elsewhere (`workflow.policy.mutating`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from workflow.policy import proposals
from workflow.policy.faults import conjuncts, is_said_again, limits, negated, other_role, shifted, widened
from workflow.policy.proposals import Where
from workflow.states.definition import Definition, EventName, StatePath
from workflow.states.node import Node, Place
from workflow.states.parse_states import rules

Path = tuple[str | int, ...]
GONE = None
"""In place of a node: the part is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault.

    Attributes:
        kind: what was done, such as ``drop guard``.
        place: line and column of what was changed.
        sentence: what was changed, for people.
        root: the document with the fault.
        proposals: properties in YAML that may notice it, the likeliest first.
    """

    kind: str
    place: Place
    sentence: str
    root: Node = field(repr=False)
    original: Node = field(repr=False)
    proposals: tuple[str, ...] = ()
    path: Path = ()

    @property
    def event(self) -> str:
        """Name the event whose transition was changed, empty where it was something else."""
        holder = self.original
        for part in self.path[: self.path.index("transitions") + 2] if "transitions" in self.path else ():
            holder = holder.items[part] if isinstance(part, int) else holder.entries[part]
        named = holder.get("event") if "transitions" in self.path else None
        return (named.text or "") if named is not None else ""

    @property
    def value(self) -> str:
        """Name the field or payload value that was changed, empty where it was something else."""
        at = next((index for index, part in enumerate(self.path) if part in {"fields", "payload"}), None)
        return "" if at is None else str(self.path[at + 1])


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: str
    place: Place
    sentence: str
    path: Path
    node: Node | None
    proposals: tuple[str, ...] = ()


def mutants(root: Node, definition: Definition) -> Iterator[Mutant]:
    """Give every mutant of a definition, made on the tree that it was read from."""
    seen: set[tuple[Path, str]] = set()
    for fault in _faults(root, definition):
        said = (fault.path, repr(None if fault.node is None else fault.node.plain()))
        if said not in seen:
            seen.add(said)
            made = _replaced(root, fault.path, fault.node)
            yield Mutant(
                kind=fault.kind,
                place=fault.place,
                sentence=fault.sentence,
                root=made,
                original=root,
                proposals=fault.proposals,
                path=fault.path,
            )


def _faults(root: Node, definition: Definition) -> Iterator[_Fault]:
    for name, node in _entries(root, "fields"):
        yield from _value(node, ("fields", name), name)
    for name, node in _entries(root, "checks"):
        yield from _check(node, ("checks", name), definition, name)
    for name, node in _entries(root, "events"):
        yield from _event(node, ("events", name), definition, name)
    yield from _state(root, (), definition, StatePath(""))


def _replaced(node: Node, path: Path, new: Node | None) -> Node:
    """Give the tree with one part exchanged or left out; everything else keeps its place."""
    if not path:
        return new if new is not None else node
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        items = list(node.items)
        changed = _replaced(items[first], rest, new) if rest or new is not None else None
        items[first : first + 1] = [] if changed is None else [changed]
        return replace(node, value=tuple(items))
    entries = dict(node.entries)
    if not rest and new is None:
        entries.pop(first, None)
    else:
        entries[first] = _replaced(entries.get(first, Node(value=None)), rest, new)
    return replace(node, value=entries)


def _entries(node: Node, key: str) -> Iterator[tuple[str, Node]]:
    found = node.get(key)
    yield from (found.entries.items() if found is not None else ())


def _text(value: str, like: Node) -> Node:
    return Node(value=value, line=like.line, column=like.column)


# Values and checks


def _value(node: Node, path: Path, name: str) -> Iterator[_Fault]:
    """Take the marks of a field or payload value away."""
    declared = node.get("type")
    type_ = node.text or (declared.text if declared is not None else None)
    entries = {} if node.text else dict(node.entries)
    if type_ in {"string", "text", "email", "phone"} and "personal" not in entries and "same_as" not in entries:
        marked = {**entries, "type": Node(value=type_), "personal": Node(value=False), "because": Node(value="A mutant.")}
        said = f"{name} is personal no longer"
        yield _Fault("drop mark", node.place, said, path, replace(node, value=marked), proposals.mark(name, "personal"))
    if type_ == "secret":
        bare = {**entries, "type": Node(value="string"), "max_length": Node(value=200)}
        yield _Fault(
            "drop mark", node.place, f"{name} is secret no longer", path, replace(node, value=bare), proposals.mark(name, "secret")
        )
    if "unique" in entries:
        where = node.place_of("unique")
        yield _Fault("drop unique", where, f"{name} is unique no longer", (*path, "unique"), GONE, proposals.mark(name, "unique"))
    if "must_be" in entries:
        where, event = node.place_of("must_be"), str(path[1])
        wanted = proposals.demand(Where(event=event), f"event.{name}")
        yield _Fault("drop must_be", where, f"{name} may be false", (*path, "must_be"), GONE, wanted)


def _check(node: Node, path: Path, definition: Definition, name: str) -> Iterator[_Fault]:
    ttl = node.get("ttl")
    for changed, said in shifted(ttl.text, is_shorter=False) if ttl is not None and ttl.text else ():
        yield _Fault(
            "shift deadline",
            _at(ttl, node),
            f"{name} lives {said}",
            (*path, "ttl"),
            _text(changed, node),
            proposals.lifetime(definition, name),
        )


def _event(node: Node, path: Path, definition: Definition, name: str) -> Iterator[_Fault]:
    type_ = definition.events[EventName(name)]
    by, decision = node.get("by"), node.get("decision")
    if by is not None and not type_.is_engine:
        held, wanted = [str(role) for role in type_.by], proposals.role(name, [str(role) for role in type_.by])
        wider, other = widened(definition, type_), other_role(definition, type_)
        if wider is not None:
            node_ = replace(by, value=(*by.items, _text(wider, by)))
            yield _Fault("widen role", by.place, f"{wider} may {name} too", (*path, "by"), node_, wanted)
        if other is not None:
            said = f"{other} may {name}, and {' and '.join(held)} may not"
            yield _Fault("swap role", by.place, said, (*path, "by"), replace(by, value=(_text(other, by),)), wanted)
    if decision is not None:
        said = f"{name} is no decision: the subject may do it, and who decided in another stage"
        yield _Fault("drop four eyes", node.place_of("decision"), said, (*path, "decision"), GONE, proposals.decision(definition, name))
    checks = node.get("checks")
    for index, one in enumerate(checks.items if checks is not None else ()):
        yield _Fault(
            "drop check", one.place, f"{name} does not run {one.text}", (*path, "checks", index), GONE, proposals.checked(name, one.text)
        )
    for value, payload in _entries(node, "payload"):
        if payload.get("field") is None or payload.get("must_be") is not None:
            yield from _value(payload, (*path, "payload", value), value)
        yield from _typed(payload, (*path, "payload", value), name, value)


def _typed(node: Node, path: Path, event: str, name: str) -> Iterator[_Fault]:
    """Let a payload value stay away, or differ from the one that it repeats."""
    required = node.get("required")
    if required is not None and required.value is True:
        where, said = node.place_of("required"), f"{name} of {event} may be missing"
        yield _Fault("drop required", where, said, (*path, "required"), GONE, proposals.mark(name, "required"))
    same_as = node.get("same_as")
    if same_as is not None:
        where, said = node.place_of("same_as"), f"{name} of {event} need not be the same as {same_as.text}"
        yield _Fault("drop same_as", where, said, (*path, "same_as"), GONE, proposals.mark(name, "repeated"))


# States and transitions


def _state(node: Node, path: Path, definition: Definition, place: StatePath) -> Iterator[_Fault]:
    """Go through a state (the root is one) in the order of the document's parts."""
    for key in ("entry", "exit"):
        listed = node.get(key)
        for index, one in enumerate(listed.items if listed is not None else ()):
            said, effect = f"{_named(place)} does not {_effect(one)} at its {key}", _effect(one)
            yield _Fault("drop action", one.place, said, (*path, key, index), GONE, proposals.effect(Where(state=place), effect, key))
    timers = node.get("timers")
    for index, one in enumerate(timers.items if timers is not None else ()):
        yield from _timer(one, (*path, "timers", index), definition, place)
    paused = node.get("paused_in")
    for index, one in enumerate(paused.items if paused is not None else ()):
        said = f"the timers of {_named(place)} run on in {one.text}"
        wanted = proposals.pause(definition, place, one.text or "")
        whole = (*path, "paused_in") if paused is not None and len(paused.items) == 1 else (*path, "paused_in", index)
        yield _Fault("drop pause", one.place, said, whole, GONE, wanted)
    if not path and node.get("start") is not None:
        yield from _guards(node.get("start") or node, ("start",), definition, Where(event=str(definition.start.event)))
    transitions = node.get("transitions")
    for index, one in enumerate(transitions.items if transitions is not None else ()):
        yield from _transition(one, (*path, "transitions", index), definition, place, index)
    for name, child in _entries(node, "states"):
        yield from _state(child, (*path, "states", name), definition, StatePath(f"{place}.{name}" if place else name))


def _timer(node: Node, path: Path, definition: Definition, place: StatePath) -> Iterator[_Fault]:
    after, name = node.get("after"), str(getattr(node.get("name"), "text", ""))
    timer = next((one for one in definition.states[place].timers if one.name == name), None)
    if timer is None or after is None:
        return
    said = f"the timer {name} of {_named(place)}"
    yield _Fault("drop timer", node.place, f"{said} is gone", path, GONE, proposals.bound(definition, timer))
    for changed, how in shifted(timer.after.text):
        wanted = proposals.bound(definition, timer) if "longer" in how else proposals.not_before(timer)
        yield _Fault("shift deadline", after.place, f"{said} runs {how}", (*path, "after"), _text(changed, after), wanted)


def _transition(node: Node, path: Path, definition: Definition, place: StatePath, index: int) -> Iterator[_Fault]:
    transition = definition.states[place].transitions[index]
    where = Where(event=str(transition.event), state=place, guards=tuple(rule.source for rule in transition.guards))
    yield from _guards(node, path, definition, where)
    target = node.get("target")
    if target is not None and transition.declared_target is not None:
        other = _elsewhere(definition, place, transition.declared_target)
        said = f"{transition.event} in {_named(place)} leads to {other} instead of {target.text}"
        wanted = proposals.leads(where, str(transition.declared_target))
        yield _Fault("swap target", target.place, said, (*path, "target"), _text(other, target), wanted)
    actions = node.get("actions")
    for number, one in enumerate(actions.items if actions is not None else ()):
        said = f"{transition.event} in {_named(place)} does not {_effect(one)}"
        yield _Fault("drop action", one.place, said, (*path, "actions", number), GONE, proposals.effect(where, _effect(one), ""))
    if node.get("quorum") is not None:
        said = f"one {transition.event} in {_named(place)} is enough"
        yield _Fault("drop quorum", node.place_of("quorum"), said, (*path, "quorum"), GONE)
    if node.get("reenter") is not None:
        said = f"{transition.event} does not leave and enter {_named(place)}"
        yield _Fault("drop reenter", node.place_of("reenter"), said, (*path, "reenter"), GONE)


def _guards(node: Node, path: Path, definition: Definition, where: Where) -> Iterator[_Fault]:
    guard = node.get("guard")
    if guard is None:
        return
    found = list(rules(guard))
    for index, (at, rule) in enumerate(found):
        place: Path = (*path, "guard", index) if guard.items else (*path, "guard")
        inner: Path = (*place, "when") if (guard.items[index] if guard.items else guard).text is None else place
        whole = (*path, "guard") if len(found) == 1 else place
        said, wanted = f"{where.event} in {_named(StatePath(where.state))}", proposals.demand(where, rule.source)
        yield _Fault("drop guard", at.place, f"{said} needs no longer: {rule.source}", whole, GONE, wanted)
        yield _Fault(
            "negate guard", at.place, f"{said} needs the contrary of: {rule.source}", inner, _text(negated(rule.source), at), wanted
        )
        parts = conjuncts(rule.source)
        for number, part in enumerate(parts if len(parts) > 1 else ()):
            others = [one for other, one in enumerate(parts) if other != number]
            if is_said_again(definition, part, others):
                continue
            rest = " && ".join(others)
            yield _Fault(
                "drop conjunct", at.place, f"{said} needs no longer: {part}", inner, _text(rest, at), proposals.demand(where, part)
            )
        for changed, how in limits(rule.source):
            yield _Fault("shift limit", at.place, f"{said} allows {how}: {rule.source}", inner, _text(changed, at), wanted)


def _elsewhere(definition: Definition, place: StatePath, target: StatePath) -> str:
    """Choose another target: the next leaf in the order of declaration that lies neither in the old one nor where it comes from."""
    leaves = [leaf.path for leaf in definition.leaves()]
    after = next((i for i, leaf in enumerate(leaves) if definition.is_within(leaf, target)), 0)
    order = leaves[after:] + leaves[:after]
    return str(next((leaf for leaf in order if not definition.is_within(leaf, target) and leaf != place), leaves[0]))


def _effect(node: Node) -> str:
    named: Mapping[str, Node] = node.entries
    return next((f"{kind}.{one.text}" for kind, one in named.items() if kind in {"mail", "sms", "push", "provision", "alert"}), "act")


def _named(place: StatePath) -> str:
    return str(place) or "every state"


def _at(node: Node | None, other: Node) -> Place:
    return (node or other).place
