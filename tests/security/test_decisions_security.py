"""Security rules 32 to 38: who may decide, and that it holds at every door; each test is named after its number."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

import workflow
from tests.support.commands import workflow as command
from tests.support.onboarding import ADMIN, EVE, HAL, TESS, TOM, VISITOR, deputy_of, refusal
from workflow.bootstrap import known
from workflow.engine.directory import FixedDirectory
from workflow.errors import DefinitionError, NotFoundError, RefusedError
from workflow.load import load
from workflow.states.instance import Actor, Event
from workflow.states.verdict import Refused

BAD = Path(__file__).parent.parent / "definitions" / "bad"


def test_rule_32_every_event_is_judged_on_its_own_instance(house, jane):
    """A role for another network, another applicant and a visitor get nowhere, and ids cannot be guessed."""
    jane.requested()
    john = house.person().enrolled().sign_in_freshly()
    for actor in (EVE, john.actor, VISITOR, HAL):
        for event, payload in (("approve", {"rationale": "x"}), ("withdraw", {}), ("give_information", {"answer": "x"})):
            assert jane.refused(event, actor, **payload)
    assert len({jane.id, john.id}) == 2
    assert all(len(id_) >= 20 for id_ in (jane.id, john.id))
    with pytest.raises(NotFoundError):
        house.engine.fire(jane.id[:-1] + "x", Event.of("approve", TESS, rationale="x"))


def test_rule_32_a_role_change_bites_at_once(house, jane):
    """What counts are the roles that the host says the actor holds now; a deputy's principal is looked up anew each time."""
    jane.requested()
    former = Actor.of("tess")
    assert "role_missing" in jane.refused("approve", former, rationale="x")
    house.engine.delegate(deputy_of("tom", "dora", now=house.clock.now()), actor=TOM)
    house.roles["network_team:ERKNet"].remove("tom")
    assert "role_missing" in jane.refused("approve", Actor.of("dora"), rationale="x")
    house.roles["network_team:ERKNet"].append("tom")
    house.engine.end_delegation("tom-dora", actor=TOM)
    assert "role_missing" in jane.refused("approve", Actor.of("dora"), rationale="x")


@pytest.mark.parametrize("event", ["approve", "reject", "ask_information"])
def test_rule_33_the_subject_and_the_deputies_of_the_subject_never_decide(house, jane, event):
    """Not with the role, not as a deputy of somebody else, and not through a deputy."""
    jane.requested()
    house.engine.delegate(deputy_of("tess", jane.subject, now=house.clock.now()), actor=TESS)
    house.engine.delegate(deputy_of(jane.subject, "tom", now=house.clock.now()), actor=jane.actor)
    given = {"question": "x"} if event == "ask_information" else {"rationale": "x"}
    assert "own_request" in jane.refused(event, Actor.of(jane.subject, "network_team:ERKNet"), **given)
    assert "own_request" in jane.refused(event, jane.actor, **given)
    assert "deputy_of_subject" in jane.refused(event, TOM, **given)
    house.engine.end_delegation(f"{jane.subject}-tom", actor=ADMIN)
    jane.fire(event, TOM, **given)


def test_rule_33_one_person_never_fills_two_stages(house, jane):
    """Neither who decided nor in whose name it was decided acts in the next stage, for themselves or for another."""
    house.engine.delegate(deputy_of("hal", "tess", now=house.clock.now()), actor=HAL)
    house.engine.delegate(deputy_of("tess", "dora", now=house.clock.now()), actor=TESS)
    jane.requested().approve(Actor.of("dora"), "For Tess.")
    for actor in (TESS, Actor.of("dora", "helpdesk"), Actor.of("tess", "helpdesk")):
        assert "two_stages" in jane.refused("create_account", actor, rationale="x")
    jane.create_account(HAL)


def test_rule_34_without_an_approver_the_request_is_held(house, jane):
    """Nobody but the applicant: held, told to the operators, and nobody else's decision is taken meanwhile."""
    house.roles["network_team:ERKNet"] = [jane.subject]
    jane.requested()
    assert "requested.held" == jane.state
    assert "wrong_state" in jane.refused("approve", TESS, rationale="x")
    assert 1 == len([m for m in house.outbox(jane.id) if m.effect.kind == "alert"])


def test_rule_35_a_time_out_never_approves(house, jane):
    """A definition in which time decides is refused at load; in the reference one no deadline leads to an approval."""
    with pytest.raises(DefinitionError) as caught:
        load((BAD / "approval_by_timeout.yaml").read_text(encoding="utf-8"), known=known())
    assert ["decision-by-timeout"] == [finding.code for finding in caught.value.findings]
    jane.requested()
    house.wait("P365D")
    assert jane.state.startswith("requested.")
    assert house.cpms.account(jane.subject) is None


def test_rule_36_delegations_begin_end_do_not_chain_and_name_both(house, jane):
    """Before its start and from its end on a delegation is nothing; nobody delegates in another's name but an administrator."""
    now = house.clock.now()
    stranger = Actor.of("mallory", "network_team:ERKNet")
    with pytest.raises(RefusedError):
        house.engine.delegate(deputy_of("tess", "mallory", now=now), actor=stranger)
    for deputy, days in (("tess", 7), ("dora", 0), ("dora", -1)):
        with pytest.raises(RefusedError):
            house.engine.delegate(deputy_of("tess", deputy, now=now, days=days), actor=TESS)
    house.clock.advance("P1D")
    house.engine.delegate(deputy_of("tess", "dora", now=house.clock.now(), days=1), actor=TESS)
    house.engine.delegate(deputy_of("dora", "dirk", now=house.clock.now(), days=9), actor=Actor.of("dora"))
    jane.requested()
    assert "role_missing" in jane.refused("approve", Actor.of("dirk"), rationale="x")
    jane.fire("ask_information", Actor.of("dora"), question="Which ward?")
    assert ("dora", "tess") == (jane.entry("ask_information")["actor"], jane.entry("ask_information")["on_behalf_of"])
    jane.fire("give_information", answer="The northern one.")
    house.clock.set(now)
    house.clock.advance("P2D")
    assert "role_missing" in jane.refused("approve", Actor.of("dora"), rationale="x")


def test_rule_37_a_rationale_is_required(jane):
    """Absent, empty and blank are refused; what is not text too."""
    jane.requested()
    for rationale in (None, "", [], 7, {"a": 1}, "x" * 4001, "\x00"):
        assert {"value_missing", "invalid_value"} & set(jane.refused("approve", TESS, rationale=rationale))
    assert "value_missing" in jane.refused("approve", TESS)


def test_rule_38_the_rule_holds_at_every_door(house, jane, database):
    """Engine, a host's transaction, the asynchronous engine, the command line, a repeated key: the same refusal everywhere."""
    jane.requested()
    as_team = Actor.of(jane.subject, "network_team:ERKNet")
    event = Event.of("approve", as_team, rationale="Me.")
    assert "own_request" in jane.refused("approve", as_team, rationale="Me.")

    host = sa.create_engine(f"sqlite:///{database}")
    with closing(host.connect()) as connection:
        answer = house.engine.on(connection).fire(jane.id, event)
        assert isinstance(answer, Refused)
        assert "own_request" in {reason.code for reason in answer.reasons}
        connection.rollback()
    host.dispose()

    with pytest.raises(RefusedError, match="own request"):
        asyncio.run(workflow.AsyncEngine(house.engine).fire(jane.id, event))

    assert "own_request" in {reason.code for reason in house.engine.may(jane.id, as_team)["approve"].reasons}

    said = command(
        "fire",
        jane.id,
        "approve",
        "--actor",
        jane.subject,
        "--role",
        "network_team:ERKNet",
        "--set",
        "rationale=Me.",
        database=f"sqlite:///{database}",
    )
    assert (1, True) == (said.code, "own request" in said.err)
    assert "requested.awaiting_approval" == jane.state

    keyed = Event.of("approve", TESS, key="once", rationale="A member.")
    house.engine.fire(jane.id, keyed)
    repeat = Event.of("approve", Actor.of("tess"), key="once", rationale="A member.")
    assert "role_missing" in {reason.code for reason in refusal(lambda: house.engine.fire(jane.id, repeat)).reasons}
    assert house.engine.fire(jane.id, keyed).is_repeat
    assert 1 == jane.events.count("approve")


def test_rule_38_nobody_fires_what_only_the_engine_fires(house, jane):
    """Reports and deadlines cannot be forged by anybody, whatever role they claim, nor by who calls himself the engine."""
    jane.requested().approve()
    jane.create_account()
    forgers = (jane.actor, TESS, HAL, ADMIN, Actor.of("engine"), Actor.of("engine", "engine"), VISITOR)
    for event in ("account_created", "account_failed", "remind", "escalate", "inactive", "link_expired", "password_link_mailed"):
        for actor in forgers:
            assert "engine_only" in jane.refused(event, actor)
    house.drain()
    assert "approved" == jane.state


def test_rule_38_nobody_acts_in_the_name_of_the_engine(house, jane):
    """An actor whom a host calls `engine` would look like an automatic decision in the history; such a name is refused."""
    jane.requested()
    assert ["engine_name"] == jane.refused("approve", Actor.of("engine", "network_team:ERKNet"), rationale="x")
    start = Event.of("register", Actor.of("engine"), **house.person().form)
    assert ["engine_name"] == [reason.code for reason in refusal(lambda: house.engine.start("cpms-access", start)).reasons]


def test_rule_38_a_directory_is_asked_by_role_and_scope():
    """Holders of one scope are none of another, and a role without its scope is held by nobody."""
    directory = FixedDirectory(roles={"team:ERKNet": ["tess"]})
    assert [("tess",), (), ()] == [tuple(directory.holders("team", scope)) for scope in ("ERKNet", "EYE", None)]
