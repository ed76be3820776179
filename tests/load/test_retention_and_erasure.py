"""The keys `retention` and `erasure` of a definition."""

from __future__ import annotations

import pytest

from tests.support.known import KNOWN
from workflow.errors import DefinitionError
from workflow.load import load

TEXT = """
definition: d
language: 1
subject: person
{more}
roles: {{}}
events: {{ask: {{by: [person]}}, forget: {{by: engine}}, done: {{by: [person]}}}}
start: {{event: ask}}
states:
  open: {{waits_forever: a test, transitions: [{{event: done, target: ended}}, {first}]}}
  ended: {{outcome: success}}
"""
FORGET = "{event: forget, target: ended}"


def read(more: str, *, first: str = FORGET):
    return load(TEXT.format(more=more, first=first), known=KNOWN)


def faults(more: str, *, first: str = FORGET) -> set[str]:
    with pytest.raises(DefinitionError) as found:
        read(more, first=first)
    return {finding.code for finding in found.value.findings}


def test_one_duration_is_for_ends_without_an_account():
    """A plain duration holds after a failure and a neutral end; whoever succeeded keeps an account, and its values."""
    definition = read("retention: P90D\nerasure: forget")
    assert {outcome: unit.text for outcome, unit in definition.retention.items()} == {"failure": "P90D", "neutral": "P90D"}
    assert definition.erasure == "forget"


def test_each_outcome_may_have_its_own():
    """A definition that says so erases after a success too."""
    definition = read("retention: {success: P1095D, neutral: P30D}\nerasure: forget")
    assert {outcome: unit.amount // 86_400 for outcome, unit in definition.retention.items()} == {"success": 1095, "neutral": 30}


def test_nothing_is_erased_by_itself_when_nothing_is_said():
    """Without the keys nothing is retained for a limited time, and no event closes a request."""
    definition = load(TEXT.format(more="", first="").replace("forget: {by: engine}, ", "").replace(", ]", "]"), known=KNOWN)
    assert (definition.retention, definition.erasure) == ({}, None)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("retention: P0D\nerasure: forget", "invalid-duration"),
        ("retention: {success: P4000D}\nerasure: forget", "invalid-duration"),
        ("erasure: done", "not-an-engine-event"),
        ("erasure: forgot", "unknown-event"),
    ],
)
def test_faults_are_named(more, code):
    """A duration of nothing, an event that people fire, an event that does not exist."""
    assert code in faults(more)


def test_an_erasure_that_does_not_close_is_a_fault():
    """Every state that is no outcome must have a way out for the erasure, or it would be stuck half way."""
    assert "erasure-not-closing" in faults("erasure: forget", first="{event: forget, actions: [{mail: note}]}")
