"""`workflow policy explain` and the notes of `workflow check`, as a policy owner reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import typed

ROOT = Path(__file__).resolve().parents[2]


def test_a_policy_is_explained_with_its_timetable():
    """Every property has a number, a name and a sentence; a ladder from Friday afternoon reads like an agenda."""
    said = typed("policy", "explain", "cpms-access", "--at", "2026-11-20T16:30")

    assert 0 == said.code
    assert ". every request is answered" in said.out
    assert 'Nobody gets to "Approved" before "Second factor enrolled".' in said.out
    assert "Fri 16:30: remind Mon 16:30, breach Tue 16:30, still_open Fri 27 Nov 16:30" in said.out
    assert "From Fri 2026-11-20 16:30: by Tue 2026-11-24 16:30." in said.out
    assert max(map(len, said.out.splitlines())) <= 90


def test_a_property_that_only_warns_says_so_and_every_reason_is_told():
    """The author's own words stand below the sentence."""
    said = typed("policy", "explain", ROOT / "tests" / "definitions" / "good" / "every_key.yaml")

    assert "of them as a warning only" in said.out
    assert "two people (warning)" in said.out
    assert "Why: Law." in said.out


def test_without_an_instant_deadlines_are_durations():
    """Also of a definition without titles and without a calendar."""
    said = typed("policy", "explain", ROOT / "tests" / "definitions" / "good" / "organisation-invitation.yaml")

    assert 0 == said.code
    assert 'expiry    after 7 days: "expire"' in said.out
    assert "2026" not in said.out


@pytest.mark.parametrize(
    ("at", "due"),
    [("2026-11-20T16:30", "2026-11-20T15:30:00Z"), ("2026-11-20T16:30+02:00", "2026-11-20T14:30:00Z")],
)
def test_programs_get_the_same_as_data(at: str, due: str):
    """An instant without a zone is office time; one with a zone is what it says."""
    said = typed("policy", "explain", "cpms-access", "--at", at, "--json").data

    assert due == said["at"]
    assert {"name", "kind", "severity", "sentence", "because", "body"} == set(said["properties"][0])
    ladder = next(one for one in said["ladders"] if one["state"] == "requested")
    assert ["1bd", "2bd", "5bd"] == [rung["after"] for rung in ladder["rungs"]]
    assert ["requested.information_wanted"] == ladder["pauses"]


def test_a_deadline_that_the_calendar_does_not_know_is_not_guessed():
    """Past the calendar's horizon there is no working day to name."""
    said = typed("policy", "explain", "cpms-access", "--at", "2099-01-01T09:00")

    assert 0 == said.code
    assert "Thu 09:00: remind ?, breach ?, still_open ?" in said.out
    assert "unknown to the calendar" in said.out
    assert "by a day that the calendar does not know." in said.out


def test_an_instant_that_is_none_is_a_mistake_of_the_command():
    """Told with an example, without a traceback."""
    said = typed("policy", "explain", "cpms-access", "--at", "tomorrow")

    assert 2 == said.code
    assert "2026-11-20T16:30" in said.err
    assert "Traceback" not in said.err


def test_notes_are_told_when_asked_for(tmp_path: Path):
    """Roles without whom nothing succeeds are no fault; for GitHub they are notices."""
    card = ROOT / "tests" / "definitions" / "good" / "library-card.yaml"
    plain, noted, github = (typed("check", card, *more) for more in ((), ("--notes",), ("--notes", "--format", "github")))

    assert [0, 0, 0] == [plain.code, noted.code, github.code]
    assert "note" not in plain.out
    assert "note[single-role]: Without 'librarian' no onboarding succeeds." in noted.out
    assert "0 error(s), 0 warning(s), 1 note(s)." in noted.out
    assert github.out.startswith("::notice file=")


def test_a_fault_is_told_with_the_case_that_shows_it():
    """The values under which two guards hold stand in the message."""
    said = typed("check", ROOT / "tests" / "definitions" / "bad" / "overlapping_guards.yaml")

    assert 0 == said.code
    assert "19:9: warning[overlapping-guards]" in said.out
    assert "when instance.floor is 4 and instance.is_urgent is true" in said.out
