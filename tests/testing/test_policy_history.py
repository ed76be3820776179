"""Properties over a history: what breaks them, what does not, and at which entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workflow.bootstrap import definitions_folder, known
from workflow.load import load, read_calendar
from workflow.policy.history import Said, violations
from workflow.policy.sentences import sentence_of
from workflow.states.definition import Definition

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TEXT = """
definition: permits
language: 1
calendar: ern-office
subject: applicant
roles: {clerk: {}, boss: {}}
events:
  ask: {by: [applicant]}
  check: {by: [clerk]}
  approve: {by: [boss, clerk, applicant]}
  wait: {by: [clerk]}
  resume: {by: [clerk]}
  mailed: {by: engine}
  remind: {by: engine}
start: {event: ask}
states:
  asked:
    timers: [{name: late, after: 2bd, event: remind}]
    entry: [{mail: request_received, done: mailed}]
    paused_in: [paused]
    transitions: [{event: remind}, {event: mailed}]
    initial: open
    states:
      open:
        transitions: [{event: check, target: checked}, {event: wait, target: paused}, {event: approve, target: done}]
      paused:
        waits_forever: for a test
        transitions: [{event: resume, target: open}]
      checked:
        transitions: [{event: approve, target: done, actions: [{mail: approved}]}, {event: check}]
  done: {outcome: success}
policy:
"""


@pytest.fixture(scope="module")
def calendar() -> Any:
    """The calendar that the sample names."""
    return read_calendar(definitions_folder() / "calendars" / "ern-office.yaml")


def permits(rule: str) -> Definition:
    return load(f"{TEXT}  - {{name: the rule, {rule}}}\n", known=known())


def said(event: str, *move: str | None, at: float = 0, by: str = "ann", kind: str = "event:accepted", **more: Any) -> Said:
    """An entry `at` hours after Monday morning."""
    source, target = move
    return Said(
        sequence=more.pop("sequence", 1),
        kind=kind,
        event=event,  # type: ignore[arg-type]  # names are text
        actor=by,  # type: ignore[arg-type]  # as above
        people=frozenset({by, more.pop("for_", by)}),  # type: ignore[arg-type]  # as above
        roles=frozenset(more.pop("roles", ())),
        source=source,  # type: ignore[arg-type]  # as above
        target=target,  # type: ignore[arg-type]  # as above
        occurred_at=MONDAY + timedelta(hours=at),
        **more,
    )


ASK = said("ask", None, "asked.open", by="sue", kind="instance:started")
CHECK = said("check", "asked.open", "asked.checked", at=1)
APPROVE = said("approve", "asked.checked", "done", at=2, by="bob", effects=(("mail", "approved", 1),))
MAILED = said("mailed", "asked.open", "asked.open", kind="effect:reported", by="engine", at=1)


def broken(rule: str, *entries: Said, calendar: Any = None, until: float | None = None) -> bool:
    end = None if until is None else MONDAY + timedelta(hours=until)
    return bool(violations(permits(rule), entries, subject="sue", calendar=calendar, until=end))


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        ("never: {state: done, before: checked}", [ASK, said("approve", "asked.open", "done")], [ASK, CHECK, APPROVE]),
        ("never: {state: done, before: check}", [ASK, said("approve", "asked.open", "done")], [ASK, CHECK, APPROVE]),
        ("never: {event: approve, actor: subject}", [ASK, said("approve", "asked.open", "done", by="sue")], [ASK, CHECK, APPROVE]),
        ("never: {event: approve, actor: subject}", [ASK, said("approve", "asked.open", "done", for_="sue")], [ASK, CHECK, APPROVE]),
        (
            "never: {event: approve, actor: clerk}",
            [ASK, said("approve", "asked.open", "done", roles=("clerk",))],
            [ASK, said("approve", "asked.open", "done", roles=("boss",))],
        ),
        ("never: {event: approve, same_actor_as: check}", [ASK, CHECK, said("approve", "asked.checked", "done")], [ASK, CHECK, APPROVE]),
        (
            "never: {event: approve, same_actor_as: check}",
            [ASK, CHECK, said("approve", "asked.checked", "done", by="bob", for_="ann")],
            [ASK, said("approve", "asked.open", "done"), CHECK],
        ),
        (
            "never: {event: approve, later_than: PT2H, since: mailed}",
            [ASK, MAILED, said("approve", "asked.open", "done", at=3)],
            [ASK, MAILED, said("approve", "asked.open", "done", at=2.99)],
        ),
        ("never: {event: check, more_than: 1}", [ASK, CHECK, said("check", "asked.checked", "asked.checked")], [ASK, CHECK]),
        ("never: {state: paused}", [ASK, said("wait", "asked.open", "asked.paused")], [ASK, CHECK]),
        ("requires: {event: approve, effect: mail.approved}", [ASK, said("approve", "asked.open", "done")], [ASK, CHECK, APPROVE]),
        ("always: {event: ask, leads_to: [checked]}", [ASK, said("approve", "asked.open", "done")], [ASK, CHECK, APPROVE]),
    ],
)
def test_a_property_is_broken_by_what_it_forbids_and_by_nothing_else(rule: str, wrong: list[Said], right: list[Said]) -> None:
    """The same rule objects to one history and not to the other."""
    assert (True, False) == (broken(rule, *wrong), broken(rule, *right))


def test_a_violation_names_the_entry() -> None:
    """Whoever reads a violation finds the entry that broke the rule."""
    entries = [ASK, said("approve", "asked.open", "done", sequence=2)]
    found = violations(permits("never: {state: done, before: checked}"), entries, subject="sue")
    assert [("the rule", 2)] == [(one.rule.name, one.sequence) for one in found]


ANSWERED = "always: {state: asked, leads_to: [done], within: 2bd, clock: asked.late}"


def test_within_is_inclusive_and_counts_working_days(calendar: Any) -> None:
    """Two working days after Monday 09:00 UTC are Wednesday 09:00: at the instant is in time, a second later is late."""
    in_time, late = (said("approve", "asked.open", "done", at=hours) for hours in (48, 48.001))
    assert not broken(ANSWERED, ASK, in_time, calendar=calendar)
    assert broken(ANSWERED, ASK, late, calendar=calendar)
    assert not broken(ANSWERED, ASK, calendar=calendar, until=48)
    assert broken(ANSWERED, ASK, calendar=calendar, until=48.001)


def test_a_clock_stands_still_while_its_state_pauses_it(calendar: Any) -> None:
    """A day in a paused state is a day more; without `clock` it is not."""
    pause = said("wait", "asked.open", "asked.paused", at=10)
    resume = said("resume", "asked.paused", "asked.open", at=34)
    done = said("approve", "asked.open", "done", at=71)
    assert not broken(ANSWERED, ASK, pause, resume, done, calendar=calendar)
    assert broken(ANSWERED.replace(", clock: asked.late", ""), ASK, pause, resume, done, calendar=calendar)
    assert not broken(ANSWERED, ASK, pause, calendar=calendar, until=10_000)


def test_refusals_and_notes_break_nothing() -> None:
    """What was refused did not happen, nor did an engine's event that nothing in its state hears."""
    refused = said("approve", "asked.open", "asked.open", kind="event:refused", by="sue")
    unheard = said("remind", "done", "done", kind="timer:fired", by="engine")
    assert not broken("never: {event: approve, actor: subject}", ASK, refused)
    assert not broken("never: {event: remind, more_than: 0}", ASK, CHECK, APPROVE, unheard)


def test_the_report_of_a_replaced_message_starts_no_clock() -> None:
    """`since` counts from the newest message; an older one's report is a note."""
    newer = said("check", "asked.checked", "asked.checked", effects=(("mail", "request_received", 2),))
    old_report = said("mailed", "asked.open", "asked.open", kind="effect:reported", by="engine", at=1, serial=1)
    late = said("approve", "asked.open", "done", at=9)
    rule = "never: {event: approve, later_than: PT2H, since: mailed}"
    assert not broken(rule, ASK, newer, old_report, late)
    assert broken(rule, ASK, old_report, late)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("never: {state: done, before: checked}", "Nobody gets to done before checked."),
        ("never: {event: approve, actor: subject}", "approve is never done by the person being onboarded, nor by a deputy for them."),
        ("never: {event: approve, same_actor_as: check}", "Nobody does approve who did check before."),
        ("never: {event: check, more_than: 3}", "check is never accepted more than 3 times."),
        ("requires: {event: approve, effect: mail.approved}", "Whenever approve happens, mail.approved follows."),
        (ANSWERED, "Whenever asked is entered, done follows within 2bd, measured by the clock asked.late."),
        ("never: {state: paused}, because: It is dull.", "It is dull. (Nobody gets to paused.)"),
    ],
)
def test_every_property_has_a_sentence(rule: str, sentence: str) -> None:
    """A policy owner reads what a rule demands."""
    assert sentence == sentence_of(permits(rule).policy[0])
