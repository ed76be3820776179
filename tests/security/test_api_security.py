"""Security rules as the HTTP API keeps them; each test is named after its number."""

from __future__ import annotations

import logging

import pytest
from starlette.testclient import TestClient

from tests.support.onboarding import ERKNET, EVE, HAL, LEA, TESS, TOM, deputy_of
from tests.support.web import UNLIMITED, by_token, codes, problem
from workflow.settings import Limits
from workflow.states.instance import Actor
from workflow.web.api import RateLimits, create_api

AUDITOR = Actor.of("otto", "auditor")
PERSONAL = ("Jane", "Doe", "clinic.example", "n00ccgb")


class Door:
    """The API over the house of the reference journey."""

    def __init__(self, house, **changes) -> None:
        self.house = house
        self.people = {str(actor.id): actor for actor in (TESS, TOM, EVE, LEA, HAL, AUDITOR)}
        given = {"identify": by_token(self.people), "limits": UNLIMITED, "answer_floor_seconds": 0.0, **changes}
        self.client = TestClient(create_api(house.engine, **given), raise_server_exceptions=False)

    def get(self, path, actor, **params):
        return self.client.get(path, params=params, headers=self._headers(actor))

    def fire(self, jane, event, actor, json=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/instances/{jane.id}/events/{event}", json=json or {}, headers={**self._headers(actor), **named})

    def _headers(self, actor):
        if actor is None:
            return {}
        self.people.setdefault(str(actor.id), actor)
        return {"Authorization": f"Bearer {actor.id}"}


@pytest.fixture
def door(house):
    """The API of the house."""
    return Door(house)


def test_rule_6_a_start_answers_alike_for_known_and_unknown_addresses(house, jane):
    """The same code, headers and length of body, and at least the same time."""
    jane.register()
    door = Door(house, identify=lambda _: None, allow_anonymous=True, answer_floor_seconds=0.3)
    path = "/definitions/cpms-access/instances"
    known = door.client.post(path, json=jane.form)
    unknown = door.client.post(path, json=house.person().form)
    assert (known.status_code, dict(known.headers), len(known.content)) == (
        unknown.status_code,
        dict(unknown.headers),
        len(unknown.content),
    )
    assert min(known.elapsed.total_seconds(), unknown.elapsed.total_seconds()) >= 0.3


def test_rule_9_no_secret_is_in_an_answer_a_history_or_a_log(house, door, jane, caplog):
    """Token, password and code go in and come out nowhere; nor does the caller's own bearer token."""
    caplog.set_level(logging.DEBUG)
    jane.registered()
    token, wrong = jane.token, "Wr0ng-but-secret!"
    answers = [
        door.fire(jane, "set_password", jane.actor, {"token": token, "password": wrong, "password_confirm": wrong + "x"}),
        door.fire(jane, "set_password", jane.actor, {"token": token + "x", "password": wrong, "password_confirm": wrong}),
        door.fire(jane, "set_password", jane.actor, {"token": token, "password": jane.password, "password_confirm": jane.password}),
        door.fire(jane, "sign_in", jane.actor, {"password": wrong}),
        door.client.get("/instances", headers={"Authorization": "Bearer n0body-knows-me"}),
        door.get(f"/instances/{jane.id}/history", AUDITOR, limit=200),
        door.get(f"/instances/{jane.id}", jane.actor, personal="true"),
    ]
    assert [422, 422, 200, 422, 401, 200, 200] == [answer.status_code for answer in answers]
    said = "".join(answer.text + str(answer.headers) for answer in answers) + caplog.text
    assert [] == [secret for secret in (token, wrong, jane.password, "n0body-knows-me") if secret in said]
    assert {"no-store"} == {answer.headers["cache-control"] for answer in answers}
    assert {"no-referrer"} == {answer.headers["referrer-policy"] for answer in answers}


def test_rule_10_no_address_comes_from_the_request(house, door, jane):
    """`Host` and `X-Forwarded-Host` are in no answer."""
    jane.requested()
    house.person().registered()
    headers = {"Authorization": "Bearer hal", "Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    answer = door.client.get("/instances?limit=1", headers=headers)
    assert answer.headers["link"].startswith("</instances?limit=1&after=")
    assert "evil.example" not in answer.text + str(answer.headers)


def test_rule_29_only_a_post_changes_anything(door, jane):
    """Whatever is asked by GET, HEAD or another method, the history, the outbox and the version stay as they are."""
    jane.requested()
    before = (len(jane.said), jane.instance, jane.house.outbox(jane.id))
    paths = ("", "/may", "/history", "/events/approve", "/events/withdraw")
    for path in (*(f"/instances/{jane.id}{path}" for path in paths), "/instances", "/work", "/definitions/cpms-access/instances"):
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for actor in (jane.actor, TESS):
                answer = door.client.request(method, path, headers=door._headers(actor))
                assert answer.status_code in {200, 405}
    assert before == (len(jane.said), jane.instance, jane.house.outbox(jane.id))


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something"])
def test_rule_29_another_site_cannot_make_a_browser_change_anything(door, jane, site):
    """Even with the right cookie or token: a browser says where a request comes from, and what is not JSON is no payload."""
    jane.requested()
    problem(door.fire(jane, "withdraw", jane.actor, sec_fetch_site=site), 403, "forbidden")
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {**door._headers(jane.actor), "Content-Type": media_type}
        problem(door.client.post(f"/instances/{jane.id}/events/withdraw", content=b"{}", headers=headers), 415, "media-type")
    old_browser = {**door._headers(jane.actor), "Origin": "https://evil.example"}
    problem(door.client.post(f"/instances/{jane.id}/events/withdraw", headers=old_browser), 415, "media-type")
    assert "requested.awaiting_approval" == jane.state
    assert 200 == door.fire(jane, "withdraw", jane.actor, sec_fetch_site="same-origin").status_code


def test_rule_30_no_answer_can_be_run_or_framed(door, jane):
    """Good answers, problems and faults carry the strict policy."""
    jane.registered()
    for answer in (
        door.get("/instances", jane.actor),
        door.get("/instances", None),
        door.get("/nowhere", jane.actor),
        door.client.get("/openapi.json"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert ("nosniff", "DENY") == (answer.headers["x-content-type-options"], answer.headers["x-frame-options"])


def test_rule_31_pages_of_the_request_cannot_be_skipped_reordered_or_forged(door, jane):
    """Each page is a state: another page's event is 409; values that do not belong together are 422, each named."""
    jane.enrolled().sign_in_freshly().fire("begin_request")
    for event, payload in (
        ("choose_organisation", ERKNET),
        ("choose_profiles", {"profiles": ["HP"]}),
        ("submit_request", {"comments": "x"}),
    ):
        problem(door.fire(jane, event, jane.actor, payload), 409, "wrong-state")
    assert 200 == door.fire(jane, "choose_application", jane.actor, {"application": "CPMS"}).status_code
    for forged in ({"network": "EYE"}, {"country": "FR"}, {"centre": "nowhere"}):
        said = problem(door.fire(jane, "choose_organisation", jane.actor, {**ERKNET, **forged}), 422, "invalid")
        assert {"centre"} == {reason["field"] for reason in said["reasons"]}
    assert 200 == door.fire(jane, "choose_organisation", jane.actor, ERKNET).status_code
    problem(door.fire(jane, "choose_profiles", jane.actor, {"profiles": ["ADMIN"]}), 422, "invalid")
    said = problem(door.fire(jane, "choose_profiles", jane.actor, {"profiles": ["HP"], "network": "EYE"}), 422, "invalid")
    assert ["unknown_value"] == codes(said)


def test_rule_32_every_door_of_an_instance_is_closed_to_strangers(house, door, jane):
    """Each address, for each stranger, gives what an id gives that was never made; nothing of the person leaves."""
    jane.requested()
    john = house.person().enrolled()
    never = "x" * len(jane.id)
    for actor in (EVE, LEA, john.actor, Actor.of("former-tess"), Actor.of("visitor"), Actor.of("applicant", "applicant")):
        for path in ("", "?personal=true", "/may", "/may?event=approve", "/history"):
            found, nothing = (door.get(f"/instances/{id_}{path}", actor) for id_ in (jane.id, never))
            assert (404, nothing.content, dict(nothing.headers)) == (found.status_code, found.content, dict(found.headers))
        for event, payload in (("approve", {"rationale": "x"}), ("withdraw", {}), ("sign_in", {}), ("nothing", {}), ("remind", {})):
            answer = door.fire(jane, event, actor, payload)
            if event != "sign_in":  # needs no identity: its own refusal is its answer
                assert 404 == answer.status_code
            assert [] == [word for word in (*PERSONAL, jane.state, jane.subject) if word in answer.text]
        for path in ("/instances", "/work"):
            assert jane.id not in door.get(path, actor, limit=200).text
    assert "requested.awaiting_approval" == jane.state


def test_rule_32_personal_values_are_for_whom_they_are_given(house, door, jane):
    """Neither reading nor listing, work, verdicts or histories show one to anybody but the person, who must ask for them."""
    jane.requested()
    for actor in (TESS, HAL, AUDITOR, jane.actor):
        for path in (
            f"/instances/{jane.id}",
            f"/instances/{jane.id}/history?limit=200",
            f"/instances/{jane.id}/may",
            "/instances",
            "/work",
        ):
            text = door.get(path, actor).text
            assert [] == [word for word in PERSONAL if word in text], path
        assert (actor is jane.actor) == (200 == door.get(f"/instances/{jane.id}", actor, personal="true").status_code)


def test_rule_32_a_role_change_bites_at_once(house, door, jane):
    """With the next request, and an answer under an idempotency key is not given again to who lost the role."""
    jane.requested()
    assert 200 == door.fire(jane, "ask_information", TESS, {"question": "Which clinic?"}, idempotency_key="k").status_code
    assert 200 == door.get(f"/instances/{jane.id}", TESS).status_code
    door.people["tess"] = Actor.of("tess")
    assert 404 == door.get(f"/instances/{jane.id}", TESS).status_code
    assert 404 == door.fire(jane, "ask_information", TESS, {"question": "Which clinic?"}, idempotency_key="k").status_code
    assert jane.id not in door.get("/instances", TESS).text + door.get("/work", TESS).text


def test_rule_33_nobody_decides_on_the_own_request_through_the_api(house, door, jane):
    """Not with the role, not through a deputy, and nobody in two stages; `may` and the queue say the same."""
    jane.requested()
    double = Actor.of(jane.subject, "network_team:ERKNet")
    assert "own_request" in codes(problem(door.fire(jane, "approve", double, {"rationale": "x"}), 403, "forbidden"))
    assert "approve" not in door.get("/work", double).text
    house.engine.delegate(deputy_of(jane.subject, "tom", now=house.clock.now()), actor=jane.actor)
    assert ["deputy_of_subject"] == codes(problem(door.fire(jane, "approve", TOM, {"rationale": "x"}), 403, "forbidden"))
    assert 200 == door.fire(jane, "approve", TESS, {"rationale": "x"}).status_code
    door.people["tess"] = Actor.of("tess", "network_team:ERKNet", "helpdesk")
    assert ["two_stages"] == codes(problem(door.fire(jane, "create_account", TESS, {"rationale": "x"}), 403, "forbidden"))


def test_rule_37_a_rationale_is_required_through_the_api(door, jane):
    """Missing, empty or not text: 422, with its name."""
    jane.requested()
    for payload in ({}, {"rationale": ""}, {"rationale": None}, {"rationale": ["x"]}, {"rationale": {"x": 1}}):
        said = problem(door.fire(jane, "approve", TESS, payload), 422, "invalid")
        assert ["rationale"] == [reason["field"] for reason in said["reasons"]]


def test_rule_38_deadlines_links_and_stages_hold_at_the_api(house, door, jane):
    """A dead link is dead, events of the engine are the engine's, whoever asks, and what was refused changed nothing."""
    jane.registered()
    house.clock.advance("PT5M")
    form = jane.password_form()
    problem(door.fire(jane, "set_password", jane.actor, form), 409, "wrong-state")
    for actor in (jane.actor, HAL, Actor.of("ada", "administrator"), Actor.of("engine")):
        for event in ("password_link_mailed", "link_expired", "subject_erased", "account_created"):
            answer = door.fire(jane, event, actor)
            assert answer.status_code in {403, 404}
    assert ["register", "password_link_mailed", "link_expired"] == jane.events


def test_rule_20_a_key_does_not_make_a_wrong_secret_right(house, door, jane):
    """The answer to a right password is not given again to a wrong one under the same key, nor to one without a code."""
    jane.enrolled()
    house.clock.advance("PT30S")
    good = {"password": jane.password, "method": "totp", "code": jane.totp_code}
    assert 200 == door.fire(jane, "sign_in_two_factor", jane.actor, good, idempotency_key="k").status_code
    again = door.fire(jane, "sign_in_two_factor", jane.actor, good, idempotency_key="k")
    assert (200, True) == (again.status_code, again.json()["is_repeat"])
    for wrong in ({**good, "password": "x"}, {**good, "code": "000000"}, {**good, "code": ""}):
        problem(door.fire(jane, "sign_in_two_factor", jane.actor, wrong, idempotency_key="k"), 422, "invalid")


@pytest.mark.parametrize("character", ["\r", "\n", "\r\n", "\x00", "\x0b", "\x85"])
def test_rule_39_line_breaks_and_nul_are_refused_at_the_api(door, jane, character):
    """In a payload they are named as faults of their field; in a header they come from nobody."""
    door.people["new"] = Actor.of("new")
    form = {**jane.form, "first_name": f"Jane{character}Bcc: all@example.org"}
    answer = door.client.post("/definitions/cpms-access/instances", json=form, headers={"Authorization": "Bearer new"})
    assert ["first_name"] == [reason["field"] for reason in problem(answer, 422, "invalid")["reasons"]]


def test_rule_43_size_depth_and_lengths_are_limited(house, jane):
    """What is too large is not read to its end, what is too deep is not parsed, what is too long is named."""
    jane.requested()
    door = Door(house, payload=Limits(payload_bytes=10_000, payload_depth=3))
    headers = {"Authorization": "Bearer tess", "Content-Type": "application/json"}
    path = f"/instances/{jane.id}/events/approve"
    for body, code, kind in (
        (b'{"rationale": "' + b"x" * 10_000 + b'"}', 413, "too-large"),
        (b'{"rationale": [[[1]]]}', 400, "malformed"),
        (b"[" * 10_000, 400, "malformed"),
        (b'{"rationale": "' + b"x" * 4_001 + b'"}', 422, "invalid"),
        (b'{"rationale": "x", ' + b", ".join(b'"n%d": 1' % number for number in range(500)) + b"}", 422, "invalid"),
    ):
        assert len(problem(door.client.post(path, content=body, headers=headers), code, kind)["reasons"]) <= 21
    assert "requested.awaiting_approval" == jane.state


def test_rule_44_every_decision_at_the_api_is_an_entry(door, jane):
    """Who, what, outcome and reasons, of the accepted and of the refused, also of those who were told that there is nothing."""
    jane.requested()
    before = len(jane.said)
    for actor in (EVE, jane.actor, TESS):
        door.fire(jane, "approve", actor, {"rationale": "x"})
    found = [(said["kind"], said["actor"], [reason["code"] for reason in said.get("reasons", ())]) for said in jane.said[before:]]
    assert [
        ("event:refused", "eve", ["role_missing"]),
        ("event:refused", jane.subject, ["role_missing", "own_request"]),
        ("event:accepted", "tess", []),
    ] == found


def test_rule_12_whoever_asks_too_often_waits(house, jane):
    """Starts and events are counted by actor and, of those who are not known, by address."""
    jane.registered()
    door = Door(house, identify=lambda _: None, allow_anonymous=True, limits=RateLimits(anonymous="3/minute"))
    path = f"/instances/{jane.id}/events/sign_in"
    answers = [door.client.post(path, json={"password": "x"}) for _ in range(4)]
    assert [429] == [answer.status_code for answer in answers if answer.status_code == 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
