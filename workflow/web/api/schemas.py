"""An event's payload as JSON Schema.

Promises: what satisfies the schema has no fault of form; what values must have in common (typed twice, fitting one another in the
catalogue) and what checks find stands beside it as ``x-`` keys or is found by the engine.
"""

from __future__ import annotations

from typing import Any

from workflow.states.catalogue import Catalogue
from workflow.states.definition import EventType, Field, FieldType
from workflow.states.payload import MAX_INTEGER, MAX_ITEMS, MAX_LENGTHS, MAX_SECRET_CHARACTERS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MOST_KEYS = 200
"""A set of a catalogue with more keys than this is not listed in a schema."""


def payload_schema(event: EventType, catalogue: Catalogue | None) -> dict[str, Any]:
    """Give the schema of an event's payload."""
    schema: dict[str, Any] = {
        "$schema": DRAFT,
        "type": "object",
        "additionalProperties": False,
        "properties": {str(name): _field(field, catalogue) for name, field in event.payload.items()},
    }
    required = [str(name) for name, field in event.payload.items() if _is_needed(field)]
    return schema | ({"required": required} if required else {})


def _is_needed(field: Field) -> bool:
    return field.default is None and (field.is_required or field.must_be is not None)


def _field(field: Field, catalogue: Catalogue | None) -> dict[str, Any]:
    schema = _value(field, catalogue)
    if field.is_many:
        schema = {"type": "array", "items": schema, "maxItems": MAX_ITEMS, "uniqueItems": True}
        schema |= {"minItems": 1} if _is_needed(field) else {}
    for key, value in (("description", field.description), ("default", field.default), ("x-same-as", field.same_as)):
        if value not in (None, ""):
            schema[key] = value
    return schema | ({"x-personal": True} if field.is_personal else {})


def _value(field: Field, catalogue: Catalogue | None) -> dict[str, Any]:
    match field.type:
        case FieldType.INTEGER:
            low, high = (-MAX_INTEGER if field.min is None else field.min), (MAX_INTEGER if field.max is None else field.max)
            return {"type": "integer", "minimum": low, "maximum": high}
        case FieldType.BOOLEAN:
            return {"type": "boolean"} if field.must_be is None else {"const": field.must_be}
        case FieldType.CHOICE:
            return {"enum": list(field.values)}
        case FieldType.DATE:
            return {"type": "string", "format": "date"}
        case FieldType.INSTANT:
            return {"type": "string", "format": "date-time"}
        case FieldType.SECRET:
            most = min(field.max_length or MAX_SECRET_CHARACTERS, MAX_SECRET_CHARACTERS)
            return {"type": "string", "format": "password", "writeOnly": True, "maxLength": most} | _least(field)
        case FieldType.EMAIL:
            return {"type": "string", "format": "email", "maxLength": field.max_length or MAX_LENGTHS[FieldType.EMAIL]}
        case _:
            return _text(field, catalogue)


def _text(field: Field, catalogue: Catalogue | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "maxLength": field.max_length or MAX_LENGTHS.get(field.type, 254)} | _least(field)
    if field.catalogue is not None:
        schema["x-catalogue"] = field.catalogue.set_name
        keys = list(catalogue.sets.get(field.catalogue.set_name, ())) if catalogue else []
        if 0 < len(keys) <= MOST_KEYS:
            schema["enum"] = keys
    return schema


def _least(field: Field) -> dict[str, Any]:
    return {"minLength": 1} if _is_needed(field) and not field.is_many else {}
