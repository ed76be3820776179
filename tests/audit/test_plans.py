"""What the stored content of a definition says of its states, without compiling it."""

from __future__ import annotations

import orjson
import pytest

from workflow.audit.plans import read_plan

CONTENT = {
    "timers": [{"name": "overall", "event": "expire"}],
    "states": {
        "open": {
            "timers": [{"name": "late", "event": "remind"}],
            "states": {"asked": None, "held": {"timers": [{"name": "patience", "event": "lapse"}]}},
        },
        "done": {"outcome": "success", "states": {"inner": {}}},
        "lost": {"outcome": "failure"},
    },
}


def test_outcomes_and_timers_are_found_in_every_depth():
    """Each state's outcome, and of each timer where it runs and what it fires; inside a state with an outcome it is the same one."""
    plan = read_plan("access", orjson.dumps(CONTENT))
    assert plan is not None
    assert (plan.name, dict(plan.outcomes)) == ("access", {"done": "success", "lost": "failure"})
    assert dict(plan.timers) == {
        "overall": ("", "expire"),
        "open.late": ("open", "remind"),
        "open.held.patience": ("open.held", "lapse"),
    }
    found = {state: plan.outcome_of(state) for state in ("done", "done.inner", "open.asked", "lost", "nowhere")}
    assert found == {"done": "success", "done.inner": "success", "open.asked": None, "lost": "failure", "nowhere": None}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"states": ["open"]}', b'{"timers": [{"event": "x"}]}', b'{"timers": [3]}'])
def test_content_that_is_no_definition_says_nothing(content: bytes):
    """What somebody put in place of a definition is no plan, and no error."""
    assert read_plan("access", content) is None
