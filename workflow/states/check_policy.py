"""Judges the names in the policy block; what its rules mean is the business of `workflow.policy`.

Promises: pure; a rule that names nothing would hold for ever without saying anything, so every name must lead somewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workflow.states.check_events import every_action
from workflow.states.definition import Definition
from workflow.states.durations import is_duration, read_duration
from workflow.states.findings import Findings, quote
from workflow.states.node import Node
from workflow.states.parse import Parsed
from workflow.states.parse_names import SUBJECT

_NEEDS = {
    "before": "state",
    "actor": "event",
    "same_actor_as": "event",
    "later_than": "event",
    "earlier_than": "event",
    "more_than": "event",
}
"""Keys of a `never` rule that mean something only beside another."""


def check_policy(parsed: Parsed, findings: Findings) -> None:
    """Note every property whose names lead nowhere."""
    known = _names(parsed.definition)
    listed = parsed.root.get("policy")
    seen: set[str] = set()
    for item in listed.items if listed else ():
        name = item.get("name")
        if name is not None and name.text in seen:
            findings.note(name, "duplicate-property", f"There is a property {quote(name.text or '')} already; names are unique.")
        seen.add((name.text or "") if name else "")
        for kind in _KINDS:
            body = item.get(kind)
            if body is not None:
                _check_body(kind, body, known, findings)
                _check_durations(parsed, body, findings)


def _names(definition: Definition) -> Mapping[str, set[str]]:
    states = {name for path, state in definition.states.items() for name in (path, state.name) if name}
    events = set(map(str, definition.events))
    timers = {
        f"{holder}.{timer.name}" if holder else timer.name
        for state in definition.states.values()
        for timer in state.timers
        for holder in (state.path, state.name)
    }
    actions = list(every_action(definition))
    values = {str(name) for event in definition.events.values() for name in event.payload}
    return {
        "state": states,
        "event": events,
        "state or event": states | events,
        "role": {SUBJECT, *map(str, definition.roles)},
        "timer": timers,
        "effect": {action.kind for action in actions}
        | {action.name for action in actions}
        | {f"{one.kind}{mark}{one.name}" for one in actions for mark in ".:"},
        "field": set(map(str, definition.fields)) | values,
    }


_KINDS: Mapping[str, Mapping[str, str]] = {
    "never": {
        "state": "state",
        "before": "state or event",
        "event": "event",
        "actor": "role",
        "same_actor_as": "event",
        "since": "state or event",
    },
    "always": {"state": "state", "event": "event", "leads_to": "state or event", "clock": "timer"},
    "requires": {"event": "event", "state": "state", "effect": "effect", "leads_to": "state", "actor": "role"},
    "field": {"name": "field"},
    "cel": {"state": "state", "event": "event"},
}
"""Key of a body -> what it names."""


def _check_body(kind: str, body: Node, known: Mapping[str, set[str]], findings: Findings) -> None:
    for key, what in _KINDS[kind].items():
        node = body.get(key)
        for item in _one_or_many(node):
            if item.text is not None and item.text not in known[what]:
                code = f"unknown-{what.partition(' ')[0]}"
                findings.note(item, code, f"There is no {what} {quote(item.text)}.{findings.hint(item.text, known[what])}")
    if kind == "requires":
        _check_requires(body, findings)
    if kind == "never":
        _check_never(body, known, findings)


def _check_requires(body: Node, findings: Findings) -> None:
    if body.get("event") is None and body.get("state") is None:
        findings.note(body, "missing-key", "Say of what: an `event`, or a `state` that is entered.")
    for key in ("when", "actor"):
        if body.get(key) is not None and body.get("event") is None:
            findings.note(body.place_of(key), "missing-key", f"In a requires rule {key!r} stands beside 'event'.")


def _check_never(body: Node, known: Mapping[str, set[str]], findings: Findings) -> None:
    _check_what(body, findings)
    since, limits = body.get("since"), [key for key in ("later_than", "earlier_than") if body.get(key) is not None]
    if (since is None) is not (not limits):
        where = body.place_of("since" if since else limits[0])
        findings.note(where, "missing-key", "In a never rule 'since' stands beside 'later_than' or 'earlier_than'.")
    if since is not None and since.text is not None and body.get("later_than") is not None and since.text not in known["event"]:
        findings.note(since, "unknown-event", f"'later_than' counts since an event; {quote(since.text)} is none.")
    for key, other in _NEEDS.items():
        if body.get(key) is not None and body.get(other) is None:
            findings.note(body.place_of(key), "missing-key", f"In a never rule {key!r} stands beside {other!r}.")
    said = [key for key in ("before", "actor", "same_actor_as", "later_than", "earlier_than", "more_than") if body.get(key) is not None]
    if not said and body.get("event") is not None and body.get("state") is None:
        message = "Say when the event must never be accepted: actor, same_actor_as, later_than, earlier_than or more_than."
        findings.note(body, "missing-key", message)


def _check_what(body: Node, findings: Findings) -> None:
    """A never rule is about a state or an event; beside an event a state says where, for what has no other condition than a time."""
    if body.get("event") is None and body.get("state") is None:
        findings.note(body, "missing-key", "A never rule needs one of the keys state, event.")
    others = [key for key in ("before", "actor", "same_actor_as", "later_than", "more_than") if body.get(key) is not None]
    if body.get("event") is not None and body.get("state") is not None and others:
        message = f"In a never rule with {others[0]!r} there can be only one of the keys state, event."
        findings.note(body.place_of("state"), "keys-exclude-each-other", message)


def _one_or_many(node: Node | None) -> Iterable[Node]:
    if node is None:
        return ()
    return node.items or (node,)


def _check_durations(parsed: Parsed, body: Node, findings: Findings) -> None:
    for key in ("within", "later_than", "earlier_than"):
        node = body.get(key)
        if node is None or node.text is None or not is_duration(node.text):
            continue
        unit = read_duration(node.text)
        if unit is None:
            findings.note(node, "invalid-duration", f"{quote(node.text)} is no duration: at least a second, at most ten years.")
        elif unit.kind != "elapsed" and parsed.definition.calendar is None:
            findings.note(node, "missing-calendar", f"{unit.text} is working time: say by which `calendar: NAME`.")
