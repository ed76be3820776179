"""Section 5 of the journey: approval and the creation of the account, and the time they may take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.onboarding import ADMIN, EVE, HAL, LEA, NUMBER, OPERATORS, TESS, TOM, VISITOR, deputy_of, refusal
from workflow.states.instance import Actor

LINDENAU = {"network": "ERKNet", "country": "DE", "centre": "erknet-de-sample"}
REMINDER, ESCALATION = "An access request is waiting for you", "Overdue: an access request has not been dealt with"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def due(anna) -> dict[str, datetime | None]:
    """When the rungs of the ladder are due."""
    timers = anna.house.engine.situation(anna.id).timers
    return {t.key.rpartition(".")[2]: t.due_at for t in timers if t.key.startswith("requested.")}


# Who decides


def test_team_approves_then_help_desk_creates(house, jane):
    """Two steps by two different actors; the approval is visible at once, the account exists after the second."""
    jane.requested()
    assert "wrong_state" in jane.refused("create_account", HAL, rationale="Now.")
    assert "role_missing" in jane.refused("approve", HAL, rationale="Now.")
    assert "role_missing" in jane.refused("approve", EVE, rationale="Another network.")
    jane.approve()
    assert "requested.awaiting_account" == jane.state
    house.drain()
    assert 1 == len(house.box.to("hal@helpdesk.example"))
    assert house.cpms.account(jane.subject) is None
    jane.create_account()
    house.drain()
    assert "approved" == jane.state
    assert (1, False) == (house.cpms.account_count(), house.cpms.account(jane.subject).is_closed)


@pytest.mark.parametrize("event", ["create_account", "retry_account"])
def test_one_person_cannot_do_both(house, jane, event):
    """Who approved does not create the account, not by another role, not as a deputy, and not at the second try."""
    max_ = Actor.of("max", "network_team:ERKNet", "helpdesk")
    house.roles["network_team:ERKNet"].append("max")
    house.roles["helpdesk"].append("max")
    house.engine.delegate(deputy_of("hal", "tess", now=house.clock.now()), actor=HAL)
    jane.requested().approve(max_)
    given = {"rationale": "Now."}
    if event == "retry_account":
        house.cpms.refuse_all()
        jane.create_account()
        house.drain()
        given = {}
    assert "two_stages" in jane.refused(event, max_, **given)
    other = house.person().requested()
    other.approve(TESS)
    assert "two_stages" in other.refused("create_account", TESS, rationale="For Hal.")


def test_centre_lead_is_asked_first_where_there_is_one(house, jane):
    """Where a centre has named a lead, the lead endorses before the team decides; the chain is data."""
    jane.requested(organisation=LINDENAU)
    assert "requested.awaiting_endorsement" == jane.state
    assert 1 == len(house.box.to("lea@lindenau.example"))
    assert "wrong_state" in jane.refused("approve", TESS, rationale="Now.")
    jane.fire("endorse", LEA, rationale="One of ours.")
    lea_too = Actor.of("lea", "network_team:ERKNet")
    assert "two_stages" in jane.refused("approve", lea_too, rationale="Again.")
    jane.approve()
    assert "requested.awaiting_account" == jane.state


def test_centre_lead_declines_with_a_reason(house, jane):
    """A decline rejects the request and tells the reason."""
    jane.requested(organisation=LINDENAU).fire("decline", LEA, rationale="Nobody here knows her.")
    house.drain()
    assert ("rejected", "failure") == (jane.state, jane.instance.outcome)
    assert "Nobody here knows her." in jane.mail.text


def test_nobody_approves_their_own_request(house, jane):
    """The subject with the role of an approver, and the subject's deputy, are refused."""
    jane.requested()
    as_team = Actor.of(jane.subject, "network_team:ERKNet")
    for event, payload in (("approve", {"rationale": "Me."}), ("reject", {"rationale": "Me."}), ("ask_information", {"question": "Me?"})):
        assert "own_request" in jane.refused(event, as_team, **payload)
    house.engine.delegate(deputy_of(jane.subject, "tess", now=house.clock.now()), actor=jane.actor)
    assert "deputy_of_subject" in jane.refused("approve", TESS, rationale="For Jane.")
    jane.approve(TOM)


def test_no_approver_holds_and_alerts(house, jane):
    """With nobody but the applicant to decide, the request is held and the operators are told; it goes nowhere by itself."""
    house.roles["network_team:ERKNet"] = [jane.subject]
    jane.requested()
    assert "requested.held" == jane.state
    assert 1 == len(house.box.to(OPERATORS))
    assert "no_approver" in jane.refused("resume_held", HAL)
    house.until("2026-12-23T10:00:00+01:00")
    assert "requested.held" == jane.state
    house.roles["network_team:ERKNet"] = ["tess"]
    jane.fire("resume_held", HAL)
    jane.approve()


def test_held_request_still_asks_the_centre_lead(house, jane):
    """Being held skips nobody: where there is a lead, the lead is asked when approvers are found again."""
    house.roles["network_team:ERKNet"] = []
    jane.requested(organisation=LINDENAU)
    assert "requested.held" == jane.state
    house.roles["network_team:ERKNet"] = ["tess"]
    jane.fire("resume_held", HAL)
    assert "requested.awaiting_endorsement" == jane.state
    jane.fire("endorse", LEA, rationale="One of ours.")
    jane.approve()


def test_leaving_approvers_are_noticed(house, jane):
    """When the team leaves after the request came, the help desk and the operators hear of it within two working days."""
    jane.requested()
    house.roles["network_team:ERKNet"] = []
    house.until("2026-11-25T10:00:30+01:00")
    assert "requested.awaiting_approval" == jane.state
    assert ([ESCALATION], [ESCALATION]) == (house.subjects_to(OPERATORS), house.subjects_to("hal@helpdesk.example"))


def test_decision_needs_a_rationale(house, jane):
    """Endorse, approve, reject and create are refused without a reason; the reason given is kept, sealed."""
    jane.requested(organisation=LINDENAU)
    for event, actor in (("endorse", LEA), ("decline", LEA)):
        assert ["value_missing"] == jane.refused(event, actor)
    jane.fire("endorse", LEA, rationale="One of ours.")
    for event, actor in (("approve", TESS), ("reject", TESS)):
        assert ["value_missing"] == jane.refused(event, actor, rationale="")
    jane.approve(rationale="Because she works there.")
    assert ["value_missing"] == jane.refused("create_account", HAL)
    assert "Because she works there." == jane.values["reason"]
    assert "Because she works there." not in str(jane.said)


def test_deputy_decides_for_a_colleague_and_both_are_named(house, jane):
    """A deputy acts from the start to the end of the delegation, does not pass it on, and the history names both people."""
    dora, dirk = Actor.of("dora"), Actor.of("dirk")
    house.engine.delegate(deputy_of("tom", "dora", now=house.clock.now(), days=3), actor=TOM)
    house.engine.delegate(deputy_of("dora", "dirk", now=house.clock.now()), actor=dora)
    jane.requested()
    assert "role_missing" in jane.refused("approve", dirk, rationale="For Dora.")
    jane.approve(dora, "For Tom.")
    assert ("dora", "tom", ["network_team:ERKNet"]) == tuple(jane.entry("approve")[k] for k in ("actor", "on_behalf_of", "roles"))
    other = house.person().requested()
    house.clock.advance("P3D")
    assert "role_missing" in other.refused("approve", dora, rationale="Too late.")
    assert refusal(lambda: house.engine.delegate(deputy_of("tess", "dora", now=house.clock.now()), actor=dora))
    house.engine.delegate(deputy_of("tess", "dora", now=house.clock.now()), actor=ADMIN)
    other.approve(dora, "For Tess.")


# How long it may take


def test_friday_afternoon_is_answered_by_tuesday(house, jane):
    """Asked on Friday at 16:30: reminded on Monday at 16:30, escalated on Tuesday at 16:30, to the second."""
    house.clock.set(at("2026-11-27T16:29:30+01:00"))
    jane.requested()
    house.until("2026-11-30T16:29:59+01:00")
    assert [] == house.subjects_to("tess@erknet.example")
    house.until("2026-11-30T16:30:00+01:00")
    assert [REMINDER] == house.subjects_to("tess@erknet.example")
    assert "fr" == house.box.newest("tom@erknet.example").headers["Content-Language"]
    house.until("2026-12-01T16:29:59+01:00")
    assert () == house.box.to(OPERATORS)
    house.until("2026-12-01T16:30:00+01:00")
    assert ([ESCALATION], [ESCALATION]) == (house.subjects_to(OPERATORS), house.subjects_to("hal@helpdesk.example"))
    assert "2026-12-01T15:30:00.000000Z" == jane.entry("escalate")["occurred_at"]


def test_days_off_are_not_counted(house, jane):
    """Asked before the closing between the years: reminded on the first working day of the next one."""
    house.clock.set(at("2026-12-23T09:59:30+01:00"))
    jane.requested()
    assert (at("2027-01-04T10:00:00+01:00"), at("2027-01-05T10:00:00+01:00")) == (due(jane)["remind"], due(jane)["breach"])
    house.until("2027-01-04T09:59:59+01:00")
    assert [] == house.subjects_to("tess@erknet.example")
    house.until("2027-01-04T10:00:00+01:00")
    assert [REMINDER] == house.subjects_to("tess@erknet.example")


@pytest.mark.parametrize("turn", ["awaiting_endorsement", "awaiting_approval", "held", "awaiting_account", "account_trouble"])
def test_reminder_goes_to_whose_turn_it_is(house, jane, turn):
    """The lead, the team, the operators while nobody can decide, or the help desk: only the one who has to act is reminded."""
    if turn == "held":
        house.roles["network_team:ERKNet"] = []
    jane.requested(organisation=LINDENAU if turn == "awaiting_endorsement" else None)
    if turn in {"awaiting_account", "account_trouble"}:
        jane.approve()
    if turn == "account_trouble":
        house.cpms.refuse_all()
        jane.create_account()
    house.until("2026-11-24T09:00:00+01:00")
    assert f"requested.{turn}" == jane.state
    house.box.clear()
    house.until("2026-11-24T10:00:30+01:00")
    expected = {
        "awaiting_endorsement": {"lea@lindenau.example"},
        "awaiting_approval": {"tess@erknet.example", "tom@erknet.example"},
        "held": {OPERATORS},
        "awaiting_account": {"hal@helpdesk.example"},
        "account_trouble": {"hal@helpdesk.example"},
    }
    assert expected[turn] == {address for mail in house.box.received for address in mail.recipients}


def test_breach_escalates_and_approval_does_not_rearm(house, jane):
    """The two days run over both steps: approving starts nothing anew, and the help desk is the one who is reminded and overdue."""
    jane.requested()
    before = due(jane)
    house.until("2026-11-24T09:00:00+01:00")
    jane.approve()
    assert before == due(jane)
    house.until("2026-11-25T10:00:30+01:00")
    assert jane.instance.fields["is_escalated"]
    assert REMINDER in house.subjects_to("hal@helpdesk.example")
    assert [] == house.subjects_to("tess@erknet.example")
    assert [ESCALATION] == house.subjects_to(OPERATORS)
    house.until("2026-11-30T10:00:30+01:00")
    assert [ESCALATION] * 2 == house.subjects_to(OPERATORS)


def test_time_never_approves(house, jane):
    """Nobody decides, and nothing is decided: after a quarter of a year the request still waits."""
    jane.requested()
    house.until("2027-02-23T10:00:00+01:00")
    assert "requested.awaiting_approval" == jane.state
    assert {"approve", "create_account", "account_created"}.isdisjoint(jane.events)
    assert 0 == house.cpms.account_count()
    jane.approve()


def test_clock_stands_still_while_information_is_wanted(house, jane):
    """While the applicant owes an answer no rung is due; what was left of each goes on with the answer."""
    jane.requested()
    house.until("2026-11-23T16:00:30+01:00")
    jane.fire("ask_information", TESS, question="Which ward?")
    assert {None} == {due(jane)[rung] for rung in ("remind", "breach", "still_open")}
    house.until("2026-11-26T16:00:30+01:00")
    assert "remind" not in jane.events
    jane.fire("give_information", answer="Nephrology.")
    assert (at("2026-11-27T10:00:30+01:00"), at("2026-11-30T10:00:30+01:00")) == (due(jane)["remind"], due(jane)["breach"])


# The side ways


def test_rejection_needs_a_reason_and_tells_it(house, jane):
    """The mail of a rejection carries the reason, as text and as HTML, whatever it contains."""
    jane.requested().fire("reject", TESS, rationale="Not a member.\n<script>alert('x')</script>")
    house.drain()
    assert ("rejected", "failure") == (jane.state, jane.instance.outcome)
    assert "> Not a member." in jane.mail.text
    assert "Not a member." in jane.mail.html
    assert "<script>" not in jane.mail.html


def test_question_is_asked_and_answered(house, jane):
    """The question goes to the applicant, the answer to the team, and the decision goes on where it was."""
    jane.requested().fire("ask_information", TESS, question="Which ward?")
    house.drain()
    assert "Which ward?" in jane.mail.text
    assert "role_missing" in jane.refused("give_information", TESS, answer="Any.")
    jane.fire("give_information", answer="Nephrology.")
    house.drain()
    assert 1 == len(house.box.to("tess@erknet.example"))
    assert ("Which ward?", "Nephrology.") == (jane.values["question"], jane.values["answer"])
    jane.approve()


def test_unanswered_question_abandons_the_request(house, jane):
    """After thirty days without an answer the request is given up, and may be made again."""
    jane.requested().fire("ask_information", TESS, question="Which ward?")
    house.wait("P30D")
    assert "abandoned" == jane.state
    jane.sign_in_freshly().fire("request_again")
    jane.fill_pages().submit()
    assert "requested.awaiting_approval" == jane.state


@pytest.mark.parametrize("turn", ["awaiting_approval", "information_wanted", "held", "awaiting_account"])
def test_request_can_be_withdrawn(house, jane, turn):
    """The applicant withdraws at any time before the account is being created; nobody else can."""
    if turn == "held":
        house.roles["network_team:ERKNet"] = []
    jane.requested()
    if turn == "information_wanted":
        jane.fire("ask_information", TESS, question="Which ward?")
    if turn == "awaiting_account":
        jane.approve()
    assert "role_missing" in jane.refused("withdraw", TESS)
    jane.fire("withdraw")
    house.drain()
    assert ("withdrawn", "neutral") == (jane.state, jane.instance.outcome)
    assert {} == due(jane)


def test_request_cannot_be_withdrawn_while_the_account_is_created(jane):
    """CPMS is at work: the answer must be waited for."""
    jane.requested().approve()
    jane.create_account()
    assert ["account_being_created"] == jane.refused("withdraw")


def test_request_again_after_rejection(house, jane):
    """A new request needs a fresh sign-in and every page again, keeps no reason of the last one, and has its whole time."""
    jane.requested().fire("reject", TESS, rationale="Wrong centre.")
    house.wait("P2D")
    assert ["fresh_sign_in"] == jane.refused("request_again")
    jane.sign_in_freshly().fire("request_again")
    assert "wrong_state" in jane.refused("submit_request")
    assert {"reason", "requested_at"}.isdisjoint(jane.values)
    jane.fill_pages().submit()
    assert at("2026-11-26T10:01:00+01:00") == due(jane)["remind"]
    jane.approve()
    jane.create_account()
    house.drain()
    assert "approved" == jane.state
    assert len(jane.said) == jane.verify()


def test_second_request_is_refused_and_points_to_the_first(house, jane):
    """While a request is under way, another one is refused with the first one's id; so is another registration's."""
    jane.requested().sign_in_freshly()
    error = refusal(lambda: jane.fire("begin_request"))
    assert ("request_under_way", jane.id) == (error.reasons[0].code, error.instance_id)
    assert jane.id == house.person(email=jane.email).register().instance_id
    assert "requested.awaiting_approval" == jane.state


def test_failed_account_creation_is_retried(house, jane):
    """What passes is retried in silence; a refusal is told to the operators and tried again each hour, five times, then by hand."""
    jane.requested().approve()
    house.cpms.fail_next(1)
    jane.create_account()
    house.drain()
    assert "requested.creating_account" == jane.state
    house.cpms.refuse_all()
    house.until("2026-11-24T09:00:00+01:00")
    assert "requested.account_trouble" == jane.state
    assert (5, 5) == (jane.events.count("account_failed"), len(house.box.to(OPERATORS)))
    assert 0 == house.cpms.account_count()
    house.cpms.refuse_all(is_refusing=False)
    assert "role_missing" in jane.refused("retry_account", TESS)
    jane.fire("retry_account", HAL)
    house.drain()
    assert ("approved", 1) == (jane.state, house.cpms.account_count())
    assert len(jane.said) == jane.verify()


def test_account_is_created_once(house, jane):
    """A temporary failure is tried again under the same reference, so one account comes of it and one mail."""
    jane.requested().approve()
    house.cpms.fail_next(1)
    jane.create_account()
    house.until("2026-11-23T11:00:00+01:00")
    assert ("approved", 1) == (jane.state, house.cpms.account_count())
    assert 1 == jane.subjects.count("Your access to CPMS is ready")


def test_nothing_is_asked_of_who_has_not_signed_in(house, jane):
    """A visitor cannot ask, decide or withdraw in the name of an applicant."""
    jane.requested()
    for event, payload in (("withdraw", {}), ("add_phone", {"phone": NUMBER}), ("request_again", {}), ("approve", {"rationale": "x"})):
        assert "role_missing" in jane.refused(event, VISITOR, **payload)
