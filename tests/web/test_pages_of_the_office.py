"""The back office's pages one by one, without a browser: what each shows to whom, and what it does with a form."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

import workflow
from tests.support.door import BASE, Door
from tests.support.onboarding import TESS, House, Onboarding
from workflow.bootstrap import publish
from workflow.engine import Engine
from workflow.errors import ConflictError, StoreError
from workflow.settings import development_keys
from workflow.states.instance import Actor, Event
from workflow.states.verdict import Accepted
from workflow.testing.clock import VirtualClock
from workflow.web import back_office

GERMANY = {"network": "ERKNet", "country": "DE", "centre": "erknet-de-sample"}


def options(page: str, name: str) -> list[str]:
    """The values that a choice of a page offers."""
    found = re.findall(rf'<select[^>]*name="{name}".*?</select>', page, re.DOTALL)
    return re.findall(r'value="([^"]*)"', found[0]) if found else []


def test_the_queue_shows_what_one_may_decide_filtered_and_in_pages(door: Door) -> None:
    """Only own work, by deadline, at most a page of it, and the way to the next page keeps the filter."""
    people = [door.house.person().requested() for _ in range(2)]
    german = door.house.person().requested(organisation=GERMANY)
    tess, lea, ada = door.staff("tess"), door.staff("lea"), door.staff("ada")
    page = tess.get("/office").text
    assert all(one.id in page for one in people)
    assert german.id not in page
    assert german.id in lea.get("/office").text
    assert {"approve", "reject"} <= set(options(page, "event"))
    assert people[0].id in tess.get("/office?event=approve").text
    assert people[0].id not in tess.get("/office?event=endorse").text
    assert 400 == tess.get("/office?after=nonsense").status_code
    assert "Nothing waits for you" in ada.get("/office").text
    assert 404 == tess.get("/office/nothing").status_code


def test_requests_are_filtered_and_found(door: Door) -> None:
    """By state, by whether they have ended, by deadline; and by id, address or username, for who may see them only."""
    jane, paul = door.house.person().requested(), door.house.person().requested()
    paul.fire("reject", TESS, rationale="Not known here.")
    tess, eve = door.staff("tess"), door.staff("eve")
    listed = {
        "": {jane.id, paul.id},
        "?is=open": {jane.id},
        "?is=ended": {paul.id},
        "?state=rejected": {paul.id},
        "?due=week": {jane.id},
        "?due=overdue": set(),
    }
    for query, expected in listed.items():
        page = tess.get(f"/office/requests{query}").text
        assert expected == {one.id for one in (jane, paul) if f"/office/requests/{one.id}" in page}, query
    for wanted in (jane.id, jane.email, jane.username):
        assert f"/office/requests/{jane.id}" == tess.get(f"/office/requests?q={wanted}").headers["location"]
        assert 200 == eve.get(f"/office/requests?q={wanted}").status_code
    assert 200 == tess.get("/office/requests?q=nobody").status_code


def test_several_decisions_each_say_their_own_result(door: Door) -> None:
    """Done, refused with its reasons, not there, not possible: none stands in the way of another, and nothing ticked is said."""
    jane, john = door.house.person().requested(), door.house.person().requested()
    john.approve()
    tess = door.staff("tess")
    asked = {"instance": [jane.id, john.id, jane.id, "nothing"], "rationale": "A member."}
    said = door.post("/office/decide", on="/office/board", client=tess, event="approve", **asked).text
    assert ["done", "not done", "not done"] == re.findall(r"[✓✕] (done|not done)<", said)
    assert "There is no such request." in said
    foreign = door.post("/office/decide", on="/office/board", client=tess, event="dance", instance=jane.id).text
    assert "This cannot be done with it." in foreign
    assert "No request was ticked" in door.post("/office/decide", on="/office/board", client=tess, event="approve").text


def test_the_board_counts_by_state_and_names_what_is_overdue(door: Door) -> None:
    """Before the deadline a request is calm, within a day it is soon, after it is overdue and stands on top."""
    jane = door.house.person().requested()
    tess = door.staff("tess")
    assert jane.id not in tess.get("/office/board").text
    door.house.wait("P9D")
    tess = door.staff("tess")
    assert jane.id in tess.get("/office/board").text
    assert "▲" in tess.get("/office").text


def test_a_request_is_decided_on_what_it_is_now(door: Door, jane: Onboarding) -> None:
    """What changed since the page was shown is told; what is no event of people is not there; who decided sees what became of it."""
    jane.requested()
    tess, path = door.staff("tess"), f"/office/requests/{jane.id}"
    stale = door.post(path, client=tess, do="approve", rationale="Fine.", version="1")
    assert (409, True) == (stale.status_code, "Somebody was faster" in stale.text)
    for event in ("dance", "account_created", "withdraw_by_nobody"):
        assert 404 == door.post(path, client=tess, do=event).status_code
    done = door.post(path, client=tess, do="approve", rationale="Fine.", version=str(jane.instance.version))
    assert (200, True) == (done.status_code, "Done: " in done.text)
    assert "What you may not do, and why" in done.text


def test_a_question_and_its_clock_stand_on_the_page(door: Door, jane: Onboarding) -> None:
    """While information is wanted the clock stands still, and the page explains every stretch of it."""
    jane.requested()
    door.house.wait("PT3H")
    jane.fire("ask_information", TESS, question="At which ward?")
    page = door.staff("tess").get(f"/office/requests/{jane.id}").text
    assert "stands still" in page
    assert "Deadlines explained" in page


def test_deputies_are_named_shown_and_ended(door: Door, jane: Onboarding) -> None:
    """For one role or all, with both days included; the deputy sees the requests from then on, and not after the end."""
    jane.requested()
    tess, eve = door.staff("tess"), door.staff("eve")
    assert 404 == eve.get(f"/office/requests/{jane.id}").status_code
    today = door.house.clock.now().date().isoformat()
    form = {"deputy": "eve", "role": "network_team:ERKNet", "starts": today, "ends": today, "reason": "on leave"}
    assert 303 == door.post("/office/delegations", client=tess, **form).status_code
    assert 200 == eve.get(f"/office/requests/{jane.id}").status_code
    page = eve.get("/office/delegations").text
    assert "network_team" in page
    [id_] = re.findall(r'name="end" value="(\S+?)"', tess.get("/office/delegations").text)
    assert 303 == door.post("/office/delegations", client=tess, end=id_).status_code
    assert 404 == eve.get(f"/office/requests/{jane.id}").status_code
    assert 404 == door.post("/office/delegations", client=tess, end="nothing").status_code


def test_roles_and_definitions_are_shown(door: Door, jane: Onboarding) -> None:
    """Who holds what, by network; each definition as a picture with the numbers of what one sees."""
    jane.requested()
    tess = door.staff("tess")
    page = tess.get("/office/roles").text
    assert all(who in page for who in ("tess", "tom", "eve", "hal", "ERKNet"))
    assert "/office/definitions/cpms-access" in tess.get("/office/definitions").text
    assert "<svg" in tess.get("/office/definitions/cpms-access").text
    assert 404 == tess.get("/office/definitions/nothing").status_code


def test_a_message_that_was_given_up_is_tried_again_by_an_operator(door: Door, jane: Onboarding) -> None:
    """The help desk sees it and makes it due; an auditor may look and not touch; the team sees no such page."""
    jane.requested().approve()
    door.house.cpms.refuse_all()
    jane.create_account()
    door.house.drain()
    [dead] = [message for message in door.house.outbox(jane.id) if message.state == "dead"]
    hal, tess = door.staff("hal"), door.staff("tess")
    assert 404 == tess.get("/office/outbox").status_code
    assert dead.id[:8] in hal.get("/office/outbox").text
    assert 200 == hal.get("/office/outbox?state=all").status_code
    door.house.cpms.refuse_all(is_refusing=False)
    assert "The message is due again." in door.post("/office/outbox", client=hal, message=dead.id).text
    assert "was not given up" in door.post("/office/outbox", client=hal, message=dead.id).text
    door.parts.development.staff["otto"] = ("auditor",)  # type: ignore[union-attr]  # the house's stand-ins
    refused = door.post("/office/outbox", on="/office/audit", client=door.staff("otto"), message=dead.id)
    assert (422, True) == (refused.status_code, "Only an operator" in refused.text)


def test_auditors_verify_export_and_take_bundles(house: House, jane: Onboarding) -> None:
    """Each format is a file of its kind; the bundle is one of this request; nobody else finds any of it."""

    def write(instance: str, actor: Actor, path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(instance, str(actor.id))

    door = Door(house, bundle=write)
    jane.requested()
    tess, ada = door.staff("tess"), door.staff("ada")
    assert 404 == tess.get("/office/audit").status_code
    assert "Sound:" in door.post("/office/audit", client=ada, do="verify").text
    for form, start in {"csv": b"", "jsonl": b"{", "xes": b"<?xml", "ocel": b"{"}.items():
        answer = door.post("/office/audit", client=ada, do="export", form=form)
        assert f'filename="export.{form}"' in answer.headers["content-disposition"]
        assert answer.content.startswith(start)
    assert "Choose a format." in door.post("/office/audit", client=ada, do="export", form="doc").text
    assert 404 == door.post("/office/audit", client=ada, do="dance").status_code
    path = f"/office/requests/{jane.id}"
    packed = door.post(f"{path}/bundle", on=path, client=ada)
    assert [jane.id] == zipfile.ZipFile(io.BytesIO(packed.content)).namelist()
    assert 404 == ada.get(f"{path}/bundle").status_code
    bare = Door(house, tree=None)
    auditor = bare.staff("ada")
    assert "Use the command line." in auditor.get("/office/audit").text
    assert 404 == bare.post("/office/audit", client=auditor, do="verify").status_code


def test_somebody_is_chosen_while_developing_and_nobody_else(door: Door) -> None:
    """Only people of the list, on to where one wanted to go, and out again."""
    assert 404 == door.post("/office/sign-in", person="somebody").status_code
    answer = door.post("/office/sign-in?next=/office/board", on="/office/sign-in", person="tess")
    assert "/office/board" == answer.headers["location"]
    assert "/office" == door.post("/office/sign-in?next=//evil.example", on="/office/board", person="tess").headers["location"]
    assert "/office/sign-in" == door.post("/office/sign-out", on="/office").headers["location"]
    assert "/office/sign-in?next=/office" == door.client.get("/office").headers["location"]
    door.sign_in(door.house.person().with_password())
    assert "/office/sign-in" in door.client.get("/office").headers["location"]


# With a definition and a host of one's own

FORMS = """
definition: forms
language: 1
title: Every kind of value
subject: member
roles: {clerk: {}, mover: {scope: room}}
fields:
  full_name: {type: string}
  room: {type: string, personal: false, because: names a room}
events:
  ask: {by: [member], payload: {full_name: {field: true, required: true}, room: {field: true, required: true}}}
  move: {by: [mover], payload: {room: {field: true, required: true}}}
  note:
    by: [clerk]
    payload:
      text: {type: text}
      count: {type: integer}
      is_urgent: {type: boolean}
      day: {type: date}
      mail: {type: email}
      phone: {type: phone}
      colour: {type: choice, values: [red, blue]}
      colours: {type: choice, values: [red, blue], many: true}
  finish: {by: [clerk]}
start: {event: ask, set: {full_name: event.full_name, room: event.room}}
initial: open
states:
  open:
    waits_forever: a test
    transitions: [{event: note}, {event: move, set: {room: event.room}}, {event: finish, target: done}]
  done: {outcome: success}
"""
CLERK = Actor.of("carl", "clerk")


class Raced:
    """An engine at which somebody else is always faster."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def fire(self, *_: object, **__: object) -> None:
        raise ConflictError("Somebody was faster.", expected_version=1, found_version=2)

    end_delegation = fire


class Host:
    """A host with its own login, an engine that can be made to fail, and no sign-in of ours."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.who: Actor | None = CLERK
        self.fails: Exception | None = None
        self.shown: object = engine
        self.app = back_office(engine, identify=self.identify, base_url=BASE, engine_of=self.engine_of)
        self.client = TestClient(self.app, base_url=BASE, follow_redirects=False)

    async def identify(self, _request: Request) -> Actor | None:
        return self.who

    @contextmanager
    def engine_of(self, _request: Request) -> Iterator[Any]:
        if self.fails is not None:
            raise self.fails
        yield self.shown

    def ask(self) -> str:
        """Let a member ask for something; gives the onboarding's id."""
        answer = self.engine.start("forms", Event.of("ask", Actor.of("p-1"), full_name="Ada", room="north"))
        assert isinstance(answer, Accepted)
        return str(answer.instance.id)

    def post(self, path: str, **values: object) -> Any:
        token = re.findall(r'name="form_token" value="(\w+)"', self.client.get(path).text)[0]
        return self.client.post(path, data={"form_token": token, **values})


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with a definition of every kind of value."""
    plan = tmp_path / "forms.yaml"
    plan.write_text(FORMS, encoding="utf-8")
    with workflow.open(f"sqlite:///{tmp_path / 'host.db'}", keys=development_keys(), clock=VirtualClock(), upgrade=True) as engine:
        publish(engine, plan)
        yield Host(engine)


def test_a_form_is_made_of_whatever_an_event_takes(host: Host) -> None:
    """Each kind of value has its field, comes back filled in with its own problem, and is taken as what it is."""
    id_ = host.ask()
    page = host.client.get(f"/requests/{id_}").text
    for kind in ("textarea", 'type="number"', 'type="checkbox"', 'type="date"', 'type="email"', 'type="tel"', "<select", "<fieldset"):
        assert kind in page
    given = {"text": "Hello", "count": "many", "day": "never", "mail": "x", "phone": "1", "colour": "red", "colours": ["red", "blue"]}
    refused = host.post(f"/requests/{id_}", do="note", is_urgent="yes", **given)
    assert 422 == refused.status_code
    text = refused.text
    assert {"note-count", "note-day", "note-mail"} <= set(re.findall(r'href="#([\w-]+)"', text))
    assert ['value="many"', "Hello"] == [part for part in ('value="many"', "Hello") if part in text]
    right = {"text": "Hello", "count": "-3", "day": "2026-11-24", "colours": "blue"}
    done = host.post(f"/requests/{id_}", do="note", **right)
    assert 200 == done.status_code
    assert 200 == host.post(f"/requests/{id_}", do="finish").status_code


def test_a_host_that_knows_nobody_shows_a_page_that_says_so(host: Host) -> None:
    """Nobody is sent to a sign-in that does not exist; there is no signing out; home is the queue."""
    assert 200 == host.client.get("/home").status_code
    assert "Sign out" not in host.client.get("/").text
    host.who = None
    answer = host.client.get("/")
    assert (401, True) == (answer.status_code, "You are not signed in" in answer.text)


def test_a_database_that_is_down_is_told_in_words(host: Host) -> None:
    """Nothing is shown of how it happened, and the host's own error is no traceback."""
    host.fails = StoreError("down")
    answer = host.client.get("/")
    assert (503, True) == (answer.status_code, "The database cannot be reached." in answer.text)


def test_somebody_who_was_faster_is_told_wherever_it_shows(host: Host) -> None:
    """A conflict that the engine finds is told on the page, in bulk, and by a page of its own."""
    id_ = host.ask()
    plain = host.client.get("/").text
    token = re.findall(r'name="form_token" value="(\w+)"', plain)[0]
    host.shown = Raced(host.engine)
    single = host.client.post(f"/requests/{id_}", data={"form_token": token, "do": "finish"})
    assert (409, True) == (single.status_code, "Somebody was faster" in single.text)
    bulk = host.client.post("/decide", data={"form_token": token, "event": "finish", "instance": id_})
    assert (200, True) == (bulk.status_code, "Somebody was faster" in bulk.text)
    ended = host.client.post("/delegations", data={"form_token": token, "end": "d-1"})
    assert (409, True) == (ended.status_code, "Somebody was faster" in ended.text)


def test_a_deed_may_take_a_request_out_of_sight(host: Host) -> None:
    """Whoever loses sight of a request by what they did is told that it is done, and not that there is nothing."""
    id_ = host.ask()
    host.who = Actor.of("mia", "mover:north")
    done = host.post(f"/requests/{id_}", do="move", room="south")
    assert (200, True) == (done.status_code, "The request is not for you to see any more." in done.text)
    assert 404 == host.client.get(f"/requests/{id_}").status_code
