"""Guards, ways and people are judged by cases; here are the other sides of what `tests/definitions/bad` shows: what is left alone, and why."""

from __future__ import annotations

import pytest

from tests.support.known import KNOWN
from workflow.load import inspect, load_data

HEAD = """\
definition: sample
language: 1
subject: applicant
roles: {clerk: {}, boss: {}, team: {scope: network}}
fields:
  is_ready: boolean
  is_urgent: boolean
  floor: integer
  network: {type: string, personal: false, because: It names an office.}
  note: {type: string, personal: false, because: It says nothing about a person.}
  seen_at: instant
checks: {code: {}, password: {}}
events:
  begin: {by: [applicant], payload: {is_ready: {field: true}, is_urgent: {field: true}, floor: {field: true}, note: {field: true}}}
  finish: {by: [clerk], payload: {code: secret, password: secret}, checks: [code, password]}
  choose: {by: [clerk], payload: {network: {field: true}}}
  lead: {by: [team]}
  decide: {by: [boss], decision: approval}
  confirm: {by: [clerk], decision: confirmation}
  also: {by: [clerk], decision: confirmation, may_also_decide: [approval]}
  pass: {by: [clerk]}
  own: {by: [applicant]}
  late: {by: engine}
  sent: {by: engine}
start: {event: begin, set: {is_ready: event.is_ready, is_urgent: event.is_urgent, floor: event.floor, note: event.note}}
"""
REST = "  done: {outcome: success}\n  refused: {outcome: failure}\n"
IGNORED = {"unused-event", "unused-role", "unused-check"}


def found(states: str, policy: str = "", *, with_notes: bool = False) -> list[tuple[str, str]]:
    """Give the findings, apart from those about what this sample does not use."""
    text = f"{HEAD}states:\n{states}{REST}" + (f"policy:\n{policy}" if policy else "")
    _, findings = inspect(text, known=KNOWN, with_notes=with_notes)
    listed = [(one.code, one.message) for one in findings if one.code not in IGNORED]
    return [one for one in listed if not (one[0] == "unreachable-state" and "'refused'" in one[1])]


def codes(states: str, policy: str = "", *, with_notes: bool = False) -> list[str]:
    """Give the codes of the findings."""
    return [code for code, _ in found(states, policy, with_notes=with_notes)]


def opened(*transitions: str, more: str = "") -> str:
    """Write a state that waits for ever, with transitions; one of them leads to `refused` so that all states are used."""
    listed = "".join(f"      - {one}\n" for one in (*transitions, "{event: pass, target: refused}"))
    return f"  open:\n    waits_forever: It can.\n{more}    transitions:\n{listed}"


@pytest.mark.parametrize(
    "guards",
    [
        ("instance.is_ready", "!instance.is_ready"),
        ("instance.floor > 3 && instance.is_ready", "instance.floor > 3"),
        ("instance.is_ready", ""),
        ("facts.code.ok", "facts.password.ok && !facts.code.ok"),
        ("facts.password.ok", "facts.password.failure_count > 2"),
        ("instance.note.size() > 3", "instance.is_ready"),
    ],
)
def test_guards_that_say_otherwise_do_not_overlap(guards: tuple[str, str]):
    """Exclusion, a special case first, a last one without guard, one check asked for two things, and what is not understood."""
    first, second = (f', guard: "{guard}"' if guard else "" for guard in guards)

    assert [] == codes(opened(f"{{event: finish, target: done{first}}}", f"{{event: finish, target: refused{second}}}"))


def test_two_ways_that_do_the_same_may_overlap():
    """Which of them is taken makes no difference."""
    ways = [f"{{event: own, target: done, guard: {guard}}}" for guard in ("instance.is_ready", "instance.is_urgent")]

    assert [] == codes(opened(*ways))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("instance.is_ready", "{when: '!instance.is_ready && instance.is_urgent', code: not_ready}"),
        ("instance.is_ready", "{when: '!instance.is_ready && instance.is_urgent', message: It is not urgent.}"),
        ("facts.code.ok", "facts.password.ok && !facts.code.ok"),
        ("instance.is_ready && instance.is_urgent", "instance.is_ready"),
        ("instance.note.size() > 3", "instance.note.size() < 3"),
    ],
)
def test_a_refusal_that_is_meant_is_no_gap(first: str, second: str):
    """A reason in its own words, a check, a general guard behind a special one; and nothing is said of what is not understood."""
    second = second if second.startswith("{") else f'"{second}"'

    assert [] == codes(opened(f'{{event: finish, target: done, guard: "{first}"}}', f"{{event: finish, target: refused, guard: {second}}}"))


def test_a_gap_is_told_with_a_case():
    """The case is one under which no guard holds."""
    ways = ["{event: own, target: done, guard: instance.floor > 3}", "{event: own, target: refused, guard: instance.floor < 3}"]

    assert [("uncovered-case", "instance.floor is 3")] == [
        (code, "instance.floor is 3") for code, text in found(opened(*ways)) if "instance.floor is 3" in text
    ]


def test_a_later_way_may_take_the_rest_of_what_is_not_understood():
    """An earlier guard that is not understood covers nothing for certain."""
    assert [] == codes(
        opened("{event: own, target: done, guard: instance.note.size() > 3}", "{event: own, target: refused, guard: has.note}")
    )


def test_two_guards_of_which_one_never_holds_are_one_fault():
    """The guard is named, not the pair that it makes impossible."""
    way = "{event: own, target: done, guard: [instance.is_ready, 'count.own < 0']}"

    assert ["never-true"] == codes(opened(way, "{event: own, target: done}", more="    tally: [own]\n"))


def test_a_stored_definition_is_not_judged_again():
    """What was published goes on to be read, whatever a newer version of this package says about its guards."""
    definition, _ = inspect(f"{HEAD}states:\n{opened('{event: own, target: done}')}{REST}", known=KNOWN)
    assert definition is not None
    data = dict(definition.data)
    data["states"] = {**data["states"], "open": {**data["states"]["open"], "transitions": []}}  # type: ignore[dict-item]  # plain data
    way = {"event": "own", "target": "done", "guard": "instance.floor > 3 && instance.floor < 2"}
    data["states"]["open"]["transitions"] = [way, {"event": "own", "target": "done"}, {"event": "pass", "target": "refused"}]  # type: ignore[index]  # plain data

    assert load_data(data, known=KNOWN).name == "sample"


# Ways


def test_a_state_behind_an_unreachable_one_is_named_without_a_reason_of_its_own():
    """What leads into it starts where nobody gets to; only the first of the chain has a reason."""
    states = (
        opened("{event: own, target: done}", "{event: finish, target: first, guard: has.seen_at}")
        + "  first:\n    waits_forever: It can.\n    transitions: [{event: own, target: second}]\n"
        + "  second:\n    waits_forever: It can.\n    transitions: [{event: own, target: done}]\n"
    )
    told = found(states)

    assert ["unreachable-state", "unreachable-state"] == [code for code, _ in told]
    assert "holds for nothing that can be set in 'open'" in told[0][1]
    assert told[1][1].endswith("roles and timers.")


def test_a_field_that_is_set_on_one_way_may_be_set():
    """Internal transitions set fields too, and what is cleared on the way is not set any more."""
    by_itself = opened("{event: choose, set: {network: event.network}}", "{event: lead, target: done}")
    cleared = (
        opened("{event: choose, set: {network: event.network}, target: next}")
        + "  next:\n    waits_forever: It can.\n    transitions: [{event: own, set: {network: null}, target: last}]\n"
        + "  last:\n    waits_forever: It can.\n    transitions: [{event: lead, target: done}, {event: pass, target: done}]\n"
    )

    assert [] == codes(by_itself)
    assert ["nobody-can"] == codes(cleared)


def test_a_trap_names_what_is_not_taken():
    """Every way out of it, or none when all of them lead on to other traps."""
    states = (
        opened("{event: own, target: done}", "{event: finish, target: trap}")
        + "  trap:\n    waits_forever: It can.\n    transitions: [{event: own, target: inner}]\n"
        + "  inner:\n    waits_forever: It can.\n    transitions: [{event: own, target: trap}, {event: finish, target: done, guard: has.seen_at}]\n"
    )
    told = dict.fromkeys(text for code, text in found(states) if code == "no-way-to-an-outcome")

    assert [False, True] == ["Not taken: finish." in text for text in told]


def test_reports_conflicts_and_erasure_come_anywhere():
    """Only a timer is bound to the states in which it runs."""
    states = (
        "  open:\n    entry: [{mail: welcome, done: sent}]\n    waits_forever: It can.\n    transitions: [{event: own, target: next}, {event: pass, target: refused}]\n"
        "  next:\n    waits_forever: It can.\n    transitions: [{event: sent, target: done}]\n"
    )

    assert [] == codes(states)


# People


def test_two_decisions_take_two_people():
    """Whoever decided in one stage is refused in the other, unless the other lists it."""
    states = (
        opened("{event: decide, target: decided}")
        + "  decided:\n    waits_forever: It can.\n    transitions: [{event: STAGE, target: done}]\n"
    )
    by_clerk = HEAD.replace("begin: {by: [applicant]", "begin: {by: [clerk]")

    def alone(stage: str) -> bool:
        _, findings = inspect(f"{by_clerk}states:\n{states.replace('STAGE', stage)}{REST}", known=KNOWN)
        return "one-person" in {one.code for one in findings}

    assert not alone("confirm")
    assert alone("also")


def test_a_quorum_of_different_people_is_not_one_person():
    """Two approvals of different actors take two; two of anybody may come from one."""
    by_clerk = HEAD.replace("begin: {by: [applicant]", "begin: {by: [clerk]")

    def alone(more: str) -> bool:
        states = opened(f"{{event: decide, target: done, quorum: {{need: 2{more}}}}}", more="    tally: [decide]\n")
        _, findings = inspect(f"{by_clerk}states:\n{states}{REST}", known=KNOWN)
        return "one-person" in {one.code for one in findings}

    assert not alone("")
    assert alone(", distinct: false")


def test_a_guard_on_different_actors_is_not_passed_by_one_person():
    """However often one person comes, they are one."""
    by_clerk = HEAD.replace("begin: {by: [applicant]", "begin: {by: [clerk]")

    def alone(guard: str) -> bool:
        states = opened("{event: pass}", f"{{event: decide, target: done, guard: {guard}}}", more="    tally: [pass]\n").replace(
            "{event: pass, target: refused}", "{event: own, target: refused}"
        )
        _, findings = inspect(f"{by_clerk}states:\n{states}{REST}", known=KNOWN)
        return "one-person" in {one.code for one in findings}

    assert not alone("distinct_actors.pass >= 2")
    assert alone("count.pass >= 2")


def test_a_state_on_the_way_to_the_decision_is_not_protected_by_it():
    """Whoever is sent back is where everybody had been before."""
    states = (
        opened("{event: own, target: waiting}")
        + "  waiting:\n    waits_forever: It can.\n    transitions: [{event: decide, target: open}, {event: own, target: done}]\n"
    )

    assert [] == codes(states)


def test_who_decides_nothing_needs_no_second_one():
    """An optional first stage is no gate when another decision comes before the end."""
    states = (
        opened("{event: decide, target: decided}", "{event: own, target: decided}")
        + "  decided:\n    waits_forever: It can.\n    transitions: [{event: confirm, target: done}]\n"
    )

    assert [] == codes(states)


def test_a_role_is_held_by_nobody_before_its_value_is_chosen():
    """One person with every role still cannot act for a network that nobody chose."""
    policy = "  - {name: rule, never: {event: lead, actor: subject}}\n"
    states = opened("{event: choose, set: {network: event.network}}", "{event: lead, target: done, guard: '!actor.is_subject'}")

    assert [] == codes(states, policy)
    assert ["one-person"] == codes(states.replace("'!actor.is_subject'", "has.network"), policy)


@pytest.mark.parametrize(
    "policy",
    [
        "{name: rule, never: {event: late, actor: clerk}}",
        "{name: rule, never: {event: own, same_actor_as: late}}",
        "{name: rule, never: {event: confirm, same_actor_as: decide}}",
        "{name: rule, never: {event: decide, actor: applicant}}",
    ],
)
def test_rules_about_people_that_are_kept_or_about_the_engine_name_nobody(policy: str):
    """What the engine does is done by no person, and decisions of two stages are kept apart by the engine itself."""
    states = (
        "  open:\n    timers: [{name: late, after: P1D, event: late}]\n"
        "    transitions: [{event: late}, {event: decide, target: decided}, {event: own, target: refused}]\n"
        "  decided:\n    waits_forever: It can.\n    transitions: [{event: confirm, target: done}]\n"
    )

    assert "one-person" not in codes(states, f"  - {policy}\n")


@pytest.mark.parametrize(
    ("first", "second", "is_impossible"),
    [("begin", "own", True), ("own", "own", False), ("own", "begin", False)],
)
def test_four_eyes_of_the_one_subject(first: str, second: str, *, is_impossible: bool):
    """Nobody can keep to it when the subject begins, and nobody else may go on; the same event twice is another matter."""
    states = opened("{event: own, target: done}")

    assert is_impossible is ("nobody-can" in codes(states, f"  - {{name: rule, never: {{event: {second}, same_actor_as: {first}}}}}\n"))


def test_roles_without_whom_nothing_succeeds_are_told_when_asked_for():
    """Those who start, those who decide, and those a quorum waits for; not those of whom others do the same."""
    by_clerk = HEAD.replace("begin: {by: [applicant]", "begin: {by: [clerk]").replace(
        "confirm: {by: [clerk]", "confirm: {by: [clerk, boss]"
    )
    states = opened("{event: confirm, target: done, quorum: {need: 2, role: boss}}")
    _, findings = inspect(f"{by_clerk}states:\n{states}{REST}", known=KNOWN, with_notes=True)

    assert ["'clerk'", "'boss'"] == [one.message.split()[1] for one in findings if one.code == "single-role"]
    assert ["single-role"] == codes(opened("{event: decide, target: done}"), with_notes=True)


def test_nobody_is_indispensable_where_nothing_succeeds():
    """Without a success in sight there is nothing to stop."""
    states = "  open:\n    waits_forever: It can.\n    transitions: [{event: decide, target: refused}]\n"
    text = f"{HEAD}states:\n{states}  refused: {{outcome: failure}}\n"
    _, findings = inspect(text, known=KNOWN, with_notes=True)

    assert "single-role" not in {one.code for one in findings}


def test_only_guards_that_are_not_judged_are_told():
    """Beside one that is, and when notes are asked for."""
    states = opened("{event: own, target: done, guard: [instance.is_ready, instance.note.size() > 3]}")

    assert ["not-judged"] == [code for code in codes(states, with_notes=True) if code != "single-role"]
    assert [] == codes(states)


def chain(length: int, *, everywhere: int, watched: int = 0) -> str:
    """Write a chain of states with transitions that hold in all of them; `finish` leads past a guard that is never met."""
    events = "".join(f"  e{n}: {{by: [clerk]}}\n" for n in range(max(everywhere, watched)))
    outer = "".join(f"  - {{event: e{n}, set: {{floor: {n}}}}}\n" for n in range(everywhere))
    states = "".join(f"  s{n}: {{waits_forever: It can., transitions: [{{event: own, target: s{n + 1}}}]}}\n" for n in range(length))
    last = f"  s{length}: {{waits_forever: It can., transitions: [{{event: finish, target: done, guard: has.seen_at}}, {{event: own, target: refused}}]}}\n"
    rules = "".join(f"  - {{name: rule {n}, never: {{event: own, same_actor_as: e{n}}}}}\n" for n in range(watched))
    head = HEAD.replace("start:", f"{events}start:")
    return f"{head}transitions:\n{outer}states:\n{states}{last}{REST}" + (f"policy:\n{rules}" if rules else "")


def test_a_definition_that_takes_too_long_to_follow_is_left_alone():
    """A large one is read in time, and nothing is said that was not looked at."""
    small, large = (inspect(chain(length, everywhere=80), known=KNOWN)[1] for length in (5, 450))

    assert "unreachable-state" in {one.code for one in small}
    assert "unreachable-state" not in {one.code for one in large}


def test_a_person_who_takes_too_long_to_follow_is_left_alone():
    """Who did which of many events makes very many places."""
    few, many = (
        inspect(chain(3, everywhere=20, watched=watched).replace("guard: has.seen_at", "guard: has.floor"), known=KNOWN)[1]
        for watched in (2, 14)
    )

    assert 2 == sum(one.code == "one-person" for one in few)
    assert not any(one.code == "one-person" for one in many)


def test_a_guard_that_asks_where_it_is_is_judged_in_each_state():
    """A transition of the compound state is closed in one of its inner states, and open in the other."""
    states = (
        "  outer:\n    waits_forever: It can.\n    transitions:\n"
        "      - {event: finish, target: done, guard: instance.state != 'outer.one'}\n      - {event: pass, target: refused, guard: instance.state == 'outer.two'}\n"
        "    states: {two: {transitions: [{event: own, target: one}]}, one: {}}\n"
    )

    assert [("no-way-to-an-outcome", True)] == [(code, "'outer.one'" in message) for code, message in found(states)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_a_way_is_told_with_what_its_guards_need(order: tuple[int, ...]):
    """What has to be done in a state before its way out is open stands in the path, and what does not help stands nowhere."""
    ways = (
        "{event: pass, set: {seen_at: now}}",
        "{event: choose, set: {network: event.network}}",
        "{event: finish, guard: has.seen_at}",
        "{event: own, guard: has.seen_at && has.floor, target: done}",
    )
    states = opened(*(ways[place] for place in order)).replace("{event: pass, target: refused}", "{event: lead, target: refused}")
    told = found(states, "  - {name: rule, never: {event: own, actor: subject}}\n")

    assert [("one-person", "The subject can do 'own': begin (applicant), pass (clerk), own (applicant).")] == told


def test_a_way_through_a_deadline_is_told_with_it():
    """What the engine does by itself stands in the path too."""
    states = (
        "  open:\n    timers: [{name: late, after: P1D, event: late}]\n    transitions: [{event: late, target: next}, {event: pass, target: refused}]\n"
        "  next:\n    waits_forever: It can.\n    transitions: [{event: own, target: done}]\n"
    )
    told = found(states, "  - {name: rule, never: {event: own, actor: subject}}\n")

    assert [("one-person", "The subject can do 'own': begin (applicant), late (engine), own (applicant).")] == told
