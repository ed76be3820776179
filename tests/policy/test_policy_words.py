"""A policy in plain English: what its owner reads without knowing the language of definitions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from workflow import bootstrap
from workflow.load import load, read_calendar
from workflow.policy.english import Words, in_words
from workflow.policy.timetable import ladders
from workflow.states.definition import Property
from workflow.states.durations import read_duration

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = load(ROOT / "definitions" / "cpms-access.yaml", known=bootstrap.known())
OFFICE = read_calendar(ROOT / "definitions" / "calendars" / "ern-office.yaml")
BRUSSELS = ZoneInfo("Europe/Brussels")
FRIDAY = datetime(2026, 11, 20, 16, 30, tzinfo=BRUSSELS)
WORDS = Words(DEFINITION)
GOOD = sorted((ROOT / "tests" / "definitions" / "good").glob("*.yaml"))


def rule(kind: str, **body: object) -> Property:
    """Make a property."""
    return Property(name="rule", kind=kind, body=body, sentence="Law.")  # type: ignore[arg-type]  # one of the five kinds


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("PT5M", "5 minutes"),
        ("P1D", "1 day"),
        ("P1DT2H", "1 day and 2 hours"),
        ("PT90S", "1 minute and 30 seconds"),
        ("1bd", "1 working day"),
        ("16bh", "16 working hours"),
    ],
)
def test_a_duration_is_said_in_words(written: str, words: str):
    """Nobody has to know ISO 8601."""
    unit = read_duration(written)

    assert unit is not None
    assert words == in_words(unit)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (rule("never", state="approved", before="mfa_enrolled"), 'Nobody gets to "Approved" before "Second factor enrolled".'),
        (
            rule("never", event="approve", actor="subject"),
            '"Approve" is never done by the person being onboarded, nor by a deputy for them.',
        ),
        (rule("never", event="approve", actor="centre_lead"), '"Approve" is never done by the role centre lead.'),
        (
            rule("never", event="set_password", later_than="PT5M", since="password_link_mailed"),
            '"Choose a password" is never accepted 5 minutes or more after "password link mailed".',
        ),
        (
            rule("always", state="rejected", leads_to=["abandoned"], within="2bd", clock="requested.breach"),
            'Whenever "Rejected" is entered, "Abandoned" follows within 2 working days, measured by the clock "breach" of "Requested".',
        ),
        (rule("requires", event="reject", effect="mail.rejected"), 'Whenever "Reject" happens, the mail "rejected" follows.'),
        (rule("requires", event="reject", effect="mail"), 'Whenever "Reject" happens, "mail" follows.'),
        (
            rule("requires", event="add_phone", effect="sms:challenge"),
            'Whenever "Add a mobile phone number" happens, the text message "challenge" follows.',
        ),
        (
            rule("requires", event="withdraw", actor="applicant"),
            'Whenever "Withdraw the request" happens, it comes from the person being onboarded.',
        ),
        (rule("requires", event="approve", actor="network_team"), 'Whenever "Approve" happens, it comes from the role network team.'),
        (rule("field", name="last_name", **{"is": "personal"}), 'The value "last name" is personal.'),
        (rule("cel", holds="has.reason && !has.answer"), 'In every state, this holds: "reason" is set and "answer" is not set.'),
        (rule("never", event="request_link", more_than=10), '"Ask for a new link" is never accepted more than 10 times.'),
        (rule("never", event="sign_in", later_than="soon", since="nothing"), '"Password" is never accepted soon or more after "nothing".'),
    ],
)
def test_a_property_is_said_with_titles(asked: Property, sentence: str):
    """Each kind of property has a sentence with the titles that people know, and no name of the language."""
    assert sentence == WORDS.sentence(asked)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("has.reason", '"reason" is set'),
        ("!has.reason", '"reason" is not set'),
        ("instance.is_escalated", '"is escalated" is true'),
        ("!facts.password.ok", 'the finding "password ok" is not true'),
        ("actor.is_subject", "the actor is the person being onboarded"),
        ("!actor.is_deputy", "the actor is not a deputy"),
        ("true", "always"),
        ("!(has.reason && has.answer)", 'it is not so that "reason" is set and "answer" is set'),
        ("has.reason || has.answer && has.question", '"reason" is set or ("answer" is set and "question" is set)'),
        ("'GUEST' in instance.profiles", '"GUEST" is among "profiles"'),
        ("instance.language in ['en', 'fr']", '"language" is one of "en", "fr"'),
        ("instance.state != 'requested.creating_account'", 'the state is not "The account is being created"'),
        ("count.request_link < 10", "the number of times request link happened is less than 10"),
        ("distinct_actors.approve >= 2", "the number of people who did approve is at least 2"),
        ("now - instance.last_two_factor_at < duration('15m')", 'the time since "last two factor at" is less than 15 minutes'),
        ("now < instance.enrolment_open_until + duration('15m')", 'now is before "enrolment open until" plus 15 minutes'),
        ("instance.requested_at >= now", '"requested at" is at or after now'),
        ("now == instance.requested_at", 'now is "requested at"'),
        ("now - instance.requested_at < duration('1.5h')", 'the time since "requested at" is less than 1.5h'),
        ("now - instance.requested_at < duration('1h30m')", 'the time since "requested at" is less than 1 hour and 30 minutes'),
        ("instance.language == ''", '"language" is ""'),
        ("instance.is_escalated == true", '"is escalated" is true'),
        ("instance.a.size() > 1", "instance.a.size() > 1"),
        ("instance.a.startsWith('b')", "instance.a.startsWith('b')"),
        ("a &", "a &"),
    ],
)
def test_an_expression_is_said_in_words_or_left_as_it_is(source: str, words: str):
    """Never half of it: what has no words stays as the author wrote it."""
    assert words == WORDS.expression(source)


def test_the_root_is_the_whole_onboarding():
    """Its deadlines hold everywhere; a name that leads nowhere is given as it is."""
    assert "the whole onboarding" == WORDS.state("")
    assert "no such state" == WORDS.state("no_such_state")


def test_a_ladder_is_a_timetable():
    """Friday afternoon: one working day is Monday, two are Tuesday, at the same time of day; the weekend does not count."""
    found = {(one.state, one.since): one for one in ladders(DEFINITION, FRIDAY, calendar=OFFICE)}
    ladder = found["requested", None]

    assert [("remind", "Mon 23 16:30"), ("breach", "Tue 24 16:30"), ("still_open", "Fri 27 16:30")] == [
        (rung.timer, rung.due_at.astimezone(BRUSSELS).strftime("%a %d %H:%M")) for rung in ladder.rungs if rung.due_at
    ]
    assert ("requested.information_wanted",) == ladder.pauses


def test_a_ladder_has_its_rungs_in_the_order_in_which_they_come():
    """Elapsed and working time are compared by the instants they lead to; what the calendar does not know comes last."""
    late = datetime(2099, 1, 1, tzinfo=UTC)
    found = next(one for one in ladders(DEFINITION, late, calendar=OFFICE) if one.state == "requested")

    assert [None, None, None] == [rung.due_at for rung in found.rungs]
    assert ["password_link"] == [
        r.timer for one in ladders(DEFINITION) if (one.state, one.since) == ("registered", "password_link_mailed") for r in one.rungs
    ]


@pytest.mark.parametrize("path", [*GOOD, ROOT / "definitions" / "cpms-access.yaml"], ids=lambda path: path.stem)
def test_every_property_of_a_good_definition_has_a_sentence(path: Path):
    """A whole sentence, with no operator of an expression and no duration as it is written."""
    definition = load(path, known=bootstrap.known())
    words = Words(definition)
    for one in definition.policy:
        said = words.sentence(one)
        assert said[-1] == "."
        assert not any(sign in said for sign in ("&&", "||", "has.", "instance.", "PT", "bd ", "['"))
