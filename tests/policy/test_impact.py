"""What a new version would mean for the onboardings of a store: who is stuck, what would be decided otherwise, which deadlines move."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import typed
from workflow import bootstrap
from workflow.engine import Engine
from workflow.errors import RefusedError
from workflow.settings import development_keys
from workflow.states.instance import Actor, Event
from workflow.testing.clock import VirtualClock

INVITATIONS = """\
definition: invitations
language: 1
calendar: ern-office
subject: guest
roles: {host: {}, boss: {}}
fields:
  size: {type: choice, values: [small, large]}
events:
  invite: {by: [guest]}
  accept: {by: [guest], payload: {size: {field: true, required: true}}}
  again: {by: [guest]}
  welcome: {by: [host]}
  remind: {by: engine}
  expired: {by: engine}
start: {event: invite}
states:
  invited:
    timers: [{name: link, after: PT5M, event: expired}]
    transitions:
      - {event: accept, guard: event.size == 'small', set: {size: event.size}, target: waiting}
      - {event: expired, target: dead}
  dead:
    timers: [{name: link, after: P90D, event: expired}]
    transitions:
      - {event: again, target: invited}
      - {event: expired, target: gone}
  waiting:
    timers: [{name: breach, after: 2bd, event: remind}, {name: never, after: P365D, event: expired}]
    transitions:
      - {event: remind}
      - {event: expired, target: gone}
      - {event: welcome, target: here}
  here: {outcome: success}
  gone: {outcome: neutral}
"""
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
GUEST, HOST = Actor.of("gil"), Actor.of("hal", "host")


class Party:
    """A store with a few onboardings at known instants."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.folder = VirtualClock(MONDAY), folder
        (folder / "old.yaml").write_text(INVITATIONS, encoding="utf-8")
        self.url = f"sqlite:///{folder / 'party.db'}"
        self.engine: Engine = bootstrap.open_engine(self.url, keys=development_keys(), clock=self.clock, upgrade=True)
        bootstrap.publish(self.engine, folder / "old.yaml")

    def invited(self) -> str:
        self.clock.set(MONDAY)
        return str(self.engine.start("invitations", Event.of("invite", GUEST), subject="gil").instance.id)  # type: ignore[union-attr]  # accepted

    def at(self, hours: float) -> None:
        self.clock.set(MONDAY + timedelta(hours=hours))

    def fire(self, id_: str, event: str, who: Actor = GUEST, **payload: str) -> None:
        with suppress(RefusedError):
            self.engine.fire(id_, Event.of(event, who, payload))

    def new(self, *changes: tuple[str, str]) -> Path:
        text = INVITATIONS
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path = self.folder / "new.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def impact(self, *changes: tuple[str, str]) -> dict[str, Any]:
        said = typed("policy", "diff", self.folder / "old.yaml", self.new(*changes), "--impact", self.url, "--json")
        assert said.code in {1, 6}, said.err
        assert "error" not in said.data, said.err
        found: dict[str, Any] = said.data["impact"]
        return found


def counts(groups: dict[str, Any]) -> dict[str, int]:
    return {label: group["count"] for label, group in groups.items()}


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    """Somebody in time and welcomed after a day and an hour; somebody late, who asks again; somebody too large; all but one under way."""
    party = Party(tmp_path_factory.mktemp("party"))
    welcomed, late, large = party.invited(), party.invited(), party.invited()
    party.at(0.05)
    party.fire(welcomed, "accept", size="small")
    party.fire(large, "accept", size="large")
    party.at(0.2)  # the link is dead since 09:05
    party.fire(late, "accept", size="small")
    party.fire(late, "again")
    party.fire(late, "accept", size="small")
    party.at(25)  # Tuesday 10:00: more than one working day, less than two
    party.fire(welcomed, "welcome", HOST)
    yield party
    party.engine.close()


LONGER_AND_SHORTER = (("after: PT5M", "after: PT90M"), ("after: 2bd", "after: 1bd"))


def test_deadlines_that_move_are_told_with_what_depends_on_them(party: Party) -> None:
    """A link that lives longer and an answer that is due sooner: past and running deadlines, and decisions that hang on them."""
    found = party.impact(*LONGER_AND_SHORTER)
    assert (2, 3, {}) == (found["live"], found["histories"], found["stuck"])
    link = found["past_deadlines"]["invited.link"]
    assert (1, 5_100, 5_100, 1) == (link["count"], link["least_seconds"], link["most_seconds"], link["overtaken"])
    assert {"again: wrong_state (only because the deadline invited.link moves)": 1} == counts(found["refused"])
    assert {"accept: it is possible in invited": 1} == counts(found["perhaps"])
    assert {"waiting.breach: welcome": 1} == counts(found["late"])
    breach = found["live_deadlines"]["waiting.breach"]
    assert (1, -86_400, -86_400) == (breach["count"], breach["least_seconds"], breach["most_seconds"])
    assert {} == found["allowed"]


def test_a_dropped_guard_lets_past_refusals_through(party: Party) -> None:
    """What was refused for a guard that is gone would be accepted, and nothing else changes."""
    found = party.impact(("guard: event.size == 'small', ", ""))
    assert {"accept: to waiting": 1} == counts(found["allowed"])
    assert ({}, {}, {}) == (found["refused"], found["late"], found["live_deadlines"])


def test_another_role_refuses_what_was_accepted(party: Party) -> None:
    """Given the recorded roles, a decision by somebody who held another one would be refused."""
    found = party.impact(("welcome: {by: [host]}", "welcome: {by: [boss]}"))
    assert {"welcome: role_missing": 1} == counts(found["refused"])
    (example,) = found["refused"]["welcome: role_missing"]["examples"]
    assert ("hal", "waiting") == (example["actor"], example["state"])


def test_a_state_that_is_gone_or_has_no_way_out_leaves_people_stuck(party: Party) -> None:
    """Who waits in such a state is counted, by why."""
    gone = party.impact(("target: waiting}", "target: seated}"), ("  waiting:\n", "  seated:\n"), ("after: P365D", "after: P364D"))
    assert {"there is no state waiting any more": 1} == counts(gone["stuck"])
    renamed = party.impact(("target: waiting}", "target: seated}"), ("  waiting:\n", "  seated:\n"))
    assert ({}, {"waiting is seated now": 1}) == (renamed["stuck"], counts(renamed["renamed"]))
    cycle = (
        "      - {event: expired, target: gone}\n      - {event: welcome, target: here}\n",
        "      - {event: expired, target: seated}\n",
    )
    seated = (
        "  here: {outcome: success}\n",
        "  seated:\n    waits_forever: They sit.\n    transitions: [{event: welcome, target: waiting}]\n",
    )
    trap = party.impact(cycle, seated)
    assert {"no way leads from waiting to an outcome": 1} == counts(trap["stuck"])


def test_a_new_decision_of_four_eyes_refuses_the_own_request(party: Party) -> None:
    """Made a decision, an event of the subject's would be refused to the subject."""
    found = party.impact(("again: {by: [guest]}", "again: {by: [guest, host], decision: renewal}"))
    assert {"again: own_request": 1} == counts(found["refused"])


def test_nothing_is_written(party: Party) -> None:
    """The command reads: every row of every table is what it was."""

    def rows() -> dict[str, list[Any]]:
        with sqlite3.connect(party.folder / "party.db") as raw:
            names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: raw.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}

    before = rows()
    party.impact(*LONGER_AND_SHORTER)
    assert before == rows()


def test_people_read_sentences_and_programs_exit_codes(party: Party) -> None:
    """0: the same meaning; 1: another one, and nothing is loosened; 6: something is, or somebody would be stuck."""
    old = party.folder / "old.yaml"
    same = typed("policy", "diff", old, party.new(("states:\n", "states:  # where they are\n")))
    assert (0, "invitations: the meaning is the same.\n") == (same.code, same.out)
    tighter = typed("policy", "diff", old, party.new(("after: 2bd", "after: 1bd")))
    assert (1, True) == (tighter.code, "The deadline waiting.breach is 1 working day, it was 2 working days." in tighter.out)
    looser = typed("policy", "diff", old, party.new(*LONGER_AND_SHORTER), "--impact", party.url)
    assert 6 == looser.code
    for words in ("Loosened: ", "Tightened: ", "What it would mean", "invited.link: 1 hour 25 minutes later", "waiting.breach: 1 day earlier", "2 change(s) in meaning: 1 loosened, 1 tightened"):  # fmt: skip
        assert words in looser.out


def test_the_version_in_force_can_be_the_old_one(party: Party) -> None:
    """`--against` takes what the store has published last."""
    new = party.new(("after: 2bd", "after: 1bd"))
    said = typed("policy", "diff", new, "--against", party.url, "--json")
    (change,) = json.loads(said.out)["changes"]
    assert (1, True, True) == (said.code, change["old"].startswith("invitations@"), change["new"].startswith(str(new)))
    assert 2 == typed("policy", "diff", new).code
    assert 3 == typed("policy", "diff", "cpms-access", "--against", party.url).code
