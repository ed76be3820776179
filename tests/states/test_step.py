"""The step: what an event does to an instance."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.worlds import MONDAY, Run, calendar, world
from workflow.states.instance import Actor, ActorId, Delegation, Event
from workflow.states.step import EndlessTimersError, permit
from workflow.states.verdict import Allowed, Depends, Kind, Refused, Step

ANA, BOSS, CLERK = Actor.of("ana"), Actor.of("ben", "boss"), Actor.of("cy", "clerk")

NESTED = """
definition: nested
language: 1
subject: applicant
calendar: office
roles: {boss: {}, clerk: {}}
events:
  begin: {by: [applicant]}
  ask: {by: [boss]}
  answer: {by: [applicant]}
  again: {by: [boss]}
  fresh: {by: [boss]}
  note: {by: [boss, applicant]}
  done: {by: [boss]}
  restart: {by: [boss]}
  remind: {by: engine}
  breach: {by: engine}
  give_up: {by: engine}
  note_sent: {by: engine}
  too_late: {by: engine}
start: {event: begin}
initial: open
states:
  open:
    initial: waiting
    entry: [{mail: opened}]
    exit: [{mail: closed}]
    timers:
      - {name: remind, after: 1bd, event: remind}
      - {name: breach, after: 2bd, event: breach}
    paused_in: [asked]
    tally: [note]
    transitions:
      - {event: remind, actions: [{mail: reminder, to: boss}]}
      - {event: breach, target: late}
      - {event: again, target: waiting}
      - {event: fresh, target: waiting, reenter: true}
      - {event: note, actions: [{mail: note, done: note_sent}]}
    states:
      waiting:
        entry: [{mail: waiting_entered}]
        exit: [{mail: waiting_left}]
        transitions:
          - {event: ask, target: asked, actions: [{mail: question}]}
          - {event: done, target: finished}
      asked:
        timers: [{name: silence, after: PT24H, event: give_up}]
        transitions:
          - {event: answer, target: waiting}
          - {event: give_up, target: finished}
  late:
    waits_forever: somebody must look
    timers: [{name: since_note, since: note_sent, after: PT5M, event: too_late}]
    transitions: [{event: restart, target: open}, {event: note, actions: [{mail: note, done: note_sent}]}, {event: too_late, target: finished}]
  finished: {outcome: success}
"""


@pytest.fixture
def run():
    started = Run(world(NESTED, calendar=calendar()))
    assert isinstance(started.begin(ANA), Step)
    return started


def names(step):
    return [effect.name for effect in step.effects]


def test_the_start_enters_from_the_outside_in(run):
    """A start enters the compound state, then its initial child, with their entry actions in this order, and arms its timers."""
    step = run.steps[0]
    assert (step.kind, step.from_state, step.to_state) == (Kind.STARTED, None, "open.waiting")
    assert names(step) == ["opened", "waiting_entered"]
    assert run.armed == {"open.remind", "open.breach"}
    assert run.instance.version == 1


def test_a_move_between_children_leaves_the_parents_timers_alone(run):
    """Only the child is left and entered; what belongs to the parent runs on, and exit comes before action before entry."""
    before = run.due("open.breach")
    step = run.fire("ask", BOSS)
    assert names(step) == ["waiting_left", "question"]
    assert run.due("open.breach") is None, "it is paused, not disarmed"
    run.fire("answer", ANA)
    assert run.due("open.breach") == before, "no time passed while it was paused"


def test_a_pause_gives_the_rest_back(run):
    """Working time that passes in a paused child is not counted; the child's own timers run."""
    run.wait(hours=3).fire("ask", BOSS)
    assert run.due("open.asked.silence") == run.now + timedelta(hours=24)
    run.wait(hours=5).fire("answer", ANA)
    assert run.due("open.remind") == MONDAY + timedelta(days=1, hours=5)


def test_a_target_inside_the_source_leaves_only_children(run):
    """A local transition does not leave its own state, so the ladder is not armed again."""
    due = run.due("open.remind")
    step = run.wait(hours=1).fire("again", BOSS)
    assert names(step) == ["waiting_left", "waiting_entered"]
    assert run.due("open.remind") == due


def test_reenter_leaves_and_enters_the_source(run):
    """With `reenter` the source itself is left and entered, and its timers start again."""
    step = run.wait(hours=1).fire("fresh", BOSS)
    assert names(step) == ["waiting_left", "closed", "opened", "waiting_entered"]
    assert run.due("open.remind") == MONDAY + timedelta(days=1, hours=1)


def test_an_internal_transition_moves_nothing(run):
    """Without a target nothing is left, entered, armed or disarmed; the step is counted all the same."""
    step = run.fire("note", BOSS)
    assert (step.from_state, step.to_state) == ("open.waiting", "open.waiting")
    assert (step.armed, step.disarmed, step.moved) == ((), (), ())
    assert run.instance.version == 2


def test_leaving_a_state_disarms_its_timers(run):
    """A timer ends with its state."""
    step = run.fire("done", BOSS)
    assert set(step.disarmed) == {"open.remind", "open.breach"}
    assert run.instance.outcome == "success"


def test_counts_start_again_when_their_state_is_entered(run):
    """`tally` counts accepted events and their distinct actors since the state was entered."""
    for actor in (BOSS, BOSS, ANA):
        run.fire("note", actor)
    tally = run.instance.tallies["note"]
    assert (tally.count, tally.actors) == (3, ("ben", "ana"))
    run.fire("fresh", BOSS)
    assert "note" not in run.instance.tallies


def test_a_ladder_fires_each_rung_once_at_its_own_instant(run):
    """Rungs fire at their own due instants, also when nobody looked for a week."""
    fired = run.wait(days=7).sweep()
    assert [(s.event.name, s.occurred_at) for s in fired] == [
        ("remind", MONDAY + timedelta(days=1)),
        ("breach", MONDAY + timedelta(days=2)),
    ]
    assert run.instance.state == "late"
    assert run.sweep() == ()


def test_an_overtaken_rung_does_not_notify(run):
    """When a later rung of the ladder is reached too, the earlier one is recorded and its notices are dropped."""
    remind, _ = run.wait(days=7).sweep()
    assert names(remind) == []
    assert [effect.name for effect in remind.suppressed] == ["reminder"]


def test_a_rung_in_time_notifies(run):
    """The reminder goes out when only the reminder is due."""
    (remind,) = run.wait(days=1, hours=1).sweep()
    assert names(remind) == ["reminder"]
    assert remind.suppressed == ()


def test_a_deadline_is_reached_at_its_instant(run):
    """Valid while now < due_at: one microsecond before nothing fires, at the instant it does."""
    due = run.due("open.remind")
    run.now = due - timedelta(microseconds=1)
    assert run.sweep() == ()
    run.now = due
    assert len(run.sweep()) == 1


def test_a_late_event_meets_the_state_that_its_deadline_left(run):
    """A stopped worker cannot let a late event through: the deadline fires first."""
    answer = run.wait(days=3).fire("ask", BOSS)
    assert isinstance(answer, Refused)
    assert answer.reasons[0].code == "wrong_state"
    assert run.instance.state == "late"


def test_a_report_starts_the_timers_that_wait_for_it(run):
    """A `since` timer runs from the instant of the performance, not from when it was recorded."""
    run.wait(days=3).sweep()
    (effect,) = run.fire("note", BOSS).effects
    sent_at = run.now + timedelta(seconds=20)
    run.wait(minutes=1)
    step = run.report(effect, "note_sent", at=sent_at)
    assert step.kind is Kind.REPORTED
    assert run.due("late.since_note") == sent_at + timedelta(minutes=5)
    assert run.instance.marks["note_sent"] == sent_at


def test_the_report_of_a_replaced_message_changes_nothing(run):
    """A newer message kills the older one: the late report of the older starts no timer."""
    run.wait(days=3).sweep()
    (old,) = run.fire("note", BOSS).effects
    (new,) = run.fire("note", BOSS).effects
    run.report(old, "note_sent")
    assert run.armed == set()
    run.report(new, "note_sent")
    assert run.armed == {"late.since_note"}


def test_a_report_that_comes_after_the_deadline_fires_it(run):
    """When the report arrives later than the deadline it starts, the deadline fires at once, at its own instant."""
    run.wait(days=3).sweep()
    (effect,) = run.fire("note", BOSS).effects
    sent_at = run.now
    run.wait(minutes=30).report(effect, "note_sent", at=sent_at)
    assert run.instance.state == "finished"
    assert run.steps[-1].occurred_at == sent_at + timedelta(minutes=5)


def test_a_report_nobody_handles_is_a_step_that_moves_nothing(run):
    """A report is recorded even when no transition takes it."""
    (effect,) = run.fire("note", BOSS).effects
    step = run.report(effect, "note_sent")
    assert step.from_state == step.to_state
    assert step.payload == {"serial": 1}


def test_entering_again_forgets_an_old_report():
    """A mark does not outlive its state: after a restart the link of the earlier round is not active."""
    run = Run(world(NESTED, calendar=calendar()))
    run.begin(ANA)
    run.wait(days=3).sweep()
    (effect,) = run.fire("note", BOSS).effects
    run.report(effect, "note_sent")
    run.fire("restart", BOSS)
    run.wait(days=7).sweep()
    assert run.instance.state == "late"
    assert run.instance.marks == {}


def test_an_engine_event_may_be_told(run):
    """The engine can tell an instance something outside timers and reports; unhandled it is recorded and moves nothing."""
    step = run.tell("give_up")
    assert (step.kind, step.from_state, step.to_state) == (Kind.ACCEPTED, "open.waiting", "open.waiting")


def test_nobody_fires_an_engine_event(run):
    """Timers and reports have no door for people, whatever roles they hold."""
    answer = run.fire("breach", Actor.of("eve", "boss", "engine"))
    assert [reason.code for reason in answer.reasons] == ["engine_only"]


def test_an_unknown_event_is_refused(run):
    """An event that the definition does not have is refused by name."""
    answer = run.fire("vanish", BOSS)
    assert [reason.code for reason in answer.reasons] == ["unknown_event"]


def test_all_reasons_of_a_stage_are_given(run):
    """Wrong state, missing role and a faulty payload are told together."""
    answer = run.fire("answer", BOSS, extra="x")
    assert {reason.code for reason in answer.reasons} == {"wrong_state", "role_missing", "unknown_value"}


def test_only_the_start_event_starts():
    """Another event than the start's is refused when there is no instance."""
    fresh = Run(world(NESTED, calendar=calendar()))
    judged = permit(fresh.world, None, Event.of("ask", BOSS), subject=ActorId("ana"), delegations=(), holders=fresh.who, now=MONDAY)
    assert [reason.code for reason in judged.reasons] == ["wrong_state"]


ENDLESS = """
definition: endless
language: 1
subject: applicant
roles: {}
events: {begin: {by: [applicant]}, stop: {by: [applicant]}, again: {by: engine}}
start: {event: begin}
states:
  round:
    timers: [{name: tick, after: PT1S, event: again}]
    transitions: [{event: again, target: round, reenter: true}, {event: stop, target: stopped}]
  stopped: {outcome: neutral}
"""


def test_timers_that_never_end_are_an_error():
    """More than a thousand firings in one settling is a definition that runs in circles, and is said."""
    run = Run(world(ENDLESS))
    run.begin(ANA)
    run.wait(seconds=900)
    assert len(run.sweep()) == 900
    run.wait(seconds=1001)
    with pytest.raises(EndlessTimersError, match="More than 1000"):
        run.sweep()


QUORUM = """
definition: vendors
language: 1
subject: vendor
roles: {boss: {}, clerk: {}}
fields: {level: integer, note: {type: string}, seen_at: instant, tags: {type: choice, values: [a, b], many: true}}
events:
  begin: {by: [vendor], payload: {level: {field: level, required: true}}}
  approve: {by: [boss, clerk], decision: approval, payload: {note: {field: note}, rationale: {type: text}, tags: {field: tags}}}
  create: {by: [clerk, boss], decision: provisioning}
  both: {by: [boss], decision: provisioning, may_also_decide: [approval]}
  sum: {by: [boss], payload: {by: integer}}
  mark: {by: [boss]}
  forget: {by: [boss]}
start: {event: begin, set: {level: event.level}, guard: {when: "event.level > 0", code: level_low, message: "The level is too low.", needed: "a level of 1"}}
states:
  review:
    waits_forever: a person decides
    transitions:
      - {event: approve, target: approved, quorum: {need: 2}, set: {note: event.note, tags: event.tags}, guard: ["instance.level >= 2", "count.approve < 10"]}
      - {event: sum, set: {level: "instance.level + 10 / event.by"}}
      - {event: mark, set: {seen_at: now}}
      - {event: forget, set: {note: null, seen_at: null}}
  approved:
    waits_forever: a person creates
    transitions: [{event: create, target: done}, {event: both, target: done}, {event: mark, guard: "now - instance.seen_at < duration('1h')"}]
  done: {outcome: success}
"""


@pytest.fixture
def vendor():
    started = Run(world(QUORUM))
    assert isinstance(started.begin(ANA, level=3), Step)
    return started


def test_a_quorum_counts_until_it_is_reached(vendor):
    """The first voice is accepted and only counted; the second, of another person, moves."""
    first = vendor.fire("approve", BOSS, rationale="good")
    assert first.to_state == "review"
    assert vendor.fire("approve", CLERK).to_state == "approved"


def test_one_person_has_one_voice(vendor):
    """Where different people are needed the same person's second voice is refused, with what is needed."""
    vendor.fire("approve", BOSS)
    answer = vendor.fire("approve", BOSS)
    assert [(reason.code, reason.needed) for reason in answer.reasons] == [("counted_already", "another person")]


def test_what_a_counted_voice_would_set_waits_for_the_last_one(vendor):
    """A counted voice writes nothing into fields; its personal payload is kept in its own entry."""
    step = vendor.fire("approve", BOSS, note="first", rationale="good", tags=["b"])
    assert step.personal == {}
    assert step.personal_payload == {"note": "first", "rationale": "good"}
    assert step.payload == {"tags": ("b",)}
    last = vendor.fire("approve", CLERK, note="second", tags=["a", "b"])
    assert last.personal == {"note": "second"}
    assert vendor.instance.personal == {"note"}
    assert vendor.instance.fields["tags"] == ("a", "b")


def test_every_false_guard_gives_its_reason():
    """All guards are judged, and each false one is told."""
    run = Run(world(QUORUM))
    run.begin(ANA, level=1)
    answer = run.fire("approve", BOSS)
    assert [reason.message for reason in answer.reasons] == ["The guard 'instance.level >= 2' does not hold."]


def test_a_start_may_be_refused_with_the_definitions_own_words():
    """A guard may carry its own code, message and what is needed."""
    answer = Run(world(QUORUM)).begin(ANA, level=0)
    assert [(r.code, r.message, r.needed) for r in answer.reasons] == [("level_low", "The level is too low.", "a level of 1")]


def test_a_value_that_cannot_be_computed_is_a_refusal(vendor):
    """A CEL error in `set` refuses the event, and nothing changes."""
    before = vendor.instance
    answer = vendor.fire("sum", BOSS, by=0)
    assert [reason.code for reason in answer.reasons] == ["set_error"]
    assert vendor.instance == before
    vendor.fire("sum", BOSS, by=5)
    assert vendor.instance.fields["level"] == 5


def test_an_instant_is_kept_as_text_and_read_as_time(vendor):
    """`set: {x: now}` keeps RFC 3339 text in UTC; a guard reads it as a timestamp; null clears it."""
    vendor.fire("mark", BOSS)
    assert vendor.instance.fields["seen_at"] == "2026-03-02T09:00:00Z"
    vendor.fire("forget", BOSS)
    assert "seen_at" not in vendor.instance.fields


def test_a_guard_that_cannot_be_evaluated_refuses(vendor):
    """An unset instant in a guard is an error, an error is a no, and the precise code is kept for the history."""
    vendor.fire("approve", BOSS)
    vendor.fire("approve", CLERK)
    answer = vendor.fire("mark", BOSS)
    assert answer.reasons[0].private.startswith("guard_error")


def test_nobody_fills_two_stages(vendor):
    """Who decided in one stage is refused in every other, unless the event says otherwise."""
    vendor.fire("approve", BOSS)
    vendor.fire("approve", CLERK)
    assert [r.code for r in vendor.fire("create", BOSS).reasons] == ["two_stages"]
    assert isinstance(vendor.fire("both", BOSS), Step)


def test_the_subject_never_decides():
    """Not with the role, and not through a deputy."""
    run = Run(world(QUORUM))
    run.begin(ANA, level=3)
    run.delegations = (
        Delegation(id="d", principal="ana", deputy="ben", role=None, scope=None, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=1)),
    )
    assert [r.code for r in run.fire("approve", Actor.of("ana", "boss")).reasons] == ["own_request"]
    assert [r.code for r in run.fire("approve", BOSS).reasons] == ["deputy_of_subject"]
    run.wait(days=1)
    assert isinstance(run.fire("approve", BOSS), Step), "the delegation has ended"


def test_a_deputy_acts_for_a_principal_who_holds_the_role():
    """A deputy's step names both people; without the principal's own role there is nothing to act on; no chaining."""
    run = Run(world(QUORUM), holders={"boss": ("ben",)})
    run.begin(ANA, level=3)
    deputy = Actor.of("dee")
    run.delegations = (
        Delegation(id="1", principal="eve", deputy="dee", role=None, scope=None, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=9)),
        Delegation(id="2", principal="ben", deputy="eve", role="boss", scope=None, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=9)),
    )
    assert [r.code for r in run.fire("approve", deputy).reasons] == ["role_missing"], "eve's role is itself delegated"
    step = run.fire("approve", Actor.of("eve"))
    assert (step.on_behalf_of, [str(grant) for grant in step.roles]) == ("ben", ["boss"])
    assert run.instance.deciders["approval"] == ("eve", "ben")


def test_may_says_what_decide_would_say(vendor):
    """`may` is Allowed without a payload, Depends when payload or checks decide, Refused with the reasons otherwise."""
    assert vendor.may("mark", BOSS) == Allowed()
    assert vendor.may("sum", BOSS) == Depends(on=("by",)), "what is set is computed from an optional value"
    assert vendor.may("mark", CLERK).reasons[0].code == "role_missing"
    assert vendor.may("create", CLERK).reasons[0].code == "wrong_state"
    assert vendor.may("nonsense", CLERK).reasons[0].code == "unknown_event"
    fresh = Run(world(QUORUM))
    fresh.begin(ANA, level=1)
    assert fresh.may("approve", BOSS).reasons[0].message.startswith("The guard 'instance.level")


CHECKED = """
definition: checked
language: 1
subject: applicant
roles: {}
fields: {method: {type: choice, values: [sms, app]}}
checks: {code: {}}
events:
  begin: {by: [applicant]}
  enter: {by: [applicant], payload: {code: {type: secret, required: true}, method: {field: method}}, checks: [code]}
start: {event: begin}
states:
  waiting:
    waits_forever: the applicant
    transitions:
      - {event: enter, target: app, guard: "facts.code.ok && facts.code.method == 'app'"}
      - {event: enter, target: other, guard: "facts.code.ok && event.method != 'app'", set: {method: facts.code.method}}
  app: {outcome: success}
  other: {outcome: success}
"""


def test_the_first_transition_whose_guards_hold_is_taken():
    """Transitions are tried in declaration order with the facts that checks found; secrets are in no part of the step."""
    run = Run(world(CHECKED))
    run.begin(ANA)
    assert run.may("enter", ANA) == Depends(on=("code",))
    refused = run.fire("enter", ANA, code="1", facts={"code.ok": False, "code.method": "app"})
    assert len(refused.reasons) == 2
    step = run.fire("enter", ANA, code="123456", method="sms", facts={"code.ok": True, "code.method": "sms"})
    assert step.to_state == "other"
    assert run.instance.fields["method"] == "sms"
    assert "123456" not in repr((step.payload, step.personal, step.personal_payload, step.after, step.effects))


def test_occurred_at_of_a_report_is_never_in_the_future(run):
    """A performer's clock that runs ahead does not move the history ahead."""
    (effect,) = run.fire("note", BOSS).effects
    step = run.report(effect, "note_sent", at=datetime(2027, 1, 1, tzinfo=UTC))
    assert step.occurred_at == run.now


SCOPED_START = """
definition: invitations
language: 1
subject: member
roles: {owner: {scope: organisation}}
fields: {organisation: {type: string, personal: false, because: It names an organisation.}}
events: {invite: {by: [owner], payload: {organisation: {field: organisation, required: true}}}, accept: {by: [member]}}
start: {event: invite, set: {organisation: event.organisation}}
states:
  invited: {waits_forever: the member, transitions: [{event: accept, target: joined}]}
  joined: {outcome: success}
"""


def test_a_scoped_role_at_the_start_is_held_for_what_it_starts_with():
    """There is no instance yet: the scope is the value that the start copies from its payload."""
    owner = Actor.of("olga", "owner:acme")
    assert isinstance(Run(world(SCOPED_START)).begin(owner, organisation="acme"), Step)
    answer = Run(world(SCOPED_START)).begin(owner, organisation="other")
    assert [reason.needed for reason in answer.reasons] == ["the role owner for other"]
    assert {r.code for r in Run(world(SCOPED_START)).begin(owner).reasons} == {"role_missing", "value_missing"}


def test_a_principal_and_a_deputy_have_one_voice():
    """A quorum of two wants two different people: a deputy does not add a second voice to the principal's own, nor the other way round."""
    for first, second in (("ben", "dee"), ("dee", "ben")):
        run = Run(world(QUORUM), holders={"boss": ("ben",)})
        run.begin(ANA, level=3)
        run.delegations = (
            Delegation(id="1", principal="ben", deputy="dee", role=None, scope=None, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=9)),
        )
        actors = {"ben": BOSS, "dee": Actor.of("dee")}
        assert isinstance(run.fire("approve", actors[first]), Step)
        assert [r.code for r in run.fire("approve", actors[second]).reasons] == ["counted_already"]
        assert run.fire("approve", CLERK).to_state == "approved"


def test_only_the_transition_with_a_quorum_counts_voices():
    """Where one way of an event needs one voice and another needs two, a second voice of one person is counted against the second only."""
    text = QUORUM.replace(
        "      - {event: approve, target: approved, quorum: {need: 2},",
        '      - {event: approve, target: approved, guard: "instance.level > 8"}\n      - {event: approve, target: approved, quorum: {need: 2},',
    )
    assert text != QUORUM
    run = Run(world(text))
    run.begin(ANA, level=3)
    assert run.fire("approve", BOSS).to_state == "review"
    assert [reason.code for reason in run.fire("approve", BOSS).reasons] == ["counted_already"]
    quick = Run(world(text))
    quick.begin(ANA, level=9)
    assert quick.fire("approve", BOSS).to_state == "approved"
