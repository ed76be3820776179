"""Judges what a definition uses from outside itself: checks, actions, calendar, catalogue; and how long links and codes live.

Promises: pure; what cannot be known without the published documents (the items of a catalogue) is left to publication.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workflow.states.check_events import every_action, reported
from workflow.states.definition import CheckUse, EventType, Field, FieldName, FieldType, StatePath, TimerType
from workflow.states.durations import read_duration
from workflow.states.findings import Findings, quote
from workflow.states.known import CheckSpec, Known
from workflow.states.node import Node
from workflow.states.parse import Parsed

# NIST SP 800-63B-4 §4.2.1.2: a mailed link; §3.1.3.2: an out-of-band code.
LONGEST_SECONDS = {"mail": 86_400, "sms": 600}


def check_uses(parsed: Parsed, known: Known, findings: Findings) -> None:
    """Note every wrong use of something that the definition does not declare itself."""
    for use in parsed.definition.checks.values():
        _check_use(parsed, known, use, findings)
    for event in parsed.definition.events.values():
        for name in event.checks:
            _check_reads(parsed, known, event, name, findings)
    for node in _action_nodes(parsed):
        _check_action(parsed, known, node, findings)
    _check_lifetimes(parsed, findings)
    _check_calendar(parsed, findings)
    _check_fields(parsed, findings)


def _check_use(parsed: Parsed, known: Known, use: CheckUse, findings: Findings) -> None:
    node = parsed.node("checks", use.name)
    spec = known.checks.get(use.use)
    if spec is None:
        where = node.get("use") or parsed.place("checks", use.name)
        findings.note(where, "unknown-check-kind", f"There is no kind of check {quote(use.use)}.{findings.hint(use.use, known.checks)}")
        return
    takes = {*spec.params, *spec.reads}
    for key in use.params:
        if key not in takes:
            message = f"A check of kind {use.use!r} takes no {quote(key)}.{findings.hint(key, takes)}"
            findings.note(node.place_of(key), "unknown-parameter", message)
    for key, is_required in spec.params.items():
        value = node.get(key)
        if is_required and value is None:
            message = f"A check of kind {use.use!r} needs {key!r}."
            findings.note(parsed.place("checks", use.name), "missing-parameter", message)
        elif value is not None:
            _check_param(parsed, spec, key, value, findings)


def _check_param(parsed: Parsed, spec: CheckSpec, key: str, value: Node, findings: Findings) -> None:
    definition = parsed.definition
    for item in value.items or (value,):
        if isinstance(item.value, dict | list | tuple):  # that it is no plain value has been said: by the shape
            continue
        choices = spec.choices.get(key)
        if choices is not None and item.value not in choices:
            known = [str(one) for one in choices]
            message = f"{key!r} cannot be {quote(str(item.value))}.{findings.hint(str(item.value), known)}"
            findings.note(item, "invalid-value", message)
        fields, roles = set(map(str, definition.fields)), set(map(str, definition.roles))
        for what, keys, names in (("field", spec.names_fields, fields), ("role", spec.names_roles, roles)):
            if key in keys and item.value not in names:
                message = f"There is no {what} {quote(str(item.value))}.{findings.hint(str(item.value), names)}"
                findings.note(item, f"unknown-{what}", message)
        if key in spec.names_events:
            _check_named_event(parsed, item, findings)
    if spec.use == "link" and key == "purpose" and not any(action.link == value.value for action in every_action(definition)):
        message = f"No action sends a link for {quote(str(value.value))}: say `link: {value.text}` at the one that does."
        findings.note(value, "link-never-sent", message)
    if key in spec.longest_seconds:
        _check_longest(value, key, spec.longest_seconds[key], findings)


def _check_named_event(parsed: Parsed, item: Node, findings: Findings) -> None:
    events = parsed.definition.events
    if item.value not in events:
        message = f"There is no event {quote(str(item.value))}.{findings.hint(str(item.value), events)}"
        findings.note(item, "unknown-event", message)
    elif item.value not in reported(parsed.definition):
        message = f"No action reports {item.value!r} (as `done` or `failed`), so its instant is never known."
        findings.note(item, "since-never-reported", message)


def _check_longest(value: Node, key: str, longest: int, findings: Findings) -> None:
    unit = read_duration(value.text or "")
    if unit is None or unit.kind != "elapsed":
        findings.note(value, "invalid-duration", f"{key!r} must be an elapsed duration like PT5M.")
    elif unit.amount > longest:
        findings.note(value, "lives-too-long", f"{key!r} may be at most {longest // 60} minutes (NIST SP 800-63B-4).")


def _check_reads(parsed: Parsed, known: Known, event: EventType, check: str, findings: Findings) -> None:
    """What a check reads must come with the event that runs it."""
    use = parsed.definition.checks.get(check)
    spec = known.checks.get(use.use) if use else None
    if use is None or spec is None:
        return
    listed = parsed.node("events", event.name).get("checks")
    where = next((item for item in (listed.items if listed else ()) if item.text == check), parsed.root)
    for param, default in spec.reads.items():
        wanted = str(use.params.get(param, default))
        if wanted not in event.payload:
            message = f"The check {check!r} reads the payload value {quote(wanted)}, which {event.name!r} does not have."
            findings.note(where, "unknown-payload-value", message + findings.hint(wanted, event.payload))


def _action_nodes(parsed: Parsed) -> Iterator[Node]:
    """Give the node of every action."""
    start = parsed.root.get("start")
    holders = [node for node in (start, *parsed.states.values()) if node is not None]
    holders += [item for node in parsed.states.values() for item in _items(node, "transitions")]
    for holder in holders:
        for key in ("actions", "entry", "exit"):
            yield from _items(holder, key)


def _items(node: Node, key: str) -> tuple[Node, ...]:
    found = node.get(key)
    return found.items if found else ()


def _check_action(parsed: Parsed, known: Known, node: Node, findings: Findings) -> None:
    for kind, spec in known.actions.items():
        named = node.get(kind)
        if named is not None and named.text is not None and spec.names is not None and named.text not in spec.names:
            message = f"There is no {kind} {quote(named.text)}.{findings.hint(named.text, spec.names)}"
            findings.note(named, "unknown-template", message)
    to = node.get("to")
    role = next((role for name, role in parsed.definition.roles.items() if to is not None and name == to.text), None)
    if to is not None and role is not None and role.is_anyone:
        message = f"{role.name!r} is anyone's role; nobody is known to hold it, so nobody can be told."
        findings.note(to, "nobody-holds", message)


def _check_lifetimes(parsed: Parsed, findings: Findings) -> None:
    """A timer since the report of a mailed link or a texted code is its lifetime; of a ladder the first rung is."""
    definition = parsed.definition
    for kind, longest in LONGEST_SECONDS.items():
        actions = [action for action in every_action(definition) if action.kind == kind and (action.link or kind == "sms")]
        for report in dict.fromkeys(action.done for action in actions if action.done is not None):
            timers = [timer for state in definition.states.values() for timer in state.timers if timer.since == report]
            first = min(timers, key=_shortest_seconds, default=None)
            if first is None or (first.after.kind == "elapsed" and first.after.amount <= longest):
                continue
            what = "A mailed link lives at most 24 hours" if kind == "mail" else "A texted code lives at most 10 minutes"
            message = f"{what} (NIST SP 800-63B-4); no earlier timer runs since {report!r}."
            findings.note(_after(parsed, first.state, first.name), "lives-too-long", message)


def _shortest_seconds(timer: TimerType) -> tuple[bool, int]:
    return (timer.after.kind != "elapsed", timer.after.amount)


def _after(parsed: Parsed, path: StatePath, name: str) -> Node:
    items = _items(parsed.states[path], "timers")
    found = next((item for item in items if (named := item.get("name")) is not None and named.text == name), parsed.states[path])
    return found.get("after") or found


def _check_calendar(parsed: Parsed, findings: Findings) -> None:
    if parsed.definition.calendar is not None:
        return
    for state in parsed.definition.states.values():
        for timer in state.timers:
            if timer.after.kind != "elapsed":
                message = f"{timer.after.text} is working time: say by which `calendar: NAME`."
                findings.note(_after(parsed, state.path, timer.name), "missing-calendar", message)


def _check_fields(parsed: Parsed, findings: Findings) -> None:
    definition = parsed.definition
    for node in _catalogue_nodes(parsed):
        if definition.catalogue is None:
            message = "The field chooses from a catalogue: say from which with `catalogue: NAME` at the top."
            findings.note(node.place_of("catalogue"), "missing-catalogue", message)
        for key in ("matches", "listed_in"):
            for other, where in _named_fields(node, key, definition.fields):
                if other.is_personal:
                    message = f"{other.name!r} is personal; its value is sealed and cannot be compared with a catalogue."
                    findings.note(where, "personal-in-rule", message)
    for role in definition.roles.values():
        scope = definition.fields.get(role.scope) if role.scope else None
        if scope is not None and (scope.is_personal or scope.is_many or scope.type not in {FieldType.STRING, FieldType.CHOICE}):
            message = f"{scope.name!r} cannot be a scope: it must be one string or choice that is not personal."
            findings.note(parsed.node("roles", role.name).get("scope") or parsed.root, "invalid-scope", message)


def _catalogue_nodes(parsed: Parsed) -> Iterator[Node]:
    fields, events = parsed.root.get("fields"), parsed.root.get("events")
    payloads = [event.get("payload") for event in (events.entries.values() if events else ())]
    for holder in (fields, *payloads):
        yield from (node for node in (holder.entries.values() if holder else ()) if node.get("catalogue"))


def _named_fields(node: Node, key: str, fields: Mapping[FieldName, Field]) -> Iterator[tuple[Field, Node]]:
    rule = node.get(key)
    if rule is None:
        return
    for item in rule.entries.values() if key == "matches" else [rule.get("field") or rule]:
        field = fields.get(FieldName(item.text or ""))
        if field is not None:
            yield field, item
