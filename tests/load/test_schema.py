"""The editors' schema is generated from the parser's own table of keys, is current, and agrees with the parser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema
import pytest

from tests.support.known import KNOWN
from workflow.load import compose, inspect
from workflow.load.schema import json_schema, schema_text
from workflow.states.grammar import DEFINITION
from workflow.states.shapes import Either, ListOf, Named, Record, Ref, Shape

ROOT = Path(__file__).parents[2]
GOOD = [*sorted((ROOT / "definitions").glob("*.yaml")), *sorted((ROOT / "tests" / "definitions" / "good").glob("*.yaml"))]
BAD = sorted((ROOT / "tests" / "definitions" / "bad").glob("*.yaml"))
VALIDATOR = jsonschema.Draft7Validator(json_schema())


def plain(path: Path) -> object:
    """Read a file without judging it."""
    return compose(path.read_bytes(), file=path.name).plain()


def records(shape: Shape, seen: list[Record]) -> list[Record]:
    """Collect every record of the language."""
    match shape:
        case Ref():
            return records(shape.find(), seen)
        case ListOf(item=item) | Named(item=item):
            return records(item, seen)
        case Either(options=options):
            for option in options:
                records(option, seen)
        case Record() if not any(shape is one for one in seen):
            seen.append(shape)
            for key in shape.keys.values():
                records(key.shape, seen)
    return seen


def test_the_schema_file_is_current():
    """`definitions/schema.json` is what the code generates; `make docs` writes it."""
    assert schema_text() == (ROOT / "definitions" / "schema.json").read_text(encoding="utf-8")


def test_the_schema_is_a_schema():
    """It is valid JSON Schema of the draft that it names."""
    jsonschema.Draft7Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_definitions_are_valid(path: Path):
    """What the loader accepts, an editor does not mark."""
    assert [] == [error.message for error in VALIDATOR.iter_errors(plain(path))]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_faults_of_shape_are_marked_by_editors_too(path: Path):
    """Unknown keys, wrong names and wrong types are found by the schema, as far as they are not about a name's meaning."""
    _, findings = inspect(path, known=KNOWN)
    if {"unknown-key", "invalid-name", "empty-list", "empty-mapping"} & {finding.code for finding in findings}:
        assert not VALIDATOR.is_valid(plain(path))


def descriptions(schema: object) -> Iterator[tuple[str, object]]:
    """Give every property of a schema with its description."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from ((name, value.get("description")) for name, value in properties.items())
        for value in schema.values():
            yield from descriptions(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from descriptions(value)


def test_every_key_has_a_description():
    """An editor can say what each key means."""
    found = list(descriptions(json_schema()))

    assert len(found) > 100
    assert [] == [name for name, text in found if not text]


def test_records_have_different_names():
    """Each record has its own place in the schema."""
    names = [record.what for record in records(DEFINITION, [])]

    assert sorted(set(names)) == sorted(names)


def keys_used(value: object) -> set[str]:
    """Collect every key that stands anywhere in a document."""
    if isinstance(value, Mapping):
        return set(value) | {key for item in value.values() for key in keys_used(item)}
    if isinstance(value, list):
        return {key for item in value for key in keys_used(item)}
    return set()


def test_one_good_definition_uses_every_key():
    """`every_key.yaml` uses every key of the language, so that none is accepted by the table and forgotten by the parser."""
    known = {name for record in records(DEFINITION, []) for name in record.keys}

    assert set() == known - keys_used(plain(ROOT / "tests" / "definitions" / "good" / "every_key.yaml"))
