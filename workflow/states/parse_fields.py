"""Roles, fields, payloads, checks and events of a definition, from nodes to values.

Promises: notes every fault and goes on; what comes out is complete when nothing was noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workflow.states.definition import ENGINE, CatalogueRule, CheckUse, EventName, EventType, Field, FieldName, FieldType, Role, RoleName
from workflow.states.findings import Findings, quote
from workflow.states.node import Node
from workflow.states.parse_names import SUBJECT, Names

_APPLIES = {
    "values": {FieldType.CHOICE},
    "min": {FieldType.INTEGER},
    "max": {FieldType.INTEGER},
    "must_be": {FieldType.BOOLEAN},
    "max_length": {FieldType.STRING, FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE, FieldType.SECRET},
    "catalogue": {FieldType.STRING},
    "unique": {FieldType.STRING, FieldType.EMAIL, FieldType.PHONE, FieldType.INTEGER},
    "many": {FieldType.STRING, FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE, FieldType.CHOICE, FieldType.DATE},
}
"""Keys that only some types have."""
_TYPES = {type_.value: type_ for type_ in FieldType}
# The limits that payloads are held to; a definition may only narrow them.
_LONGEST = {FieldType.STRING: 254, FieldType.TEXT: 4_000, FieldType.EMAIL: 254, FieldType.PHONE: 40, FieldType.SECRET: 1_024}
_OWN_KEYS = frozenset({"field", "required", "must_be", "same_as", "description", "title", "default"})
"""Keys that a payload value may add to the specification of a field."""


def text(node: Node | None) -> str:
    """Give the text of a node, empty when there is none."""
    return (node.text or "") if node is not None else ""


def flag(node: Node | None, *, default: bool = False) -> bool:
    """Give the boolean of a node."""
    return node.value if node is not None and isinstance(node.value, bool) else default


def whole(node: Node | None) -> int | None:
    """Give the whole number of a node."""
    return node.value if node is not None and isinstance(node.value, int) and not isinstance(node.value, bool) else None


def texts(node: Node | None) -> tuple[str, ...]:
    """Give the texts of a list."""
    return tuple(item.text for item in (node.items if node else ()) if item.text is not None)


def read_roles(names: Names) -> dict[RoleName, Role]:
    """Read the roles; the subject's is declared implicitly."""
    roles = {RoleName(name): _role(RoleName(name), node, names) for name, node in names.roles.items()}
    if names.subject:
        declared = names.roles.get(names.subject)
        about = text(declared.get("description")) if declared else ""
        roles[names.subject] = Role(name=names.subject, is_subject=True, description=about)
    return roles


def _role(name: RoleName, node: Node, names: Names) -> Role:
    findings = names.findings
    if name == ENGINE or (name == SUBJECT and names.subject != SUBJECT):
        message = f"{quote(name)} has its own meaning and cannot be the name of a role."
        findings.note(names.place("roles", name), "reserved-name", message)
    scope, anyone = node.get("scope"), node.get("anyone")
    if name == names.subject and (scope or anyone):
        findings.note(
            node, "subject-role", "The subject's role is held by the subject of the instance; it has no scope and is not anyone's."
        )
    if scope and anyone:
        findings.note(node.place_of("anyone"), "keys-exclude-each-other", "A role that anyone has cannot have a scope.")
    if flag(anyone) and not text(node.get("because")).strip():
        findings.note(node.place_of("anyone"), "missing-because", "Say why nobody needs to be known for this role: `because: ...`.")
    return Role(name=name, scope=names.field(scope), is_anyone=flag(anyone), description=text(node.get("description")))


def read_fields(names: Names) -> dict[FieldName, Field]:
    """Read what an instance keeps."""
    fields = {FieldName(name): _read(FieldName(name), node, names) for name, node in names.fields.items()}
    for name, node in names.fields.items():
        if fields[FieldName(name)].is_secret:
            place = node.get("type") or node
            names.findings.note(place, "secret-kept", "A secret never leaves its check; it can only be a payload value, not a field.")
        if fields[FieldName(name)].is_personal and node.get("default") is not None:
            message = "A personal field has no default: nobody's value is written in a definition."
            names.findings.note(node.place_of("default"), "key-not-applicable", message)
    return {name: _with_sets(field, fields) for name, field in fields.items()}


def _with_sets(field: Field, fields: Mapping[FieldName, Field]) -> Field:
    """Resolve the catalogue set of the field that a listed_in rule refers to."""
    rule = field.catalogue
    if rule is None or rule.listed_in is None:
        return field
    other = fields.get(rule.listed_in[0])
    sets = {other.name: other.catalogue.set_name} if other and other.catalogue else {}
    return replace(field, catalogue=replace(rule, field_sets=sets))


def _type_of(node: Node) -> FieldType | None:
    said = node.text if node.text is not None else text(node.get("type"))
    return _TYPES.get(said)


def _read(name: FieldName, node: Node, names: Names) -> Field:
    """Read a field or a payload value that has a type of its own; an unknown type was noted and reads as text."""
    type_ = _type_of(node)
    if type_ is None:
        names.untyped.add(name)
    else:
        _judge_keys(node, type_, names.findings)
    personal = node.get("personal")
    is_personal = flag(personal, default=type_ is not None and type_.is_text_like) and type_ is not FieldType.SECRET
    unique = node.get("unique")
    return Field(
        name=name,
        type=type_ or FieldType.STRING,
        is_many=flag(node.get("many")),
        is_required=flag(node.get("required")),
        is_personal=is_personal,
        because=text(node.get("because")),
        values=texts(node.get("values")),
        min=whole(node.get("min")),
        max=whole(node.get("max")),
        max_length=whole(node.get("max_length")),
        must_be=flag(node.get("must_be")) if node.get("must_be") else None,
        default=_default(node, type_, names.findings),
        catalogue=_catalogue(node, names),
        unique_on_conflict=names.engine_event(unique.get("on_conflict")) if unique else None,
        description=text(node.get("description")),
    )


def _judge_keys(node: Node, type_: FieldType, findings: Findings) -> None:
    for key, types in _APPLIES.items():
        if node.get(key) is not None and type_ not in types:
            fitting = ", ".join(sorted(types))
            findings.note(
                node.place_of(key), "key-not-applicable", f"{key!r} means nothing for the type {type_.value}; it is for {fitting}."
            )
    if type_ is FieldType.CHOICE and node.get("values") is None:
        findings.note(node, "missing-key", "A choice needs the key 'values': what can be chosen.")
    values = texts(node.get("values"))
    if len(set(values)) < len(values):
        findings.note(node.place_of("values"), "duplicate-value", "The same value stands here twice.")
    least, most = whole(node.get("min")), whole(node.get("max"))
    if least is not None and most is not None and least > most:
        findings.note(node.place_of("min"), "empty-range", f"No number is from {least} to {most}.")
    longest, longest_of_type = whole(node.get("max_length")), _LONGEST.get(type_)
    if longest is not None and longest_of_type is not None and longest > longest_of_type:
        findings.note(
            node.place_of("max_length"), "text-too-long", f"A value of type {type_.value} has at most {longest_of_type} characters."
        )
    _judge_personal(node, type_, findings)


def _judge_personal(node: Node, type_: FieldType, findings: Findings) -> None:
    personal = node.get("personal")
    if personal is None or personal.value is not False:
        return
    if type_ is FieldType.SECRET:
        findings.note(
            node.place_of("personal"), "key-not-applicable", "A secret is seen by its check only; 'personal' means nothing for it."
        )
    elif type_.is_text_like and not text(node.get("because")).strip():
        message = f"A value of type {type_.value} is personal unless you say why not: add `because: ...`."
        findings.note(node.place_of("personal"), "missing-because", message)


def _default(node: Node, type_: FieldType | None, findings: Findings) -> str | int | bool | None:
    default = node.get("default")
    if default is None or not isinstance(default.value, str | int | bool):
        return None
    wanted = {FieldType.INTEGER: int, FieldType.BOOLEAN: bool}.get(type_ or FieldType.STRING, str)
    if type_ is not None and type(default.value) is not wanted:
        findings.note(default, "wrong-type", f"The default of a value of type {type_.value} cannot be {default.value!r}.")
    values = texts(node.get("values"))
    if type_ is FieldType.CHOICE and values and default.value not in values:
        findings.note(default, "invalid-value", f"The default is none of the values.{findings.hint(str(default.value), values)}")
    if type_ is FieldType.SECRET or flag(node.get("many")):
        findings.note(node.place_of("default"), "key-not-applicable", "A secret or a list has no default.")
    return default.value


def _catalogue(node: Node, names: Names) -> CatalogueRule | None:
    set_name = node.get("catalogue")
    matches, listed_in = node.get("matches"), node.get("listed_in")
    if set_name is None:
        for key in ("matches", "listed_in"):
            if node.get(key) is not None:
                names.findings.note(node.place_of(key), "key-not-applicable", f"{key!r} needs `catalogue: SET` beside it.")
        return None
    pairs = {attribute: names.field(field) for attribute, field in (matches.entries if matches else {}).items()}
    listed: tuple[FieldName, str] | None = None
    if listed_in and (chooser := names.field(listed_in.get("field"))):
        listed = (chooser, text(listed_in.get("attribute")))
        _judge_chooser(listed_in, names)
    return CatalogueRule(
        set_name=text(set_name), matches={attribute: field for attribute, field in pairs.items() if field is not None}, listed_in=listed
    )


def _judge_chooser(listed_in: Node, names: Names) -> None:
    field = listed_in.get("field")
    chooser = names.fields.get(text(field))
    if field is not None and chooser is not None and chooser.get("catalogue") is None:
        message = f"The field {quote(text(field))} chooses nothing from a catalogue, so its item cannot list anything."
        names.findings.note(field, "no-catalogue-item", message)


def read_checks(names: Names) -> dict[str, CheckUse]:
    """Read the named uses of checks; what they may say is judged later."""
    return {name: _check(name, node) for name, node in names.checks.items()}


def _check(name: str, node: Node) -> CheckUse:
    params: dict[str, str | int | bool | tuple[str, ...]] = {}
    for key, value in node.entries.items():
        if key in {"use", "title", "description"}:
            continue
        if isinstance(value.value, str | int | bool):
            params[key] = value.value
        elif isinstance(value.value, tuple):
            params[key] = texts(value)
    return CheckUse(name=name, use=text(node.get("use")) or name, params=params)


def read_events(names: Names, fields: Mapping[FieldName, Field]) -> dict[EventName, EventType]:
    """Read what may happen."""
    return {EventName(name): _event(EventName(name), node, names, fields) for name, node in names.events.items()}


def _event(name: EventName, node: Node, names: Names, fields: Mapping[FieldName, Field]) -> EventType:
    is_engine = names.is_engine_event(name)
    if is_engine:
        _judge_engine_event(node, names.findings)
    elif node.get("auto") is not None:
        names.findings.note(node.place_of("auto"), "key-not-applicable", "'auto' is for events with `by: engine`.")
    by = node.get("by")
    roles = [names.role(role) for role in (by.items if by else ())]
    payload = node.get("payload")
    values = {FieldName(key): _payload(FieldName(key), value, names, fields) for key, value in (payload.entries if payload else {}).items()}
    checks = [names.check(check) for check in _listed(node, "checks")]
    return EventType(
        name=name,
        by=tuple(role for role in roles if role is not None),
        is_engine=is_engine,
        payload=_confirmed(values, payload, names.findings),
        checks=tuple(check for check in checks if check is not None),
        decision=text(node.get("decision")) or None,
        may_also_decide=texts(node.get("may_also_decide")),
        is_automatic=flag(node.get("auto")),
        title=text(node.get("title")),
        description=text(node.get("description")),
    )


def _listed(node: Node, key: str) -> tuple[Node, ...]:
    found = node.get(key)
    return found.items if found else ()


def _judge_engine_event(node: Node, findings: Findings) -> None:
    for key in ("payload", "checks", "decision", "may_also_decide"):
        if node.get(key) is not None:
            message = f"An event with `by: engine` comes from a timer or a report; it has no {key!r}."
            findings.note(node.place_of(key), "engine-event-with-payload", message)


def _payload(name: FieldName, node: Node, names: Names, fields: Mapping[FieldName, Field]) -> Field:
    of = node.get("field")
    if of is None:
        return _with_sets(_read(name, node, names), fields)
    named = Node(value=name, line=of.line, column=of.column) if of.value is True else of
    found = names.field(named)
    for key in node.entries:
        if key not in _OWN_KEYS and key != "type":
            message = f"{key!r} is part of the field's specification, which `field:` takes as a whole."
            names.findings.note(node.place_of(key), "keys-exclude-each-other", message)
    if found is None or found in names.untyped:
        names.untyped.add(name)
        return Field(name=name, type=FieldType.STRING)
    taken = fields[found]
    default = _default(node, taken.type, names.findings)
    return replace(
        taken,
        name=name,
        is_required=flag(node.get("required")),
        must_be=flag(node.get("must_be")) if node.get("must_be") else None,
        default=taken.default if default is None else default,
        unique_on_conflict=None,
        description=text(node.get("description")) or taken.description,
    )


def _confirmed(values: Mapping[FieldName, Field], payload: Node | None, findings: Findings) -> dict[FieldName, Field]:
    """Add what a value must be the same as; it is another value of the same payload."""
    found: dict[FieldName, Field] = {}
    if payload is not None and payload.get("name") is not None:
        message = "`event.name` is the name of the event; choose another name for this value."
        findings.note(payload.place_of("name"), "reserved-name", message)
    for name, field in values.items():
        node = payload.entries[name].get("same_as") if payload else None
        other = text(node) or None
        if node is not None and other is not None and (other == name or other not in values):
            message = f"There is no other payload value {quote(other)}.{findings.hint(other, set(values) - {name})}"
            findings.note(node, "unknown-payload-value", message)
        found[name] = replace(field, same_as=FieldName(other)) if other else field
    return found
