"""A node knows where in the document each of its characters stands, however it was written."""

from __future__ import annotations

import pytest

from workflow.load.yaml import compose
from workflow.states.node import MAX_DEPTH, Node, node_of

WRITTEN = [
    "a: one two three",
    "a: |\n  one &&\n    two\n\n  three",
    "a: |2-\n   one\n  two",
    "a: >\n  one\n  two\n\n  three\n    four",
    "a: >-\n    one\n    two",
    "a: one\n   two\n   three",
    'a: "one \\"x\\" two\n   three"',
    "a: 'it''s one and two'",
    'a: "one\\ntwo"',
    'a: "\\"one\\" two"',
    'a: "one\\ttwo three"',
    'a: "one \\\n   two"',
    "x: {a: [{a: 'one'}, b], b: c}\na: one é two",
]


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("word", ["one", "two", "three", "four"])
def test_a_word_of_a_text_is_found_where_it_is_written(text: str, word: str):
    """Quotes, escapes, folds and indentation are walked over."""
    node = compose(text.encode(), file="x").get("a")
    assert node is not None
    before, found, _ = str(node.value).partition(word)
    if not found:
        return

    line, column = node.place_at(before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert text.split("\n")[line - 1][column - 1 :].startswith(word)


def test_a_place_that_cannot_be_found_is_the_beginning():
    """A character written as a number escape loses the way; the value's own place is given then."""
    node = compose(b'a: "\\x41 one"', file="x").get("a")
    assert node is not None

    assert "A one" == node.value
    assert (1, 4) == node.place_at(1, 3)
    assert (1, 1) == Node(value=5).place_at(1, 3)


def test_plain_data_and_nodes_are_the_same():
    """Data becomes nodes and comes back."""
    data = {"a": [1, True, None, "x", {"b": []}]}

    assert data == node_of(data).plain()


def test_plain_data_has_limits():
    """Data that is too deep or no plain value is refused."""
    deep: object = "x"
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]

    for data in (deep, {"a": object()}, b"bytes"):
        with pytest.raises(ValueError, match=r"deeper than|is no plain value"):
            node_of(data)


def test_looking_into_the_wrong_kind_of_node_finds_nothing():
    """A scalar has no items and no entries, a list no keys."""
    node = Node(value="x", line=3, column=7)

    assert () == node.items
    assert {} == node.entries
    assert node.get("a") is None
    assert (3, 7) == node.place_of("a")
    assert node_of([1]).text is None
