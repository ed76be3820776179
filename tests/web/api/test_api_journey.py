"""The reference journey through the API alone: from the registration to an account in CPMS, each step as a request."""

from __future__ import annotations

from typing import Any

import pyotp
from starlette.testclient import TestClient

from tests.support.onboarding import ERKNET, EVE, HAL, PASSWORD, TESS, House
from tests.support.web import UNLIMITED, by_token, codes, problem
from workflow.checks import provisioning_uri
from workflow.states.instance import Actor
from workflow.web.api import create_api
from workflow.web.api.problems import WHO

JANE = Actor.of("p-jane")
AUDITOR = Actor.of("otto", "auditor")


class Jane:
    """Jane's own programs, and those of the people who decide: nothing but requests."""

    def __init__(self, house: House) -> None:
        people = {str(actor.id): actor for actor in (JANE, TESS, EVE, HAL, AUDITOR)}
        self.house = house
        self.client = TestClient(create_api(house.engine, identify=by_token(people), limits=UNLIMITED, answer_floor_seconds=0))
        self.id = ""

    def get(self, path: str, actor: Actor = JANE, **params: Any) -> Any:
        answer = self.client.get(path, params=params, headers={"Authorization": f"Bearer {actor.id}"})
        assert 200 == answer.status_code, answer.text
        return answer.json()

    def fire(self, event: str, actor: Actor = JANE, /, **payload: Any) -> Any:
        answer = self.try_to(event, actor, **payload)
        assert 200 == answer.status_code, answer.text
        self.house.drain()
        return answer.json()

    def try_to(self, event: str, actor: Actor = JANE, /, **payload: Any) -> Any:
        return self.client.post(f"/instances/{self.id}/events/{event}", json=payload, headers={"Authorization": f"Bearer {actor.id}"})

    def possible(self, actor: Actor = JANE) -> set[str]:
        """What the API says may be done now."""
        return {one["event"] for one in self.get(f"/instances/{self.id}/may", actor)["events"] if one["verdict"] != "refused"}

    def register(self, form: dict[str, object]) -> None:
        answer = self.client.post("/definitions/cpms-access/instances", json=form, headers={"Authorization": "Bearer p-jane"})
        assert (202, ["receipt"]) == (answer.status_code, list(answer.json()))
        (mine,) = self.get("/instances")["items"]
        self.id = mine["id"]
        self.house.drain()

    def enrol(self, email: str) -> pyotp.TOTP:
        """Choose a password by the mailed link, sign in, and enrol an authenticator app."""
        token = self.house.box.link(email, "/links/").rpartition("/links/")[2]
        self.fire("set_password", token=token, password=PASSWORD, password_confirm=PASSWORD)
        self.fire("sign_in", password=PASSWORD)
        self.fire("add_authenticator")
        with self.house.engine.store.unit() as uow:  # the QR code is shown by a page and is no answer of the API
            credential = next(c for c in uow.load(self.id).credentials if c.kind == "totp")
        totp = pyotp.parse_uri(provisioning_uri(self.house.vault, credential, account=email, issuer="EU Login"))
        assert isinstance(totp, pyotp.TOTP)
        self.fire("confirm_authenticator", code=totp.at(self.house.clock.now()))
        return totp


def test_from_registration_to_preferences(house_on):
    """Every step is offered by `may` before it is fired; two people decide; refusals on the way are told and change nothing."""
    jane = Jane(house_on)
    form = house_on.person().form
    jane.register(form)
    totp = jane.enrol(str(form["email"]))
    house_on.clock.advance("PT30S")
    jane.fire("sign_in_two_factor", password=PASSWORD, method="totp", code=totp.at(house_on.clock.now()))
    reused = problem(
        jane.try_to("sign_in_two_factor", password=PASSWORD, method="totp", code=totp.at(house_on.clock.now())), 422, "invalid"
    )
    wrong = problem(jane.try_to("sign_in_two_factor", password=PASSWORD, method="totp", code="000000"), 422, "invalid")
    assert (codes(reused), reused["detail"]) == (codes(wrong), wrong["detail"])

    assert "begin_request" in jane.possible()
    jane.fire("begin_request")
    skipped = problem(jane.try_to("submit_request", comments="x"), 409, "wrong-state")
    assert ["wrong_state"] == codes(skipped)
    jane.fire("choose_application", application="CPMS")
    forged = problem(jane.try_to("choose_organisation", **{**ERKNET, "country": "FR"}), 422, "invalid")
    assert {"centre"} == {reason["field"] for reason in forged["reasons"]}
    jane.fire("choose_organisation", **ERKNET)
    jane.fire("choose_profiles", profiles=["HP"])
    jane.fire("submit_request", comments="For the new clinic.")

    (row, *_) = jane.get("/work", TESS, event="approve")["items"]
    assert (jane.id, "network_team", "ERKNet") == (row["instance"]["id"], row["role"], row["scope"])
    assert [] == jane.get("/work", EVE)["items"]
    assert {"create_account"}.isdisjoint(jane.possible(HAL))
    problem(jane.try_to("approve", EVE, rationale="x"), 404, "not-found")
    problem(jane.try_to("approve", JANE, rationale="x"), 403, "forbidden")
    jane.fire("approve", TESS, rationale="A member of the network.")
    problem(jane.try_to("create_account", TESS, rationale="x"), 403, "forbidden")
    jane.fire("create_account", HAL, rationale="Approved by the network.")
    approved = jane.get(f"/instances/{jane.id}", personal="true")
    assert ("approved", "Jane", "A member of the network.") == (
        approved["state"],
        approved["personal"]["first_name"],
        approved["personal"]["reason"],
    )

    house_on.clock.advance("PT30S")
    jane.fire("sign_in_two_factor", password=PASSWORD, method="totp", code=totp.at(house_on.clock.now()))
    jane.fire("update_preferences", cpms_role="clinician", thematic_area="erknet-glomerular-diseases")
    assert "success" == jane.get(f"/instances/{jane.id}")["outcome"]
    history = jane.get(f"/instances/{jane.id}/history", AUDITOR, limit=200)
    text = str(history)
    assert [] == [secret for secret in (PASSWORD, str(form["email"]), "A member of the network.", totp.secret) if secret in text]
    assert house_on.engine.history(jane.id)[-1].entry_hash.hex() == history["items"][-1]["hash"]


def test_what_may_refuses_firing_refuses_for_the_same_reasons(house):
    """In every state of the journey, for everybody who sees the request: refused is refused, and what is about the actor is told again."""
    jane = house.person()
    people = {"tess": TESS, "hal": HAL, "otto": AUDITOR, "jane": jane.actor}
    client = TestClient(create_api(house.engine, identify=by_token(people), limits=UNLIMITED))
    judged = 0
    for go_on in (
        jane.registered,
        jane.choose_password,
        jane.signed_in,
        jane.enrol_authenticator,
        jane.sign_in_freshly,
        jane.fill_in,
        jane.submit,
        jane.approve,
    ):
        go_on()
        for who in people:
            headers = {"Authorization": f"Bearer {who}"}
            verdicts = client.get(f"/instances/{jane.id}/may", headers=headers)
            if who == "tess" and "network" not in jane.instance.fields:
                assert 404 == verdicts.status_code
                continue
            for one in verdicts.json()["events"]:
                if one["verdict"] == "refused":
                    answer = client.post(f"/instances/{jane.id}/events/{one['event']}", json={}, headers=headers)
                    assert answer.status_code in {403, 409, 422}, (jane.state, who, one["event"])
                    assert set(codes(one)) & WHO <= set(codes(answer.json())), (jane.state, who, one["event"])
                    judged += 1
    assert judged > 150


def test_the_precise_code_of_a_refusal_is_for_auditors(house):
    """A used code and a wrong one read alike in every answer, the history included; auditors read which it was."""
    jane = house.person().enrolled()
    client = TestClient(create_api(house.engine, identify=by_token({"me": jane.actor, "otto": AUDITOR}), limits=UNLIMITED))
    house.clock.advance("PT30S")
    code = jane.totp_code
    jane.two_factor("totp", code)
    for wrong in (code, "000000"):
        client.post(
            f"/instances/{jane.id}/events/sign_in_two_factor",
            json={"password": jane.password, "method": "totp", "code": wrong},
            headers={"Authorization": "Bearer me"},
        )

    def refused(who):
        items = client.get(f"/instances/{jane.id}/history?limit=200", headers={"Authorization": f"Bearer {who}"}).json()["items"]
        return [item["entry"] for item in items if item["entry"]["kind"] == "event:refused"][-2:]

    used, wrong = refused("me")
    assert used["reasons"] == wrong["reasons"]
    assert all("facts" not in entry and "previous" not in entry for entry in (used, wrong))
    used, wrong = refused("otto")
    assert used["reasons"] != wrong["reasons"]
