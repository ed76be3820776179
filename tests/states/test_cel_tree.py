"""Expressions are read into trees, and what is outside of the part that is read is refused as a whole."""

from __future__ import annotations

import pytest

from workflow.states.cel_tree import MAX_DEPTH, MAX_TOKENS, Apply, Items, Literal, Name, UnreadError, read, texts_of

A, B, C = Name("a.b"), Name("c"), Literal(1)


@pytest.mark.parametrize(
    ("source", "tree"),
    [
        ("a.b", A),
        ("a . b", A),
        ("true", Literal(value=True)),
        ("1", C),
        ("'x'", Literal("x")),
        ("!a.b", Apply("!", (A,))),
        ("-1", Apply("-", (C,))),
        ("a.b && c || 1", Apply("||", (Apply("&&", (A, B)), C))),
        ("a.b || c && 1", Apply("||", (A, Apply("&&", (B, C))))),
        ("c - 1 - 1", Apply("-", (Apply("-", (B, C)), C))),
        ("c * 1 < 1", Apply("<", (Apply("*", (B, C)), C))),
        ("(a.b)", A),
        ("c ? a.b : 1", Apply("?:", (B, A, C))),
        ("c in [1, 'x']", Apply("in", (B, Items((C, Literal("x")))))),
        ("c in []", Apply("in", (B, Items(())))),
        ("duration('15m')", Apply("duration", (Literal("15m"),))),
        ("a.b.size() > 1", Apply(">", (Apply("size", (A,)), C))),
        ("'x'.size(1)", Apply("size", (Literal("x"), C))),
    ],
)
def test_an_expression_is_read_as_cel_binds_it(source: str, tree: object):
    """Precedence, left association, calls, methods and lists."""
    assert tree == read(source)


@pytest.mark.parametrize(
    "source",
    ["", "a.", "a.1", "(a", "a b", "a &", "1.5", "'a\\n'", "[a", "c ? a", "a(1 2)", "a()[0]", "a().b", "{'a': 1}", "a[0]", "r'x'", "&& a"],
)
def test_what_is_not_read_is_refused_as_a_whole(source: str):
    """Nothing is guessed of an expression that is only partly understood."""
    with pytest.raises(UnreadError):
        read(source)


@pytest.mark.parametrize(
    "source", ["(" * 1000 + "a" + ")" * 990, "!" * 1900 + "a", "-" * (MAX_DEPTH + 1) + "1", "a?" * 600 + "a", "a&&" * 600 + "a"]
)
def test_what_is_nested_too_deeply_or_too_long_is_refused(source: str):
    """A hostile expression ends no process."""
    with pytest.raises(UnreadError):
        read(source)


def test_what_is_just_not_too_deep_is_read():
    """The bound is the last that is read."""
    deep = "(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1)

    assert Name("a") == read(deep)
    assert Apply("!", (Name("a"),)) == read("!(" * 1 + "a" + ")")
    assert len(texts_of(read("||".join(f"'{n}'" for n in range((MAX_TOKENS + 1) // 2))))) == (MAX_TOKENS + 1) // 2


def test_the_texts_of_an_expression_are_found():
    """Those in calls and lists too, and no names and numbers."""
    assert {"x", "y", "z"} == texts_of(read("a == 'x' && (b in ['y', 1] || size('z') > 1)"))
