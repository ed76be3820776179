"""The API on a process that staff start for others, with every type of value and a value that only one may have."""

from __future__ import annotations

from contextlib import contextmanager

import jsonschema
import pytest
from starlette.testclient import TestClient

import workflow
from tests.support.web import UNLIMITED, by_token, codes, problem
from workflow.bootstrap import known
from workflow.errors import StoreError
from workflow.load import load
from workflow.settings import development_keys
from workflow.states.instance import Actor
from workflow.web.api import create_api
from workflow.web.api.schemas import payload_schema

MEMBER = """
definition: member
language: 1
title: A member of the association
subject: member
roles: {office: {description: Registers members.}}
fields:
  number: {type: string, unique: {on_conflict: registered_again}}
  age: {type: integer, min: 18, max: 120}
  born: {type: date}
  since: {type: instant}
  level: {type: choice, values: [junior, senior]}
  tags: {type: string, many: true, personal: false, because: A test.}
events:
  register:
    by: [office]
    payload:
      number: {field: number, required: true}
      age: {field: age, required: true}
      born: {field: born}
      since: {field: since}
      level: {field: level}
      tags: {field: tags}
      is_paid: {type: boolean, default: false}
      agreed: {type: boolean, must_be: true}
  registered_again: {by: engine}
  leave: {by: [member]}
start: {event: register, set: {number: event.number, age: event.age, tags: event.tags}}
states:
  registered:
    waits_forever: A member stays.
    transitions: [{event: leave, target: left}, {event: registered_again}]
  left: {outcome: neutral}
"""
OFFICE, MEMBER_7 = Actor.of("olga", "office"), Actor.of("m-7")
FORM = {
    "number": "4711",
    "age": 30,
    "agreed": True,
    "tags": ["a", "b"],
    "born": "1990-02-28",
    "since": "2026-01-01T00:00:00+01:00",
    "level": "senior",
}
START = "/definitions/member/instances"
ROOM = {"Authorization": "Bearer olga"}


@pytest.fixture
def engine(sqlite_url, tmp_path):
    """An engine with the members' process."""
    path = tmp_path / "member.yaml"
    path.write_text(MEMBER, encoding="utf-8")
    with workflow.open(sqlite_url, keys=development_keys()) as opened:
        workflow.publish(opened, path)
        yield opened


def client(engine, **changes):
    given = {"identify": by_token({"olga": OFFICE, "m-7": MEMBER_7}), "limits": UNLIMITED, **changes}
    return TestClient(create_api(engine, **given), raise_server_exceptions=False)


def test_the_office_starts_for_a_member_where_the_host_lets_it(engine):
    """With the host's policy: 201, the member sees the onboarding and goes on; values are in their normal form."""
    api = client(engine, may_start_for=lambda actor, subject: actor.id == "olga" and subject.startswith("m-"))
    answer = api.post(f"{START}?subject=m-7", json=FORM, headers=ROOM)
    said = answer.json()
    assert (201, "m-7", {"age": 30, "tags": ["a", "b"]}) == (answer.status_code, said["subject"], said["fields"])
    assert 200 == api.post(f"/instances/{said['id']}/events/leave", headers={"Authorization": "Bearer m-7"}).status_code
    problem(api.post(f"{START}?subject=x-7", json=FORM, headers=ROOM), 403, "forbidden")


def test_staff_learn_that_a_value_is_taken(engine):
    """Who holds the role of the start gets 409 and no receipt; the onboarding that has the value is told."""
    api = client(engine)
    first = api.post(START, json=FORM, headers=ROOM)
    assert 201 == first.status_code
    problem(api.post(START, json=FORM, headers=ROOM), 409, "conflict")
    assert ["register", "registered_again"] == [row.event for row in engine.history(first.json()["id"])]


def test_an_unknown_caller_starts_nothing_that_needs_a_role(engine):
    """Even where unknown callers are let in: 401, before the payload is judged, and no entry."""
    api = client(engine, allow_anonymous=True)
    problem(api.post(START, json={}), 401, "unauthenticated")
    assert () == engine.instances().rows


def test_every_fault_of_a_payload_is_named(engine):
    """Each with its field."""
    wrong = {
        "number": "x" * 255,
        "age": 17,
        "born": "1990-02-30",
        "since": "soon",
        "level": "chief",
        "tags": ["a", "a"],
        "agreed": False,
        "is_paid": "yes",
    }
    said = problem(client(engine).post(START, json=wrong, headers=ROOM), 422, "invalid")
    assert set(wrong) == {reason["field"] for reason in said["reasons"]}
    assert {"invalid_value"} == set(codes(said))


def test_schemas_say_what_the_engine_takes(engine):
    """Every type: what the engine accepts satisfies the schema, what it refuses for its form does not."""
    event = load(MEMBER.encode(), known=known()).events["register"]
    schema = payload_schema(event, None)
    judge = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    judge.validate(FORM)
    assert {"number", "age", "agreed"} == set(schema["required"])
    assert False is schema["properties"]["is_paid"]["default"]
    for wrong in (
        {"age": 17},
        {"age": 121},
        {"age": "30"},
        {"born": "1990-02-30"},
        {"level": "chief"},
        {"tags": ["a", "a"]},
        {"agreed": False},
        {"x": 1},
    ):
        assert not judge.is_valid({**FORM, **wrong}), wrong


def test_a_database_that_goes_away_is_no_fault_of_the_caller(engine):
    """In the middle of a request: 503 with Retry-After, and the host's way to the engine sees the error, so that it can roll back."""
    seen = []

    class Away:
        """What an engine does without its database."""

        def __getattr__(self, _name):
            raise StoreError("db.internal is away")

    @contextmanager
    def engine_of(_request):
        try:
            yield Away()
        except StoreError as error:
            seen.append(error)
            raise

    answer = client(engine_of).get("/definitions/member", headers=ROOM)
    problem(answer, 503, "unavailable")
    assert ("5", 1, False) == (answer.headers["retry-after"], len(seen), "db.internal" in answer.text)
