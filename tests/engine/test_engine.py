"""The engine on the fake and on every real store: one event, one transaction."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.engine.conftest import ADMIN, House
from workflow.audit.chain import verify
from workflow.engine import FloodLimit
from workflow.engine.directory import FixedDirectory
from workflow.errors import ConflictError, NotFoundError, RefusedError
from workflow.ports import InstanceQuery, WorkQuery
from workflow.states.instance import Actor, ActorId, Delegation, Event
from workflow.states.verdict import Accepted, Allowed, Depends, Merged

TEXT = """
definition: access
language: 1
subject: applicant
roles: {visitor: {anyone: true, because: Registration is open.}, team: {scope: network}, helpdesk: {}}
fields:
  email: {type: email, unique: {on_conflict: registered_again}}
  network: {type: string, personal: false, because: It names an office.}
  reason: {type: text}
events:
  register: {by: [visitor], payload: {email: {field: email, required: true}, network: {field: network, required: true}}}
  registered_again: {by: engine}
  approve: {by: [team], decision: approval, payload: {rationale: {type: text, required: true}}}
  reject: {by: [team], decision: approval, payload: {rationale: {type: text, required: true}, secret_note: {type: secret}}}
  create: {by: [helpdesk, team], decision: provisioning}
  change_email: {by: [applicant], payload: {email: {field: email, required: true}}}
  overdue: {by: engine}
start: {event: register, set: {email: event.email, network: event.network}}
transitions:
  - {event: registered_again, actions: [{mail: registered_again}]}
  - {event: change_email, set: {email: event.email}}
states:
  requested:
    entry: [{mail: request_received}]
    timers: [{name: late, after: P2D, event: overdue}]
    transitions:
      - {event: approve, target: approved, set: {reason: event.rationale}}
      - {event: reject, target: rejected, set: {reason: event.rationale}}
      - {event: overdue, actions: [{mail: escalation, to: helpdesk}]}
  approved:
    waits_forever: the helpdesk has its own queue
    transitions: [{event: create, target: done}]
  done: {outcome: success}
  rejected: {outcome: failure}
"""
VISITOR, HELP = Actor.of("visitor"), Actor.of("hal", "helpdesk")
BEN = Actor.of("ben", "team:ERKNet")


@pytest.fixture
def open_house(house):
    """A house with the definition published."""
    house.publish(TEXT)
    return house


def register(house: House, email="ana@example.org", subject="ana", **more):
    answer = house.engine.start("access", Event.of("register", VISITOR, email=email, network="ERKNet", **more), subject=subject)
    assert isinstance(answer, Accepted)
    return answer.instance.id


def test_a_whole_onboarding(open_house):
    """From the start to the outcome; every attempt is an entry of a chain that verifies."""
    id_ = register(open_house)
    open_house.engine.fire(id_, Event.of("approve", BEN, rationale="Known."))
    done = open_house.engine.fire(id_, Event.of("create", HELP))
    assert (done.instance.state, done.instance.outcome, done.instance.version) == ("done", "success", 3)
    assert [said["kind"] for said in open_house.said(id_)] == ["instance:started", "event:accepted", "event:accepted"]
    assert verify(open_house.engine.history(id_)) == 3


def test_personal_values_are_commitments_in_the_history(open_house):
    """No entry holds a personal value; the engine opens it for those who may see it."""
    id_ = register(open_house)
    open_house.engine.fire(id_, Event.of("approve", BEN, rationale="A very private reason."))
    history = b"".join(row.canonical for row in open_house.engine.history(id_))
    assert b"ana@example.org" not in history
    assert b"private reason" not in history
    assert b'"field:email":"' in history
    assert open_house.engine.values(id_) == {"email": "ana@example.org", "network": "ERKNet", "reason": "A very private reason."}


def test_a_refusal_is_recorded_and_then_raised(open_house):
    """The refusal's entry is committed before the caller hears of it, and names every reason."""
    id_ = register(open_house)
    with pytest.raises(RefusedError) as refused:
        open_house.engine.fire(id_, Event.of("create", VISITOR))
    assert {reason.code for reason in refused.value.reasons} == {"wrong_state", "role_missing"}
    entry = open_house.said(id_)[-1]
    assert (entry["kind"], entry["sequence"]) == ("event:refused", refused.value.sequence)
    assert {reason["code"] for reason in entry["reasons"]} == {"wrong_state", "role_missing"}
    assert open_house.engine.get(id_).version == 1, "a refusal is no step"


def test_a_refusal_keeps_no_secret_and_no_personal_value(open_house):
    """Of a refused payload only names are kept, unless a value is plain."""
    id_ = register(open_house)
    with pytest.raises(RefusedError):
        open_house.engine.fire(id_, Event.of("reject", VISITOR, rationale="Hush.", secret_note="s3cret"))
    last = open_house.engine.history(id_)[-1].canonical
    assert b"Hush" not in last
    assert b"s3cret" not in last
    assert b'"withheld":["rationale","secret_note"]' in last


def test_unknown_things_are_not_found(open_house):
    """An unknown instance, definition or event is said to be unknown, and nothing is written."""
    with pytest.raises(NotFoundError, match="no instance"):
        open_house.engine.fire("nothing", Event.of("approve", BEN))
    with pytest.raises(NotFoundError, match="no definition"):
        open_house.engine.start("nothing", Event.of("register", VISITOR))


def test_the_wrong_network_does_not_decide(open_house):
    """A role is held for one network; the team of another is refused."""
    id_ = register(open_house)
    with pytest.raises(RefusedError) as refused:
        open_house.engine.fire(id_, Event.of("approve", Actor.of("eva", "team:VASCERN", "team"), rationale="x"))
    assert refused.value.reasons[0].needed == "the role team for ERKNet"


def test_the_same_key_gives_the_first_answer(open_house):
    """A repetition with the same key does nothing twice; other content under the key is a conflict."""
    id_ = register(open_house)
    event = Event.of("approve", BEN, key="k", rationale="Known.")
    first = open_house.engine.fire(id_, event)
    again = open_house.engine.fire(id_, event)
    assert (again.is_repeat, again.sequence, again.instance.version) == (True, first.sequence, 2)
    with pytest.raises(ConflictError, match="other content"):
        open_house.engine.fire(id_, Event.of("approve", BEN, key="k", rationale="Other."))
    assert len(open_house.engine.history(id_)) == 2


def test_a_refusal_is_repeated_too(open_house):
    """The first answer may be a refusal: the same key gives it again, without a second entry."""
    id_ = register(open_house)
    event = Event.of("create", HELP, key="k")
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            open_house.engine.fire(id_, event)
        assert refused.value.sequence == 2
    assert len(open_house.engine.history(id_)) == 2


def test_a_repetition_is_authorised_again(open_house):
    """Whoever has lost the role meanwhile does not get the first answer again."""
    id_ = register(open_house)
    open_house.engine.fire(id_, Event.of("approve", BEN, key="k", rationale="Known."))
    with pytest.raises(RefusedError) as refused:
        open_house.engine.fire(id_, Event.of("approve", Actor.of("ben"), key="k", rationale="Known."))
    assert [reason.code for reason in refused.value.reasons] == ["role_missing"]


def test_a_key_belongs_to_its_actor(open_house):
    """Two actors may use the same key for different things."""
    one, two = register(open_house), register(open_house, email="bo@example.org", subject="bo")
    open_house.engine.fire(one, Event.of("approve", BEN, key="k", rationale="A"))
    assert open_house.engine.fire(two, Event.of("approve", BEN, key="k", rationale="B")).is_repeat is False
    with pytest.raises(RefusedError):
        open_house.engine.fire(one, Event.of("approve", Actor.of("eva", "team:ERKNet"), key="k", rationale="C"))


def test_a_secret_is_in_no_stored_answer(open_house):
    """The digest of what was asked leaves secrets out: another secret under the same key is the same request."""
    id_ = register(open_house)
    for note in ("one", "two"):
        open_house.engine.fire(id_, Event.of("reject", BEN, key="k", rationale="No.", secret_note=note))
    assert len(open_house.engine.history(id_)) == 2


def test_a_start_has_a_key_too(open_house):
    """A start that is sent twice starts once."""
    event = Event.of("register", VISITOR, key="once", email="ana@example.org", network="ERKNet")
    first = open_house.engine.start("access", event, subject="ana")
    again = open_house.engine.start("access", event, subject="ana")
    assert (again.instance.id, again.is_repeat) == (first.instance.id, True)
    with pytest.raises(ConflictError, match="other content"):
        open_house.engine.start("access", Event.of("register", VISITOR, key="once", email="bo@example.org", network="ERKNet"))


def test_a_second_registration_tells_the_first(open_house):
    """A unique value fires the conflict event on the instance that has it; no second instance comes to be."""
    id_ = register(open_house)
    answer = open_house.engine.start("access", Event.of("register", VISITOR, email="ANA@Example.ORG", network="ERKNet"), subject="other")
    assert answer == Merged(instance_id=id_)
    assert [said["event"] for said in open_house.said(id_)] == ["register", "registered_again"]
    assert len(open_house.engine.instances(InstanceQuery()).rows) == 1


def test_a_taken_value_is_a_conflict_for_an_event(open_house):
    """An event that would write another's unique value is a conflict, and nothing is written."""
    register(open_house)
    other = register(open_house, email="bo@example.org", subject="bo")
    with pytest.raises(ConflictError, match="belongs to another"):
        open_house.engine.fire(other, Event.of("change_email", Actor.of("bo"), email="ana@example.org"))
    assert len(open_house.engine.history(other)) == 1
    assert open_house.engine.fire(other, Event.of("change_email", Actor.of("bo"), email="bo2@example.org"))


def test_a_refused_start_is_recorded_in_the_systems_chain(open_house):
    """There is no instance to record it on, so the system's own chain keeps it; it is never listed as an instance."""
    with pytest.raises(RefusedError) as refused:
        open_house.engine.start("access", Event.of("register", VISITOR, email="no address"))
    assert {reason.field for reason in refused.value.reasons} == {"email", "network"}
    assert [said["kind"] for said in open_house.said("system")] == ["document:published", "event:refused"]
    assert verify(open_house.engine.history("system")) == 2
    assert open_house.engine.instances(InstanceQuery()).rows == ()


def test_the_expected_version_is_compared(open_house):
    """Who has seen an older version is told so, with both versions."""
    id_ = register(open_house)
    open_house.engine.fire(id_, Event.of("approve", BEN, rationale="x"), expected_version=1)
    with pytest.raises(ConflictError) as conflict:
        open_house.engine.fire(id_, Event.of("create", HELP), expected_version=1)
    assert (conflict.value.expected_version, conflict.value.found_version) == (1, 2)


def test_a_deadline_fires_when_somebody_looks_or_sweeps(open_house):
    """Lazy and eager come to the same; reading does not write."""
    id_ = register(open_house)
    open_house.clock.wait(days=3)
    assert open_house.engine.situation(id_).timers == ()
    assert len(open_house.engine.history(id_)) == 1
    assert open_house.engine.tick().fired == 1
    entry = open_house.said(id_)[-1]
    assert (entry["kind"], entry["occurred_at"][:10], entry["recorded_at"][:10]) == ("timer:fired", "2026-11-25", "2026-11-26")
    assert open_house.engine.tick().fired == 0


def test_time_never_runs_backwards(open_house):
    """A clock that is set back does not take an instance back: its newest entry is the earliest now."""
    id_ = register(open_house)
    open_house.clock.wait(hours=-5)
    open_house.engine.fire(id_, Event.of("approve", BEN, rationale="x"))
    first, second = open_house.said(id_)
    assert second["recorded_at"] == first["recorded_at"]


def test_may_tells_everything_an_actor_could_do(open_house):
    """`may` gives a verdict per event of the state, with all reasons; nothing is written."""
    id_ = register(open_house)
    verdicts = open_house.engine.may(id_, BEN)
    assert verdicts["approve"] == Depends(on=("rationale",))
    assert verdicts["change_email"].reasons[0].code == "role_missing"
    assert "overdue" not in verdicts
    open_house.engine.fire(id_, Event.of("approve", BEN, rationale="x"))
    assert open_house.engine.may(id_, HELP, "create") == {"create": Allowed()}
    assert open_house.engine.may(id_, BEN, "create")["create"].reasons[0].code in {"role_missing", "two_stages"}


def test_open_work_follows_the_state(open_house):
    """Queues read rows by role and scope, with the earliest deadline; they go when the work is done."""
    id_ = register(open_house)
    page = open_house.engine.work_of(BEN)
    assert {(s.instance.id, w.event, w.scope) for s, w in page.rows} == {(id_, "approve", "ERKNet"), (id_, "reject", "ERKNet")}
    assert page.rows[0][1].due_at == open_house.clock.at + timedelta(days=2)
    assert open_house.engine.work_of(HELP).rows == ()
    assert open_house.engine.work_of(Actor.of("nobody")).rows == ()
    open_house.engine.fire(id_, Event.of("approve", BEN, rationale="x"))
    assert [w.event for _, w in open_house.engine.work_of(HELP).rows] == ["create"]
    open_house.engine.fire(id_, Event.of("create", HELP))
    assert open_house.engine.work(WorkQuery()).rows == ()


def test_a_new_version_leaves_running_instances_alone(open_house):
    """An instance is pinned to its definition; new ones start by the newest published version."""
    old = register(open_house)
    assert open_house.publish(TEXT.replace("P2D", "P9D")) == 1
    new = register(open_house, email="bo@example.org", subject="bo")
    (before,), (after,) = open_house.engine.situation(old).timers, open_house.engine.situation(new).timers
    assert after.due_at - before.due_at == timedelta(days=7)
    assert open_house.publish(TEXT.replace("P2D", "P9D")) == 0, "it is the newest already"


def test_a_deputy_acts_and_both_people_are_named(store):
    """A delegation is recorded, works from start to end, names both people, and is bound to the directory."""
    house = House(store, directory=FixedDirectory(roles={"team:ERKNet": ["ben"]}))
    house.publish(TEXT)
    id_, now = register(house), house.clock.at
    delegation = Delegation(
        id="d1", principal=ActorId("ben"), deputy=ActorId("dee"), role=None, scope=None, starts_at=now, ends_at=now + timedelta(days=1)
    )
    with pytest.raises(RefusedError, match="Only the principal"):
        house.engine.delegate(delegation, actor=Actor.of("dee"))
    house.engine.delegate(delegation, actor=Actor.of("ben"))
    house.engine.fire(id_, Event.of("approve", Actor.of("dee"), rationale="For Ben."))
    entry = house.said(id_)[-1]
    assert (entry["actor"], entry["on_behalf_of"], entry["roles"]) == ("dee", "ben", ["team:ERKNet"])
    with pytest.raises(RefusedError) as refused:
        house.engine.fire(id_, Event.of("create", BEN))
    assert "two_stages" in {reason.code for reason in refused.value.reasons}, "his deputy decided for him"
    assert [said["kind"] for said in house.said("system")] == ["document:published", "event:refused", "delegation:granted"]


def test_an_ended_delegation_is_no_delegation(store):
    """Ended by one of the two or by an administrator, and by nobody else; faulty dates are refused with all reasons."""
    house = House(store, directory=FixedDirectory(roles={"team:ERKNet": ["ben"]}))
    house.publish(TEXT)
    id_, now = register(house), house.clock.at
    wrong = Delegation(id="w", principal=ActorId("ben"), deputy=ActorId("ben"), role=None, scope=None, starts_at=now, ends_at=now)
    with pytest.raises(RefusedError) as refused:
        house.engine.delegate(wrong, actor=ADMIN)
    assert len(refused.value.reasons) == 3
    good = Delegation(
        id="d1", principal=ActorId("ben"), deputy=ActorId("dee"), role=None, scope=None, starts_at=now, ends_at=now + timedelta(days=1)
    )
    house.engine.delegate(good, actor=ADMIN)
    with pytest.raises(RefusedError):
        house.engine.end_delegation("d1", actor=Actor.of("eve"))
    house.engine.end_delegation("d1", actor=Actor.of("dee"))
    with pytest.raises(RefusedError):
        house.engine.fire(id_, Event.of("approve", Actor.of("dee"), rationale="x"))
    with pytest.raises(NotFoundError):
        house.engine.end_delegation("d2", actor=ADMIN)


def test_a_flood_of_refusals_is_counted_and_summarised(store):
    """Past the limit refusals are counted; a later entry says how many there were, and from when to when."""
    house = House(store, flood=FloodLimit(refusals=3, window=timedelta(minutes=10)))
    house.publish(TEXT)
    id_ = register(house)
    for _ in range(8):
        with pytest.raises(RefusedError):
            house.engine.fire(id_, Event.of("create", VISITOR))
        house.clock.wait(seconds=10)
    assert len(house.engine.history(id_)) == 1 + 3
    house.clock.wait(minutes=10)
    with pytest.raises(RefusedError):
        house.engine.fire(id_, Event.of("create", VISITOR))
    summary, last = house.said(id_)[-2:]
    assert (summary["kind"], summary["payload"]["count"], last["kind"]) == ("refusals:counted", 5, "event:refused")
    assert verify(house.engine.history(id_)) == 6


def test_an_accepted_step_after_a_flood_keeps_the_count(store):
    """Counted refusals are not lost when the next event is accepted within or after the window."""
    house = House(store, flood=FloodLimit(refusals=1, window=timedelta(minutes=10)))
    house.publish(TEXT)
    id_ = register(house)
    for _ in range(3):
        with pytest.raises(RefusedError):
            house.engine.fire(id_, Event.of("create", VISITOR))
    house.engine.fire(id_, Event.of("approve", BEN, rationale="x"))
    house.clock.wait(minutes=11)
    house.engine.fire(id_, Event.of("create", HELP))
    counted = [said for said in house.said(id_) if said["kind"] == "refusals:counted"]
    assert [said["payload"]["count"] for said in counted] == [2]


def test_fifty_parallel_approvals(store):
    """One is accepted; forty-nine are refused with the right reason; nobody gets a conflict; one account is the consequence."""
    house = House(store)
    house.publish(TEXT)
    id_ = register(house)
    barrier, answers = threading.Barrier(50), Counter()

    def approve(number: int) -> str:
        barrier.wait()
        try:
            house.engine.fire(id_, Event.of("approve", Actor.of(f"approver-{number}", "team:ERKNet"), rationale="Known."))
        except RefusedError as refused:
            return refused.reasons[0].code
        return "accepted"

    with ThreadPoolExecutor(50) as pool:
        answers.update(pool.map(approve, range(50)))
    assert answers == {"accepted": 1, "wrong_state": 49}
    assert verify(house.engine.history(id_)) == 51
    assert Counter(said["kind"] for said in house.said(id_)) == {"instance:started": 1, "event:accepted": 1, "event:refused": 49}


def test_parallel_starts_of_one_address(store):
    """Of many registrations of one address one starts an onboarding; the others are merged into it."""
    house = House(store)
    house.publish(TEXT)
    barrier = threading.Barrier(12)

    def start(number: int):
        barrier.wait()
        return house.engine.start(
            "access", Event.of("register", VISITOR, email="ana@example.org", network="ERKNet"), subject=f"subject-{number}"
        )

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(start, range(12)))
    (accepted,) = [answer for answer in answers if isinstance(answer, Accepted)]
    assert {answer.instance_id for answer in answers if isinstance(answer, Merged)} == {accepted.instance.id}
    assert len(house.engine.history(accepted.instance.id)) == 12


def test_a_bad_instance_is_set_aside(open_house):
    """One instance that cannot be settled does not stop the sweep of the others."""
    good = register(open_house)
    bad = register(open_house, email="bo@example.org", subject="bo")
    open_house.clock.wait(days=3)
    ticked = open_house.engine.tick(leave_out=[bad])
    assert (ticked.fired, ticked.instances) == (1, 1)
    assert [said["kind"] for said in open_house.said(good)][-1] == "timer:fired"
    assert open_house.engine.tick().fired == 1


def test_an_answer_is_forgotten_after_a_day(open_house):
    """A key holds for twenty-four hours; after that it stands for a new event, also when nobody has swept."""
    first = Event.of("register", VISITOR, key="once", email="ana@example.org", network="ERKNet")
    id_ = open_house.engine.start("access", first, subject="ana").instance.id
    with pytest.raises(RefusedError):
        open_house.engine.fire(id_, Event.of("create", HELP, key="k"))
    open_house.clock.wait(hours=24)
    other = Event.of("register", VISITOR, key="once", email="bo@example.org", network="ERKNet")
    assert open_house.engine.start("access", other, subject="bo").instance.id != id_
    with pytest.raises(RefusedError) as refused:
        open_house.engine.fire(id_, Event.of("create", HELP, key="k"))
    assert refused.value.sequence == 3


def test_a_replaced_value_is_free_again(open_house):
    """Who gives up a unique value leaves it to others; the new one is taken."""
    id_ = register(open_house)
    open_house.engine.fire(id_, Event.of("change_email", Actor.of("ana"), email="new@example.org"))
    assert isinstance(open_house.engine.start("access", Event.of("register", VISITOR, email="ana@example.org", network="x")), Accepted)
    answer = open_house.engine.start("access", Event.of("register", VISITOR, email="new@example.org", network="x"))
    assert answer == Merged(instance_id=id_)
    again = open_house.engine.fire(id_, Event.of("change_email", Actor.of("ana"), email="new@example.org"))
    assert isinstance(again, Accepted), "the same value once more releases nothing"
    assert isinstance(open_house.engine.start("access", Event.of("register", VISITOR, email="new@example.org", network="x")), Merged)


def test_ids_are_letters_and_digits(open_house):
    """An id can stand in an address and on a command line as it is."""
    ids = [register(open_house, email=f"a{number}@example.org", subject=f"s{number}") for number in range(30)]
    assert len(set(ids)) == 30
    assert all(id_.isalnum() and id_.isascii() and len(id_) == 22 for id_ in ids)
