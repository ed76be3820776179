"""Who may see an onboarding, and lists of what one may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.onboarding import ADMIN, EVE, HAL, LEA, TESS, TOM, deputy_of
from workflow.ports import InstanceQuery, Page, WorkQuery
from workflow.states.instance import Actor
from workflow.web.seeing import BATCH, MOST_BATCHES, Sight, fill, look, look_for, may_see, sees_all


def test_before_a_network_is_chosen_no_team_sees_anything(house):
    """Roles with a scope are held for a value; without one only those without scope, the subject and the auditors see."""
    seen = look(house.engine, _registered(house).id)
    found = {str(a.id): may_see(seen.definition, seen.instance, a) for a in (TESS, EVE, LEA, HAL, ADMIN, Actor.of("otto", "auditor"))}
    assert {"tess": False, "eve": False, "lea": False, "hal": True, "ada": True, "otto": True} == found


def test_a_request_is_seen_by_those_who_decide_and_by_its_subject(house):
    """The network's team and the help desk; neither another network, nor another applicant, nor a holder without the scope."""
    jane = house.person().requested()
    seen = look(house.engine, jane.id)
    actors = [
        TESS,
        TOM,
        EVE,
        HAL,
        jane.actor,
        Actor.of("person-99"),
        Actor.of("x", "network_team"),
        Actor.of("x", "applicant"),
        Actor.of("x", "visitor"),
    ]
    found = [may_see(seen.definition, seen.instance, actor) for actor in actors]
    assert [True, True, False, True, True, False, False, False, False] == found


def test_auditors_of_one_scope_do_not_see_everything(house):
    """What sees everything is held without a scope."""
    assert [True, True, False] == [sees_all(Actor.of("x", role)) for role in ("auditor", "administrator", "auditor:ERKNet")]


def test_a_deputy_sees_while_the_delegation_runs_and_the_principal_holds_the_role(house):
    """From its start until before its end, in its role and scope, and never as a deputy of a deputy or of the subject."""
    jane = house.person().requested()
    now = house.clock.now()
    seen = look(house.engine, jane.id)
    holders = house.engine.parts.directory.holders
    dora = Actor.of("dora")

    def sees(delegation, at=now, by=holders):
        return may_see(seen.definition, seen.instance, dora, delegations=(delegation,), holders=by, now=at)

    running = deputy_of("tess", "dora", now=now)
    assert sees(running)
    assert not sees(running, now - timedelta(seconds=1))
    assert sees(running, running.ends_at - timedelta(seconds=1))
    assert not sees(running, running.ends_at)
    assert not sees(running, by=lambda *_: ())
    assert not sees(deputy_of("eve", "dora", now=now))
    assert not sees(deputy_of("tess", "dora", now=now, role="helpdesk"))
    assert not sees(deputy_of(jane.subject, "dora", now=now))
    assert not may_see(seen.definition, seen.instance, dora, delegations=(running,), holders=holders), "without an instant nothing runs"
    assert not may_see(seen.definition, seen.instance, Actor.of("tess"), delegations=(running,), holders=holders, now=now)


def test_a_role_that_is_taken_away_shows_nothing_any_more(house):
    """What was seen and decided yesterday is not seen today."""
    jane = house.person().requested()
    jane.approve(TESS)
    assert look_for(house.engine, jane.id, TESS).instance.id == jane.id
    with pytest.raises(Exception, match="There is no instance"):
        look_for(house.engine, jane.id, Actor.of("tess"))


def test_lists_hold_what_one_may_see(house):
    """The team its network's, a deputy the principal's, an applicant the own one, nobody else anything."""
    jane, john = house.person().requested(), _registered(house)
    house.engine.delegate(deputy_of("tess", "dora", now=house.clock.now()), actor=TESS)
    expected = {
        TESS: {jane.id},
        EVE: set(),
        HAL: {jane.id, john.id},
        Actor.of("dora"): {jane.id},
        jane.actor: {jane.id},
        Actor.of("nobody"): set(),
    }
    for actor, ids in expected.items():
        sight = Sight.of(house.engine, actor)
        assert ids == {one.instance.id for one in sight.instances(InstanceQuery()).rows}
    assert () == Sight.of(house.engine, jane.actor).instances(InstanceQuery(subject=john.subject)).rows
    assert 1 == len(Sight.of(house.engine, HAL).instances(InstanceQuery(subject=john.subject)).rows)


def test_work_is_what_is_not_refused_whatever_is_sent(house):
    """The team's and its deputy's; not the decision on the own request, not that of who decided in another stage."""
    jane = house.person().requested()
    house.engine.delegate(deputy_of("tess", "dora", now=house.clock.now()), actor=TESS)

    def work(actor):
        return {(situation.instance.id, str(row.event)) for situation, row in Sight.of(house.engine, actor).work(WorkQuery(limit=200)).rows}

    decisions = {(jane.id, event) for event in ("approve", "reject", "ask_information")}
    assert {*decisions, (jane.id, "assign")} == work(TESS) == work(Actor.of("dora"))
    assert set() == work(EVE)
    assert decisions.isdisjoint(work(Actor.of(jane.subject, "network_team:ERKNet")))
    assert (jane.id, "withdraw") in work(jane.actor)
    jane.approve(TESS)
    assert {(jane.id, "create_account")} == work(HAL)
    assert set() == work(Actor.of("tess", "helpdesk", "network_team:ERKNet"))


@dataclass
class Numbers:
    """A list of numbers that is read page by page, and counts how much is read."""

    count: int
    rows_read: int = 0

    def read(self, after: str | None, limit: int) -> Page[int]:
        first = 0 if after is None else int(after) + 1
        rows = tuple(range(first, min(first + limit, self.count)))
        self.rows_read += len(rows)
        return Page(rows=rows, next=str(rows[-1]) if rows and rows[-1] + 1 < self.count else None)


@given(count=st.integers(0, 900), step=st.integers(1, 400), limit=st.integers(1, 60))
def test_following_the_pages_gives_every_wanted_row_once(count, step, limit):
    """In order, no page longer than asked for, whatever share of the rows is wanted."""
    numbers, found, after = Numbers(count), [], None
    while True:
        page = fill(numbers.read, lambda number: number % step == 0, after=after, limit=limit)
        assert len(page.rows) <= limit
        found += page.rows
        if page.next is None:
            break
        after = page.next
    assert [number for number in range(count) if number % step == 0] == found


def test_a_page_of_little_is_given_up_in_time():
    """Whoever sees nothing of a hundred thousand rows gets a short page with a next one, after a bounded number of rows."""
    numbers = Numbers(100_000)
    page = fill(numbers.read, lambda number: number == 99_999, after=None, limit=50)
    assert ((), True) == (page.rows, page.next is not None)
    assert numbers.rows_read <= MOST_BATCHES * BATCH
    while page.next is not None:
        page = fill(numbers.read, lambda number: number == 99_999, after=page.next, limit=50)
    assert (99_999,) == page.rows


def _registered(house):
    return house.person().registered()
