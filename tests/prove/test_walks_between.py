"""Walks through a model: what has to happen in between is found."""

from __future__ import annotations

from workflow.bootstrap import known
from workflow.load import load
from workflow.prove.attacks import attack
from workflow.prove.model import Model
from workflow.prove.proving import EXACT
from workflow.prove.responses import monitor_of
from workflow.prove.walks import Walker, every_leaf
from workflow.states.definition import StatePath
from workflow.states.machine import Table

KNOWN = known()
LOAN = """
definition: loan
language: 1
subject: reader
roles: {librarian: {}}
events:
  lend: {by: [librarian]}
  give_back: {by: [reader]}
  remind: {by: engine}
  warn: {by: engine}
  write_off: {by: engine}
start: {event: lend}
states:
  lent:
    timers:
      - {name: first, after: P7D, event: remind}
      - {name: second, after: P14D, event: warn}
      - {name: third, after: P30D, event: write_off}
    transitions:
      - {event: give_back, target: back}
      - {event: remind, actions: [{mail: request_received}]}
      - {event: warn, actions: [{mail: approved}]}
      - {event: write_off, target: lost}
  back: {outcome: success}
  lost: {outcome: failure}
policy: []
"""


ORDER = """
definition: order
language: 1
subject: reader
roles: {librarian: {}}
fields: {ordered_at: instant}
events:
  wish: {by: [reader]}
  order: {by: [librarian]}
  ordered: {by: engine}
  refused: {by: engine}
  write_off: {by: engine}
start: {event: wish}
states:
  wished:
    timers: [{name: third, after: P30D, event: write_off}]
    transitions:
      - {event: order, actions: [{provision: cpms_account, done: ordered, failed: refused}]}
      - {event: ordered, set: {ordered_at: now}}
      - {event: write_off, guard: has.ordered_at, target: lost}
  lost: {outcome: failure}
policy: []
"""


def modelled(text: str) -> Model:
    return Model(Table(load(text.encode(), name="loan.yaml", known=KNOWN), KNOWN), KNOWN, EXACT)


def test_two_deadlines_that_come_before_are_gone_through():
    """A state that only a third deadline reaches is walked to by way of the first two, in their order."""
    walks = every_leaf(modelled(LOAN))
    assert [rule.event for rule in walks[StatePath("lost")][0].rules] == ["lend", "remind", "warn", "write_off"]


def test_a_report_comes_after_what_it_reports_of():
    """A deadline that waits for a report is walked to by way of the event that orders it, which does nothing for the deadline itself."""
    walks = every_leaf(modelled(ORDER))
    events = [rule.event for rule in walks[StatePath("lost")][0].rules]
    assert events[-1] == "write_off"
    assert events.index("order") < events.index("ordered")


def test_a_deadline_that_comes_late_is_noticed_behind_two_others():
    """That the third deadline comes a minute too late shows only after the first two, whichever step is suspected."""
    policy = "policy: [{name: what is lent comes back or is lost, always: {state: lent, leads_to: [back, lost], within: P30D}}]"
    right = LOAN.replace("policy: []", policy)
    late = right.replace("after: P30D", "after: PT2592060S")
    walks = every_leaf(modelled(right))
    found = {}
    for name, text in (("right", right), ("late", late)):
        model = modelled(text)
        (rule,) = model.definition.policy
        found[name] = attack(Walker(model), monitor_of(model, rule, None), walks, ())
    assert found["right"] is None
    assert found["late"] is not None
    assert [rule.event for rule in found["late"].rules][:3] == ["lend", "remind", "warn"]
