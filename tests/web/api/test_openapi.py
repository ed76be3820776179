"""The OpenAPI document: complete, current, and true of every answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.web import ADMINISTRATOR, BADGE, NORTH, VISITOR, serving
from workflow.bootstrap import find_definition, known
from workflow.load import load
from workflow.states.instance import Actor
from workflow.states.payload import validate
from workflow.web.api.schemas import payload_schema

CONFIG = Path(__file__).with_name("schemathesis.toml")
OPERATIONS = {
    "listDefinitions",
    "readDefinition",
    "startInstance",
    "listInstances",
    "readInstance",
    "mayInstance",
    "fireEvent",
    "readHistory",
    "listWork",
}


def operations(document):
    return {operation["operationId"]: operation for item in document["paths"].values() for operation in item.values()}


def test_every_operation_says_all_that_it_answers(badges):
    """Each has a summary, a description, a good answer with a schema, every problem with examples, and the way to sign in."""
    document = badges.get("/openapi.json").json()
    found = operations(document)
    assert set(found) == OPERATIONS
    assert {"bearer"} == set(document["components"]["securitySchemes"])
    for operation in found.values():
        assert operation["summary"]
        assert operation["description"]
        assert {"401", "403", "422", "429", "500", "503"} <= set(operation["responses"])
        for code, said in operation["responses"].items():
            response = document["components"]["responses"][said["$ref"].rpartition("/")[2]] if "$ref" in said else said
            assert response["description"]
            if code >= "400":
                (content,) = response["content"].values()
                assert ["application/problem+json"] == list(response["content"])
                assert content["examples"]
            elif code != "304":
                assert response["content"]["application/json"]["schema"]


def test_every_example_of_a_problem_is_one(badges):
    """The examples satisfy the schema beside them."""
    document = badges.get("/openapi.json").json()
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    count = 0
    for response in document["components"]["responses"].values():
        for name, example in response["content"]["application/problem+json"]["examples"].items():
            jsonschema.validate(example["value"], schema)
            assert example["value"]["type"].endswith(f":{name}")
            count += 1
    assert count >= 16


def test_the_document_says_where_no_name_is_needed(badges_with):
    """Where unknown callers are let in: for starting and firing, and nowhere else."""
    found = operations(badges_with(allow_anonymous=True).app.openapi())
    assert {"startInstance", "fireEvent"} == {name for name, operation in found.items() if {} in operation.get("security", ())}
    assert [] == [name for name, operation in operations(badges_with().app.openapi()).items() if "security" in operation]


def test_nothing_of_the_framework_shows_through(badges):
    """No schema of an error that is never sent, no pages of documentation that load from elsewhere."""
    text = badges.get("/openapi.json").text
    assert [] == [word for word in ("HTTPValidationError", "FastAPI", "fastapi") if word in text]
    assert [404, 404] == [badges.get(path).status_code for path in ("/docs", "/redoc")]


@pytest.mark.slow
def test_schemathesis_finds_nothing(badges, tmp_path):
    """All checks of schemathesis, over a seeded store: examples, coverage of every schema, random requests, and sequences of them."""
    badges.people["ada"] = Actor.of("ada", "administrator", "reception:north")
    for number in range(12):
        id_ = badges.ask(VISITOR, building="north" if number % 2 else "south")
        if number % 3 == 0:
            badges.fire(id_, "reject", NORTH, {"rationale": "x"})
    program = Path(sys.executable).with_name("schemathesis")
    with serving(badges.app) as url:
        command = [program, "--config-file", CONFIG, "run", f"{url}/openapi.json", "--checks", "all", "--no-color"]
        command += ["-H", f"Authorization: Bearer {ADMINISTRATOR.id}"]
        environment = {**os.environ, "COLUMNS": "140"}
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert 0 == run.returncode, run.stdout[-6000:] + run.stderr[-2000:]
    assert f"Tested: {len(OPERATIONS)}" in run.stdout


# Payload schemas


def _events():
    read = [load(name, known=known()) for name in (BADGE, find_definition("cpms-access"))]
    return [pytest.param(event, id=f"{one.name}.{event.name}") for one in read for event in one.events.values() if event.payload]


EVENTS = _events()


def _values(schema):
    """Generate what a schema of ours allows."""
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "object":
            needed = set(schema.get("required", ()))
            parts = {name: _values(below) for name, below in schema["properties"].items()}
            return st.fixed_dictionaries(
                {name: part for name, part in parts.items() if name in needed},
                optional={name: part for name, part in parts.items() if name not in needed},
            )
        case "array":
            return st.lists(_values(schema["items"]), unique=True, min_size=schema.get("minItems", 0), max_size=min(schema["maxItems"], 5))
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
        case _:
            return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 60), 60))


@pytest.mark.parametrize("event", EVENTS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_satisfies_the_schema_has_no_fault_of_form(event, data):
    """Only what a schema cannot say is left: equal values, addresses, numbers and instants that look like one, blanks, the catalogue."""
    schema = payload_schema(event, None)
    payload = data.draw(_values(schema))
    jsonschema.validate(payload, schema)
    _, reasons = validate(event, payload, instance_fields={}, catalogue=None)
    special = {
        str(name)
        for name, field in event.payload.items()
        if field.same_as or field.catalogue or field.type.value in {"email", "phone", "string", "text", "secret", "instant", "date"}
    }
    assert [] == [reason for reason in reasons if reason.code != "value_missing" and reason.field not in special]
    assert set() == {reason.code for reason in reasons} & {"unknown_value"}


@pytest.mark.parametrize("event", EVENTS)
def test_what_lacks_a_required_value_does_not_satisfy_the_schema(event):
    """What the engine misses, the schema misses."""
    _, reasons = validate(event, {}, instance_fields={}, catalogue=None)
    missing = {reason.field for reason in reasons if reason.code == "value_missing"}
    assert sorted(missing) == sorted(payload_schema(event, None).get("required", []))


def test_the_document_is_deterministic(badges, badges_with):
    """Two applications give one document, byte for byte."""
    assert json.dumps(badges.app.openapi()) == json.dumps(badges_with().app.openapi())
