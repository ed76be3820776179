"""Expressions as formulas say what the real CEL says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.prove.terms import Codes, Number, Translator, Truth
from workflow.states.cel_tree import UnreadError, read
from workflow.states.guards import CelType, GuardFault, compile_guard

LEAVES = {
    "has.a": CelType.BOOL,
    "facts.c.ok": CelType.BOOL,
    "count.x": CelType.INT,
    "instance.n": CelType.INT,
    "instance.s": CelType.STRING,
    "instance.at": CelType.TIMESTAMP,
    "now": CelType.TIMESTAMP,
}
ATOMS = [
    "has.a",
    "facts.c.ok",
    "true",
    "count.x < 3",
    "count.x + 1 >= instance.n",
    "instance.n != 2",
    "instance.s == 'x'",
    "instance.s in ['x', '']",
    "now - instance.at < duration('15m')",
    "now < instance.at + duration('1h')",
]
EXPRESSIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, st.sampled_from(["&&", "||", "=="]), inner).map(lambda three: f"({three[0]}) {three[1]} ({three[2]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]}) ? ({three[1]}) : ({three[2]})"),
    ),
    max_leaves=5,
)
VALUES = st.fixed_dictionaries(
    {
        "has.a": st.booleans(),
        "facts.c.ok": st.booleans(),
        "count.x": st.integers(0, 4),
        "instance.n": st.integers(0, 4),
        "instance.s": st.sampled_from(["", "x", "y"]),
        "instance.at": st.one_of(st.none(), st.integers(0, 4000)),
        "now": st.integers(0, 4000),
    }
)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, VALUES)
def test_a_formula_says_what_cel_says(source, values):
    """True, false and an error are the same three answers in both."""
    codes = Codes()
    translator = Translator(codes, z3.Bool)
    truth = translator.truth(source, lambda path: _term(path, values, codes))
    assert not translator.opaque
    answer = (z3.is_true(z3.simplify(truth.yes)), z3.is_true(z3.simplify(truth.no)))
    assert _by_cel(source, values) == answer


def _term(path, values, codes):
    value = values[path]
    match LEAVES[path]:
        case CelType.BOOL:
            return Truth(z3.BoolVal(value), z3.BoolVal(not value))
        case CelType.INT:
            return Number(z3.IntVal(value), z3.BoolVal(True), "int")
        case CelType.STRING:
            return Number(z3.IntVal(codes.of(value)), z3.BoolVal(True), "text")
        case _:
            return Number(z3.RealVal(value or 0), z3.BoolVal(value is not None), "time")


def _by_cel(source, values):
    given = {n: datetime.fromtimestamp(v, UTC) if LEAVES[n] is CelType.TIMESTAMP and v is not None else v for n, v in values.items()}
    try:
        holds = compile_guard(source, LEAVES).holds(given.get)
    except GuardFault:
        return False, False
    return holds, not holds


@pytest.mark.parametrize("source", ["instance.s.startsWith('x')", "size(instance.s) > 3", "instance.s.size() > 3"])
def test_what_is_not_translated_is_free_and_named(source):
    """A method without a translation may be true, false or an error, and the proof says which words it left open."""
    translator = Translator(Codes(), z3.Bool)
    truth = translator.truth(source, lambda path: _term(path, {"instance.s": "x"}, Codes()))
    assert len(translator.opaque) == 1
    solver = z3.Solver()
    for formula in (truth.yes, truth.no, z3.Not(z3.Or(truth.yes, truth.no))):
        assert solver.check(formula) == z3.sat


@pytest.mark.parametrize("source", ["a b", "(a", "'\\x41' == a", "a ? b", "1.5 < a", "", "{'a': 1}", "a..b"])
def test_what_is_outside_the_grammar_is_not_guessed(source):
    """An expression that is not read whole is not read at all."""
    with pytest.raises(UnreadError):
        read(source)
