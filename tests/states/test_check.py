"""The rules about a whole definition find what they are for, and leave alone what only looks like it.

What they find stands in `tests/definitions/bad`; here are the other sides: definitions that are right.
"""

from __future__ import annotations

import pytest

from tests.support.known import KNOWN
from workflow.load import inspect

HEAD = """\
definition: right
language: 1
subject: applicant
calendar: office
roles: {clerk: {}, boss: {}, visitor: {anyone: true, because: A password.}}
fields: {email: email, floor: integer, is_ready: boolean, size: {type: choice, values: [small, large]}, asked_at: instant}
checks: {password: {}}
events:
  begin: {by: [visitor], payload: {email: {field: true}, size: {type: choice, values: [small]}}}
  finish: {by: [clerk, boss]}
  decide: {by: [boss], decision: approval}
  confirm: {by: [boss], decision: confirmation}
  sign: {by: [visitor], payload: {password: secret}, checks: [password]}
  late: {by: engine}
  sent: {by: engine}
  auto_late: {by: engine, auto: true}
start: {event: begin}
"""
REST = "  done: {outcome: success}\n  refused: {outcome: failure}\n"


def codes(states: str, *, head: str = HEAD, tail: str = "") -> list[str]:
    """Give the codes of all findings, apart from warnings about what this sample does not use."""
    _, findings = inspect(f"{head}states:\n{states}{REST}{tail}", known=KNOWN)
    unused = {"unused-event", "unused-role", "unused-check", "unreachable-state"}
    return [finding.code for finding in findings if finding.code not in unused]


def one_state(*transitions: str, more: str = "") -> str:
    """Write a state with transitions that waits for ever."""
    listed = "".join(f"      - {transition}\n" for transition in transitions)
    return f"  open:\n    waits_forever: It can.\n{more}    transitions:\n{listed}"


@pytest.mark.parametrize(
    "guard",
    [
        "instance.is_ready && instance.floor > 1",
        "has.email",
        "instance.size in ['small', 'large']",
        "instance.size.size() > 1 && instance.size.startsWith('s')",
        "\"instance.size == 'instance.email' // instance.email\"",
        "now - instance.asked_at < duration('15m')",
        "actor.is_subject || actor.is_deputy",
        "event.name == 'finish'",
        "instance.state == 'open'",
        "'[1, 2].exists(has, has == instance.floor)'",
        "|\n          instance.is_ready\n            && has.email",
        ">-\n          instance.is_ready\n          && has.email",
        "instance . is_ready",
    ],
)
def test_good_guards_have_no_findings(guard: str):
    """Everything that the language lets a guard read can be read, and words in texts and comments are no names."""
    states = one_state(f"event: finish\n        target: done\n        guard: {guard}")

    assert [] == codes(states)


@pytest.mark.parametrize("guard", ["facts.password.ok", "facts . password.ok", "'!facts\n          .password.ok'"])
def test_a_guard_that_reads_what_the_checks_found_shuts_the_door(guard: str):
    """Blanks around the points of a name make no other name of it."""
    states = one_state(f"event: sign\n        target: done\n        guard: {guard}")

    assert [] == codes(states)


@pytest.mark.parametrize(
    ("event", "assignment"),
    [
        ("finish", "floor: 3"),
        ("finish", "floor: instance.floor + 1"),
        ("finish", "is_ready: true"),
        ("finish", "is_ready: '!instance.is_ready'"),
        ("finish", "size: \"'small'\""),
        ("finish", "asked_at: now + duration('1h')"),
        ("finish", "email: null"),
        ("sign", "is_ready: facts.password.ok"),
        ("sign", "floor: facts.password.failure_count"),
        ("begin", "email: event.email"),
        ("begin", "size: event.size"),
    ],
)
def test_good_assignments_have_no_findings(event: str, assignment: str):
    """Values that fit, numbers and booleans without quotes, and null."""
    guard = ", guard: facts.password.ok" if event == "sign" else ""

    assert [] == codes(one_state(f"{{event: {event}, target: done, set: {{{assignment}}}{guard}}}"))


def test_a_second_transition_under_another_guard_is_tried():
    """Only what can never be taken is a fault; the last one may have no guard."""
    assert [] == codes(one_state("{event: finish, guard: instance.is_ready, target: done}", "{event: finish, target: refused}"))


def test_a_stricter_guard_behind_a_weaker_one_is_masked():
    """When all guards of an earlier transition are among a later one's, the later one is never taken."""
    first = "{event: finish, guard: instance.is_ready, target: done}"
    second = "{event: finish, guard: [has.email, instance.is_ready], target: refused}"

    assert ["masked-transition"] == codes(one_state(first, second))
    assert ["no-way-to-an-outcome"] == codes(one_state(second, first)), "nothing sets `is_ready` here"


def test_an_inner_state_hides_the_transitions_around_it():
    """The innermost state that mentions an event handles it, so the outer one is left only where nothing inside does."""
    states = (
        "  open:\n    waits_forever: It can.\n    transitions:\n      - {event: finish, target: done}\n    states:\n"
        "      inner:\n        transitions:\n          - {event: finish, guard: instance.is_ready}\n"
    )

    assert ["dead-end"] == codes(states)


def test_transitions_of_the_root_lead_out_of_every_state():
    """A state without transitions of its own is no dead end when the root has one with a target."""
    states = "  open: {waits_forever: It can.}\n"

    assert ["dead-end"] == codes(states)
    assert [] == codes(states, tail="transitions:\n  - {event: finish, target: done}\n")


def test_a_timer_around_a_state_lets_it_wait():
    """The timer of a compound state counts for its inner states, unless it is paused there; one of the root does not."""
    inner = "    states:\n      inner:\n        transitions: [{event: finish, target: done}]\n"
    timer = "    timers: [{name: late, after: 2bd, event: late}]\n    transitions: [{event: late, target: refused}]\n"

    assert [] == codes(f"  open:\n{timer}{inner}")
    assert ["waiting-without-timer"] == codes(f"  open:\n    paused_in: [inner]\n{timer}{inner}")
    assert ["waiting-without-timer"] == codes(
        f"  open:\n{inner}", tail="timers: [{name: late, after: 2bd, event: late}]\ntransitions: [{event: late, target: refused}]\n"
    )


def test_a_timer_that_waits_for_a_report_is_not_enough():
    """Until the report comes nothing runs, so a second timer from the entry is needed."""
    start = "  open:\n    entry: [{mail: welcome, done: sent}]\n"
    rest = "    transitions: [{event: late, target: refused}, {event: finish, target: done}]\n"
    since, plain = "{name: a, after: PT5M, since: sent, event: late}", "{name: b, after: PT1H, event: late}"

    assert ["waiting-without-timer"] == codes(f"{start}    timers: [{since}]\n{rest}")
    assert [] == codes(f"{start}    timers: [{since}, {plain}]\n{rest}")


def test_the_event_of_a_timer_may_be_handled_inside():
    """A timer of a compound state is handled when every inner state in which it runs handles its event."""
    states = (
        "  open:\n    timers: [{name: late, after: PT1H, event: late}]\n    states:\n"
        "      one: {transitions: [{event: late, target: refused}, {event: finish, target: two}]}\n"
        "      two: {transitions: [{event: late, target: refused}, {event: finish, target: done}]}\n"
    )

    assert [] == codes(states)
    assert ["unhandled-timer"] == codes(states.replace("two: {transitions: [{event: late, target: refused}, ", "two: {transitions: ["))


def timed(event: str, target: str, more: str = "") -> str:
    """Write a decision with a time-out beside it."""
    return (
        f"  open:\n    timers: [{{name: late, after: 2bd, event: {event}}}]\n    transitions:\n"
        f"      - {{event: {event}, target: {target}}}\n      - {{event: decide, target: done}}\n{more}"
    )


def test_a_timeout_never_approves_unless_it_says_so():
    """What otherwise only a decision reaches, a timer must not reach, unless its event says `auto: true`."""
    assert ["decision-by-timeout"] == codes(timed("late", "done"))
    assert [] == codes(timed("auto_late", "done"))
    assert [] == codes(timed("late", "refused"))
    assert [] == codes(timed("late", "done", "      - {event: finish, target: done}\n"))


def test_a_timeout_around_the_second_of_two_stages_is_found():
    """Each stage is judged by itself: the first decision does not excuse the missing second one."""
    states = (
        "  open:\n    waits_forever: It can.\n    transitions: [{event: decide, target: decided}]\n"
        "  decided:\n    timers: [{name: late, after: 2bd, event: late}]\n"
        "    transitions: [{event: confirm, target: done}, {event: late, target: done}]\n"
    )

    assert ["decision-by-timeout"] == codes(states)


def test_a_timeout_after_the_decision_may_try_again():
    """A retry by timer behind a decision decides nothing."""
    states = (
        "  open:\n    waits_forever: It can.\n    transitions: [{event: decide, target: working}]\n"
        "  working:\n    waits_forever: It can.\n    transitions: [{event: finish, target: done}, {event: sent, target: trouble}]\n"
        "    entry: [{provision: account, failed: sent}]\n"
        "  trouble:\n    timers: [{name: again, after: PT1H, event: late}]\n    transitions: [{event: late, target: working}]\n"
    )

    assert [] == codes(states)


def test_a_count_is_known_around_and_inside_its_tally():
    """A guard may read a count in the state that keeps it, inside of it, and around it."""
    listed = "          - {{event: finish, target: done, guard: count.finish < 3}}\n          - {{event: finish}}\n"
    inner = "      inner:\n        {}transitions:\n" + listed
    around = "  open:\n    waits_forever: It can.\n    {}states:\n"

    assert [] == codes(around.format("tally: [finish]\n    ") + inner.format(""))
    assert [] == codes(around.format("") + inner.format("tally: [finish]\n        "))
    assert [] == codes(around.format("") + inner.format(""), tail="tally: [finish]\n")


def test_one_mistake_gives_one_finding():
    """What follows from a misspelt name, type or kind is not told a second time."""
    right = one_state(
        "{event: finish, guard: instance.floor > 1, target: done, set: {floor: 2}}", "{event: sign, guard: facts.password.ok}"
    )

    assert [] == codes(right)
    assert ["invalid-value"] == codes(right, head=HEAD.replace("floor: integer", "floor: number"))
    assert ["unknown-check-kind"] == codes(right, head=HEAD.replace("checks: {password: {}}", "checks: {password: {use: pass_word}}"))
    assert ["unknown-state"] == codes(right.replace("target: done", "target: don"))
    assert ["unknown-event"] == codes(right.replace("event: finish", "event: finsh"))
    assert ["duplicate-key"] == codes(right + "    waits_forever: Again.\n")


def test_a_ladder_since_a_mailed_link_needs_one_early_rung():
    """The link dies with the first timer since its mail; later rungs may be as late as they like."""
    ladder = (
        "  open:\n    waits_forever: It can.\n    entry: [{{mail: password_link, link: x, done: sent}}]\n    timers:\n"
        "      - {{name: a, after: {}, since: sent, event: late}}\n      - {{name: b, after: P30D, since: sent, event: late}}\n"
        "    transitions: [{{event: late, target: refused}}, {{event: finish, target: done}}]\n"
    )

    assert [] == codes(ladder.format("PT24H"))
    assert ["lives-too-long"] == codes(ladder.format("PT24H1S"))
    assert ["lives-too-long"] == codes(ladder.format("1bd"))
    assert [] == codes(ladder.format("P2D").replace(", link: x", ""))
