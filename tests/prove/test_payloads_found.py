"""Payloads of counterexamples: what is wished for is in them, and the schema and the catalogue accept them."""

from __future__ import annotations

import pytest

from tests.support.worlds import KNOWN
from workflow.load import load
from workflow.prove.payloads import payload_of
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Digest
from workflow.states.payload import validate

TEXT = """
definition: small
language: 1
subject: applicant
roles: {}
catalogue: places
fields:
  network: {type: string, catalogue: networks, personal: false, because: A test.}
  centre: {type: string, catalogue: centres, matches: {network: network}, personal: false, because: A test.}
  profiles: {type: string, many: true, catalogue: profiles, listed_in: {field: centre, attribute: profiles}, personal: false, because: A test.}
events:
  ask:
    by: [applicant]
    payload:
      network: {field: network, required: true}
      centre: {field: centre, required: true}
      profiles: {field: profiles}
  fill:
    by: [applicant]
    payload:
      level: {type: choice, values: [low, high], required: true}
      levels: {type: choice, values: [low, high], many: true, required: true}
      names: {type: string, many: true, required: true}
      is_agreed: {type: boolean, must_be: true}
      is_calm: {type: boolean, must_be: false}
      is_known: boolean
      n: {type: integer, min: 3, max: 9, required: true}
      low: {type: integer, max: -4, required: true}
      day: {type: date, required: true}
      at: {type: instant, required: true}
      phone: {type: phone, required: true}
      short: {type: text, max_length: 5, required: true}
      email: {type: email, required: true}
      email_again: {type: email, required: true, same_as: email}
      code: {type: secret, required: true}
  leave: {by: [applicant]}
start: {event: ask, set: {network: event.network, centre: event.centre, profiles: event.profiles}}
states:
  waiting:
    waits_forever: A test.
    transitions: [{event: fill}, {event: leave, target: gone}]
  gone: {outcome: failure}
"""
DEFINITION = load(TEXT, known=KNOWN)
PLACES = Catalogue(
    name="places",
    title="Places",
    sets={
        "networks": {"north": {"title": "North"}, "south": {"title": "South"}},
        "centres": {"a": {"title": "A", "network": "south", "profiles": ("y",)}, "b": {"title": "B", "network": "south", "profiles": ()}},
        "profiles": {"x": {"title": "X"}, "y": {"title": "Y"}},
    },
    digest=Digest("c" * 64),
    data={},
)


def _found(event: str, *, left_out: tuple[str, ...] = (), catalogue: Catalogue | None = PLACES, **wishes: object):
    type_ = DEFINITION.events[event]
    made = payload_of(type_, wishes, left_out=frozenset(left_out), instance_fields={}, catalogue=catalogue)
    assert made is None or validate(type_, made, instance_fields={}, catalogue=catalogue)[1] == ()
    return made


def test_every_type_has_a_value_that_its_schema_accepts():
    """Bounds, lengths, what must be agreed to and what is typed twice are kept; nothing that is wished is needed."""
    made = _found("fill")
    assert made is not None
    assert made["is_agreed"] is True
    assert made["is_calm"] is False
    assert 3 <= made["n"] <= 9
    assert made["low"] <= -4
    assert made["email_again"] == made["email"]
    assert len(made["short"]) <= 5


def test_what_is_wished_for_is_in_it():
    """Values, zero and false included, and what must be among a list."""
    made = _found("fill", level="high", levels=("low", "high"), names=("x",), n=7, is_known=False)
    assert (made["level"], made["levels"], made["names"], made["n"], made["is_known"]) == ("high", ["low", "high"], ["x"], 7, False)


def test_what_is_left_out_is_not_there():
    """A wish for the zero of a value that is left out is met: that is how an expression reads it."""
    made = _found("fill", left_out=("is_known",), is_known=False)
    assert "is_known" not in made
    assert _found("fill", left_out=("is_known",), is_known=True) is None


def test_the_catalogue_s_rules_are_kept():
    """Combinations are tried until one fits: a network that has a centre, and only what that centre offers."""
    made = _found("ask")
    assert (made["network"], made["centre"]) == ("south", "a")
    assert made["profiles"] == ["y"]
    assert _found("ask", centre="b") is None  # it offers no profile, and one was not left out
    assert _found("ask", left_out=("profiles",), centre="b") == {"network": "south", "centre": "b"}


@pytest.mark.parametrize(
    ("event", "wishes"),
    [
        ("fill", {"n": 12}),
        ("fill", {"level": "middle"}),
        ("fill", {"is_agreed": False}),
        ("ask", {"network": "north"}),
        ("fill", {"levels": ("none",)}),
    ],
)
def test_none_is_made_up_where_none_is_accepted(event, wishes):
    """A wish that the schema or the catalogue refuses has no payload, and the counterexample goes unconfirmed."""
    assert _found(event, **wishes) is None


def test_without_a_catalogue_nothing_can_be_chosen():
    """A value of a set that is not published is not invented."""
    assert _found("ask", catalogue=None) is None
    assert _found("leave") == {}
