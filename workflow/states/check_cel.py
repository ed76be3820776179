"""Judges the expressions of a definition: guards, assignments and the expressions of its policy.

Promises: pure; a fault points at the spot inside the expression, wherever in the document that is. What guards must not see
(personal and secret values) has its own message, because the cure is a check, not another name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass

from workflow.states.check_events import every_transition
from workflow.states.definition import Assignment, Definition, EventName, EventType, Field, FieldType, Transition
from workflow.states.findings import Findings, quote
from workflow.states.grammar import MAX_GUARD_CHARACTERS
from workflow.states.guards import CelType, Guard, GuardError, GuardFault, compile_guard, leaves_of, type_of_field
from workflow.states.known import Known
from workflow.states.node import Node
from workflow.states.parse import Parsed
from workflow.states.parse_states import rules

_NAMESPACES = ("instance", "has", "event", "actor", "facts", "count", "distinct_actors")
_DOTTED = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*")
# Strings and comments name nothing (CEL specification, "Syntax").
_SILENT = re.compile(r"'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|//[^\n]*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What the expressions of one event may mention.

    `blind` are parts of names whose type is unknown: an unknown kind of check, a field of an unknown type. They were noted
    where they are declared.
    """

    definition: Definition
    event: EventType | None
    leaves: Mapping[str, CelType]
    blind: tuple[str, ...] = ()


def check_expressions(parsed: Parsed, known: Known, findings: Findings) -> None:
    """Note every fault of every expression."""
    definition = parsed.definition
    scopes: dict[str, _Scope] = {}
    for transition in every_transition(definition):
        scope = scopes.get(transition.event)
        if scope is None:
            scope = scopes[transition.event] = _scope(parsed, known, definition.events[transition.event])
        _check_guards(parsed, transition, scope, findings)
        _check_assignments(parsed, transition, scope, findings)
    _check_properties(parsed, known, scopes, findings)


def _scope(parsed: Parsed, known: Known, event: EventType | None) -> _Scope:
    definition = parsed.definition
    uses = {name: definition.checks.get(name) for name in (event.checks if event else ())}
    blind = [f"facts.{name}." for name, use in uses.items() if use is None or use.use not in known.checks]
    blind += [f"{namespace}.{name}" for name in parsed.untyped for namespace in ("instance", "event")]
    return _Scope(definition=definition, event=event, leaves=leaves_of(definition, known, event), blind=tuple(blind))


def _check_guards(parsed: Parsed, transition: Transition, scope: _Scope, findings: Findings) -> None:
    node = parsed.transition(transition)
    for where, rule in rules(node.get("guard")):
        guard = _compile(where, rule.source, scope, findings)
        if guard is None:
            continue
        if guard.type is not CelType.BOOL:
            findings.note(where, "ill-typed-guard", f"A guard must be of type bool; this is {guard.type.value}.")
        elif (constant := _constant(guard)) is not None:
            _note_constant(where, constant, findings)
        for leaf in guard.reads:
            _check_counted(parsed.definition, transition, leaf, where, findings)


def _note_constant(where: Node, constant: object, findings: Findings) -> None:
    if constant is True:
        findings.warn(where, "always-true", "This guard holds always; leave it out.")
    else:
        findings.note(where, "never-true", "This guard never holds, so nobody can ever satisfy it.")


def _constant(guard: Guard) -> object | None:
    """Evaluate an expression that reads nothing; None when it reads something, False when it can never be evaluated."""
    if guard.reads:
        return None
    try:
        return guard.evaluate(lambda _: None)
    except GuardFault:
        return False


def _check_counted(definition: Definition, transition: Transition, leaf: str, where: Node, findings: Findings) -> None:
    """A count is kept while the state with the tally is active; elsewhere it would always read 0."""
    namespace, _, event = leaf.partition(".")
    if namespace not in {"count", "distinct_actors"}:
        return
    counting = [state.path for state in definition.states.values() if event in state.tally]
    counting += [t.source for state in definition.states.values() for t in state.transitions if t.quorum and t.event == event]
    source = transition.source
    if not any(definition.is_within(source, path) or definition.is_within(path, source) for path in counting):
        message = f"{leaf} is always 0 here: `tally: [{event}]` stands in {', '.join(map(str, counting))}, not around {source!r}."
        findings.note(where, "not-tallied", message)


def _compile(where: Node, source: str, scope: _Scope, findings: Findings) -> Guard | None:
    if len(source) > MAX_GUARD_CHARACTERS:
        message = f"This expression has {len(source)} characters; at most {MAX_GUARD_CHARACTERS} are allowed. Let a check derive a fact."
        findings.note(where, "guard-too-long", message)
        return None
    strangers = list(_strangers(source, scope))
    for offset, name in strangers:
        code, message = _explain(name, scope, findings)
        findings.note(_place(where, source, offset), code, message)
    if strangers or any(prefix in source for prefix in scope.blind):
        return None
    try:
        return compile_guard(source, scope.leaves)
    except GuardError as error:
        message = (
            "it ends where more is expected" if "<EOF>" in error.message else re.sub(r" expecting \{.*", "", error.message).rstrip(".")
        )
        findings.note(where.place_at(error.line, error.column), "ill-typed-guard", f"This is no valid expression: {message}.")
        return None


def _place(where: Node, source: str, offset: int) -> tuple[int, int]:
    before = source[:offset]
    return where.place_at(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def _strangers(source: str, scope: _Scope) -> Iterator[tuple[int, str]]:
    """Give the names that lead nowhere, with their offsets; a method called on a name that exists is not one."""
    spoken = _SILENT.sub(lambda found: " " * len(found[0]), source)
    for found in _DOTTED.finditer(spoken):
        name = re.sub(r"\s", "", found[0])
        parts = name.split(".")
        if len(parts) == 1 or parts[0] not in _NAMESPACES or any(name.startswith(prefix) for prefix in scope.blind):
            continue
        if not any(".".join(parts[:length]) in scope.leaves for length in range(2, len(parts) + 1)):
            yield found.start(), name


def _explain(name: str, scope: _Scope, findings: Findings) -> tuple[str, str]:
    """Say why an expression cannot mention a name, and what to do."""
    namespace, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    field = _field_named(namespace, first, scope)
    if field is not None and field.is_secret:
        return "secret-in-guard", f"{namespace}.{first} is secret and seen by its check only; let a check derive a fact from it."
    if field is not None and field.is_personal:
        hint = f" `has.{first}` tells whether it is set." if namespace == "instance" else ""
        return "personal-in-guard", f"{namespace}.{first} is personal and cannot be read by an expression; let a check derive a fact.{hint}"
    if scope.event is None and namespace in {"event", "actor", "facts"}:
        return "unknown-name", f"A rule about the instance has no event, so it cannot mention {quote(name)}."
    if namespace in {"count", "distinct_actors"} and first in scope.definition.events:
        return "not-tallied", f"{quote(name)} is not counted: add `tally: [{first}]` to the state since whose entry it shall count."
    if namespace == "facts" and first in scope.definition.checks and scope.event is not None and first not in scope.event.checks:
        return "unknown-name", f"The event {scope.event.name!r} does not run the check {first!r}; add it to its `checks`."
    known = [leaf for leaf in scope.leaves if leaf.startswith(namespace + ".")]
    return "unknown-name", f"There is no {quote(name)}.{findings.hint(name, known)}"


def _field_named(namespace: str, name: str, scope: _Scope) -> Field | None:
    if namespace == "instance":
        return next((field for key, field in scope.definition.fields.items() if key == name), None)
    if namespace == "event" and scope.event is not None:
        return next((field for key, field in scope.event.payload.items() if key == name), None)
    return None


def _check_assignments(parsed: Parsed, transition: Transition, scope: _Scope, findings: Findings) -> None:
    written = parsed.transition(transition).get("set")
    for assignment in transition.assignments:
        node = written.get(assignment.field) if written else None
        field = parsed.definition.fields[assignment.field]
        if node is None or assignment.is_cleared or {assignment.field, assignment.copy_of} & parsed.untyped:
            continue
        if assignment.copy_of is not None:
            _check_copy(node, field, parsed.definition.events[transition.event].payload[assignment.copy_of], findings)
        else:
            _check_computed(node, field, assignment, scope, findings)


def _check_copy(node: Node, field: Field, value: Field, findings: Findings) -> None:
    if value.is_secret:
        findings.note(node, "secret-kept", f"{value.name!r} is secret; it never leaves its check and cannot be kept in a field.")
    elif value.is_personal and not field.is_personal:
        message = f"{value.name!r} is personal and {field.name!r} is not, so it would stand in the history for ever."
        findings.note(node, "personal-leak", message)
    elif not _can_hold(field, value):
        kinds = [f"{'many ' if one.is_many else ''}{one.type.value}" for one in (value, field)]
        findings.note(node, "type-mismatch", f"{value.name!r} is {kinds[0]} and {field.name!r} is {kinds[1]}: it does not fit.")


def _can_hold(field: Field, value: Field) -> bool:
    if field.is_many != value.is_many:
        return False
    if field.type is FieldType.CHOICE and value.type is FieldType.CHOICE:
        return set(value.values) <= set(field.values)
    if field.type is FieldType.TEXT or (field.type is FieldType.STRING and value.type is not FieldType.TEXT):
        return value.type.is_text_like or value.type is FieldType.CHOICE
    return field.type is value.type


def _check_computed(node: Node, field: Field, assignment: Assignment, scope: _Scope, findings: Findings) -> None:
    if field.is_personal:
        message = f"{field.name!r} is personal: it can only be a copy of a payload value (`event.NAME`), or be cleared with null."
        findings.note(node, "personal-by-expression", message)
        return
    guard = _compile(node, assignment.source or "", scope, findings)
    if guard is None:
        return
    wanted = type_of_field(field)
    if guard.type is not wanted:
        findings.note(node, "ill-typed-set", f"{field.name!r} takes {wanted.value}; this expression is {guard.type.value}.")
    elif field.type is FieldType.CHOICE and isinstance(constant := _constant(guard), str) and constant not in field.values:
        hint = findings.hint(constant, field.values)
        findings.note(node, "invalid-value", f"{quote(constant)} is none of the values of {field.name!r}.{hint}")


def _check_properties(parsed: Parsed, known: Known, scopes: MutableMapping[str, _Scope], findings: Findings) -> None:
    listed = parsed.root.get("policy")
    for item in listed.items if listed else ():
        body = item.get("cel") or item.get("requires")
        holds = (body.get("holds") or body.get("when")) if body else None
        if body is None or holds is None or holds.text is None:
            continue
        for scope in _scopes_of(parsed, known, body.get("event"), scopes):
            _check_rule(holds, holds.text, scope, findings)


def _scopes_of(parsed: Parsed, known: Known, event: Node | None, scopes: MutableMapping[str, _Scope]) -> Iterator[_Scope]:
    """Give what a rule may mention: of each of its events, or of the instance alone."""
    if event is None:
        yield _scope(parsed, known, None)
        return
    for one in event.items or (event,):
        type_ = parsed.definition.events.get(EventName(one.text or ""))
        if type_ is not None:
            yield scopes.setdefault(type_.name, _scope(parsed, known, type_))


def _check_rule(holds: Node, source: str, scope: _Scope, findings: Findings) -> None:
    guard = _compile(holds, source, scope, findings)
    if guard is not None and guard.type is not CelType.BOOL:
        findings.note(holds, "ill-typed-guard", f"A rule must be of type bool; this is {guard.type.value}.")
