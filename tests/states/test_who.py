"""Who may: roles and scopes, deputies, and the rules of decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.worlds import MONDAY, Run, world
from workflow.states.definition import FieldName, RoleName
from workflow.states.instance import Actor, ActorId, Delegation, Grant
from workflow.states.verdict import Refused, Step
from workflow.states.who import is_deputy_of, scope_of

TEXT = """
definition: who
language: 1
subject: applicant
roles:
  visitor: {anyone: true, because: Registration is open.}
  team: {scope: network}
  desk: {}
  lead: {scope: network}
fields:
  network: {type: string, personal: false, because: It names an office.}
checks: {code: {}}
events:
  begin: {by: [visitor], payload: {network: {field: network}}}
  choose: {by: [applicant], payload: {network: {field: network, required: true}}}
  look: {by: [team, desk]}
  approve: {by: [team, lead], decision: approval}
  create: {by: [desk, team], decision: provisioning}
  both: {by: [team], decision: second, may_also_decide: [approval]}
  own: {by: [applicant]}
  open: {by: [visitor, applicant], checks: [code], payload: {code: {type: secret}}}
start: {event: begin, set: {network: event.network}}
states:
  asked:
    waits_forever: a test
    transitions:
      - {event: choose, set: {network: event.network}}
      - {event: look}
      - {event: approve}
      - {event: create}
      - {event: both}
      - {event: own}
      - {event: open, guard: facts.code.ok, target: done}
  done: {outcome: success}
"""
ANA = Actor.of("ana")
TEAM = Actor.of("tom", "team:north")
DAY = timedelta(days=1)


@pytest.fixture
def run():
    started = Run(world(TEXT), holders={"team:north": ("tom",), "desk": ("dan",), "lead:north": ("lea",)})
    assert isinstance(started.begin(ANA, network="north"), Step)
    return started


def deputise(run, principal, deputy, *, role=None, scope=None, starts=MONDAY, ends=MONDAY + DAY):
    known = Delegation(
        id=str(len(run.delegations)),
        principal=ActorId(principal),
        deputy=ActorId(deputy),
        role=role and RoleName(role),
        scope=scope,
        starts_at=starts,
        ends_at=ends,
    )
    run.delegations = (*run.delegations, known)


def codes(answer):
    return [reason.code for reason in answer.reasons]


def roles(step):
    return [str(grant) for grant in step.roles]


def test_a_scoped_role_is_held_for_the_value_of_the_field(run):
    """The team of the north decides for the north, and the team of the south does not."""
    assert roles(run.fire("look", TEAM)) == ["team:north"]
    answer = run.fire("look", Actor.of("sue", "team:south", "lead:north"))
    assert codes(answer) == ["role_missing"]
    assert answer.reasons[0].needed == "the role team for north or desk"
    assert "lead:north, team:south" in answer.reasons[0].message
    assert codes(run.fire("look", Actor.of("eve", "team"))) == ["role_missing"], "without its scope a scoped role is nothing"


def test_every_role_that_allows_is_kept(run):
    """The history shows all grants by which somebody was allowed."""
    assert roles(run.fire("look", Actor.of("ola", "team:north", "desk", "lead:north"))) == ["team:north", "desk"]


def test_a_role_without_scope_is_held_without_one(run):
    """A role that knows no scope is not held for one."""
    assert roles(run.fire("look", Actor.of("dan", "desk"))) == ["desk"]
    assert codes(run.fire("look", Actor.of("dan", "desk:north"))) == ["role_missing"]


def test_while_the_field_is_unset_nobody_holds_the_scoped_role():
    """Not even who was given it for an empty scope, nor a deputy."""
    run = Run(world(TEXT), holders={"team": ("tom",)})
    run.begin(ANA)
    deputise(run, "tom", "dee")
    for actor in (TEAM, Actor.of("eve", "team"), Actor.of("eve", "team:None"), Actor.of("dee")):
        answer = run.fire("approve", actor)
        assert codes(answer) == ["role_missing"]
        assert "team for the network, which is not chosen yet" in answer.reasons[0].needed


def test_the_subject_is_who_started(run):
    """The subject's role is nobody else's, whatever they were granted."""
    assert roles(run.fire("own", ANA)) == ["applicant"]
    assert codes(run.fire("own", Actor.of("eve", "applicant"))) == ["role_missing"]


def test_anyone_is_anyone(run):
    """An event by anyone needs no identity; who has more roles shows them."""
    assert roles(run.fire("open", ANA, facts={"code.ok": True})) == ["visitor", "applicant"]


def test_a_deputy_acts_in_the_time_of_the_delegation(run):
    """From its start, until before its end."""
    deputise(run, "tom", "dee", starts=MONDAY + DAY, ends=MONDAY + 2 * DAY)
    deputy = Actor.of("dee")
    assert codes(run.fire("look", deputy)) == ["role_missing"]
    run.wait(days=1)
    step = run.fire("look", deputy)
    assert (step.on_behalf_of, roles(step)) == ("tom", ["team:north"])
    run.wait(days=1)
    assert codes(run.fire("look", deputy)) == ["role_missing"]


@pytest.mark.parametrize(
    ("limits", "may"),
    [
        ({}, True),
        ({"role": "team"}, True),
        ({"role": "lead"}, False),
        ({"scope": "north"}, True),
        ({"scope": "south"}, False),
        ({"role": "team", "scope": "north"}, True),
    ],
)
def test_a_delegation_covers_what_it_says(run, limits, may):
    """A delegation may be limited to a role and a scope; for the rest the deputy is nobody."""
    deputise(run, "tom", "dee", **limits)
    assert isinstance(run.fire("look", Actor.of("dee")), Step if may else Refused)


def test_a_delegation_of_a_scope_gives_no_role_without_one(run):
    """Who stands in for the north does not stand in at the desk, which is for everybody."""
    deputise(run, "dan", "dee", scope="north")
    assert codes(run.fire("look", Actor.of("dee"))) == ["role_missing"]


def test_nobody_is_the_subject_for_somebody_else(run):
    """The subject's own events cannot be delegated, and an event by anyone needs no deputy."""
    deputise(run, "ana", "dee")
    assert codes(run.fire("own", Actor.of("dee"))) == ["role_missing"]
    assert run.fire("open", Actor.of("dee"), facts={"code.ok": True}).on_behalf_of is None


def test_the_own_role_comes_before_the_deputyship(run):
    """Who may act by themselves acts for themselves."""
    deputise(run, "tom", "dan")
    step = run.fire("look", Actor.of("dan", "desk"))
    assert (step.on_behalf_of, roles(step)) == (None, ["desk"])


def test_all_faults_of_a_decision_are_told(run):
    """A missing role does not hide that it is the own request."""
    assert codes(run.fire("approve", ANA)) == ["role_missing", "own_request"]
    assert codes(run.fire("look", ANA)) == ["role_missing"], "looking is no decision"


def test_a_deputy_of_the_subject_decides_nothing(run):
    """Neither with a role of their own nor for somebody else, while the delegation runs."""
    deputise(run, "ana", "tom")
    assert codes(run.fire("approve", TEAM)) == ["deputy_of_subject"]
    assert isinstance(run.fire("look", TEAM), Step)
    run.wait(days=1)
    assert isinstance(run.fire("approve", TEAM), Step)


def test_the_subject_does_not_decide_through_a_deputy():
    """When the subject holds the role, a deputy acting for the subject is refused."""
    run = Run(world(TEXT), holders={"team:north": ("ana",)})
    run.begin(ANA, network="north")
    deputise(run, "ana", "dee")
    assert codes(run.fire("approve", Actor.of("dee"))) == ["own_request"]


def test_two_stages_have_two_people(run):
    """Who decided in one stage does not decide in another, neither in person nor through a deputy or for a principal."""
    deputise(run, "tom", "dee")
    deputise(run, "dan", "tom")
    run.fire("approve", Actor.of("dee"))
    assert run.instance.deciders == {"approval": ("dee", "tom")}
    assert codes(run.fire("create", TEAM)) == ["two_stages"], "the principal has decided through the deputy"
    assert codes(run.fire("create", Actor.of("dee", "desk"))) == ["two_stages"]
    assert isinstance(run.fire("approve", TEAM), Step), "the same stage may be decided again"
    assert isinstance(run.fire("both", TEAM), Step), "the definition says that this stage goes with the other"
    assert isinstance(run.fire("create", Actor.of("dan", "desk")), Step)
    assert run.instance.deciders == {"approval": ("dee", "tom"), "second": ("tom",), "provisioning": ("dan",)}


def test_the_engine_is_nobodys_name(run):
    """An actor that calls itself the engine may nothing, whatever it holds."""
    assert "engine_name" in codes(run.fire("look", Actor.of("engine", "desk")))


def test_deputyship_is_asked_for_one_principal():
    """Somebody is a deputy of those who made them one, in any role, while it lasts."""
    lent = Delegation(
        id="1", principal=ActorId("tom"), deputy=ActorId("dee"), role=RoleName("team"), scope=None, starts_at=MONDAY, ends_at=MONDAY + DAY
    )
    assert is_deputy_of(ActorId("dee"), ActorId("tom"), (lent,), MONDAY)
    assert not is_deputy_of(ActorId("tom"), ActorId("dee"), (lent,), MONDAY)
    assert not is_deputy_of(ActorId("dee"), ActorId("tom"), (lent,), MONDAY + DAY)
    assert not is_deputy_of(ActorId("dee"), ActorId("tom"), (lent,), MONDAY - DAY)


def test_a_scope_is_text(run):
    """The value of the scope's field, whatever its type; None without scope or value."""
    definition = run.world.definition
    team, desk = definition.roles[RoleName("team")], definition.roles[RoleName("desk")]
    assert scope_of(team, {FieldName("network"): 5}) == "5"
    assert scope_of(team, {}) is None
    assert scope_of(desk, {FieldName("network"): "north"}) is None


def test_a_grant_is_written_as_it_is_read():
    """`role` or `role:scope`; a scope may itself contain a colon."""
    for text in ("desk", "team:north", "team:a:b"):
        assert str(Grant.read(text)) == text
    assert Grant.read("team:") == Grant(role=RoleName("team"), scope=None)
