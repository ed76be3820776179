"""Effects: what a step wants done, as values."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.worlds import Run, world
from workflow.states.effects import Effect
from workflow.states.instance import Actor
from workflow.states.verdict import Step

ANA, BEN = Actor.of("ana"), Actor.of("ben", "boss")
TEXT = """
definition: effects
language: 1
subject: applicant
roles: {boss: {}}
fields:
  level: integer
  marks: {type: choice, values: [x, y], many: true}
  email: email
  born: {type: date, personal: true}
  tags: {type: string, many: true}
events:
  begin:
    by: [applicant]
    payload: {email: {field: email}, again: {type: email}, born: {field: born}, tags: {field: tags}, pin: secret}
  send: {by: [boss]}
  other: {by: [boss]}
  call: {by: [boss]}
  move: {by: [boss], payload: {tags: {field: tags}, email: {field: email}}}
  sent: {by: engine}
  failed: {by: engine}
  called: {by: engine}
  broken: {by: engine}
  rung: {by: engine}
start:
  event: begin
  set: {email: event.email, born: event.born, tags: event.tags}
  actions: [{mail: welcome, with: {tone: warm, copies: 2}}]
states:
  open:
    timers:
      - {name: one, after: PT1H, event: rung}
      - {name: two, after: PT2H, event: broken}
      - {name: end, after: P1D, event: called}
    transitions:
      - {event: send, actions: [{mail: link, link: way, done: sent, failed: failed}]}
      - {event: other, actions: [{sms: link, link: way, done: sent}]}
      - {event: call, actions: [{provision: account, done: called, failed: broken}, {push: ring, to: boss}]}
      - {event: move, set: {email: null, tags: event.tags}}
      - {event: sent, set: {marks: "['x', 'y']"}}
      - {event: failed, actions: [{alert: failed}]}
      - {event: broken, set: {level: 10 / instance.level}, actions: [{mail: link, link: way, done: sent}]}
      - {event: rung, actions: [{mail: rung}, {mail: asked, done: sent}, {provision: account}]}
      - {event: called, target: done}
  done: {outcome: success}
"""


@pytest.fixture
def run():
    started = Run(world(TEXT))
    step = started.begin(ANA, email="ana@Example.org", born="2000-02-29", tags=["a", "b"], pin="1234", again="x@example.org")
    assert isinstance(step, Step)
    return started


@pytest.mark.parametrize(("kind", "is_notice"), [("mail", True), ("sms", True), ("push", True), ("alert", True), ("provision", False)])
def test_a_notice_only_tells(kind, is_notice):
    """What changes something elsewhere is no notice."""
    assert Effect(kind=kind, name="x").is_notice is is_notice


def test_an_effect_says_what_the_definition_says(run):
    """Kind, name, whom to, and its parameters; without a report it needs no serial."""
    (welcome,) = run.steps[0].effects
    assert welcome == Effect(kind="mail", name="welcome", params={"tone": "warm", "copies": 2})
    provision, ring = run.fire("call", BEN).effects
    assert (provision.serial, provision.done, provision.failed) == (1, "called", "broken")
    assert (ring.to, ring.serial) == ("boss", 0)


def test_links_of_one_purpose_are_counted_together(run):
    """Whatever carries the link: the newest serial is the only one that counts."""
    first, second = run.fire("send", BEN).effects[0], run.fire("other", BEN).effects[0]
    assert [first.serial, second.serial] == [1, 2]
    assert run.instance.serials == {"way": 2}


def test_a_mark_is_forgotten_when_its_action_is_queued_again(run):
    """The newer link is not active before its own report: "one moment, please"."""
    (first,) = run.fire("send", BEN).effects
    run.report(first, "sent")
    assert set(run.instance.marks) == {"sent"}
    assert run.instance.fields == {"marks": ("x", "y")}, "a computed list is kept as a tuple"
    (second,) = run.fire("send", BEN).effects
    assert run.instance.marks == {}
    run.report(first, "sent")
    assert run.instance.marks == {}, "the older one does not count any more"
    run.report(second, "sent")
    assert set(run.instance.marks) == {"sent"}


def test_a_failure_is_reported_like_a_success(run):
    """The other event of the same effect, with what the definition does about it."""
    (effect,) = run.fire("send", BEN).effects
    step = run.report(effect, "failed")
    assert [one.kind for one in step.effects] == ["alert"]
    assert step.payload == {"serial": 1}


def test_what_cannot_be_computed_takes_no_serial(run):
    """A timer's transition that cannot write its value does nothing at all: nothing is queued, and the link in hand stays good."""
    (effect,) = run.fire("send", BEN).effects
    (_, broken) = run.wait(hours=2).sweep()
    assert (broken.event.name, broken.effects, broken.to_state) == ("broken", (), "open")
    assert "open.two" in broken.disarmed
    assert run.instance.serials["way"] == effect.serial
    run.report(effect, "sent")
    assert "sent" in run.instance.marks


def test_an_overtaken_rung_keeps_what_is_no_mere_notice(run):
    """What is reported, or changes something elsewhere, is done although a later rung is reached as well."""
    (rung, _) = run.wait(hours=2).sweep()
    assert [effect.name for effect in rung.suppressed] == ["rung"]
    assert [effect.name for effect in rung.effects] == ["asked", "account"]


def test_personal_values_are_apart_from_plain_ones(run):
    """Fields hold plain values; of personal ones the instance knows only which there are; secrets are nowhere."""
    step = run.steps[0]
    assert step.personal == {"email": "ana@example.org", "born": "2000-02-29", "tags": ["a", "b"]}
    assert step.personal_payload == {"again": "x@example.org"}
    assert step.payload == {}
    assert run.instance.personal == {"email", "born", "tags"}
    assert run.instance.fields == {}
    assert "1234" not in repr((step.personal, step.personal_payload, step.payload, step.after, step.effects))


def test_nothing_shows_a_secret_by_accident(run):
    """What a log or an exception prints of a step or an event holds neither secrets nor personal values."""
    assert not any(word in repr(run.steps[0]) for word in ("1234", "ana@example.org", "x@example.org", "2000-02-29"))


def test_a_cleared_value_is_gone(run):
    """`null` clears; a value that is not given clears too, because that is what the event says now."""
    run.fire("move", BEN, email="new@example.org")
    assert run.instance.personal == {"born"}


def test_a_personal_value_that_no_field_keeps_stays_with_its_event(run):
    """An answer that is not copied is kept with the event's entry alone."""
    step = run.fire("move", BEN, email="new@example.org", tags=["c"])
    assert (step.personal, step.personal_payload) == ({"tags": ["c"]}, {"email": "new@example.org"})


def test_a_report_in_the_future_starts_its_timers_then(run):
    """A performer's clock that runs ahead dates the mark, and nothing else."""
    (effect,) = run.fire("send", BEN).effects
    step = run.report(effect, "sent", at=run.now + timedelta(minutes=3))
    assert step.occurred_at == run.now
    assert run.instance.marks["sent"] == run.now + timedelta(minutes=3)


def test_a_foreign_effect_is_known_as_old(run):
    """A report of a serial that was never given changes nothing."""
    (effect,) = run.fire("send", BEN).effects
    step = run.report(replace(effect, serial=9), "sent")
    assert (step.from_state, step.to_state, dict(run.instance.marks)) == ("open", "open", {})
