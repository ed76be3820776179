"""Canonical bytes: what is hashed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from workflow.audit.canonical import MAX_INTEGER, canonical, instant, read_instant

KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_agrees_with_rfc8785(value):
    """Within our limits the fast serialiser gives exactly the bytes of RFC 8785."""
    assert rfc8785.dumps(value) == canonical(value)


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), 2**53, {"ä": 1}, {1: 2}, [b"x"], {"a": {"b": 0.1}}, {"at": datetime(2026, 1, 1, tzinfo=UTC)}]
)
def test_refuses_what_has_no_canonical_form(value):
    """Floats, large integers, keys beyond ASCII and foreign types are refused, at any depth."""
    with pytest.raises(ValueError, match=r"canonical form|ASCII"):
        canonical(value)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2999, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001  # the zone is added below
def test_instants_are_written_in_utc_and_read_back(naive, minutes):
    """An instant of any zone is written in UTC with microseconds, and reads back as the same instant."""
    at = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = instant(at)
    assert text.endswith("Z")
    assert len(text) == len("2026-11-23T19:31:57.000000Z")
    assert read_instant(text) == at


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 23, 19, 31, 57, tzinfo=UTC), "2026-11-23T19:31:57.000000Z"),
        (datetime(2026, 11, 23, 19, 31, 57, 1, tzinfo=UTC), "2026-11-23T19:31:57.000001Z"),
        (datetime(2026, 11, 23, 20, 31, 57, 120_000, tzinfo=timezone(timedelta(hours=1))), "2026-11-23T19:31:57.120000Z"),
        (datetime(2026, 11, 23, 23, 30, tzinfo=timezone(timedelta(hours=-1))), "2026-11-24T00:30:00.000000Z"),
    ],
)
def test_an_instant_has_one_written_form(at, text):
    """Whatever the zone and however many digits, an instant is written in one way, and read back."""
    assert text == instant(at)
    assert at == read_instant(text)


def test_instants_sort_as_text():
    """The written form keeps the order of instants."""
    earlier, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert instant(earlier) < instant(later)
