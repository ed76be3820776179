"""Guards: typed CEL over dotted leaves, where an error is a no."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.worlds import KNOWN, world
from workflow.states.definition import EventName, FieldName
from workflow.states.guards import (
    MAX_KNOWN,
    MAX_KNOWN_CHARACTERS,
    MAX_SOURCE_CHARACTERS,
    CelType,
    GuardError,
    GuardFault,
    compile_guard,
    leaves_of,
    type_of_field,
)

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LEAVES = {
    "instance.name": CelType.STRING,
    "instance.nick": CelType.STRING,
    "instance.level": CelType.INT,
    "instance.tags": CelType.STRINGS,
    "facts.code.ok": CelType.BOOL,
    "now": CelType.TIMESTAMP,
}
VALUES = {
    "instance.name": "ana",
    "instance.nick": "it",
    "instance.level": 3,
    "instance.tags": ["a", "b"],
    "facts.code.ok": True,
    "now": NOW,
}


def compiled(source):
    return compile_guard(source, LEAVES)


@pytest.mark.parametrize(
    ("source", "type_", "value"),
    [
        ("instance.level >= 3 && facts.code.ok", CelType.BOOL, True),
        ("instance.level + 1", CelType.INT, 4),
        ("instance.name + '!'", CelType.STRING, "ana!"),
        ("instance.tags", CelType.STRINGS, ["a", "b"]),
        ("now - duration('1h')", CelType.TIMESTAMP, NOW - timedelta(hours=1)),
        ("duration('90s')", CelType.DURATION, timedelta(seconds=90)),
        ("1.5", CelType.OTHER, 1.5),
        ("'b' in instance.tags", CelType.BOOL, True),
    ],
)
def test_an_expression_has_a_type_and_a_value(source, type_, value):
    """The type is known when the definition is read; what the language does not use is `OTHER`."""
    guard = compiled(source)
    assert guard.type is type_
    assert guard.evaluate(VALUES.get) == value


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("instance.nmae == 'x'", 1, 9),
        ("instance.level == 'x'", 1, 16),
        ("instance.level >", 1, 17),
        ("facts.code.ok &&\n  nothing", 2, 3),
        ("", 1, 1),
    ],
)
def test_what_does_not_compile_says_where(source, line, column):
    """A typo, a wrong type or half an expression is found when the definition is read, with its place."""
    with pytest.raises(GuardError) as found:
        compiled(source)
    assert (found.value.line, found.value.column) == (line, column)
    assert "in container" not in found.value.message


def test_a_guard_is_no_program():
    """An expression beyond the limit is refused unread."""
    assert compiled("true" + " " * (MAX_SOURCE_CHARACTERS - 4)).type is CelType.BOOL
    with pytest.raises(GuardError, match="2001 characters"):
        compiled("true" + " " * (MAX_SOURCE_CHARACTERS - 3))


def test_an_error_without_a_place_is_told_too():
    """What the library reports without a place stands at the beginning."""
    with pytest.raises(GuardError) as found:
        compiled("(" * 500 + "true" + ")" * 500)
    assert (found.value.line, found.value.column) == (1, 1)
    assert "recursion" in found.value.message


@pytest.mark.parametrize(
    "source", ["1 / (instance.level - 3) == 1", "instance.tags[5] == 'x'", "timestamp(instance.name) < now", "int(instance.name) == 1"]
)
def test_an_error_is_never_true(source):
    """What cannot be evaluated is a fault, which whoever asks takes for a no."""
    with pytest.raises(GuardFault):
        compiled(source).holds(VALUES.get)


def test_an_unset_leaf_is_an_error():
    """A leaf without a value is unknown, and unknown is not true; what does not depend on it holds all the same."""
    unknown = {**VALUES, "facts.code.ok": None}.get
    with pytest.raises(GuardFault):
        compiled("facts.code.ok").holds(unknown)
    assert compiled("instance.level == 3 || facts.code.ok").holds(unknown)
    assert not compiled("instance.level == 4 && facts.code.ok").holds(unknown)


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("instance.name.size() > 1", ("instance.name",)),
        ("instance.name == 'instance.nick'", ("instance.name",)),
        ('instance.name == "now"', ("instance.name",)),
        ("instance.tags.exists(x, x == instance.nick)", ("instance.tags", "instance.nick")),
        ("instance.nick == 'it\\'s' || instance.name == 'x'", ("instance.nick", "instance.name")),
        ("''' ' ''' == instance.name + 'a'", ("instance.name",)),
        ('"""a " now""" == instance.name + "x"', ("instance.name",)),
        ("r'\\d' == instance.name || 'y' == instance.nick", ("instance.name", "instance.nick")),
        ("R\"\\d'\" == instance.name || instance.nick == 'now'", ("instance.name", "instance.nick")),
        ("b'now' == bytes(instance.name)", ("instance.name",)),
        ("instance.name == 'x' // it's not now\n && instance.nick == 'it'", ("instance.name", "instance.nick")),
        ("instance\n  .name == 'a'", ("instance.name",)),
        ("instance . level == 1", ("instance.level",)),
        ("true", ()),
    ],
)
def test_the_leaves_an_expression_reads_are_found(source, reads):
    """Whatever CEL allows around a name: only what is read is looked up, and everything that is read is."""
    guard = compiled(source)
    assert guard.reads == reads
    guard.evaluate(VALUES.get)


_ATOMS = st.sampled_from([*(f"{leaf} == {leaf}" for leaf in LEAVES), "'now' != \"it's\"", "r'\\d' != ''", "'''\n'now\"''' != ''", "1 < 2"])


@given(st.lists(st.tuples(_ATOMS, st.sampled_from([" && ", "\n|| ", " && // 'now\n"])), min_size=1, max_size=6))
def test_no_leaf_is_overlooked(parts):
    """Joined in any way, with strings and comments between them, every leaf is found, so that nothing is refused for want of it."""
    source = "".join(atom + joint for atom, joint in parts) + "true"
    guard = compiled(source)
    assert guard.holds(VALUES.get)
    assert set(guard.reads) == {leaf for leaf in LEAVES if any(atom.startswith(f"{leaf} ") for atom, _ in parts)}


FIELDS = """
definition: leaves
language: 1
subject: applicant
roles: {boss: {}}
fields:
  email: email
  network: {type: string, personal: false, because: It names an office.}
  level: integer
  ok: boolean
  seen_at: instant
  day: date
  tags: {type: choice, values: [a, b], many: true}
checks: {code: {}}
events:
  begin: {by: [applicant]}
  enter: {by: [applicant], checks: [code], payload: {code: {type: secret, required: true}, email: {field: email}, level: {field: level}}}
  vote: {by: [boss]}
  note: {by: [applicant]}
start: {event: begin}
states:
  open:
    waits_forever: a test
    tally: [note]
    transitions: [{event: enter, target: done}, {event: vote, target: done, quorum: {need: 2}}, {event: note}]
  done: {outcome: success}
"""


def test_leaves_have_the_types_of_their_fields():
    """Personal values and secrets have no leaf; whether a field is set may be asked of every field."""
    definition = world(FIELDS).definition
    leaves = leaves_of(definition, KNOWN, definition.events[EventName("enter")])
    assert {name: str(type_) for name, type_ in leaves.items()} == {
        "now": "timestamp",
        "instance.state": "string",
        "instance.network": "string",
        "instance.level": "int",
        "instance.ok": "bool",
        "instance.seen_at": "timestamp",
        "instance.day": "string",
        "instance.tags": "list of string",
        **{f"has.{name}": "bool" for name in ("email", "network", "level", "ok", "seen_at", "day", "tags")},
        **{f"{what}.{name}": "int" for what in ("count", "distinct_actors") for name in ("note", "vote")},
        "event.name": "string",
        "event.level": "int",
        "actor.is_subject": "bool",
        "actor.is_deputy": "bool",
        "facts.code.ok": "bool",
        "facts.code.tries": "int",
        "facts.code.method": "string",
    }


def test_without_an_event_only_the_instance_has_leaves():
    """A rule about states sees neither payload nor facts nor who acts."""
    definition = world(FIELDS).definition
    assert {leaf.partition(".")[0] for leaf in leaves_of(definition, KNOWN, None)} == {"now", "instance", "has", "count", "distinct_actors"}
    assert type_of_field(definition.fields[FieldName("tags")]) is CelType.STRINGS


def test_answers_that_are_remembered_are_those_of_their_values():
    """However many values a guard was asked about, and in whatever order, each answer is that of the values; an unset leaf is a value too."""
    guard = compiled("instance.level % 3 == 0 && (instance.name == 'ana' || 'b' in instance.tags)")
    asked = [
        (level, name, tags) for level in range(MAX_KNOWN) for name in ("ana", "it" * MAX_KNOWN_CHARACTERS) for tags in (["a"], ["a", "b"])
    ]
    for _ in range(2):
        for level, name, tags in asked:
            values = {"instance.level": level, "instance.name": name, "instance.tags": tags}
            assert guard.evaluate(values.get) is (level % 3 == 0 and (name == "ana" or "b" in tags))
    assert len(guard.known) <= MAX_KNOWN
    with pytest.raises(GuardFault):
        guard.evaluate({"instance.name": "ana", "instance.tags": []}.get)
