"""Properties that can fail and can be kept are left alone; `tests/definitions/bad` has those that are not."""

from __future__ import annotations

import pytest

from tests.support.known import KNOWN
from workflow.load import inspect
from workflow.states.check_properties import MAX_COMPARED

TEXT = """\
definition: sample
language: 1
subject: applicant
roles: {clerk: {}, boss: {}}
fields:
  is_ready: boolean
  floor: integer
  house: {type: string, personal: false, because: It names a house.}
  email: email
events:
  begin: {by: [applicant], payload: {email: {field: true}, floor: {field: true}, secret: {type: secret}}}
  check: {by: [clerk]}
  again: {by: [clerk]}
  approve: {by: [boss], decision: approval}
  refuse: {by: [boss], decision: approval}
  idle: {by: [clerk]}
  late: {by: engine}
  sent: {by: engine}
start: {event: begin, set: {floor: event.floor, email: event.email}}
states:
  open:
    waits_forever: A clerk will come.
    transitions: [{event: check, set: {is_ready: true}, target: checked}]
  checked:
    entry: [{mail: reminder, done: sent}]
    timers: [{name: late, after: P5D, event: late}]
    transitions:
      - {event: late, actions: [{mail: reminder}]}
      - {event: again, target: open}
      - {event: approve, guard: instance.is_ready, target: done}
      - {event: approve, target: refused}
      - {event: refuse, target: refused}
  done: {outcome: success, entry: [{mail: welcome}]}
  refused: {outcome: failure}
policy:
"""


def codes(*rules: str) -> list[str]:
    """Give the codes of what is found in a policy."""
    _, findings = inspect(TEXT + "".join(f"  - {{name: rule {n}, {rule}}}\n" for n, rule in enumerate(rules)), known=KNOWN)
    return [one.code for one in findings if one.code != "unused-event"]


@pytest.mark.parametrize(
    "rule",
    [
        "never: {state: done, before: checked}",
        "never: {state: done, before: check}",
        "never: {state: refused}",
        "never: {event: approve, actor: boss}",
        "never: {event: [approve, refuse], actor: subject}",
        "never: {event: approve, actor: applicant}",
        "never: {event: approve, same_actor_as: begin}",
        "never: {event: check, more_than: 2}",
        "never: {event: approve, more_than: 0}",
        "never: {event: approve, later_than: P1D, since: sent}",
        "never: {event: approve, later_than: P1D, since: check}",
        "never: {event: approve, earlier_than: PT1M, since: checked}",
        "always: {state: checked, leads_to: [done, refused, open]}",
        "always: {state: checked, leads_to: [approve, refuse, again]}",
        "always: {state: open, leads_to: [sent]}",
        "always: {event: check, leads_to: [done]}",
        "requires: {event: late, effect: mail}",
        "requires: {event: approve, effect: mail.welcome}",
        "requires: {event: check, effect: 'mail:reminder'}",
        "requires: {event: approve, state: checked, leads_to: [done]}",
        "requires: {event: approve, when: instance.is_ready, leads_to: [open]}",
        "requires: {event: approve, actor: boss}",
        "requires: {state: done, effect: mail.welcome}",
        "field: {name: email, is: personal}",
        "field: {name: [email, secret], is: personal}",
        "field: {name: secret, is: secret}",
        "cel: {state: done, holds: instance.is_ready}",
        "cel: {holds: has.email}",
        "cel: {event: approve, holds: '!actor.is_subject'}",
        "cel: {state: done, holds: instance.house.size() > 1}",
    ],
)
def test_a_property_that_can_fail_and_be_kept_has_no_finding(rule: str):
    """Whether it holds is for the tests and the prover to say."""
    assert "one-person" not in codes(rule) or "actor" in rule or "same" in rule
    assert [] == [code for code in codes(rule) if code != "one-person"]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("requires: {event: idle, effect: mail}", "vacuous-property"),
        ("never: {event: approve, same_actor_as: idle}", "vacuous-property"),
        ("never: {event: late, same_actor_as: approve}", "vacuous-property"),
        ("never: {event: approve, later_than: P1D, since: idle}", "vacuous-property"),
        ("requires: {event: late, actor: clerk}", "property-not-kept"),
        ("requires: {event: approve, actor: [clerk, subject]}", "property-not-kept"),
        ("requires: {event: approve, state: open, effect: mail}", None),
        ("field: {name: [house, floor], is: personal}", "property-not-kept"),
        ("always: {event: idle, leads_to: [done]}", "vacuous-property"),
        ("always: {event: refuse, leads_to: [approve]}", "property-not-kept"),
    ],
)
def test_what_does_not_happen_or_cannot_follow_is_found(rule: str, code: str | None):
    """An event that nothing handles can break nothing; what comes after the end cannot follow."""
    assert ([code] if code else []) == codes(rule)


@pytest.mark.parametrize(
    ("one", "other", "is_clash"),
    [
        ("never: {state: refused}", "always: {state: checked, leads_to: [refused, done]}", False),
        ("never: {state: refused, before: check}", "always: {state: checked, leads_to: [refused]}", False),
        ("never: {event: check, more_than: 3}", "always: {state: open, leads_to: [check]}", False),
        ("never: {event: check, more_than: 0}", "always: {state: open, leads_to: [check]}", True),
        ("never: {state: done, before: checked}", "never: {state: checked, before: check}", False),
        ("never: {event: approve, actor: subject}", "requires: {event: approve, actor: boss}", False),
        ("never: {event: refuse, actor: boss}", "requires: {event: approve, actor: boss}", False),
        ("never: {event: check, actor: subject}", "requires: {event: check, actor: subject}", True),
        ("cel: {state: done, holds: instance.floor > 3}", "cel: {state: refused, holds: instance.floor < 3}", False),
        ("cel: {state: done, holds: instance.floor > 3}", "cel: {state: done, holds: instance.floor < 3}", True),
        ("cel: {state: done, holds: instance.floor > 3}", "cel: {state: done, holds: instance.house.size() < 3}", False),
        ("cel: {state: done, holds: has.floor && !has.floor}", "cel: {state: done, holds: has.floor}", False),
        ("cel: {holds: instance.state != 'done' || has.email}", "cel: {state: done, holds: '!has.email'}", True),
        ("field: {name: email, is: personal}", "cel: {state: done, holds: has.email}", False),
    ],
)
def test_properties_contradict_each_other_only_where_both_apply(one: str, other: str, *, is_clash: bool):
    """In either order; a pair that can be kept is no finding."""
    assert is_clash is ("contradicting-properties" in codes(one, other))
    assert is_clash is ("contradicting-properties" in codes(other, one))


def test_very_many_properties_are_not_compared_with_each_other():
    """Each is still judged by itself."""
    many = [f"cel: {{state: done, holds: instance.floor != {n}}}" for n in range(MAX_COMPARED)]
    clash = ["cel: {state: done, holds: instance.floor > 3}", "cel: {state: done, holds: instance.floor < 3}"]

    assert "contradicting-properties" in codes(*clash)
    assert "contradicting-properties" not in codes(*many, *clash)


def test_a_state_without_a_start_in_it_can_be_a_condition():
    """What lies before the first state is told by its names, nested or not."""
    nested = TEXT.replace("  open:\n    waits", "  outer:\n    states: {open: {waits").replace(
        "waits_forever: A clerk will come.\n    transitions: [{event: check, set: {is_ready: true}, target: checked}]",
        "waits_forever: A clerk will come., transitions: [{event: check, set: {is_ready: true}, target: checked}]}}",
    )
    _, findings = inspect(nested + "  - {name: rule, never: {state: done, before: outer}}\n", known=KNOWN)

    assert ["vacuous-property"] == [one.code for one in findings if one.code != "unused-event"]
