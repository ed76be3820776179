"""Where the translation of expressions ends: errors stay errors, and what is left open is told apart by its words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import z3

from workflow.prove.terms import Codes, Many, Number, Opaque, Translator, Truth
from workflow.states.guards import CelType, GuardFault, compile_guard

LEAVES = {
    "has.a": CelType.BOOL,
    "instance.n": CelType.INT,
    "instance.s": CelType.STRING,
    "instance.at": CelType.TIMESTAMP,
    "instance.many": CelType.STRINGS,
    "now": CelType.TIMESTAMP,
}
VALUES = {"has.a": True, "instance.n": 2, "instance.s": "x", "instance.many": ["x", "z"], "now": datetime(2026, 3, 2, tzinfo=UTC)}
"""`instance.at` is not set, so whatever reads it is an error."""


def _leaf(path: str, codes: Codes):
    match path:
        case "has.a":
            return Truth(z3.BoolVal(True), z3.BoolVal(False))
        case "instance.n":
            return Number(z3.IntVal(2), z3.BoolVal(True), "int")
        case "instance.s":
            return Number(z3.IntVal(codes.of("x")), z3.BoolVal(True), "text")
        case "instance.many":
            return Many({"x": z3.BoolVal(True), "y": z3.BoolVal(False)}.get)
        case _:
            return Number(z3.RealVal(100), z3.BoolVal(path == "now"), "time")


def _translated(source: str) -> tuple[Truth, Translator]:
    codes = Codes()
    translator = Translator(codes, z3.Bool)
    return translator.truth(source, lambda path: _leaf(path, codes)), translator


def _by_cel(source: str) -> tuple[bool, bool]:
    try:
        holds = compile_guard(source, LEAVES).holds(VALUES.get)
    except GuardFault:
        return False, False
    return holds, not holds


@pytest.mark.parametrize(
    "source",
    [
        "now in [now, instance.at]",
        "!(now in [now, instance.at])",
        "instance.at in [now]",
        "true in [has.a, now < instance.at]",
        "has.a || true in [has.a, now < instance.at]",
        "has.a && now < instance.at",
        "has.a == (now < instance.at)",
        "has.a != (now < instance.at)",
        "instance.n - 1 - 1 == 0 && instance.n - (1 - 1) == 2",
        "instance . s == 'x'",
        "'x' in instance.many && !('y' in instance.many)",
        "now - now < duration('1h30m')",
    ],
)
def test_an_error_in_a_part_is_an_error_where_cel_says_so(source):
    """True, false and an error are the same answers as CEL's, a list with an error in it included."""
    truth, translator = _translated(source)
    assert translator.opaque == set()
    assert (z3.is_true(z3.simplify(truth.yes)), z3.is_true(z3.simplify(truth.no))) == _by_cel(source)


@pytest.mark.parametrize(
    "source",
    [
        "now - now < duration('1H30m')",
        "now - now < duration('15M')",
        "instance.n + 9223372036854775807 > 0",
        "instance.s < 'y'",
        "'x' + instance.s == 'xx'",
        "(has.a ? 1 : 2) == 1",
        "now in [(has.a ? now : instance.at)]",
        "'unwritten' in instance.many",
        "instance.s in instance.many",
        "instance.s in ['x', 'x' + 'y']",
        "[1, 2] == [1, 2]",
        "-1 < instance.n",
        "instance.s.startsWith('x')",
        "r'x' == instance.s",
        "1.5 < 2.0",
    ],
)
def test_what_is_not_translated_may_be_anything_that_cel_says(source):
    """Nothing is guessed: where the model has no words for an expression, true, false and an error are all open."""
    truth, translator = _translated(source)
    assert len(translator.opaque) == 1
    is_possible = [z3.Solver().check(one) == z3.sat for one in (truth.yes, truth.no, z3.Not(z3.Or(truth.yes, truth.no)))]
    assert is_possible == [True, True, True]
    assert _by_cel(source) in [(True, False), (False, True), (False, False)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("instance.n * (1 + 1) > 3", "instance.n * 1 + 1 > 3"),
        ("-(instance.n + 1) > 3", "-instance.n + 1 > 3"),
        ("(has.a ? 1 : 2) + 1 > 2", "(has.a ? 1 : 2 + 1) > 2"),
        ("size('a, b') > 1", "size(['a', 'b']) > 1"),
        ("instance.s.matches('1')", "instance.s.matches(1)"),
        ("size([true]) > 1", "size(['true']) > 1"),
        ("size([instance.s in ['x']]) > 1", "size([instance.s, 'x']) > 1"),
    ],
)
def test_different_expressions_have_different_words(one, other):
    """What is left open is the same only for the same tree: a proof may not take two expressions for one."""
    (first, left), (second, right) = _translated(one), _translated(other)
    assert left.opaque.isdisjoint(right.opaque)
    assert z3.Solver().check(first.yes, second.no) == z3.sat


def test_the_same_expression_has_the_same_words_however_it_is_spaced():
    """Blanks and parentheses that change nothing do not make another expression."""
    (first, left), (second, right) = _translated("size(instance.s)*2>3"), _translated("((size( instance.s ) * 2)) > 3")
    assert left.opaque == right.opaque == {"(size(instance.s) * 2) > 3"}
    assert z3.Solver().check(first.yes, z3.Not(second.yes)) == z3.unsat


@pytest.mark.parametrize("source", ["a ? b", "['x', 'y']", "instance.s + 'x'", "duration('1H')"])
def test_a_value_that_is_not_read_is_open(source):
    """A computed value without a translation is not given one."""
    codes = Codes()
    assert Translator(codes, z3.Bool).value(source, lambda path: _leaf(path, codes)) == Opaque()
