"""Onboardings with everything that a history can hold: refusals, reports, deadlines, pauses, a deputy's decision, a quorum."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from tests.engine.conftest import House
from workflow.bootstrap import dispatch
from workflow.engine.directory import FixedDirectory
from workflow.errors import ConflictError, RefusedError
from workflow.ports import Performed
from workflow.states.instance import Actor, ActorId, Delegation, Event
from workflow.testing.store import MemoryStore

TEXT = """
definition: access
language: 1
subject: applicant
erasure: forget
roles: {visitor: {anyone: true, because: Registration is open.}, team: {scope: network}, board: {}, helpdesk: {}}
fields:
  email: {type: email}
  network: {type: string, personal: false, because: It names an office.}
  level: integer
  reason: {type: text}
events:
  register: {by: [visitor], payload: {email: {field: email, required: true}, network: {field: network, required: true}}}
  rate: {by: [applicant], payload: {level: {type: integer, required: true}}}
  approve: {by: [team], decision: approval, payload: {rationale: {type: text, required: true}}}
  vote: {by: [board], decision: board}
  ask: {by: [team], payload: {question: {type: text}}}
  answer: {by: [applicant], payload: {answer: {type: text}}}
  create: {by: [helpdesk], decision: provisioning}
  sent: {by: engine}
  stale: {by: engine}
  remind: {by: engine}
  overdue: {by: engine}
  forget: {by: engine}
start: {event: register, set: {email: event.email, network: event.network, level: "0"}}
states:
  requested:
    entry: [{mail: request_received, done: sent}]
    paused_in: [asked]
    tally: [ask]
    timers:
      - {name: stale, after: PT30M, since: sent, event: stale}
      - {name: remind, after: P1D, event: remind}
      - {name: late, after: P2D, event: overdue}
    transitions:
      - {event: stale, guard: "instance.level < 9", actions: [{mail: registered_again}]}
      - {event: remind, actions: [{mail: approver_reminder, to: helpdesk}]}
      - {event: overdue, set: {level: "instance.level + 1"}, actions: [{mail: escalation, to: helpdesk}]}
      - {event: forget, target: gone}
    states:
      open:
        transitions:
          - {event: rate, guard: {when: "event.level > 0 && event.level < 5", code: range}, set: {level: event.level}}
          - {event: approve, guard: "instance.level > 1", target: voted, set: {reason: event.rationale}}
          - {event: ask, guard: count.ask < 3, target: asked}
      asked: {waits_forever: the applicant is asked, transitions: [{event: answer, target: open}]}
      voted:
        transitions: [{event: vote, quorum: {need: 2}, target: approved}]
  approved:
    timers: [{name: forgotten, after: P30D, event: overdue}]
    transitions: [{event: create, guard: has.reason, target: done}, {event: overdue, target: gone}, {event: forget, target: gone}]
  done: {outcome: success}
  gone: {outcome: neutral}
"""
VISITOR, ANA, HELP = Actor.of("visitor"), Actor.of("ana"), Actor.of("hal", "helpdesk")
BEN, DEP = Actor.of("ben", "team:ERKNet"), Actor.of("dee")
ACTS = {
    "rate 1": Event.of("rate", ANA, level=1),
    "rate 3": Event.of("rate", ANA, level=3),
    "rate 9": Event.of("rate", ANA, level=9),
    "approve": Event.of("approve", BEN, rationale="Known to us."),
    "approve as deputy": Event.of("approve", DEP, rationale="Known to them."),
    "approve oneself": Event.of("approve", Actor.of("ana", "team:ERKNet"), rationale="I am good."),
    "vote": Event.of("vote", Actor.of("cy", "board")),
    "vote too": Event.of("vote", Actor.of("di", "board")),
    "ask": Event.of("ask", BEN, question="Who are you?"),
    "answer": Event.of("answer", ANA, answer="Myself."),
    "create": Event.of("create", HELP),
    "nonsense": Event.of("dance", ANA),
}


def opened(store=None) -> tuple[House, str]:
    """Begin an onboarding; `ben` has a deputy for two days."""
    directory = FixedDirectory(roles={"team:ERKNet": ["ben"]})
    house = House(store or MemoryStore(), directory=directory)
    house.publish(TEXT)
    grant = Delegation(
        id="d1",
        principal=ActorId("ben"),
        deputy=ActorId("dee"),
        role=None,
        scope=None,
        starts_at=house.clock.at,
        ends_at=house.clock.at + timedelta(days=2),
    )
    house.engine.delegate(grant, actor=Actor.of("ben"))
    event = Event.of("register", VISITOR, email="ana@example.org", network="ERKNet")
    return house, house.engine.start("access", event, subject="ana").instance.id


def fire(house: House, id_: str, act: str) -> None:
    """Attempt something, whether it is allowed or not."""
    with suppress(RefusedError, ConflictError):
        house.engine.fire(id_, ACTS[act])


def send(house: House) -> None:
    """Send what waits; the mail server's clock is a little behind."""
    at = house.clock.at - timedelta(seconds=3)
    dispatch(house.engine, performer=lambda _briefing: Performed(performed_at=at), base_url="https://host").run()


def whole(store=None) -> tuple[House, str]:
    """Give an onboarding with refusals, a pause, reports, deadlines, a deputy and a quorum."""
    house, id_ = opened(store)
    for act in ("nonsense", "rate 9", "rate 1", "approve", "rate 3"):
        fire(house, id_, act)
    send(house)
    house.clock.wait(hours=1)
    house.engine.tick()
    fire(house, id_, "ask")
    house.clock.wait(hours=12)
    for act in ("answer", "approve oneself", "approve as deputy", "vote", "vote"):
        fire(house, id_, act)
    house.clock.wait(days=3)
    house.engine.tick()
    for act in ("vote too", "create"):
        fire(house, id_, act)
    return house, id_
