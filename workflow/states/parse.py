"""From a document's tree to a definition.

Promises: pure; notes every fault and goes on. What comes out may be judged by `check` even when faults were noted, but is a
definition only when there were none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from workflow.states.definition import ROOT, Definition, Digest, Property, StatePath, Transition, Unit
from workflow.states.durations import is_duration, read_duration
from workflow.states.findings import Findings
from workflow.states.grammar import DEFINITION, LANGUAGE, POLICY_KINDS
from workflow.states.known import Known
from workflow.states.node import Node, Place
from workflow.states.parse_fields import read_checks, read_events, read_fields, read_roles, text, whole
from workflow.states.parse_names import Names
from workflow.states.parse_states import States
from workflow.states.semantics import canonical, digest_of, in_order, semantic_digest, with_order
from workflow.states.shapes import judge

MAX_STATES = 500
MAX_TRANSITIONS = 2_000
MAX_TIMERS = 1_000
MAX_NAMES = 2_000
"""Events, fields, roles and checks, each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A definition with the nodes it was read from, so that a later fault still knows its place."""

    definition: Definition
    root: Node = field(repr=False)
    states: Mapping[StatePath, Node] = field(repr=False)
    state_places: Mapping[StatePath, Place] = field(repr=False)
    untyped: frozenset[str] = frozenset()
    """Names of fields and payload values whose type is unknown."""

    def node(self, section: str, name: str) -> Node:
        """Give the node of something named in one of the sections (``events``, ``roles``, ...)."""
        found = self.root.get(section)
        return (found.get(name) if found else None) or self.root

    def place(self, section: str, name: str) -> Place:
        """Give the place of a name in one of the sections."""
        found = self.root.get(section)
        return found.place_of(name) if found else self.root.place

    def place_of_state(self, path: StatePath) -> Place:
        """Give the place of a state's name."""
        return self.state_places.get(path, self.root.place)

    def transition(self, transition: Transition) -> Node:
        """Give the node of a transition, or of the start."""
        if transition is self.definition.start:
            return self.root.get("start") or self.root
        return self.item(transition.source, "transitions", transition.index)

    def item(self, path: StatePath, key: str, index: int) -> Node:
        """Give the node of the n-th item of a list in a state."""
        listed = self.states[path].get(key)
        return listed.items[index] if listed is not None and index < len(listed.items) else self.states[path]


def parse(root: Node, *, known: Known, findings: Findings, text_digest: Digest | None = None) -> Parsed | None:
    """Read a definition.

    Args:
        root: the document.
        known: kinds of checks and actions.
        findings: where faults are noted.
        text_digest: SHA-256 of the bytes as written; of the canonical data when left out.

    Returns:
        The definition with its nodes; None when so much is missing that there is nothing to judge further.
    """
    judge(root, DEFINITION, findings)
    _judge_version(root, findings)
    root = with_order(in_order(root))
    if not _is_workable(root, findings):
        return None
    names = Names(root, findings)
    fields = read_fields(names)
    events = read_events(names, fields)
    states = States(names, events, known)
    tree = states.read()
    roles, checks = read_roles(names), read_checks(names)
    start = _start(root, names, states)
    if start is None:
        return None
    content = root.plain()
    usable = not findings.has_errors and isinstance(content, dict)
    definition = Definition(
        name=text(root.get("definition")),
        language=whole(root.get("language")) or LANGUAGE,
        title=text(root.get("title")),
        description=text(root.get("description")),
        calendar=text(root.get("calendar")) or None,
        catalogue=text(root.get("catalogue")) or None,
        subject=names.subject,
        roles=roles,
        fields=fields,
        checks=checks,
        events=events,
        start=start,
        states=tree,
        policy=_policy(root.get("policy")),
        digest=semantic_digest(root) if usable else Digest(""),
        text_digest=text_digest or (digest_of(canonical(content)) if usable else Digest("")),
        data=content if isinstance(content, dict) else {},
        retention=_retention(root.get("retention")),
        erasure=names.engine_event(root.get("erasure")),
    )
    return Parsed(definition=definition, root=root, states=names.states, state_places=names.state_places, untyped=frozenset(names.untyped))


def _judge_version(root: Node, findings: Findings) -> None:
    language, retention = root.get("language"), root.get("retention")
    if language is not None and (version := whole(language)) is not None and version != LANGUAGE:
        findings.note(language, "unknown-language", f"This installation reads version {LANGUAGE} of the language, not {version}.")
    for node in _retentions(retention).values():
        if is_duration(text(node)) and read_duration(text(node)) is None:
            findings.note(node, "invalid-duration", "The retention must be at least a second and at most ten years.")


def _retentions(node: Node | None) -> dict[str, Node]:
    """Give the duration of each outcome; one duration for all stands for every outcome after which no account lives on."""
    if node is None:
        return {}
    return dict(node.entries) if isinstance(node.value, Mapping) else dict.fromkeys(("failure", "neutral"), node)


def _retention(node: Node | None) -> dict[str, Unit]:
    found = {outcome: read_duration(text(one)) for outcome, one in _retentions(node).items()}
    return {outcome: unit for outcome, unit in found.items() if unit is not None}


def _is_workable(root: Node, findings: Findings) -> bool:
    """Refuse what is too large before anything compares all of it with all of it."""
    states, transitions, timers = _counts(root)
    limits = {"states": (states, MAX_STATES), "transitions": (transitions, MAX_TRANSITIONS), "timers": (timers, MAX_TIMERS)}
    for section in ("roles", "fields", "checks", "events"):
        node = root.get(section)
        limits[section] = (len(node.entries) if node else 0, MAX_NAMES)
    too_many = {what: (count, limit) for what, (count, limit) in limits.items() if count > limit}
    for what, (count, limit) in too_many.items():
        findings.note(root.place_of(what), "too-many", f"There are {count} {what}; at most {limit} are allowed.")
    return states > 0 and not too_many


def _counts(node: Node) -> tuple[int, int, int]:
    inner, transitions, timers = node.get("states"), node.get("transitions"), node.get("timers")
    below = [_counts(child) for child in (inner.entries.values() if inner else ())]
    return (
        len(below) + sum(one[0] for one in below),
        (len(transitions.items) if transitions else 0) + sum(one[1] for one in below),
        (len(timers.items) if timers else 0) + sum(one[2] for one in below),
    )


def _start(root: Node, names: Names, states: States) -> Transition | None:
    node = root.get("start")
    if node is None:
        return None
    found = states.transition(node, ROOT, 0)
    if found is None or found.declared_target is not None or node.get("target") is not None:
        return found
    return replace(found, target=names.leaf(ROOT), declared_target=names.initial(ROOT))


def _policy(node: Node | None) -> tuple[Property, ...]:
    found = (_property(item) for item in (node.items if node else ()))
    return tuple(one for one in found if one is not None)


def _property(node: Node) -> Property | None:
    kind = next((one for one in POLICY_KINDS if node.get(one) is not None), None)
    body = node.get(kind) if kind else None
    if kind is None or body is None:
        return None
    plain = body.plain()
    return Property(
        name=text(node.get("name")),
        kind=kind,
        body=plain if isinstance(plain, dict) else {},
        severity="warning" if text(node.get("severity")) == "warning" else "error",
        sentence=text(node.get("because")) or text(node.get("description")),
    )
