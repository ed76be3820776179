"""Verdicts and answers as hosts see them."""

from __future__ import annotations

import pytest

from tests.states.test_step import NESTED
from tests.support.worlds import Run, calendar, world
from workflow.errors import Reason, RefusedError
from workflow.states.instance import Actor, InstanceId
from workflow.states.verdict import Accepted, Kind, Merged, Refused

REASON = Reason(code="wrong_state", message="Not now.", needed="patience")


def test_a_refusal_is_raised_with_everything_it_knows():
    """Hosts raise it after their own commit; the error carries the reasons and where the refusal was written."""
    with pytest.raises(RefusedError) as raised:
        Refused(reasons=(REASON,), instance_id=InstanceId("one"), sequence=7).raise_()
    assert (raised.value.reasons, raised.value.instance_id, raised.value.sequence) == ((REASON,), "one", 7)


def test_every_other_answer_raises_nothing():
    """So that a host writes `answer.raise_()` whatever the answer was."""
    run = Run(world(NESTED, calendar=calendar()))
    run.begin(Actor.of("ana"))
    accepted, merged = Accepted(instance=run.instance, sequence=1), Merged(instance_id=InstanceId("one"))
    assert accepted.raise_() is accepted
    assert merged.raise_() is merged


def test_a_step_says_where_it_led():
    """From nothing at the start, and from where to where afterwards."""
    run = Run(world(NESTED, calendar=calendar()))
    step = run.begin(Actor.of("ana"))
    assert (step.from_state, step.to_state) == (None, "open.waiting")
    step = run.fire("ask", Actor.of("ben", "boss"))
    assert (step.from_state, step.to_state) == ("open.waiting", "open.asked")


def test_kinds_have_a_grammar():
    """`<subject>:<what>`, both lower-case words."""
    for kind in Kind:
        subject, _, what = kind.value.partition(":")
        assert subject.isalpha()
        assert what.replace("_", "").isalpha()
        assert kind.value == kind.value.lower()
