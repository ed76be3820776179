"""The editors' schema of definitions, generated from the table of keys that the parser uses.

Promises: what the parser accepts, the schema accepts; what only the whole document shows (names that lead nowhere, expressions)
is left to the loader.
"""

from __future__ import annotations

import json
from typing import assert_never

from workflow.states.grammar import DEFINITION
from workflow.states.shapes import MAX_NAME, NAME, Either, Empty, Flag, ListOf, Named, Record, Ref, Shape, Text, Whole

# The newest draft that the YAML language server, and so most editors, understand completely.
_DRAFT = "http://json-schema.org/draft-07/schema#"

Schema = dict[str, object]


def json_schema() -> Schema:
    """Give the JSON schema of a definition, with a description of every key."""
    found: dict[str, Schema] = {}
    _reference(DEFINITION, found)
    top = found.pop(_name(DEFINITION))
    head: Schema = {"$schema": _DRAFT, "title": "Workflow definition, language 1"}
    return {**head, **top, "definitions": dict(sorted(found.items()))}


def schema_text() -> str:
    """Give the schema as the file `definitions/schema.json` holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _name(record: Record) -> str:
    return record.what.partition(" ")[2].replace(" ", "_")


def _reference(record: Record, found: dict[str, Schema]) -> Schema:
    name = _name(record)
    if name not in found:
        found[name] = {}  # stands there already when the record contains itself
        found[name] = _record(record, found)
    return {"$ref": f"#/definitions/{name}"}


def _record(record: Record, found: dict[str, Schema]) -> Schema:
    properties: dict[str, object] = {
        name: {"description": key.description, **_described(key.shape, found)} for name, key in record.keys.items()
    }
    if record.others is not None:
        properties |= {name: {"description": text, **_described(record.others, found)} for name, text in record.usual.items()}
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False if record.others is None else _schema(record.others, found),
    }
    if required := [name for name, key in record.keys.items() if key.is_required]:
        schema["required"] = required
    if record.one_of:
        schema["oneOf"] = [{"required": [name]} for name in record.one_of]
    return schema


def _described(shape: Shape, found: dict[str, Schema]) -> Schema:
    """Draft 7 ignores everything beside ``$ref``, so a described reference is wrapped."""
    schema = _schema(shape, found)
    return {"allOf": [schema]} if "$ref" in schema else schema


def _schema(shape: Shape, found: dict[str, Schema]) -> Schema:
    match shape:
        case Text():
            return _text(shape)
        case Whole() | Flag() | Empty():
            return _scalar(shape)
        case ListOf():
            return {"type": "array", "items": _schema(shape.item, found)} | ({"minItems": shape.least} if shape.least else {})
        case Named():
            names: Schema = {"pattern": f"^{NAME}$", "maxLength": MAX_NAME}
            schema: Schema = {"type": "object", "propertyNames": names, "additionalProperties": _schema(shape.item, found)}
            return schema | ({"minProperties": shape.least} if shape.least else {})
        case Either():
            return {"anyOf": [_schema(option, found) for option in shape.options]}
        case Record():
            return _reference(shape, found)
        case Ref():
            return _reference(shape.find(), found)
        case _:
            assert_never(shape)


def _text(shape: Text) -> Schema:
    if shape.choices:
        return {"type": "string", "enum": list(shape.choices)}
    schema: Schema = {"type": "string", "maxLength": shape.max_length}
    return schema | ({"pattern": f"^(?:{shape.pattern})$"} if shape.pattern else {})


def _scalar(shape: Whole | Flag | Empty) -> Schema:
    match shape:
        case Whole():
            return {"type": "integer"} | ({} if shape.least is None else {"minimum": shape.least})
        case Flag():
            return {"type": "boolean"} if shape.only is None else {"const": shape.only}
        case Empty():
            return {"type": "null"}
        case _:
            assert_never(shape)
