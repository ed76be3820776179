"""Every run of the pure core is a run of the model: a proof speaks of this engine."""

from __future__ import annotations

from datetime import timedelta

import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.worlds import KNOWN, MONDAY, Run, calendar, world
from workflow.prove.model import Model
from workflow.prove.words import Mode, at_step
from workflow.states.instance import Actor
from workflow.states.verdict import Kind, Step

TEXT = """
definition: small
language: 1
calendar: office
subject: applicant
roles: {clerk: {}, boss: {}}
fields:
  note: text
  count: integer
  is_urgent: boolean
  sent_at: instant
  level: {type: choice, values: [low, high]}
checks: {code: {}}
events:
  ask: {by: [applicant], payload: {note: {type: text}, level: {field: level, required: true}}}
  sent: {by: engine}
  unsent: {by: engine}
  type_code: {by: [applicant], payload: {code: {type: secret, required: true}}, checks: [code]}
  again: {by: [clerk]}
  look: {by: [clerk], decision: looking}
  approve: {by: [boss, clerk], decision: approval}
  ask_back: {by: [clerk], payload: {count: {field: count}}}
  answer: {by: [applicant]}
  note_urgent: {by: [clerk]}
  remind: {by: engine}
  late: {by: engine}
  over: {by: engine}
start: {event: ask, set: {note: event.note, level: event.level}}
initial: waiting
tally: [again]
transitions:
  - {event: again, guard: count.again < 2}
  - {event: note_urgent, set: {is_urgent: "!instance.is_urgent", sent_at: null}}
states:
  waiting:
    entry: [{mail: hello, link: hello, done: sent, failed: unsent}]
    timers:
      - {name: link, since: sent, after: PT5M, event: late}
      - {name: forgotten, after: P2D, event: over}
    transitions:
      - {event: sent, set: {sent_at: now}}
      - {event: type_code, guard: ["facts.code.ok", "has.sent_at && now - instance.sent_at < duration('3m')"], target: deciding}
      - {event: type_code, guard: "facts.code.tries > 2 && instance.level == 'high'", target: closed}
      - {event: again, target: waiting, reenter: true}
      - {event: late, guard: "!instance.is_urgent", target: closed}
      - {event: over, target: closed}
  deciding:
    initial: looking
    paused_in: [asked]
    timers:
      - {name: remind, after: 1bd, event: remind}
      - {name: late, after: 2bd, event: late}
      - {name: hours, after: PT30H, event: remind}
    transitions:
      - {event: remind, actions: [{mail: reminder, to: boss}]}
      - {event: late, target: closed}
    states:
      looking:
        transitions:
          - {event: look, target: approval}
          - {event: ask_back, set: {count: event.count}, target: asked}
      approval:
        transitions:
          - {event: approve, quorum: {need: 2, distinct: true}, target: done}
          - {event: ask_back, set: {count: event.count}, target: asked}
      asked:
        waits_forever: The applicant may take all the time there is.
        transitions: [{event: answer, guard: "instance.count != 7", target: looking}, {event: answer, target: closed}]
  done: {outcome: success}
  closed: {outcome: failure}
"""
WORLD = world(TEXT, calendar=calendar())
MODEL = Model(WORLD.table, KNOWN, Mode(has_instants=True, has_deadlines=True))
KINDS = {Kind.STARTED: ("start",), Kind.ACCEPTED: ("event", "told"), Kind.FIRED: ("fired",), Kind.REPORTED: ("reported", "stale")}
ANA = Actor.of("ana")
PEOPLE = [Actor.of("bo", "clerk"), Actor.of("cy", "clerk", "boss"), Actor.of("di", "boss"), ANA]
ACTS = st.one_of(
    st.tuples(st.just("fire"), st.sampled_from(["again", "look", "approve", "answer", "note_urgent"]), st.sampled_from(PEOPLE)),
    st.tuples(st.just("code"), st.booleans(), st.integers(0, 4)),
    st.tuples(st.just("ask_back"), st.sampled_from([None, 1, 7]), st.sampled_from(PEOPLE)),
    st.tuples(st.just("report"), st.sampled_from(["sent", "sent", "unsent"]), st.integers(0, 400)),
    st.tuples(st.just("wait"), st.sampled_from([1, 60, 179, 180, 299, 300, 3600, 86_400, 172_800]), st.none()),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(ACTS, max_size=10),
    st.sampled_from(["low", "high"]),
    st.booleans(),
)
def test_every_run_of_the_core_is_a_run_of_the_model(acts, level, has_note):
    """The model allows each step that the core makes, with the same state, fields, counts and deadlines after it."""
    run = Run(world=WORLD)
    run.begin(ANA, level=level, **({"note": "x"} if has_note else {}))
    queued = [(run.now, effect) for effect in run.steps[0].effects if effect.done]
    for act in acts:
        if act[0] == "wait":
            run.wait(seconds=act[1])
            continue
        before = len(run.steps)
        _do(run, act, queued)
        queued += [(step.occurred_at, e) for step in run.steps[before:] for e in step.effects if e.done]
    _assert_allowed(run.steps)


def _do(run: Run, act, queued) -> None:
    match act:
        case ("code", is_ok, tries):
            run.fire("type_code", ANA, facts={"code.ok": is_ok, "code.tries": tries, "code.method": "x"}, code="1")
        case ("ask_back", count, actor):
            run.fire("ask_back", actor, **({} if count is None else {"count": count}))
        case ("report", name, ago):
            if queued:
                at, effect = queued.pop()
                run.report(effect, name, at=max(at, run.now - timedelta(seconds=ago)))
                if name == "unsent":
                    queued.append((at, effect))
        case ("fire", name, actor):
            run.fire(name, actor)


def _assert_allowed(steps: list[Step]) -> None:
    solver = z3.SolverFor("QF_LIRA")
    words = MODEL.words
    solver.add([at_step(words.var(n), 0) == words.pinned(words.initial[n], 0) for n in words.sorts])
    for number, step in enumerate(steps):
        fitting = [r for r in MODEL.rules if r.kind in KINDS[step.kind] and (r.event, r.source, r.target) == _move(step)]
        solver.add(z3.Or([_taken(rule, number) for rule in fitting]))
        solver.add(_seen(step, number + 1))
        assert solver.check() == z3.sat, (number, step.kind, _move(step))


def _move(step: Step):
    return step.event.name, step.from_state, step.to_state


def _taken(rule, number: int):
    words = MODEL.words
    kept = [at_step(words.var(n), number + 1) == words.pinned(rule.updates.get(n, words.var(n)), number) for n in words.sorts]
    return z3.And(words.pinned(rule.guard, number), *kept)


def _seen(step: Step, number: int) -> list:
    """Say what the situation after a step is, in the words of the model."""
    words, after = MODEL.words, step.after
    instance, armed = after.instance, {t.key: t for t in after.timers}
    said = {f"has.{n}": n in instance.fields or n in instance.personal for n in WORLD.definition.fields}
    said |= {f"val.{n}": instance.fields.get(n, zero) for n, zero in (("count", 0), ("is_urgent", False))}
    said |= {f"armed.{t.key}": t.key in armed for s in WORLD.definition.states.values() for t in s.timers}
    said |= {f"count.{n}": instance.tallies[n].count if n in instance.tallies else 0 for n in ("again", "approve")}
    said |= {f"distinct_actors.{n}": len(instance.tallies[n].actors) if n in instance.tallies else 0 for n in ("again", "approve")}
    said |= {f"marked.{n}": n in instance.marks for n in ("sent", "unsent")}
    due = {k: t for k, t in armed.items() if t.due_at is not None}
    said |= {f"due.{k}": z3.RealVal(str((t.due_at - MONDAY).total_seconds())) for k, t in due.items()}
    return [at_step(words.var(n), number) == value for n, value in said.items()]
