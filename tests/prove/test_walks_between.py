"""Walks through a model: what has to happen in between is found."""

from __future__ import annotations

from workflow.bootstrap import known
from workflow.load import load
from workflow.prove.model import Model
from workflow.prove.proving import EXACT
from workflow.prove.walks import every_leaf
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


def test_two_deadlines_that_come_before_are_gone_through():
    """A state that only a third deadline reaches is walked to by way of the first two, in their order."""
    definition = load(LOAN.encode(), name="loan.yaml", known=KNOWN)
    walks = every_leaf(Model(Table(definition, KNOWN), KNOWN, EXACT))
    assert [rule.event for rule in walks[StatePath("lost")][0].rules] == ["lend", "remind", "warn", "write_off"]
