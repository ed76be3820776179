"""When an effect is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.briefings import NOW, briefing
from workflow.actions.backoff import STEADY, URGENT, Plan, next_attempt, plan_for

plans = st.sampled_from([STEADY, URGENT])


def waits(plan: Plan, jitter: float) -> list[float]:
    found = []
    for attempts in range(1, plan.attempts):
        again_at = next_attempt(attempts, jitter=jitter, now=NOW, plan=plan)
        assert again_at is not None
        found.append((again_at - NOW).total_seconds())
    return found


@given(plan=plans, jitter=st.floats(0, 1, exclude_max=True), attempts=st.integers(1, 100))
def test_a_message_is_dead_after_its_last_attempt(plan: Plan, jitter: float, attempts: int) -> None:
    """There is a next attempt exactly while there are attempts left, and it lies ahead."""
    again_at = next_attempt(attempts, jitter=jitter, now=NOW, plan=plan)
    assert (again_at is None) == (attempts >= plan.attempts)
    assert again_at is None or again_at > NOW


@given(plan=plans, jitter=st.floats(0, 1, exclude_max=True))
def test_waits_grow_up_to_the_cap(plan: Plan, jitter: float) -> None:
    """With the same chance no wait is shorter than the one before, and none is longer than the cap and its jitter."""
    found = waits(plan, jitter)
    assert all(later >= earlier for earlier, later in pairwise(found))
    assert max(found) <= plan.cap_seconds * 1.2


def test_jitter_spreads_by_a_fifth() -> None:
    """Messages that failed together come back apart."""
    early, middle, late = (next_attempt(1, jitter=jitter, now=NOW) for jitter in (0.0, 0.5, 0.999_999))
    assert early == NOW + timedelta(seconds=24)
    assert middle == NOW + timedelta(seconds=30)
    assert late is not None
    assert NOW + timedelta(seconds=35.9) < late < NOW + timedelta(seconds=36)


def test_ordinary_mails_wait_about_two_days_and_links_half_an_hour() -> None:
    """Twelve attempts over some 44 hours; a link's mail gives up before its reader does."""
    assert 40 < sum(waits(STEADY, 0.5)) / 3_600 < 48
    assert 25 < sum(waits(URGENT, 0.5)) / 60 < 45


def test_what_somebody_waits_for_is_urgent() -> None:
    """Links, text messages and pushes are tried soon; notices and accounts patiently."""
    urgent = [briefing("mail", "password_link", link="https://x.example/"), briefing("sms", "challenge"), briefing("push", "sign_in")]
    patient = [briefing("mail", "approved"), briefing("provision", "cpms_account"), briefing("alert", "no_approver")]
    assert {plan_for(told.message.effect) for told in urgent} == {URGENT}
    assert {plan_for(told.message.effect) for told in patient} == {STEADY}


@pytest.mark.parametrize(("attempts", "jitter"), [(0, 0.5), (1, 1.0), (1, -0.1)])
def test_nonsense_is_refused(attempts: int, jitter: float) -> None:
    """No attempt yet, or a chance outside [0, 1), is a fault of the caller."""
    with pytest.raises(ValueError, match="attempts must be"):
        next_attempt(attempts, jitter=jitter, now=datetime.now(tz=NOW.tzinfo))
