"""Commitments: what an entry says of a personal value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.audit.commitment import SALT_BYTES, commit, opens

SALTS = st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES)


@given(st.text(st.characters(exclude_categories=["Cs"])), SALTS)
def test_a_commitment_opens_with_its_value_and_salt(value, salt):
    """The value and its salt open the commitment."""
    assert opens(commit(value, salt), value, salt)


@given(st.text(max_size=20), st.text(max_size=20), SALTS, SALTS)
def test_nothing_else_opens_it(value, other, salt, other_salt):
    """Another value or another salt does not open it."""
    made = commit(value, salt)
    assert opens(made, other, salt) is (other == value)
    assert opens(made, value, other_salt) is (other_salt == salt)


def test_a_short_salt_is_refused():
    """A salt that could be tried through is refused."""
    with pytest.raises(ValueError, match="32 bytes"):
        commit("x", b"short")


def test_the_form_does_not_change():
    """Commitments of stored histories open for ever: this one was made by the first version."""
    assert commit("ana@example.org", b"\x01" * 32) == "44c0cc9a4e44f9122889af1b06b2f3d428a0bb39c4c43347c48446bc670dfc99"
