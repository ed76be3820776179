"""Payloads: values come out in their normal form, or every fault is named."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.states.catalogue import Catalogue
from workflow.states.definition import CatalogueRule, Digest, EventName, EventType, Field, FieldName, FieldType, RoleName
from workflow.states.payload import MAX_INTEGER, MAX_ITEMS, MAX_UNKNOWN, normal_for_uniqueness, validate

CATALOGUE = Catalogue(name="sample", title="", sets={"centres": {"berlin": {}, "paris": {}}}, digest=Digest("0" * 64), data={})


def field(type_=FieldType.STRING, name="value", **more) -> Field:
    return Field(name=FieldName(name), type=type_, **more)


def event(*fields: Field) -> EventType:
    return EventType(name=EventName("send"), by=(RoleName("anybody"),), payload={f.name: f for f in fields})


def judge(one: Field, value):
    """Give (normal value, codes) of a single value."""
    normal, reasons = validate(event(one), {one.name: value}, instance_fields={}, catalogue=CATALOGUE)
    return normal.get(one.name), [reason.code for reason in reasons]


def accepted(one: Field, value):
    normal, codes = judge(one, value)
    assert codes == []
    return normal


def is_refused(one: Field, value) -> bool:
    normal, codes = judge(one, value)
    return normal is None and codes == ["invalid_value"]


WRONG = [1, 1.5, True, {"a": 1}, ["x"], float("nan"), b"bytes", date(2026, 1, 1), object()]
ONE_LINE = [FieldType.STRING, FieldType.EMAIL, FieldType.PHONE, FieldType.DATE, FieldType.INSTANT]


@pytest.mark.parametrize("type_", [FieldType.STRING, FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE, FieldType.SECRET])
@pytest.mark.parametrize("value", WRONG, ids=lambda value: type(value).__name__)
def test_text_is_text(type_, value):
    """Nothing else is turned into text."""
    assert is_refused(field(type_), value)


@pytest.mark.parametrize("type_", [*ONE_LINE, FieldType.TEXT, FieldType.SECRET, FieldType.CHOICE])
@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", "\x00", "a\x00b"], ids=ascii)
def test_half_characters_and_nul_are_refused(type_, value):
    """A lone surrogate cannot be encoded, and PostgreSQL has no NUL: neither gets in anywhere, not even in a secret."""
    assert is_refused(field(type_, values=("a", "b")), value)


@pytest.mark.parametrize("type_", ONE_LINE)
@pytest.mark.parametrize("character", ["\n", "\r", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_one_line_is_one_line(type_, character):
    """What ends a line or controls a terminal does not get into a value that goes into the header of a mail."""
    assert is_refused(field(type_), f"ana{character}Bcc: eve@example.org")
    assert is_refused(field(type_), f"ana@example.org{character}")


def test_text_keeps_its_lines():
    """Several lines, tabs and leading blanks belong to a text; other control characters do not."""
    assert accepted(field(FieldType.TEXT), "  one\r\n\ttwo\n") == "  one\r\n\ttwo\n"
    assert is_refused(field(FieldType.TEXT), "one\x1b[2Jtwo")


def test_a_string_is_trimmed_and_not_blank():
    """Blanks around a string mean nothing, and a string of blanks is none."""
    assert accepted(field(), "\u00a0 Ana \u3000") == "Ana"
    assert is_refused(field(), "   ")


def test_text_is_composed():
    """The same letters are the same text, however they were typed (NFC)."""
    assert accepted(field(), "Zoe\u0308") == "Zo\u00eb"
    assert accepted(field(FieldType.TEXT), "a\u030a") == "\u00e5"


@pytest.mark.parametrize(("type_", "limit"), [(FieldType.STRING, 254), (FieldType.TEXT, 4_000), (FieldType.SECRET, 1_024)], ids=str)
def test_lengths_are_limited(type_, limit):
    """Each type has its limit; `max_length` lowers or (for text) raises it, and a secret's has a ceiling."""
    assert accepted(field(type_), "x" * limit) == "x" * limit
    assert is_refused(field(type_), "x" * (limit + 1))
    assert is_refused(field(type_, max_length=3), "four")
    assert is_refused(field(FieldType.SECRET, max_length=5_000), "x" * 1_025)


def test_what_grows_by_composing_is_measured_as_it_is_kept():
    """A few characters become longer in NFC; the limit holds for what is stored."""
    assert len(unicodedata.normalize("NFC", "\u0958")) == 2
    assert is_refused(field(max_length=3), "\u0958" * 2)
    assert accepted(field(max_length=4), "\u0958" * 2) == "\u0915\u093c" * 2


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("Ana.Sample@Example.ORG", "Ana.Sample@example.org"),
        (" ana@example.org ", "ana@example.org"),
        ("zoe\u0308@ex\u00e4mple.org", "zo\u00eb@ex\u00e4mple.org"),
        ("a+b@sub.example.museum", "a+b@sub.example.museum"),
    ],
)
def test_an_address_is_kept_with_a_lower_case_domain(given_, normal):
    """The domain of an address has no case; what stands before the @ is its owner's business."""
    assert accepted(field(FieldType.EMAIL), given_) == normal


@pytest.mark.parametrize(
    "given_",
    [
        *("ana", "ana@", "@example.org", "ana@example", "ana@@example.org", "a b@example.org", "a..b@example.org", ".a@example.org"),
        *("a.@example.org", "a@example..org", "ana@example.org,eve@example.org", "<ana@example.org>", '"a"@example.org', "a@[127.0.0.1]"),
        *("a\u200b@example.org", "a\u202e@example.org", "a\u00a0b@example.org", f"{'x' * 65}@example.org", f"a@{'x' * 64}.org"),
        "a@" + "\u0130" * 63 + ".org",
    ],
)
def test_what_is_no_address_is_refused(given_):
    """One address without quotes, comments, lists or characters that nobody sees."""
    assert is_refused(field(FieldType.EMAIL), given_)


@pytest.mark.parametrize("given_", ["+32 470 12 34 56", "(0470) 12-34/56", "1 12"])
def test_a_telephone_number_is_kept_as_typed(given_):
    """What a number means is for the check to say; here it only looks like one."""
    assert accepted(field(FieldType.PHONE), given_) == given_


@pytest.mark.parametrize("given_", ["----", "+", "+32 470 CALL", "1" * 41, "\u0664\u0667\u0660\u0661", "12-/"])
def test_what_is_no_telephone_number_is_refused(given_):
    """Only ASCII digits and the usual separators, and enough of the digits."""
    assert is_refused(field(FieldType.PHONE), given_)


@pytest.mark.parametrize(
    "given_", [True, False, 1.0, float("nan"), float("inf"), "1", None, [1], MAX_INTEGER + 1, -MAX_INTEGER - 1, 10**400]
)
def test_an_integer_is_a_whole_number(given_):
    """No text, no boolean, no fraction, and nothing beyond what the history can write down."""
    assert judge(field(FieldType.INTEGER), given_)[0] is None


def test_an_integer_keeps_to_its_range():
    """`min` and `max` are inclusive; zero is a limit like any other."""
    one = field(FieldType.INTEGER, min=0, max=5)
    assert [accepted(one, value) for value in (0, 5)] == [0, 5]
    assert is_refused(one, -1)
    assert is_refused(one, 6)
    assert accepted(field(FieldType.INTEGER), -MAX_INTEGER) == -MAX_INTEGER


@pytest.mark.parametrize("given_", [0, 1, "true", "yes", 1.0, [True]])
def test_a_boolean_is_true_or_false(given_):
    """Nothing else counts as agreement."""
    assert is_refused(field(FieldType.BOOLEAN), given_)


def test_what_must_be_accepted_is_accepted():
    """`must_be` wants this very value; nothing given is not enough, and the other value is refused."""
    one = field(FieldType.BOOLEAN, must_be=True)
    assert accepted(one, value=True) is True
    assert is_refused(one, value=False)
    assert judge(one, None) == (None, ["value_missing"])
    assert is_refused(field(FieldType.BOOLEAN, must_be=False), value=True)


@pytest.mark.parametrize(
    ("given_", "normal"), [("2026-11-23", "2026-11-23"), ("20261123", "2026-11-23"), (date(2026, 11, 23), "2026-11-23")]
)
def test_a_date_is_kept_as_text(given_, normal):
    """Dates are kept as RFC 3339 text, also when the host gives them as dates."""
    assert accepted(field(FieldType.DATE), given_) == normal


@pytest.mark.parametrize("given_", ["23/11/2026", "2026-02-30", "tomorrow", datetime(2026, 11, 23, tzinfo=UTC), 20261123, "0000-01-01"])
def test_what_is_no_date_is_refused(given_):
    """No guessing about the order of day and month, and an instant is no date."""
    assert is_refused(field(FieldType.DATE), given_)


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("2026-11-23T09:30:00+01:00", "2026-11-23T08:30:00Z"),
        ("2026-11-23T09:30:00Z", "2026-11-23T09:30:00Z"),
        ("2026-11-23 09:30:00.250000+00:00", "2026-11-23T09:30:00.250000Z"),
        (datetime(2026, 11, 23, 9, tzinfo=timezone(timedelta(hours=9))), "2026-11-23T00:00:00Z"),
    ],
)
def test_an_instant_is_kept_in_utc(given_, normal):
    """Whatever zone it was given in."""
    assert accepted(field(FieldType.INSTANT), given_) == normal


class Nowhere(tzinfo):
    """A zone that does not say how far it is from UTC."""

    def utcoffset(self, _at):
        return None


@pytest.mark.parametrize(
    "given_",
    [
        *("2026-11-23T09:30:00", "2026-11-23", "noon", "2026-11-23T25:00:00Z", 1_700_000_000),
        *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),
        datetime(2026, 11, 23),  # noqa: DTZ001  # that it says no zone is the point
        datetime(2026, 11, 23, tzinfo=Nowhere()),
    ],
    ids=str,
)
def test_what_is_no_instant_is_refused(given_):
    """An instant says its zone and lies within the years that can be written."""
    assert is_refused(field(FieldType.INSTANT), given_)


def test_a_choice_is_one_of_the_values():
    """Exactly one of them, as written."""
    one = field(FieldType.CHOICE, values=("red", "blue"))
    assert accepted(one, "red") == "red"
    assert all(is_refused(one, value) for value in ("Red", "green", 0, True, {"red": 1}, float("nan")))


def test_a_secret_is_kept_as_typed():
    """Nothing is trimmed or composed: what was typed is what is checked."""
    typed = "  Zoe\u0308 \t"
    assert accepted(field(FieldType.SECRET), typed) == typed


def test_many_values_are_a_list_without_repetition():
    """Each in its normal form; twice the same after normalising is twice the same."""
    one = field(FieldType.STRING, is_many=True)
    assert accepted(one, ["b", " a "]) == ("b", "a")
    assert accepted(one, ("x",)) == ("x",)
    assert accepted(field(FieldType.INTEGER, is_many=True), [3, 1]) == (3, 1)
    for value in ("ab", {"a": 1}, ["a", " a "], ["a", ""], ["a", None], [["a"]], ["x"] * (MAX_ITEMS + 1), 5):
        assert is_refused(one, value)


@pytest.mark.parametrize("nothing", [None, "", (), []], ids=ascii)
def test_nothing_given_is_nothing(nothing):
    """An empty answer is none: required values are missed, optional ones are left out."""
    assert judge(field(is_required=True), nothing) == (None, ["value_missing"])
    assert judge(field(), nothing) == (None, [])
    assert judge(field(default="blue"), nothing) == ("blue", [])
    assert judge(field(FieldType.INTEGER, default=0), nothing) == (0, [])


def test_an_emptied_text_is_an_empty_text():
    """A comment that was deleted is said to be empty, a list of them is not."""
    assert judge(field(FieldType.TEXT), "") == ("", [])
    assert judge(field(FieldType.TEXT), None) == (None, [])
    assert judge(field(FieldType.TEXT, is_many=True), []) == (None, [])
    assert judge(field(FieldType.TEXT, is_required=True), "") == (None, ["value_missing"])


def test_what_is_typed_twice_must_be_the_same():
    """`same_as` compares normal forms."""
    typed = event(field(FieldType.EMAIL, "email"), field(FieldType.EMAIL, "again", same_as=FieldName("email")))

    def codes(**payload):
        return [(r.code, r.field) for r in validate(typed, payload, instance_fields={}, catalogue=None)[1]]

    assert codes(email="a@Example.org", again="a@example.org") == []
    assert codes(email="a@example.org", again="b@example.org") == [("values_differ", "again")]
    assert codes(again="b@example.org") == [("values_differ", "again")]
    assert codes(email="a@example.org") == []


def test_values_of_a_catalogue_are_looked_up():
    """A value with a catalogue rule is judged by the catalogue in force, and without one refused."""
    one = field(catalogue=CatalogueRule(set_name="centres"))
    assert accepted(one, "berlin") == "berlin"
    assert judge(one, "berlim")[1] == ["not_in_catalogue"]
    _, reasons = validate(event(one), {"value": "berlin"}, instance_fields={}, catalogue=None)
    assert [reason.code for reason in reasons] == ["no_catalogue"]


def test_earlier_answers_are_seen_by_the_catalogue():
    """A rule that refers to another field finds it in the instance when the payload does not have it."""
    sets = {"centres": {"berlin": {"network": "north"}}}
    known = Catalogue(name="sample", title="", sets=sets, digest=Digest("0" * 64), data={})
    one = field(catalogue=CatalogueRule(set_name="centres", matches={"network": FieldName("network")}))

    def codes(**instance_fields):
        return [r.code for r in validate(event(one), {"value": "berlin"}, instance_fields=instance_fields, catalogue=known)[1]]

    assert codes(network="north") == []
    assert codes(network="south") == ["does_not_belong"]


def test_all_faults_are_told_at_once():
    """Unknown, missing and faulty values are named together, each with its field."""
    several = event(field(FieldType.INTEGER, "age"), field(FieldType.EMAIL, "email", is_required=True))
    _, reasons = validate(several, {"age": "old", "emial": "x"}, instance_fields={}, catalogue=None)
    assert [(r.code, r.field) for r in reasons] == [("unknown_value", ""), ("invalid_value", "age"), ("value_missing", "email")]
    assert "Did you mean 'email'?" in reasons[0].message


def test_an_unknown_name_is_shown_but_never_kept():
    """The name of an unknown value comes from anybody: it is cut, escaped, and no part of what the history keeps."""
    _, (reason,) = validate(event(field()), {"\ud800\x1b" + "x" * 10_000: 1}, instance_fields={}, catalogue=None)
    assert reason.field == ""
    assert len(reason.message) < 200
    assert reason.message.isascii()
    assert reason.message.isprintable()


def test_not_every_unknown_name_is_told():
    """A hundred thousand unknown names are told by the first few."""
    _, reasons = validate(event(field()), dict.fromkeys(map(str, range(100_000)), 1), instance_fields={}, catalogue=None)
    assert len(reasons) == MAX_UNKNOWN


def test_an_event_without_values_takes_none():
    """Nothing wanted and nothing given is fine; something given is not."""
    assert validate(event(), {}, instance_fields={}, catalogue=None) == ({}, ())
    assert validate(event(), {"x": 1}, instance_fields={}, catalogue=None)[1][0].code == "unknown_value"


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ana@example.org", "ana@example.org"), ("STRASSE", "stra\u00dfe"), ("Zo\u00eb", "ZOE\u0308"), ("\u0130ris", "i\u0307ris")],
)
def test_unique_texts_are_compared_without_case(one, other):
    """Two spellings of one address are one address."""
    email = field(FieldType.STRING)
    assert normal_for_uniqueness(email, one) == normal_for_uniqueness(email, other)
    assert normal_for_uniqueness(field(FieldType.INTEGER), 5) == "5"


# Whatever is sent

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=3),
    max_leaves=8,
)
_LIKELY = st.one_of(
    _JSON,
    st.emails(),
    st.dates().map(str),
    st.datetimes(timezones=st.just(UTC)).map(str),
    st.text("\u0130\u0958\ufb2ca@.\u0300 ", max_size=12),
    st.builds(
        lambda local, domain: f"{local}@{domain}.org", st.text("a\u0130\u0958.", min_size=1), st.text("B\u0130\u0958\ufb2c", min_size=1)
    ),
    st.sampled_from(["red", "+32 470 12 34 56", "berlin", "0001-01-01T00:00:00+14:00"]),
    st.lists(st.sampled_from(["red", "blue", "\u212b", "\u00c5"]), max_size=3),
)
EVERY = event(
    *(
        field(type_, f"{type_.value}{suffix}", is_many=is_many, values=("red", "blue"))
        for type_ in FieldType
        for suffix, is_many in (("", False), ("_many", True))
    ),
    field(name="short", max_length=5),
    field(name="email_again", type_=FieldType.EMAIL, same_as=FieldName("email")),
    field(name="centre", catalogue=CatalogueRule(set_name="centres")),
)


@given(st.dictionaries(st.sampled_from(list(EVERY.payload)) | st.text(st.characters(), max_size=5), _LIKELY, max_size=8))
@settings(max_examples=400, deadline=None)
def test_nothing_that_is_sent_is_an_error_of_ours(payload):
    """Any JSON value gives normal values or reasons, never an exception; and what was normal once is normal for good."""
    normal, reasons = validate(EVERY, payload, instance_fields={}, catalogue=CATALOGUE)
    faulty = {reason.field for reason in reasons}
    kept = {name: value for name, value in normal.items() if name not in faulty}
    json.dumps(normal, allow_nan=False).encode()
    again, more = validate(EVERY, kept, instance_fields={}, catalogue=CATALOGUE)
    assert again == kept
    assert {reason.code for reason in more} <= {"values_differ"}
    for reason in reasons:
        reason.message.encode()
        reason.field.encode()
