"""Expressions have finite regions: whatever value a leaf has, some representative of it makes the expression say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.known import KNOWN
from workflow.load import load
from workflow.states.cases import Cases, may_be, told, witness
from workflow.states.definition import EventName, Rule, StatePath
from workflow.states.guards import CelType, GuardFault, compile_guard, leaves_of
from workflow.states.regions import Compared, understand
from workflow.states.regions import told as told_distance
from workflow.states.values import MAX_ITEMS, NOW, Unset, written

TYPES = {
    "b": CelType.BOOL,
    "c": CelType.BOOL,
    "i": CelType.INT,
    "j": CelType.INT,
    "s": CelType.STRING,
    "t": CelType.STRING,
    "l": CelType.STRINGS,
    "at": CelType.TIMESTAMP,
    "to": CelType.TIMESTAMP,
    "now": CelType.TIMESTAMP,
}


@pytest.mark.parametrize(
    ("source", "compared"),
    [
        ("true", Compared()),
        ("b && !c || (b ? c : b)", Compared()),
        ("b == c", Compared()),
        ("b != (i > 1)", Compared(values={"i": frozenset({1})})),
        ("i > 3", Compared(values={"i": frozenset({3})})),
        ("3 - 1 <= -i", Compared(values={"i": frozenset({-2})})),
        ("i + 2 == 5", Compared(values={"i": frozenset({3})})),
        ("1 < 2", Compared()),
        ("i < j", Compared(ties=frozenset({("i", "j")}))),
        ("i in [1, 2]", Compared(values={"i": frozenset({1, 2})})),
        ("s == 'x'", Compared(values={"s": frozenset({"x"})})),
        ("'x' != s", Compared(values={"s": frozenset({"x"})})),
        ("s == t", Compared(ties=frozenset({("s", "t")}))),
        ("s in ['x', 'y']", Compared(values={"s": frozenset({"x", "y"})})),
        ("'x' in l", Compared(items={"l": frozenset({"x"})})),
        ("now - at < duration('1h30m')", Compared(offsets={"at": frozenset({-5400})})),
        ("at < now", Compared(offsets={"at": frozenset({0})})),
        ("now < at + duration('10s')", Compared(offsets={"at": frozenset({-10})})),
        ("at - duration('10s') > now", Compared(offsets={"at": frozenset({10})})),
        ("at < to", Compared(ties=frozenset({("at", "to")}))),
    ],
)
def test_what_an_expression_compares_is_understood(source: str, compared: Compared):
    """Numbers, texts, lists, truth values, and instants seen from now."""
    assert compared == understand(source, TYPES)


@pytest.mark.parametrize(
    "source",
    [
        "s < 'x'",
        "s.size() > 1",
        "s == t + 'x'",
        "i + j > 3",
        "i * 2 > 3",
        "i + i > 3",
        "i + 1 < j",
        "at + duration('1h') < to",
        "at < timestamp('2026-01-01T00:00:00Z')",
        "now - at < duration('1.5h')",
        "now - at < duration('')",
        "s in l",
        "i in [1, j]",
        "l == ['x']",
        "['x'] == l",
        "i",
        "[1, 2].exists(x, x == i)",
        "b == s.startsWith('x')",
        "'a' in ['b']",
    ],
)
def test_what_is_not_understood_says_nothing(source: str):
    """Whatever has no finite regions of ours is left alone as a whole."""
    assert understand(source, TYPES) is None


def test_leaves_that_are_compared_with_each_other_share_what_they_are_compared_with():
    """Otherwise a region in which both are beyond a bound would be missed."""
    found = Compared.joined([understand(one, TYPES) or Compared() for one in ("i > 3", "i < j", "at < to", "at > now", "s == t")])

    assert {"i": {3}, "j": {3}} == found.values
    assert {"at": {0}, "to": {0}} == found.offsets


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (-900, "15m before now"), (90_061, "1d 1h 1m 1s after now")],
)
def test_a_distance_is_written_for_a_person(seconds: int, text: str):
    """Instants of a case are told as seen from now."""
    assert text == told_distance(seconds)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Unset.UNSET, "x is not set"),
        (True, "x is true"),
        (NOW - timedelta(minutes=1), "x is 1m before now"),
        (("a", "b"), "x is [a, b]"),
        ("a", "x is 'a'"),
        (3, "x is 3"),
    ],
)
def test_a_value_is_written_for_a_person(value: object, text: str):
    """A case must be readable by the author of the guard."""
    assert text == written("x", value)  # type: ignore[arg-type]  # one of the types of a part


def test_a_case_is_told_without_what_every_case_has():
    """That it is now, and which event it is, goes without saying."""
    assert "always" == told({"now": NOW})
    assert "a is 1" == told({"a": 1, "event.name": "x"})
    assert "a is 1, b is 2 and c is 3" == told({"c": 3, "a": 1, "b": 2})


TEXT = """
definition: regions
language: 1
subject: applicant
roles: {clerk: {}, visitor: {anyone: true, because: It shows a code.}}
fields:
  flag: boolean
  level: {type: integer, min: -1, max: 6}
  other: integer
  size: {type: choice, values: [small, large]}
  name_of_house: {type: string, personal: false, because: It names a house.}
  seen_on: date
  seen_at: instant
  until: instant
  kinds: {type: choice, values: [x, y, z], many: true}
  secret_name: string
checks: {code: {}}
events:
  begin: {by: [visitor], payload: {secret_name: {field: true}}}
  act:
    by: [clerk, applicant]
    payload:
      level: {type: integer, required: true, min: 2}
      agreed: {type: boolean, must_be: true}
      size: {field: size}
      house: {type: string, personal: false, because: It names a house., default: home}
      code: secret
    checks: [code]
  own: {by: [applicant]}
  rule: {by: [clerk], decision: approval}
  tick: {by: engine}
start: {event: begin, set: {secret_name: event.secret_name}}
states:
  open:
    waits_forever: It can.
    tally: [act]
    transitions: [{event: act}, {event: own, target: done}, {event: rule, target: done}]
  done: {outcome: success}
"""
DEFINITION = load(TEXT, known=KNOWN)
OPEN = StatePath("open")


def holding(source: str, event: str | None = "act", *, is_start: bool = False) -> bool | None:
    """Say whether an expression can hold; None when nothing is said of it."""
    cases = Cases(definition=DEFINITION, known=KNOWN)
    type_ = DEFINITION.events[EventName(event)] if event else None
    ((table, _),) = cases.tables([Rule(source=source)], cases.scene(type_, [OPEN], is_start=is_start))
    return None if table is None else bool(table.holds)


@pytest.mark.parametrize(
    ("source", "event", "can"),
    [
        ("instance.level > 6", "act", False),
        ("instance.level == -1", "act", True),
        ("event.level < 2", "act", False),
        ("!event.agreed", "act", True),
        ("event.size == ''", "act", True),
        ("event.size == 'medium'", "act", False),
        ("event.house == 'cabin'", "act", True),
        ("event.name == 'act'", "act", True),
        ("event.name == 'own'", "act", False),
        ("instance.state == 'done'", "act", False),
        ("instance.seen_on != ''", "act", True),
        ("instance.name_of_house != 'another' && has.name_of_house", "act", True),
        ("has.seen_at && instance.seen_at > now", "act", True),
        ("!has.seen_at && instance.seen_at > now", "act", False),
        ("'x' in instance.kinds && !('y' in instance.kinds)", "act", True),
        ("!has.kinds && 'x' in instance.kinds", "act", False),
        ("count.act < 0", "act", False),
        ("distinct_actors.act > 3", "act", True),
        ("facts.code.ok", "act", True),
        ("actor.is_subject && actor.is_deputy", "act", True),
        ("!actor.is_subject", "own", False),
        ("actor.is_deputy", "own", False),
        ("actor.is_subject", "rule", False),
        ("actor.is_deputy", "rule", True),
        ("actor.is_subject || actor.is_deputy", "tick", False),
        ("has.secret_name", "act", True),
        ("instance.level < instance.other", "act", True),
        ("has.level", None, True),
    ],
)
def test_values_are_those_that_can_occur(source: str, event: str | None, can: bool):
    """By the types and bounds of fields and payloads, by who may fire the event, and by what an unset value reads as."""
    assert can is holding(source, event)


def test_at_the_start_nothing_is_set():
    """A guard of the start sees an instance without values."""
    assert holding("has.secret_name || has.level || instance.level > 0", "begin", is_start=True) is False


def test_too_many_regions_are_not_judged():
    """A list in which many texts are looked for, and many leaves at once, are left alone."""
    texts = " || ".join(f"'{n}' in instance.kinds" for n in range(MAX_ITEMS + 1))
    wide = "instance.level > 1 && instance.other > 1 && count.act > 1 && distinct_actors.act > 1 && event.level > 3"

    assert holding(texts) is None
    assert holding(wide) is None


def test_past_the_budget_of_a_definition_nothing_more_is_judged():
    """One definition cannot take more time than another."""
    cases = Cases(definition=DEFINITION, known=KNOWN, left=3)
    scene = cases.scene(DEFINITION.events[EventName("act")], [OPEN])
    rules = [Rule(source="facts.code.ok"), Rule(source="has.level && facts.code.ok")]

    assert [True, False] == [table is not None for table, _ in cases.tables(rules, scene)]


def test_what_does_not_compile_or_is_no_truth_value_has_no_table():
    """Its own finding was noted elsewhere."""
    assert holding("instance.nothing") is None
    assert holding("instance.level") is None


def test_a_search_gives_up_and_says_so():
    """A search that takes too long neither finds a case nor denies one."""
    rows = [tuple((("x", n),) for n in range(100)), tuple((("y", n), ("x", -1)) for n in range(100))]

    assert witness(rows) is None
    assert may_be(rows)
    assert not may_be([rows[0][:2], rows[1][:2]])


ATOMS = [
    "instance.flag",
    "instance.level > 3",
    "instance.level <= 5",
    "instance.level + 1 == instance.other",
    "instance.level < instance.other",
    "instance.size == 'small'",
    "instance.size in ['large', '']",
    "has.size",
    "instance.name_of_house == 'x'",
    "'x' in instance.kinds",
    "has.kinds",
    "has.seen_at",
    "now - instance.seen_at < duration('15m')",
    "instance.seen_at > now",
    "instance.seen_at < instance.until",
    "has.secret_name",
    "count.act >= 2",
]
EXPRESSIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, st.sampled_from(["&&", "||", "=="]), inner).map(lambda three: f"({three[0]}) {three[1]} ({three[2]})"),
    ),
    max_leaves=4,
)
INSTANTS = st.one_of(st.none(), st.integers(-2000, 2000).map(lambda seconds: NOW + timedelta(seconds=seconds)))
VALUES = st.fixed_dictionaries(
    {
        "flag": st.sampled_from([None, True, False]),
        "level": st.one_of(st.none(), st.integers(-1, 6)),
        "other": st.one_of(st.none(), st.integers(-9, 9)),
        "size": st.sampled_from([None, "small", "large"]),
        "name_of_house": st.sampled_from([None, "x", "y", "another"]),
        "kinds": st.sampled_from([None, [], ["x"], ["y", "x"]]),
        "seen_at": INSTANTS,
        "until": INSTANTS,
        "secret_name": st.sampled_from([None, "somebody"]),
        "count": st.integers(0, 4),
    }
)
ZERO: dict[str, object] = {"flag": False, "level": 0, "other": 0, "size": "", "name_of_house": "", "kinds": []}


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.lists(VALUES, min_size=1, max_size=6))
def test_no_value_does_what_no_region_does(source: str, values: list[dict[str, object]]):
    """A guard of which no region holds never holds, and one of which no region fails never fails: by the engine's own CEL."""
    cases = Cases(definition=DEFINITION, known=KNOWN)
    event = DEFINITION.events[EventName("act")]
    ((table, _),) = cases.tables([Rule(source=source)], cases.scene(event, [OPEN]))
    guard = compile_guard(source, leaves_of(DEFINITION, KNOWN, event))
    for one in values:

        def look_up(leaf: str, one: dict[str, object] = one) -> object:
            prefix, _, name = leaf.partition(".")
            if prefix == "has":
                return one[name] is not None
            if prefix == "count":
                return one["count"]
            return NOW if leaf == "now" else ZERO.get(name) if one[name] is None else one[name]

        try:
            holds = guard.holds(look_up)  # type: ignore[arg-type]  # values of the leaves' own types
        except GuardFault:
            holds = False
        assert table is None or (table.holds if holds else table.fails)


def test_now_is_an_aware_instant():
    """Regions of instants are seen from an instant that CEL can compare."""
    assert datetime(2026, 11, 23, 12, tzinfo=UTC) == NOW
