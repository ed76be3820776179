"""The outbox at work: at least once, never lost, reported through the same door."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.engine.conftest import House
from workflow.audit.chain import verify
from workflow.engine import Dispatch
from workflow.engine.directory import FixedDirectory
from workflow.errors import ActionError, RefusedError
from workflow.ports import Briefing, MessageQuery, Performed
from workflow.states.instance import Actor, Event

TEXT = """
definition: links
language: 1
subject: applicant
roles: {visitor: {anyone: true, because: Registration is open.}, holder: {anyone: true, because: The link is the proof.}, helpdesk: {}}
fields: {email: email, first_name: string, language: {type: choice, values: [en, fr]}}
checks: {mailed: {use: link, purpose: password, since: link_mailed, ttl: PT5M}}
events:
  register: {by: [visitor], payload: {email: {field: email, required: true}, language: {field: language}, first_name: {field: first_name}}}
  open: {by: [holder], payload: {token: {type: secret, required: true}}, checks: [mailed]}
  renew: {by: [holder], payload: {token: {type: secret, required: true}}, checks: [mailed]}
  link_mailed: {by: engine}
  link_expired: {by: engine}
  mail_failed: {by: engine}
  never_mailed: {by: engine}
start: {event: register, set: {email: event.email, language: event.language, first_name: event.first_name}}
states:
  registered:
    entry: [{mail: password_link, link: password, done: link_mailed, failed: mail_failed}]
    timers:
      - {name: life, since: link_mailed, after: PT5M, event: link_expired}
      - {name: never, after: P1D, event: never_mailed}
    transitions:
      - {event: open, target: opened, guard: facts.mailed.valid}
      - {event: renew, target: registered, reenter: true, guard: facts.mailed.genuine}
      - {event: link_expired, target: expired}
      - {event: mail_failed, target: trouble}
      - {event: never_mailed, target: trouble}
  expired:
    waits_forever: the person may come back
    transitions: [{event: renew, target: registered, guard: facts.mailed.genuine}]
  trouble:
    waits_forever: somebody must look
    entry: [{mail: mail_trouble, to: helpdesk}]
    transitions: [{event: renew, target: registered, guard: facts.mailed.genuine}]
  opened: {outcome: success, entry: [{mail: approved}]}
"""


class Hands:
    """A performer that keeps what it did, and fails when told."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.done: list[Briefing] = []
        self.failures: list[Exception] = []

    def __call__(self, briefing: Briefing) -> Performed:
        if self.failures:
            raise self.failures.pop(0)
        self.done.append(briefing)
        return Performed(performed_at=self.house.clock.now(), detail="250 ok")


@pytest.fixture
def linked(store):
    house = House(store, directory=FixedDirectory(roles={"helpdesk": ["hal"]}, people={"hal": {"email": "hal@example.org", "name": "Hal"}}))
    house.publish(TEXT)
    house.hands = Hands(house)
    house.dispatch = dispatch_of(house)
    house.id = house.engine.start(
        "links", Event.of("register", Actor.of("v"), email="ana@example.org", language="fr", first_name="Ana"), subject="ana"
    ).instance.id
    return house


def dispatch_of(house: House) -> Dispatch:
    return Dispatch(
        house.engine,
        performer=house.hands,
        next_attempt=lambda _, attempts, __, now: now + timedelta(minutes=attempts) if attempts < 3 else None,
        link_url=lambda purpose, token: f"https://access.example.org/{purpose}/{token}",
    )


def token(house: House) -> str:
    return house.hands.done[-1].link.rpartition("/")[2]


def messages(house: House, state=None):
    with house.store.reads() as reads:
        return reads.messages(MessageQuery(state=state)).rows


def test_a_message_is_performed_and_reported(linked):
    """The briefing has the recipient and the link opened for this one time; the report starts the clock of the link."""
    assert linked.dispatch.run().done == 1
    (briefing,) = linked.hands.done
    assert [(r.email, r.name, r.language) for r in briefing.recipients] == [("ana@example.org", "Ana", "fr")]
    assert briefing.link.startswith("https://access.example.org/password/")
    situation = linked.engine.situation(linked.id)
    assert {t.key: t.due_at for t in situation.timers}["registered.life"] == linked.clock.at + timedelta(minutes=5)
    assert [said["kind"] for said in linked.said(linked.id)] == ["instance:started", "effect:reported"]
    assert [m.state for m in messages(linked)] == ["done"]
    assert linked.dispatch.run().total == 0


def test_the_link_is_inactive_until_it_is_reported(linked):
    """A token that was made but not yet reported as sent opens nothing, and nothing is consumed."""
    early = linked.vault.link_token(
        purpose="password", definition="links", instance=linked.id, subject=linked.engine.get(linked.id).subject, serial=1
    )
    answer = fire_refused(linked, "open", early)
    assert "moment" in answer
    linked.dispatch.run()
    assert linked.engine.fire(linked.id, Event.of("open", Actor.of("v"), token=token(linked))).instance.state == "opened"


def fire_refused(house: House, name: str, value: str) -> str:
    with pytest.raises(RefusedError) as refused:
        house.engine.fire(house.id, Event.of(name, Actor.of("v"), token=value))
    return refused.value.explain()


def test_a_link_lives_from_its_sending(linked):
    """Valid one second before five minutes after the sending, dead at that instant; then the same link renews."""
    linked.clock.wait(minutes=20)
    linked.dispatch.run()
    old = token(linked)
    linked.clock.wait(minutes=5)
    assert "not possible" in fire_refused(linked, "open", old)
    assert linked.engine.get(linked.id).state == "expired"
    assert linked.engine.fire(linked.id, Event.of("renew", Actor.of("v"), token=old)).instance.state == "registered"
    linked.dispatch.run()
    fire_refused(linked, "open", old)
    linked.clock.wait(minutes=4, seconds=59)
    assert linked.engine.fire(linked.id, Event.of("open", Actor.of("v"), token=token(linked))).instance.state == "opened"


def test_a_failure_is_tried_again_later(linked):
    """A failure that may pass is put back with the error, and is not due before its time; the message keeps its id."""
    linked.hands.failures = [ActionError("450 come back", effect="mail", will_retry=True)]
    assert linked.dispatch.run().put_back == 1
    (message,) = messages(linked, "queued")
    assert (message.attempts, message.last_error) == (1, "450 come back")
    assert linked.dispatch.run().total == 0
    linked.clock.wait(minutes=1)
    assert linked.dispatch.run().done == 1
    assert linked.hands.done[0].message.id == message.id


def test_a_failure_for_good_is_reported(linked):
    """A message that is given up is dead, visible, and its failure comes back as an event."""
    linked.hands.failures = [ActionError("550 no such user", effect="mail", will_retry=False)]
    assert linked.dispatch.run().dead == 1
    assert linked.engine.get(linked.id).state == "trouble"
    assert sorted(m.state for m in messages(linked)) == ["dead", "queued"]
    linked.dispatch.run()
    assert [r.email for r in linked.hands.done[-1].recipients] == ["hal@example.org"]


def test_attempts_end(linked):
    """After the last attempt of its plan a message is dead, and an operator can make it due again."""
    linked.hands.failures = [ActionError("450", effect="mail")] * 3
    for _ in range(3):
        linked.dispatch.run()
        linked.clock.wait(minutes=10)
    (dead,) = messages(linked, "dead")
    with linked.store.reads() as reads:
        assert reads.retry(dead.id, now=linked.clock.now())
        assert not reads.retry(dead.id, now=linked.clock.now())


def test_a_fault_in_a_performer_is_contained(linked, caplog):
    """Foreign code may fail in any way: the message is put back, and the worker's log has the rest."""
    linked.hands.failures = [ZeroDivisionError("oops")]
    assert linked.dispatch.run().put_back == 1
    assert "ZeroDivisionError" in messages(linked, "queued")[0].last_error
    assert "unexpectedly" in caplog.text


def test_a_lost_lease_reports_nothing(linked):
    """A worker whose lease ran out and was taken over does not report: the fencing token is an older one."""
    (slow,) = linked.dispatch.claim()
    linked.clock.wait(minutes=2)
    (fast,) = dispatch_of(linked).claim()
    assert (fast.id, fast.token) == (slow.id, slow.token + 1)
    assert linked.dispatch.perform(fast) == "done"
    assert linked.dispatch.perform(slow) == "lost"
    assert [said["kind"] for said in linked.said(linked.id)] == ["instance:started", "effect:reported"]


def test_a_replaced_link_is_not_sent(linked):
    """A message that waits while a newer link is queued is superseded; one that is leased already is not sent either."""
    linked.dispatch.run()
    linked.engine.fire(linked.id, Event.of("renew", Actor.of("v"), token=token(linked)))
    (leased,) = linked.dispatch.claim()
    linked.engine.fire(linked.id, Event.of("renew", Actor.of("v"), token=token(linked)))
    assert linked.dispatch.perform(leased) == "done"
    assert len(linked.hands.done) == 1
    assert linked.said(linked.id)[-1]["reasons"][0]["code"] == "superseded"
    linked.engine.fire(linked.id, Event.of("renew", Actor.of("v"), token=token(linked)))
    assert sorted(m.state for m in messages(linked)) == ["done", "done", "queued", "superseded"]


def test_delivery_without_an_event_is_witnessed(linked):
    """A message whose outcome no event wants to hear is an entry all the same, for those who trace."""
    linked.dispatch.run()
    linked.engine.fire(linked.id, Event.of("open", Actor.of("v"), token=token(linked)))
    linked.dispatch.run()
    last = linked.said(linked.id)[-1]
    assert (last["kind"], last["event"], last["from"], last["to"]) == ("effect:reported", "mail_approved", "opened", "opened")
    assert verify(linked.engine.history(linked.id)) == 4


def test_no_message_holds_a_personal_value(linked):
    """Messages hold references: the address and the link are opened for one performance only."""
    (message,) = messages(linked)
    assert "ana@example.org" not in repr(message)
    assert "Ana" not in repr(message.effect)
