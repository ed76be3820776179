"""Definitions of other domains: each is faultless, survives storage, and does what its comments say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest

from workflow.actions import SPECS as ACTIONS
from workflow.checks.specs import SPECS as CHECKS
from workflow.load import inspect, load, load_data, read_calendar
from workflow.states.definition import EventName
from workflow.states.instance import Actor, Event, InstanceId, Situation
from workflow.states.known import Known
from workflow.states.machine import Table
from workflow.states.making import World
from workflow.states.step import begin, decide, permit, settle
from workflow.states.verdict import Refused, Step

REPOSITORY = Path(__file__).parents[2]
KNOWN = Known(checks=CHECKS, actions=ACTIONS)
GOOD = sorted((REPOSITORY / "tests" / "definitions" / "good").glob("*.yaml"))
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
SUBJECT = Actor.of("subject")


@lru_cache
def world_of(name: str) -> World:
    """Read a definition and the calendar that it names."""
    definition = load(REPOSITORY / "tests" / "definitions" / "good" / f"{name}.yaml", known=KNOWN)
    calendar = definition.calendar and read_calendar(REPOSITORY / "definitions" / "calendars" / f"{definition.calendar}.yaml")
    return World(table=Table(definition, KNOWN), calendar=calendar or None, catalogue=None)


@dataclass
class Walk:
    """One onboarding, decided purely."""

    world: World
    situation: Situation
    now: datetime

    @classmethod
    def start(cls, name: str, by: Actor = SUBJECT, /, *, at: datetime = MONDAY, **payload: object) -> Walk:
        """Fire the start, on Monday morning when nothing else is said."""
        world = world_of(name)
        event = Event(name=world.definition.start.event, actor=by, payload=payload)
        permitted = permit(world, None, event, subject=SUBJECT.id, delegations=(), holders=lambda *_: (), now=at)
        assert not isinstance(permitted, Refused), permitted
        step = begin(world, permitted, {}, instance_id=InstanceId("i1"), subject=SUBJECT.id, now=at)
        assert isinstance(step, Step), step
        return cls(world, step.after, at)

    @property
    def state(self) -> str:
        """Where it is, without the names of the enclosing states."""
        return self.situation.instance.state.rpartition(".")[2]

    def refusal(self, event: str, by: Actor = SUBJECT, /, *, facts: Mapping[str, bool | int] | None = None, **payload: object) -> set[str]:
        """Give the codes by which an event is refused; nothing when it is accepted, and it is then done."""
        made = Event(name=EventName(event), actor=by, payload=payload)
        permitted = permit(self.world, self.situation, made, subject=SUBJECT.id, delegations=(), holders=lambda *_: (), now=self.now)
        answer = permitted
        if not isinstance(permitted, Refused):
            answer = decide(self.world, self.situation, permitted, facts or {}, delegations=(), now=self.now)
        if isinstance(answer, Refused):
            return {reason.code for reason in answer.reasons}
        self.situation = answer.after
        return set()

    def do(self, event: str, by: Actor = SUBJECT, /, **given: object) -> Walk:
        """Fire an event that must be accepted."""
        assert self.refusal(event, by, **given) == set()
        return self

    def wait(self, **duration: float) -> Walk:
        """Let time pass; deadlines fire."""
        self.now += timedelta(**duration)
        for step in settle(self.world, self.situation, now=self.now):
            self.situation = step.after
        return self

    def due(self, name: str) -> datetime | None:
        """Give the due instant of an armed timer by its name; None while it is paused."""
        return next(timer.due_at for timer in self.situation.timers if timer.key.rpartition(".")[2] == name)


def test_there_are_enough_of_them():
    """Eight domains at the least, so that the language is not made for one process."""
    assert len(GOOD) >= 8


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_definition_has_no_finding(path):
    """Not even a warning; and its name is that of its file."""
    definition, findings = inspect(path, known=KNOWN)
    assert [finding.render() for finding in findings] == []
    assert definition is not None
    assert definition.name == path.stem.replace("_", "-")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_definition_is_worth_reading(path):
    """It has people, deadlines, a policy and comments, and its calendar is shipped."""
    definition = load(path, known=KNOWN)
    assert len(definition.policy) >= 3
    assert len(definition.roles) >= 2
    assert any(state.timers for state in definition.states.values())
    assert {state.outcome for state in definition.leaves()} >= {"success"}
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert definition.calendar is None or (REPOSITORY / "definitions" / "calendars" / f"{definition.calendar}.yaml").is_file()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_definition_survives_its_plain_data(path):
    """What the store keeps parses to an equal definition."""
    definition = load(path, known=KNOWN)
    again = load_data(json.loads(json.dumps(definition.data, sort_keys=True)), known=KNOWN)
    assert again.digest == definition.digest
    assert again.states == definition.states


def test_a_library_card_asked_for_on_friday_is_due_on_saturday():
    """The counter works on Saturdays; the office would answer on Monday."""
    friday = MONDAY + timedelta(days=4, hours=6)
    walk = Walk.start("library-card", at=friday, full_name="A Reader", email="reader@example.org")
    assert walk.due("reminder") == friday + timedelta(days=1)
    assert walk.due("forgotten") == friday + timedelta(days=60)
    assert walk.refusal("issue_card", Actor.of("subject", "librarian")) != set()
    assert walk.do("issue_card", Actor.of("desk", "librarian")).state == "card_issued"


def test_the_third_objection_refuses_the_account():
    """Documents can be uploaded three times at most."""
    officer = Actor.of("officer", "kyc_officer:BE")
    walk = Walk.start("bank-kyc", full_name="A Customer", birth_date="1990-01-01", country="BE", accurate=True)
    for state in ("documents_wanted", "documents_wanted", "refused"):
        walk.do("upload", identity_document="one", proof_of_address="two")
        assert walk.do("object", officer, objection="It cannot be read.").state == state


def test_the_banks_clock_stands_still_while_the_customer_has_to_act():
    """Ten days of the customer's time cost the bank nothing."""
    walk = Walk.start("bank-kyc", full_name="A Customer", birth_date="1990-01-01", country="BE", accurate=True)
    assert walk.due("breach") is None
    walk.wait(days=7).do("upload", identity_document="one", proof_of_address="two")
    assert walk.due("breach") == MONDAY + timedelta(days=14)
    walk.wait(days=1).do("object", Actor.of("officer", "kyc_officer:BE"), objection="It cannot be read.")
    walk.wait(days=6).do("upload", identity_document="three", proof_of_address="four")
    assert walk.due("breach") == MONDAY + timedelta(days=18)


def test_high_risk_takes_two_people():
    """Who examined cannot accept the risk, even with both roles; an officer of another country cannot examine."""
    both = Actor.of("both", "kyc_officer:BE", "money_laundering_officer")
    walk = Walk.start("bank-kyc", full_name="A Customer", birth_date="1990-01-01", country="BE", accurate=True)
    walk.do("upload", identity_document="one", proof_of_address="two")
    assert walk.refusal("accept_documents", Actor.of("other", "kyc_officer:FR"), risk="high", rationale="Fine.") != set()
    assert walk.do("accept_documents", both, risk="high", rationale="Fine.").state == "high_risk"
    assert walk.refusal("accept_risk", both, rationale="Fine.") != set()
    assert walk.do("accept_risk", Actor.of("second", "money_laundering_officer"), rationale="Fine.").state == "account_open"


def test_an_invitation_dies_and_can_be_sent_again():
    """After seven days nothing can be accepted; a new invitation has seven days of its own. Only the invited may accept."""
    owner = Actor.of("owner", "owner:acme")
    walk = Walk.start(
        "organisation-invitation",
        Actor.of("owner", "inviter", "owner:acme"),
        organisation="acme",
        permission="admin",
        email="invitee@example.org",
    )
    none, some = {"factors.second_count": 0, "factors.totp": False}, {"factors.second_count": 1, "factors.totp": True}
    assert walk.refusal("accept", facts=none) == {"second_factor_missing", "authenticator_missing"}
    assert walk.wait(days=7).state == "expired"
    assert walk.refusal("accept", facts=some) != set()
    assert walk.do("invite_again", owner).state == "invited"
    walk.wait(days=6)
    assert walk.refusal("accept", owner, facts=some) != set()
    assert walk.do("accept", facts=some).state == "member"


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_the_last_of_parallel_tasks_leads_on(order):
    """Whatever the order, two tasks are noted and the third one joins."""
    tasks = [
        ("deliver_laptop", Actor.of("it", "it_desk")),
        ("hand_out_badge", Actor.of("porter", "facilities")),
        ("finish_training", SUBJECT),
    ]
    walk = Walk.start("employee-onboarding", Actor.of("hr", "hr"), full_name="New Here", team="sales", first_day="2026-12-07")
    walk.do("sign_contract", contract_version=1, agreed=True)
    for number in order:
        assert walk.state == "preparing"
        walk.do(*tasks[number])
    assert walk.state == "ready"
    assert walk.refusal("sign_off", Actor.of("subject", "manager:sales")) != set()
    assert walk.do("sign_off", Actor.of("boss", "manager:sales")).state == "on_board"


def test_two_of_three_approve_and_one_vetoes():
    """The same member twice does not count twice; a question starts the count again; a veto ends it."""
    first, second = Actor.of("first", "board"), Actor.of("second", "board")
    walk = Walk.start("vendor-onboarding", Actor.of("buyer", "buyer"), company="Parts Ltd", contact="a@example.org", yearly_volume=1000)
    walk.do("give_bank_account", bank_account="BE68539007547034", bank_account_again="BE68539007547034")
    walk.do("verify_account", Actor.of("clerk", "finance"))
    walk.do("approve", first, rationale="Good.")
    walk.refusal("approve", first, rationale="Very good.")
    assert walk.state == "deliberating"
    walk.do("ask", second, question="Since when?")
    assert walk.due("breach") is None
    walk.do("reply", answer="Since 1990.").do("approve", second, rationale="Good.")
    assert walk.state == "deliberating"
    assert walk.do("approve", first, rationale="Still good.").state == "approved"


def test_a_veto_ends_the_boards_decision():
    """One veto is enough, also while a question is open."""
    walk = Walk.start("vendor-onboarding", Actor.of("buyer", "buyer"), company="Parts Ltd", contact="a@example.org", yearly_volume=1000)
    walk.do("give_bank_account", bank_account="BE68539007547034", bank_account_again="BE68539007547034")
    walk.do("verify_account", Actor.of("clerk", "finance")).do("ask", Actor.of("buyer", "buyer"), question="Since when?")
    assert walk.do("veto", Actor.of("third", "board"), rationale="No.").state == "refused"


def test_an_amended_protocol_is_approved_anew():
    """Both bodies decide again, the contract stays; one monitor may train and activate; a safety stop interrupts everything."""
    ethics, authority, sponsor = Actor.of("ethics", "ethics_committee:S1"), Actor.of("agency", "authority"), Actor.of("sponsor", "sponsor")
    monitor = Actor.of("monitor", "monitor:S1")
    walk = Walk.start("trial-site-activation", sponsor, site="S1", investigator_name="Dr A", protocol_version=1)
    walk.do("sign_contract").do("ethics_approve", ethics).do("authority_object", authority, objection="Unclear.")
    assert walk.refusal("amend", sponsor, protocol_version=1) == {"old_version"}
    walk.do("amend", sponsor, protocol_version=2).do("authority_approve", authority)
    assert walk.state == "approvals"
    assert walk.do("ethics_approve", ethics).state == "visit"
    assert walk.do("stop_for_safety", sponsor, objection="A finding.").wait(days=400).state == "stopped"
    walk.do("lift_stop", authority, rationale="Explained.").do("ethics_approve", ethics).do("authority_approve", authority)
    assert walk.do("finish_visit", monitor, visited_on="2027-01-11").do("activate", monitor, rationale="Trained.").state == "activated"


def test_a_trial_ends_in_a_grace_and_can_be_extended():
    """Fourteen days, seven more, then closed; an extension starts the fourteen days again."""
    secrets = {"token": "t", "password": "p", "password_again": "p"}
    good = {"sign_up_link.valid": True, "sign_up_link.genuine": True, "password_profile.ok": True}
    walk = Walk.start("tenant-signup", Actor.of("browser"), email="a@example.org", company="Acme", terms=True)
    assert walk.refusal("choose_password", Actor.of("x"), facts={**good, "sign_up_link.valid": False}, **secrets) == {"link_dead"}
    assert walk.do("choose_password", Actor.of("x"), facts=good, **secrets).state == "trying"
    walk.wait(days=13).do("extend_trial", Actor.of("bill", "billing"), rationale="Asked nicely.")
    assert walk.wait(days=13).state == "trying"
    assert walk.wait(days=1).state == "grace"
    assert walk.do("extend_trial", Actor.of("bill", "billing"), rationale="Once more.").state == "trying"
    assert walk.wait(days=21).state == "closed"


def test_a_volunteer_is_vetted_and_the_certificate_is_not_kept():
    """The second reference leads on; who vets does not admit; the number is cleared with the judgement."""
    coordinator, officer = Actor.of("coordinator", "coordinator:north"), Actor.of("officer", "vetting_officer")
    walk = Walk.start("volunteer", full_name="A Helper", branch="north", consent=True)
    walk.do("record_reference", coordinator, summary="Kind.")
    assert walk.state == "references"
    assert walk.do("record_reference", coordinator, summary="Reliable.").state == "certificate_wanted"
    walk.do("hand_in_certificate", certificate="C-1")
    assert "certificate" in walk.situation.instance.personal
    walk.do("clear", officer)
    assert "certificate" not in walk.situation.instance.personal
    assert walk.refusal("welcome", Actor.of("officer", "coordinator:north"), rationale="Good.") != set()
    assert walk.do("welcome", coordinator, rationale="Good.").state == "active"
