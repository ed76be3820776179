"""The demo: what it must show is looked for in what it recorded, not in what it prints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.commands import Said, workflow

Line = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo is kept."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder: Path) -> Said:
    """One run of the demo, kept."""
    said = workflow("demo", "--keep", folder, "--json")
    assert (said.code, said.err) == (0, "")
    return said


@pytest.fixture(scope="module")
def lines(told: Said, folder: Path) -> Sequence[Line]:
    """The history, read again from the database that was kept, by another process."""
    traced = workflow("trace", told.data["instance"], "--json", database=told.data["database"])
    assert traced.code == 0
    assert traced.data["chain"] == {"is_verified": True, "entries": told.data["chain"]["entries"], "head": told.data["chain"]["head"]}
    found: Sequence[Line] = traced.data["lines"]
    assert len(found) == told.data["chain"]["entries"]
    return found


def refusals(lines: Sequence[Line], event: str) -> list[list[str]]:
    """Give the recorded reasons of every refused attempt of an event."""
    return [[reason["code"] for reason in line["reasons"]] for line in lines if line["kind"] == "event:refused" and line["event"] == event]


def accepted(lines: Sequence[Line], event: str) -> list[Line]:
    """Give every accepted occurrence of an event."""
    return [line for line in lines if line["event"] == event and line["kind"] != "event:refused"]


def at(line: Line) -> datetime:
    """Give when a line happened, in the office's zone."""
    return datetime.fromisoformat(line["occurred_at"]).astimezone(ZoneInfo("Europe/Brussels"))


def test_the_journey_ends_well(told: Said, lines: Sequence[Line]) -> None:
    """The onboarding passes through every state that must be visible, and ends in `preferences_set`."""
    entered = [line["to"].split(".")[0] for line in lines if line["to"] != line["from"]]
    order = ["registered", "password_set", "mfa_enrolled", "requested", "approved", "preferences_set"]
    places = [len(entered) - 1 - entered[::-1].index(state) for state in order]
    assert places == sorted(places)
    assert (told.data["state"], told.data["outcome"]) == ("preferences_set", "success")


def test_a_link_expires_after_five_minutes_and_is_renewed_by_itself(told: Said, lines: Sequence[Line]) -> None:
    """The link dies five minutes after the mail server took the mail; the same link asks for a new one, which works."""
    mailed = accepted(lines, "password_link_mailed")[0]
    expired = accepted(lines, "link_expired")[0]
    assert (at(expired) - at(mailed)).total_seconds() == 300
    assert [line["entry"]["payload"]["serial"] for line in accepted(lines, "password_link_mailed")] == [1, 2]
    renewed = accepted(lines, "request_link")[0]
    assert "password_link.genuine=yes" in renewed["facts"]
    assert (expired["sequence"] < renewed["sequence"] < accepted(lines, "set_password")[0]["sequence"]) is True
    links = [mail for mail in told.data["mails"] if "password" in mail["subject"].lower()]
    assert len({mail["message_id"] for mail in links}) == 2


def test_a_bad_password_hears_every_reason(told: Said, lines: Sequence[Line]) -> None:
    """Too short, too few groups, contains the username: all at once, and answered as recorded."""
    (sequence,) = [line["sequence"] for line in lines if {"too_short"} <= {reason["code"] for reason in line["reasons"]}]
    recorded = {"password_refused", "too_short", "groups_missing", "contains_username"}
    assert {reason["code"] for reason in told.data["answers"][str(sequence)]} == recorded


def test_wrong_and_used_codes_are_refused(told: Said, lines: Sequence[Line]) -> None:
    """A wrong and a used code read alike to whoever types them; the history knows the difference."""
    found = refusals(lines, "sign_in_two_factor")
    assert [codes[-1] for codes in found] == ["code_used", "code_wrong", "code_used"]
    sequences = [line["sequence"] for line in lines if line["kind"] == "event:refused" and line["event"] == "sign_in_two_factor"]
    assert len({str(told.data["answers"][str(sequence)]) for sequence in sequences}) == 1


def test_both_kinds_of_factors_are_enrolled_and_used(lines: Sequence[Line]) -> None:
    """A phone number by challenge code, an app by QR code and PIN; signed in by text message, notification and QR code."""
    for event in ("add_phone", "confirm_phone", "add_device", "initialise_device", "confirm_device", "sign_in_by_app", "ask_qr_code"):
        assert accepted(lines, event), event
    assert [line["entry"]["payload"]["method"] for line in accepted(lines, "sign_in_two_factor")] == ["sms", "app_code", "app_code"]


def test_the_clock_counts_working_days(lines: Sequence[Line]) -> None:
    """Reminder after one working day and escalation after two, over a weekend, a public holiday and a pause of four hours."""
    submitted = at(accepted(lines, "submit_request")[0])
    asked, answered = at(accepted(lines, "ask_information")[0]), at(accepted(lines, "give_information")[0])
    paused = answered - asked
    reminded, escalated = (at(accepted(lines, event)[0]) for event in ("remind", "escalate"))
    assert submitted.strftime("%A") == "Friday"
    assert [(reminded - submitted - paused).days, (escalated - submitted - paused).days] == [4, 5], "Saturday, Sunday, Easter Monday"
    assert [(reminded - submitted - paused).seconds, (escalated - submitted - paused).seconds] == [0, 0]


def test_a_question_stops_the_clock(lines: Sequence[Line]) -> None:
    """While the applicant owes an answer no rung of the ladder has a due instant; afterwards each has a later one."""
    stopped = {deadline["timer"]: deadline["due_at"] for deadline in accepted(lines, "ask_information")[0]["deadlines"]}
    assert stopped["requested.remind"] is None
    assert stopped["requested.breach"] is None
    before = {deadline["timer"]: deadline["due_at"] for deadline in accepted(lines, "submit_request")[0]["deadlines"]}
    after = {deadline["timer"]: deadline["due_at"] for deadline in accepted(lines, "give_information")[0]["deadlines"]}
    assert after["requested.breach"] > before["requested.breach"]


def test_nobody_decides_twice_or_for_themselves(lines: Sequence[Line]) -> None:
    """The applicant is no approver of the own request, and who approved does not create the account."""
    assert refusals(lines, "approve") == [["own_request"]]
    assert refusals(lines, "create_account") == [["two_stages"]]
    assert accepted(lines, "approve")[0]["actor"] != accepted(lines, "create_account")[0]["actor"]


def test_no_page_of_the_request_can_be_skipped(lines: Sequence[Line]) -> None:
    """Submitting on the first page is refused."""
    assert refusals(lines, "submit_request") == [["wrong_state"]]


def test_everybody_is_told(told: Said, lines: Sequence[Line]) -> None:
    """Every mail that was queued was taken by the mail server, the approval's among them."""
    queued = [message for line in lines for message in line["messages"] if message["kind"] in {"mail", "alert"}]
    assert {message["state"] for message in queued} == {"done"}
    assert "approved" in {message["name"] for message in queued}
    assert len(told.data["mails"]) >= len(queued)
    assert told.data["account"]


def test_it_reads_well_in_eighty_columns_without_colours(lines: Sequence[Line]) -> None:
    """Printed into a pipe there are no escape sequences, no line is wider than 80 characters, and days off are named."""
    said = workflow("demo")
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out
    assert [line for line in said.out.splitlines() if len(line) > 80] == []
    assert re.search(r"chain +verified", said.out)
    assert said.out.count("did not count: the pause of 04:00:00, weekend, Easter Monday") == 2, "of the reminder and of the escalation"


def test_a_kept_demo_is_not_written_over(told: Said, folder: Path) -> None:
    """A second demo in the same folder is refused with what to do, and nothing is changed."""
    said = workflow("demo", "--keep", folder)
    assert said.code == 5
    assert "another folder" in said.err
    assert "Traceback" not in said.err
