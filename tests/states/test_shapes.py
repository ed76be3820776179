"""Shapes: what the places of a document take, and how what they do not take is told."""

from __future__ import annotations

import pytest

from workflow.states.findings import Findings
from workflow.states.node import node_of
from workflow.states.shapes import Either, Empty, Flag, Key, ListOf, Named, Record, Ref, Shape, Text, Whole, describe, expected, fits, judge

POINT = Record(what="a point", keys={"x": Key(shape=Whole(), description="To the right."), "y": Key(shape=Whole(), description="Up.")})
SHAPES: dict[str, Shape] = {
    "text": Text(what="a text"),
    "choice": Text(what="a colour", choices=("red", "green")),
    "whole": Whole(),
    "least": Whole(least=1),
    "flag": Flag(),
    "only": Flag(only=True),
    "empty": Empty(),
    "list": ListOf(item=Text(what="a text")),
    "named": Named(item=Empty(), what="a colour"),
    "record": POINT,
    "ref": Ref(lambda: POINT),
    "either": Either(options=(Text(what="a text"), Empty()), what="a text or nothing"),
    "nested": Either(options=(Whole(), Either(options=(Flag(), ListOf(item=Whole())), what="a switch or numbers")), what="a lot"),
}
VALUES: dict[str, object] = {
    "nothing": None,
    "true": True,
    "the number 7": 7,
    "the number 1.5": 1.5,
    "the text 'red'": "red",
    "a list": (),
    "a mapping": {},
}
TAKES = {
    "text": {"the text 'red'"},
    "choice": {"the text 'red'"},
    "whole": {"the number 7"},
    "least": {"the number 7"},
    "flag": {"true"},
    "only": {"true"},
    "empty": {"nothing"},
    "list": {"a list"},
    "named": {"a mapping"},
    "record": {"a mapping"},
    "ref": {"a mapping"},
    "either": {"the text 'red'", "nothing"},
    "nested": {"the number 7", "true", "a list"},
}
WORDS = {
    "text": "a text",
    "choice": "one of red, green",
    "whole": "a whole number",
    "least": "a whole number from 1",
    "flag": "true or false",
    "only": "true",
    "empty": "nothing",
    "list": "a list",
    "named": "a mapping, with the name of a colour as each key",
    "record": "a point (a mapping)",
    "ref": "a point (a mapping)",
    "either": "a text or nothing",
    "nested": "a lot",
}


def judged(shape: Shape, data: object) -> list[str]:
    findings = Findings(file="f")
    judge(node_of(data), shape, findings)
    return [one.message for one in findings.in_order()]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_value_of_another_kind_is_told_with_what_is_wanted(shape: str, value: str):
    """Each shape takes the kinds of values it is for; of any other the message says what is wanted and what is there."""
    is_taken = value in TAKES[shape]
    assert fits(node_of(VALUES[value]), SHAPES[shape]) is is_taken
    messages = judged(SHAPES[shape], VALUES[value])
    assert (messages == []) is is_taken
    if not is_taken:
        assert messages[0].startswith(f"Expected {WORDS[shape]}, found {value}.")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_shape_wants_is_said_in_words(shape: str):
    """An author who never saw the grammar understands what belongs there."""
    assert WORDS[shape] == expected(SHAPES[shape])


@pytest.mark.parametrize("value", VALUES)
def test_what_is_there_is_said_in_words(value: str):
    """A value is named as it is written."""
    assert value == describe(node_of(VALUES[value]))


@pytest.mark.parametrize(
    ("shape", "data", "message"),
    [
        (Text(what="a text", max_length=3), "four", "This text has 4 characters; at most 3 are allowed."),
        (Text(what="a letter", pattern="[a-z]"), "4", "Expected a letter, found '4'."),
        (SHAPES["choice"], "gren", "Expected one of red, green, found 'gren'. Did you mean 'green'?"),
        (SHAPES["least"], 0, "Expected a whole number from 1, found 0."),
        (SHAPES["only"], False, "Only true has a meaning here; leave the key out otherwise."),
        (SHAPES["flag"], "yes", "Expected true or false, found the text 'yes'. Only true and false are booleans in YAML 1.2."),
        (SHAPES["text"], 5, "Expected a text, found the number 5. Put it in quotes when text is meant."),
        (ListOf(item=Whole(), least=2), (1,), "At least 2 must be listed here."),
        (ListOf(item=Whole()), (1, "x"), "Expected a whole number, found the text 'x'."),
        (Named(item=Empty(), what="a colour", least=1), {}, "At least 1 must be named here."),
        (POINT, {"x": "1"}, "Expected a whole number, found the text '1'."),
        (POINT, {"z": 1}, "A point has no key 'z'. Known here: x, y."),
    ],
)
def test_a_value_of_the_right_kind_is_looked_into(shape: Shape, data: object, message: str):
    """Length, pattern, range, items and keys: the message says which of them is not right, and one thing wrong is said once."""
    assert [message] == judged(shape, data)
