"""The check that a typed value is the subject's own."""

from __future__ import annotations

import pytest

from tests.support.checking import Desk, instance
from workflow.checks.links import NOT_GENUINE


def known() -> Desk:
    """Somebody with a personal username."""
    return Desk(instance=instance(fields={}), personal={"username": "n00ccgbé"})


@pytest.mark.parametrize("typed", ["n00ccgbé", "N00CCGBÉ", "n00ccgbe\u0301"])
def test_the_same_value_matches_in_any_case_and_form(typed):
    """Case and Unicode form do not count."""
    assert {"ok": True} == known().judge("matches_field", {"username": typed}, field="username").facts


@pytest.mark.parametrize("typed", ["", "n00ccgb", "n00ccgbéx", "\ud800", None])
def test_another_value_does_not(typed):
    """Parts, longer ones, ill-formed ones and none at all are refused, and the reason repeats nothing."""
    result = known().judge("matches_field", {"username": typed}, field="username")
    assert {"ok": False} == result.facts
    assert "value_differs" == result.reasons[0].private


def test_an_unset_field_matches_nothing():
    """Not even the empty value."""
    assert {"ok": False} == Desk(instance=instance(fields={}), personal={}).judge("matches_field", {"username": ""}, field="username").facts


def test_a_plain_field_is_compared_too():
    """A field that is not personal is read from the instance; `value` names another payload value."""
    at = Desk(instance=instance(fields={"network": "ERKNet"}), personal={})
    assert {"ok": True} == at.judge("matches_field", {"typed": "erknet"}, field="network", value="typed").facts


def test_a_wrong_value_can_read_like_a_link_that_is_not_ours():
    """Code, message, what is needed and field are those of an unknown link."""
    [reason] = known().judge("matches_field", {"username": "x"}, field="username", reads_as="unknown_link").reasons
    public = [(r.code, r.message, r.needed, r.field) for r in (reason, NOT_GENUINE)]
    assert public[0] == public[1]
