"""What a new version would mean where mails are reported, calendars change, people are erased and deputies act."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import typed
from tests.support.tampering import Forger
from tests.support.worlds import OFFICE_DAYS
from workflow import bootstrap
from workflow.engine import Engine
from workflow.engine.directory import FixedDirectory
from workflow.errors import RefusedError
from workflow.ports import Performed
from workflow.settings import development_keys
from workflow.states.instance import Actor, ActorId, Delegation, Event
from workflow.testing.clock import VirtualClock

OFFICE = f"calendar: club-office\n{OFFICE_DAYS}"
CLUB = """\
definition: club
language: 1
calendar: club-office
subject: guest
roles:
  host: {}
fields:
  email: {type: email, unique: {on_conflict: asked_again}}
  table: {type: integer, min: 1, max: 90}
events:
  invite: {by: [guest], payload: {email: {field: true, required: true}}}
  accept: {by: [guest], payload: {table: {field: true}}}
  knock: {by: [guest, host]}
  welcome: {by: [host], decision: welcoming}
  mailed: {by: engine}
  bounced: {by: engine}
  asked_again: {by: engine}
  remind: {by: engine}
  expired: {by: engine}
  forgotten: {by: engine}
start: {event: invite, set: {email: event.email}}
erasure: forgotten
transitions: [{event: forgotten, target: gone}]
states:
  invited:
    entry: [{mail: password_link, link: invitation, done: mailed, failed: bounced}]
    timers:
      - {name: link, after: PT5M, event: expired, since: mailed}
      - {name: never, after: P300D, event: expired}
    transitions:
      - {event: mailed}
      - {event: bounced, target: gone}
      - {event: asked_again}
      - {event: accept, set: {table: event.table}, target: waiting}
      - {event: expired, target: gone}
  waiting:
    timers:
      - {name: breach, after: 2bd, event: remind}
      - {name: never, after: P300D, event: expired}
    transitions:
      - {event: knock}
      - {event: asked_again}
      - {event: remind}
      - {event: expired, target: gone}
      - {event: welcome, target: here}
  here: {outcome: success}
  gone: {outcome: neutral}
"""
CHECKED = (
    ("  invite: {by", "  open: {by: [guest], checks: [proof], payload: {token: {type: secret, required: true}}}\n  invite: {by"),
    ("events:\n", "checks:\n  proof: {use: link, purpose: invitation, since: mailed, ttl: PT5M}\nevents:\n"),
    ("accept: {by: [guest], payload: {", "accept: {by: [guest], checks: [proof], payload: {token: {type: secret}, "),
    ("- {event: accept,", "- {event: accept, guard: facts.proof.valid,"),
)
"""The second link."""
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
GUEST, HOST = Actor.of("gil"), Actor.of("hal", "host")


class Club:
    """A store of one club, at known instants; mails are taken by the mail server at the instant of the clock."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.folder, self.count = VirtualClock(MONDAY), folder, 0
        self.write("old.yaml", CLUB)
        self.write("club-office.yaml", OFFICE)
        self.url = f"sqlite:///{folder / 'club.db'}"
        self.engine: Engine = bootstrap.open_engine(
            self.url,
            keys=development_keys(),
            clock=self.clock,
            extensions=bootstrap.Extensions(directory=FixedDirectory(roles={"host": ["hal"]})),
            upgrade=True,
        )
        bootstrap.publish(self.engine, folder / "old.yaml")

    def write(self, name: str, text: str, *changes: tuple[str, str]) -> Path:
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after)
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def invited(self, subject: str = "gil") -> str:
        """Somebody else each time, so that addresses differ."""
        self.count += 1
        event = Event.of("invite", Actor.of(subject), {"email": f"gil{self.count}@club.example"})
        return str(self.engine.start("club", event, subject=subject).instance.id)  # type: ignore[union-attr]  # accepted

    def asked_again(self, number: int) -> None:
        """Register an address that somebody has."""
        self.engine.start("club", Event.of("invite", Actor.of("eve"), {"email": f"gil{number}@club.example"}), subject="eve")

    def mails(self) -> None:
        bootstrap.dispatch(
            self.engine, performer=lambda _briefing: Performed(performed_at=self.clock.now()), base_url="https://club.example"
        ).run()

    def at(self, hours: float) -> None:
        self.clock.set(MONDAY + timedelta(hours=hours))

    def fire(self, id_: str, event: str, who: Actor = GUEST, **payload: object) -> None:
        with suppress(RefusedError):
            self.engine.fire(id_, Event.of(event, who, payload))

    def impact(self, *changes: tuple[str, str]) -> dict[str, Any]:
        new = self.write("new.yaml", CLUB, *changes)
        said = typed("policy", "diff", self.folder / "old.yaml", new, "--impact", self.url, "--json")
        assert "impact" in said.data, said.err + said.out
        found: dict[str, Any] = said.data["impact"]
        return found


def counts(groups: dict[str, Any]) -> dict[str, int]:
    return {label: group["count"] for label, group in groups.items()}


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    """Five invitations on a Monday at nine.

    One is accepted, knocked for and welcomed by a deputy; one is accepted and waits (its address was tried again, and a holiday was
    declared meanwhile); one waits for its link, which dies; one is erased; one is invited late and has its link still.
    """
    club = Club(tmp_path_factory.mktemp("club"))
    welcomed, waiting, late, erased = club.invited(), club.invited(), club.invited(), club.invited("ida")
    club.at(0.05)
    club.mails()
    club.fire(welcomed, "accept", table=7)
    club.fire(waiting, "accept")
    club.asked_again(2)
    club.engine.erase("ida", basis="GDPR 17", actor=Actor.of("ada", "administrator"))
    club.fire(welcomed, "knock", Actor.of("bob", "boss"))
    club.fire(welcomed, "knock")
    club.at(1)
    club.fire(late, "accept")  # too late
    delegation = Delegation(
        id="d1", principal=ActorId("hal"), deputy=ActorId("dan"), role=None, scope=None,
        starts_at=club.clock.now(), ends_at=club.clock.now() + timedelta(days=9), reason="away",
    )  # fmt: skip
    club.engine.delegate(delegation, actor=HOST)
    club.at(2)
    club.fire(welcomed, "welcome", Actor.of("dan"))
    club.write("club-office.yaml", OFFICE, ("from: 2026", "days_off: {2026-11-24: The roof leaks}\nfrom: 2026"))
    bootstrap.publish(club.engine, club.folder / "old.yaml")
    club.at(24 * 2)
    club.fire(waiting, "welcome", Actor.of("gil", "host"))  # nobody welcomes themselves
    club.fire(waiting, "knock")
    fresh = club.invited()
    club.mails()
    assert ["here", "waiting", "gone", "gone", "invited"] == [
        club.engine.get(id_).state for id_ in (welcomed, waiting, late, erased, fresh)
    ]
    yield club
    club.engine.close()


def test_a_deadline_since_a_report_moves_with_what_was_reported(club: Club) -> None:
    """A link that lives from the instant at which the mail server took its mail: the dead one and the living one are timed anew."""
    longer = club.impact(("after: PT5M, event: expired, since", "after: PT90M, event: expired, since"))
    for where in ("live_deadlines", "past_deadlines"):
        assert (1, 5_100, 5_100) == tuple(longer[where]["invited.link"][key] for key in ("count", "least_seconds", "most_seconds"))
    assert (0, 1) == tuple(longer[where]["invited.link"]["overtaken"] for where in ("live_deadlines", "past_deadlines"))
    assert {"accept: it is possible in invited": 1} == counts(longer["perhaps"])
    shorter = club.impact(("after: PT5M, event: expired, since", "after: PT1M, event: expired, since"))
    past = shorter["past_deadlines"]["invited.link"]
    assert (1, -240, 0, {}) == (past["count"], past["most_seconds"], past["overtaken"], shorter["perhaps"])


def test_a_deadline_of_another_event_is_gone(club: Club) -> None:
    """What counts from something else than before is not compared; a deadline that there is not any more is said to be gone."""
    found = club.impact(("event: expired, since: mailed", "event: expired"))
    assert ({"invited.link counts from another event": 1}, {}, {}) == (
        counts(found["gone"]), found["live_deadlines"], found["past_deadlines"],
    )  # fmt: skip
    renamed = club.impact(("{name: breach, after: 2bd", "{name: reminder, after: 1bd"))
    assert ({"waiting.breach is gone": 1}, {"waiting.reminder": 1}) == (counts(renamed["gone"]), counts(renamed["new"]))


def test_a_deadline_past_the_calendar_is_not_called_gone(club: Club) -> None:
    """It is there and nobody can say when; what would have begun it would have been refused for that."""
    found = club.impact(("after: 2bd", "after: 900bd"))
    assert {"the deadline waiting.breach would lie where no calendar is known": 1} == counts(found["unjudged"])
    assert ({}, {"accept: deadline_unknown": 2}) == (found["gone"], counts(found["refused"]))


def test_a_new_deadline_past_the_calendar_is_no_deadline(club: Club) -> None:
    """One that only the new version has, and that no calendar reaches, begins nowhere."""
    found = club.impact(
        ("event: remind}\n      - {name: never", "event: remind}\n      - {name: more, after: 900bd, event: remind}\n      - {name: never")
    )
    assert ({}, {}, {"accept: deadline_unknown": 2}) == (found["new"], found["live_deadlines"], counts(found["refused"]))


def test_a_calendar_that_changed_meanwhile_counts_for_the_new_version_too(club: Club) -> None:
    """Two working days over a day off that was declared later end on Thursday, three on Friday; by hours nothing stands still."""
    found = club.impact(("after: 2bd", "after: 3bd"))["live_deadlines"]["waiting.breach"]
    (example,) = found["examples"]
    assert (1, 86_400, "Thu 26 Nov 2026 09:03Z becomes Fri 27 Nov 2026 09:03Z") == (found["count"], found["most_seconds"], example["said"])
    elsewhere = club.impact(("calendar: club-office", "calendar: ern-office"), ("after: 2bd", "after: PT49H"))
    assert -82_800 == elsewhere["live_deadlines"]["waiting.breach"]["most_seconds"]


def test_an_event_of_the_engine_under_another_name_is_the_same(club: Club) -> None:
    """Reports and second registrations are heard by their new names, so that nothing differs."""
    for old, new in (("mailed", "posted"), ("asked_again", "tried_again")):
        found = club.impact((old, new))
        assert [{}] * 9 == [
            found[key]
            for key in ("stuck", "refused", "allowed", "perhaps", "elsewhere", "late", "gone", "unjudged", "live_deadlines")
        ], old  # fmt: skip


def test_an_event_that_the_engine_does_not_send_any_more_is_not_heard(club: Club) -> None:
    """A second registration that nobody is told of changes nothing in what people decide."""
    found = club.impact(
        ("  asked_again: {by: engine}", "  asked_again: {by: [guest]}"), ("type: email, unique: {on_conflict: asked_again}", "type: email")
    )
    assert (2, {}, {}, {}) == (found["live"], found["refused"], found["elsewhere"], found["unjudged"])


def test_a_report_of_no_action_any_more_is_not_heard(club: Club) -> None:
    """Where the mail's acceptance is told by another event, the old one says nothing; what people did is judged as before."""
    found = club.impact(
        ("done: mailed, failed: bounced", "done: arrived, failed: bounced"),
        ("  mailed: {by: engine}", "  mailed: {by: engine}\n  arrived: {by: engine}"),
        ("{name: link, after: PT5M, event: expired, since: mailed}", "{name: link, after: P200D, event: mailed}"),
    )
    assert ({"invited.link counts from another event": 1}, {}, {}) == (counts(found["gone"]), found["refused"], found["unjudged"])


def test_a_report_that_begins_a_deadline_past_the_calendar_ends_the_supposing_there(club: Club) -> None:
    """Nothing is made up behind it: both go on from the record, where the onboarding waits still for its link."""
    found = club.impact(("- {event: mailed}", "- {event: mailed, target: waiting}"), ("after: 2bd", "after: 900bd"))
    assert ({}, {"accept: deadline_unknown": 2}) == (found["elsewhere"], counts(found["refused"]))
    assert 5 == found["histories"]


def test_the_start_is_taken_again_too(club: Club) -> None:
    """Whoever may not start any more, or not with this event, is counted; what followed is judged from where the record went on."""
    assert {"invite: role_missing": 5} == counts(club.impact(("by: [guest], payload: {email", "by: [host], payload: {email"))["refused"])
    other = club.impact(
        ("start: {event: invite, set: {email: event.email}}", "start: {event: ask}"),
        ("  knock: {", "  ask: {by: [guest]}\n  knock: {"),
        ("      - {event: bounced", "      - {event: invite, set: {email: event.email}}\n      - {event: bounced"),
    )
    assert ({"invite: wrong_start": 5}, {}) == (counts(other["refused"]), other["elsewhere"])


@pytest.mark.parametrize(
    ("changes", "key", "label", "count"),
    [
        ([("  knock: {by: [guest, host]}\n", ""), ("      - {event: knock}\n", "")], "refused", "knock: unknown_event", 2),
        ([("- {event: knock}", "- {event: knock, target: here}")], "elsewhere", "knock: to here instead of waiting", 2),
        ([("max: 90", "max: 5")], "refused", "accept: invalid_value", 1),
        ([("{table: {field: true}}", "{table: {field: true, required: true}}")], "refused", "accept: value_missing", 1),
        ([("knock: {by: [guest, host]}", "knock: {by: [host]}")], "refused", "knock: role_missing", 2),
        ([("by: [host], decision: welcoming", "by: [guest]")], "refused", "welcome: role_missing", 1),
        (CHECKED, "unjudged", "accept asks the check proof, which was not asked then", 2),
    ],
    ids=["no event", "another target", "another value", "a value more", "another role", "the subject alone", "a check that was not asked"],
)  # fmt: skip
def test_a_decision_is_taken_again(club: Club, changes: list[tuple[str, str]], key: str, label: str, count: int) -> None:
    """Each way in which a recorded decision would end otherwise is counted by why, and nothing else is."""
    found = club.impact(*changes)
    assert {label: count} == counts(found[key])
    others = {"stuck", "refused", "allowed", "elsewhere", "unjudged"} - {key}
    assert {} == {other: found[other] for other in others if found[other]}


def test_deadlines_without_an_end_are_said_and_not_followed(club: Club) -> None:
    """A reminder each second for two days: what was decided behind it cannot be judged, and it is not a state that is missing."""
    found = club.impact(("- {event: remind}", "- {event: remind, target: waiting, reenter: true}"), ("after: 2bd", "after: PT1S"))
    assert {"after deadlines that cannot be worked out": 3} == counts(found["unjudged"])
    assert 1 == found["live_deadlines"]["waiting.breach"]["reached"]


def test_what_was_decided_in_a_state_that_is_gone_is_not_judged(club: Club) -> None:
    """A state under another name that is not certain to be the same one: who rests there is stuck, and what was done there is unknown."""
    found = club.impact(("  waiting:", "  lounge:"), ("target: waiting", "target: lounge"), ("after: 2bd", "after: 3bd"))
    assert {"after a state that there is not any more": 5} == counts(found["unjudged"])
    assert ({"there is no state waiting any more": 1}, {"accept: to lounge instead of waiting": 2}) == (
        counts(found["stuck"]), counts(found["elsewhere"]),
    )  # fmt: skip


def test_people_read_why_something_could_not_be_judged(club: Club) -> None:
    """The same in words, with whom it concerns."""
    new = club.write("new.yaml", CLUB, ("after: 2bd", "after: 900bd"), ("by: [guest], payload: {email", "by: [host], payload: {email"))
    said = typed("policy", "diff", club.folder / "old.yaml", new, "--impact", club.url)
    assert 6 == said.code
    for words in ("the deadline waiting.breach would lie where no calendar is known", "invite: role_missing", "Histories: 5 (2 under way)"):
        assert words in " ".join(said.out.split())


def test_a_refusal_of_the_place_or_the_person_may_not_be_one_any_more(club: Club) -> None:
    """Such a refusal keeps no findings, so that only this can be said: it would come further, and why."""
    more = club.impact(("roles:\n", "roles:\n  boss: {}\n"), ("knock: {by: [guest, host]}", "knock: {by: [guest, host, boss]}"))
    assert ({"knock: boss may do it": 1}, {}) == (counts(more["perhaps"]), more["allowed"])
    free = club.impact(("welcome: {by: [host], decision: welcoming}", "welcome: {by: [host]}"))
    assert ({"welcome: it is no decision": 1}, {}) == (counts(free["perhaps"]), free["allowed"])


def test_a_deadline_that_moves_by_more_than_one_length_is_told_from_least_to_most(tmp_path: Path) -> None:
    """Working days and hours part at weekends: people read both ends of how far those under way move."""
    week = Club(tmp_path)
    with closing(week.engine):
        for hours in (0, 96):  # Monday and Friday
            week.at(hours)
            week.fire(week.invited(), "accept")
        week.at(97)
        new = week.write("new.yaml", CLUB, ("after: 2bd", "after: PT49H"))
        said = typed("policy", "diff", week.folder / "old.yaml", new, "--impact", week.url)
    assert "waiting.breach: 1 day 23 hours earlier to 1 hour later" in " ".join(said.out.split())


@pytest.mark.parametrize("damage", ["illegal", "no definition"])
def test_a_history_that_cannot_be_replayed_is_counted_and_not_guessed(club: Club, tmp_path: Path, damage: str) -> None:
    """One that its own version does not allow, and ones whose version is not stored; who is stuck can be told all the same."""
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(club.folder / "club.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    waiting = next(s.instance for s in club.engine.instances().rows if s.instance.state == "waiting")
    with closing(Forger(f"sqlite:///{copy}")) as forger:
        if damage == "illegal":
            forger.say(waiting.id, 3, event="welcome")
            forger.rechain(waiting.id)
        else:
            forger.run("DELETE FROM {t}documents WHERE kind = 'definition'")
    url = f"sqlite:///{copy}"
    new = club.write("new.yaml", CLUB, ("  waiting:", "  lounge:"), ("target: waiting", "target: lounge"), ("after: 2bd", "after: 3bd"))
    found = typed("policy", "diff", club.folder / "old.yaml", new, "--impact", url, "--json").data["impact"]
    unread = {label: count for label, count in counts(found["unjudged"]).items() if label.startswith("a history that cannot be replayed")}
    assert ((1 if damage == "illegal" else 5), 1) == (sum(unread.values()), len(unread))
    assert (2, {"in waiting": 1}) == (found["live"], counts(found["stuck"]))


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    """One who took the link after three of its five minutes, was reminded of after two working days, and knocked an hour later."""
    club = Club(tmp_path_factory.mktemp("patient"))
    one = club.invited()
    club.mails()
    club.at(0.05)
    club.fire(one, "accept")
    club.at(49)
    club.fire(one, "knock")
    yield club
    club.engine.close()


def test_a_difference_behind_a_deadline_that_both_reach_is_counted(patient: Club) -> None:
    """Where both versions have fired the same deadline they are together again, and a decision that leads elsewhere is one."""
    assert {"knock: to here instead of waiting": 1} == counts(
        patient.impact(("- {event: knock}", "- {event: knock, target: here}"))["elsewhere"]
    )


def test_a_refusal_that_only_a_shorter_deadline_makes_says_so(patient: Club) -> None:
    """A link that was dead after one minute: whoever took it after three would be refused for that alone."""
    found = patient.impact(("after: PT5M, event: expired, since", "after: PT1M, event: expired, since"))
    assert {"accept: wrong_state (only because the deadline invited.link moves)": 1} == counts(found["refused"])
    assert {"invited.link: accept": 1} == counts(found["late"])


def test_a_refusal_that_a_deadline_did_not_make_does_not_blame_one(patient: Club) -> None:
    """The deadline comes at its old instant and leads elsewhere: what is refused behind it is not refused because it moves."""
    found = patient.impact(("- {event: remind}", "- {event: remind, target: gone}"))
    assert {"knock: wrong_state": 1} == counts(found["refused"])
