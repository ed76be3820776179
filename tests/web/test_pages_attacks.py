"""Attacks on the pages that a reviewer thought of; each test is one that worked, or would if a rule were forgotten."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from tests.support.live import parts_of
from tests.support.onboarding import HAL, PASSWORD, PHONE, House, Onboarding
from workflow.bootstrap import find_definition, publish, sessions_of
from workflow.engine import Engine
from workflow.errors import SettingsError
from workflow.settings import OidcSettings, Settings
from workflow.states.instance import Actor
from workflow.web.limits import Limiter, account_key, forget_idle
from workflow.web.office.routes import back_office
from workflow.web.oidc import OpenIdProvider
from workflow.web.pages import Room, address_of
from workflow.web.sessions import MemorySessions, Session, Sessions
from workflow.web.site import create_site
from workflow.web.visit import Visit

BASE = "https://access.test"
NEW_PASSWORD = "hBJhGXJwf."
COOKIE = "__Host-session"
QUERIES = {
    "/office": ("definition", "event", "after"),
    "/office/requests": ("q", "definition", "state", "is", "due", "after"),
    "/office/outbox": ("state", "after"),
    "/mailbox": ("to",),
    "/sign-in": ("next",),
}


class Attacker:
    """Browsers without scripts in front of the site."""

    def __init__(self, house: House, **changes: object) -> None:
        self.house = house
        self.parts = replace(parts_of(house, BASE), **changes)
        self.site = create_site(self.parts)

    def browser(self, address: str = "192.0.2.1", *, is_telling: bool = True) -> TestClient:
        """A browser of its own at an address of its own; `is_telling` raises what the server would only log."""
        return TestClient(self.site, base_url=BASE, follow_redirects=False, client=(address, 4000), raise_server_exceptions=is_telling)

    def post(self, browser: TestClient, path: str, *, on: str = "", **values: object):
        """Submit a form that stands on a page."""
        page = browser.get(on or path).text
        token = page.partition('name="form_token" value="')[2].partition('"')[0]
        return browser.post(path, data={"form_token": token, **values})

    def begin(self, browser: TestClient, who: str, method: str, password: str = PASSWORD):
        """Submit the sign-in form."""
        return self.post(browser, "/sign-in", name=who, password=password, method=method)

    def staff(self, who: str) -> TestClient:
        """A browser signed in at the back office."""
        browser = self.browser("192.0.2.99")
        assert 303 == self.post(browser, "/office/sign-in", person=who).status_code
        return browser

    def signed_in(self, who: Onboarding, *, level: int = 2) -> TestClient:
        """A browser with a sign-in that was made now."""
        assert self.parts.sessions is not None
        data = {"kind": "applicant", "instance": who.id, "level": level}
        session = self.parts.sessions.open(who.subject, data, now=self.house.clock.now())
        browser = self.browser()
        browser.cookies.set(COOKIE, session.token, domain="access.test")
        return browser


@pytest.fixture
def jane(house: House) -> Onboarding:
    """Jane, who has not registered yet."""
    return house.person()


@pytest.fixture
def attacker(house: House) -> Attacker:
    """Somebody who means no good."""
    return Attacker(house)


def location(answer) -> str:
    """Where an answer sends the browser."""
    return answer.headers.get("location", "")


# Telling accounts apart


def test_too_many_codes_for_unknown_names_do_not_tell_which_names_are_known(house, jane):
    """Attempts for one unknown name are not counted for another, so a refusal for too many tells nothing about a third name."""
    jane.enrolled()
    attacker = Attacker(house, limiter=Limiter())
    browser = attacker.browser()
    said = {}
    attacker.begin(browser, "nobody@clinic.example", "totp")
    for _ in range(11):
        last = attacker.post(browser, "/sign-in/code", code="000000")
    assert "too many" in last.text
    for name in (jane.email, "else@clinic.example"):
        attacker.begin(browser, name, "totp")
        said[name] = "too many" in attacker.post(browser, "/sign-in/code", code="000000").text
    assert {jane.email: False, "else@clinic.example": False} == said


def test_a_name_without_an_account_is_refused_for_too_many_notifications_like_any_other(house, jane):
    """Known or not, the answers to seven wrong attempts by notification are the same ones in the same order."""
    jane.with_password()
    attacker = Attacker(house, limiter=Limiter())
    answers = {}
    for name in (jane.email, "nobody@clinic.example"):
        browser = attacker.browser()
        answers[name] = ["too many" in attacker.begin(browser, name, "push", "wrong").text for _ in range(7)]
    assert answers[jane.email] == answers["nobody@clinic.example"]
    assert True in answers[jane.email]


def test_nobody_shuts_the_owner_out_by_attempts_from_elsewhere(house, jane):
    """Attempts from one address use up that address's own number for the account, and not the owner's."""
    jane.enrolled()
    attacker = Attacker(house, limiter=Limiter())
    bad = attacker.browser("198.51.100.7")
    attacker.begin(bad, jane.email, "totp", "wrong")
    for _ in range(4):
        attacker.post(bad, "/sign-in/code", code="000000")
    for _ in range(9):
        attacker.begin(bad, jane.email, "push", "wrong")
    house.clock.advance("PT2H")
    owner = attacker.browser("203.0.113.5")
    attacker.begin(owner, jane.email, "totp")
    assert "/account" == location(attacker.post(owner, "/sign-in/code", code=jane.totp_code))


def test_a_name_without_an_account_costs_a_hash_too(house):
    """For an unknown name a password is hashed as for a known one, with each method, so that load does not show the difference."""
    checks = house.engine.parts.checks
    judged = []

    class Counting:
        """The checks of the house, counted."""

        def run(self, seen):
            judged.append(str(seen.use.name))
            return checks.run(seen)

        def __getattr__(self, name):
            return getattr(checks, name)

    parts = replace(house.engine.parts, checks=Counting())
    engine = Engine(parts, house.engine.store)
    attacker = Attacker(house, engine=engine, engine_of=lambda _: _given(engine))
    browser = attacker.browser()
    for method in ("password", "sms", "push", "qr"):
        attacker.begin(browser, "nobody@clinic.example", method)
    attacker.begin(browser, "nobody@clinic.example", "totp")
    attacker.post(browser, "/sign-in/code", code="000000")
    assert ["password"] * 5 == judged


@contextmanager
def _given(engine: Engine) -> Iterator[Engine]:
    yield engine


def test_registering_an_address_again_and_again_never_reads_otherwise(house, jane):
    """Also after the mails for one address have come to their end the answer stays that of the first time."""
    jane.with_password()
    attacker = Attacker(house)
    browser = attacker.browser()
    form = {**jane.form, "privacy_accepted": "yes"}
    answers = [attacker.post(browser, "/register", **form) for _ in range(22)]
    assert {(303, "/registered")} == {(answer.status_code, location(answer)) for answer in answers}


def test_names_that_are_made_up_fill_no_memory():
    """What is counted has one short length whatever was typed, and is forgotten when it is over."""
    limiter = Limiter(rates={"sign-in": "10/second"})
    assert len(account_key("x" * 60_000)) == 32
    limiter.may("sign-in", "somebody")
    storage = limiter.storage
    storage.events = {name: [] for name in storage.events}
    forget_idle(storage)
    assert {} == storage.events


def test_an_ipv6_network_counts_as_one_address():
    """Whoever has one address of a network of 64 bits has all of them; IPv4 is told apart to the last bit."""

    def of(host: str) -> str:
        return address_of(Request({"type": "http", "client": (host, 1), "headers": []}))

    assert of("2001:db8:1:2::1") == of("2001:db8:1:2:ffff::9")
    assert of("2001:db8:1:2::1") != of("2001:db8:1:3::1")
    assert of("192.0.2.1") == of("::ffff:192.0.2.1") != of("192.0.2.2")
    assert of("testclient") == "testclient"


# Sessions


def test_one_kind_of_session_is_no_other(attacker, jane):
    """A sign-in of staff opens no page of applicants, an applicant's no page of staff, and one that is under way neither."""
    jane.enrolled().sign_in_freshly()
    staff = attacker.staff("tess")
    applicant = attacker.signed_in(jane)
    pending = attacker.browser()
    attacker.begin(pending, jane.email, "totp")
    assert all("/sign-in" in location(browser.get("/account")) for browser in (staff, pending))
    assert all("/office/sign-in" in location(browser.get("/office")) for browser in (applicant, pending))


def test_a_password_alone_stays_one_whatever_is_replayed(attacker, jane):
    """Forms that need two factors are refused to a session with one, by every address that takes them, while the owner is signed in."""
    jane.enrolled().sign_in_freshly()
    weak = attacker.signed_in(jane, level=1)
    before = jane.instance.version
    forms = {
        "/account/password": {"password": PASSWORD, "new_password": NEW_PASSWORD, "new_password_confirm": NEW_PASSWORD},
        "/account/phone": {"phone": "+32 470 99 99 99"},
        "/account/phone/code": {"code": "1"},
        "/account/device": {"device_name": "Evil", "pin": "4711", "pin_confirm": "4711"},
        "/account/authenticator": {},
        "/account/authenticator/code": {"code": "1"},
        "/account/remove/totp": {},
        "/saas/request": {"answer": "begin_request"},
        "/saas/withdraw": {},
        "/saas/answer": {"answer": "x"},
        "/cpms/preferences": {"cpms_role": "clinician", "thematic_area": "x"},
    }
    for path, values in forms.items():
        attacker.post(weak, path, on="/register", **values)
        weak = attacker.signed_in(jane, level=1)
    assert before == jane.instance.version


def test_an_old_session_changes_nothing_because_the_owner_signed_in_elsewhere(attacker, house, jane):
    """What changes how the account signs in needs a fresh sign-in of this very session, and not any of the account."""
    jane.enrolled().sign_in_freshly()
    stolen = attacker.signed_in(jane)
    house.clock.advance("PT16M")
    jane.sign_in_freshly()
    for path in ("/account/password", "/account/phone", "/account/device", "/account/authenticator", "/account/remove/totp"):
        assert "/sign-in" in location(stolen.get(path))
    attacker.post(stolen, "/account/remove/totp", on="/register")
    assert jane.credential("totp").is_active
    assert 200 == attacker.signed_in(jane).get("/account/remove/totp").status_code


def test_changing_the_password_makes_no_session_fresh(attacker, house, jane):
    """The new session after a change of the password is as old as the sign-in with two factors was."""
    jane.enrolled().sign_in_freshly()
    browser = attacker.signed_in(jane)
    house.clock.advance("PT14M")
    form = {"password": PASSWORD, "new_password": NEW_PASSWORD, "new_password_confirm": NEW_PASSWORD}
    assert "/account" == location(attacker.post(browser, "/account/password", **form))
    house.clock.advance("PT2M")
    assert "/sign-in" in location(browser.get("/account/phone"))


def test_the_reset_of_a_lost_phone_ends_what_was_signed_in_with_it(attacker, house, jane, tmp_path):
    """Whoever has the phone and is signed in with it is signed in no more once the help desk has removed it, also after a new sign-in."""
    text = find_definition("cpms-access").read_text(encoding="utf-8")
    changed = tmp_path / "cpms-access.yaml"
    switch = "privacy_accepted_at: now, lost_phone_reset_enabled: true}"
    changed.write_text(text.replace("privacy_accepted_at: now}", switch), encoding="utf-8")
    publish(house.engine, changed)
    jane.enrolled().fire("report_lost_phone", HAL, rationale="She called.")
    house.wait("P1D")
    jane.sign_in_freshly()
    thief = attacker.signed_in(jane)
    assert 200 == thief.get("/saas").status_code
    jane.fire("reset_lost_phone", HAL, rationale="She called again.")
    assert "/sign-in" in location(thief.get("/saas"))
    jane.signed_in()
    assert "/sign-in" in location(thief.get("/saas"))


def test_a_session_that_was_ended_does_not_come_back(house, jane):
    """A request that was under way when its session ended writes the session no more, in whichever store."""
    jane.with_password()
    now = house.clock.now()
    for store in (sessions_of(house.engine), MemorySessions()):
        sessions = Sessions(store=store, vault=house.vault)
        session = sessions.open(jane.subject, {"kind": "applicant"}, now=now)
        under_way = sessions.read(session.token, now=now)
        assert isinstance(under_way, Session)
        sessions.end_all(jane.subject)
        sessions.keep(under_way, {"kind": "applicant", "flashes": ["x"]})
        assert sessions.read(session.token, now=now) is None
        again = sessions.open(jane.subject, {"kind": "applicant"}, now=now)
        sessions.keep(again, {"kind": "applicant", "level": 2})
        kept = sessions.read(again.token, now=now + timedelta(minutes=2))
        assert isinstance(kept, Session)
        assert 2 == kept.data["level"]


def test_the_password_of_a_sign_in_under_way_is_gone_after_ten_minutes(attacker, house, jane):
    """However often pages are asked for meanwhile, the row with the sealed password is over after ten minutes."""
    jane.enrolled()
    browser = attacker.browser()
    attacker.begin(browser, jane.email, "totp")
    for _ in range(5):
        house.clock.advance("PT1M59S")
        browser.get("/")
    assert attacker.parts.sessions is not None
    assert attacker.parts.sessions.read(browser.cookies[COOKIE], now=house.clock.now()) is not None
    house.clock.advance("PT5S")
    browser.get("/")
    with house.engine.store.engine.connect() as connection:
        assert [] == connection.exec_driver_sql("SELECT * FROM workflow_sessions").fetchall()


def test_a_new_devices_secret_is_shown_to_nobody_but_who_asked_for_it(attacker, house, jane):
    """While the owner enrols the first factor, somebody else who knows the password sees neither QR code nor secret."""
    jane.with_password()
    owner, thief = attacker.browser(), attacker.browser()
    for browser in (owner, thief):
        assert "/account" == location(attacker.begin(browser, jane.email, "password"))
    assert "/account/authenticator/code" == location(attacker.post(owner, "/account/authenticator"))
    assert "<svg" in owner.get("/account/authenticator/code").text
    assert "/account/authenticator" == location(thief.get("/account/authenticator/code"))
    form = {"device_name": "Phone", "pin": "4711", "pin_confirm": "4711"}
    assert "/account/device/scan" == location(attacker.post(owner, "/account/device", **form))
    assert "<svg" in owner.get("/account/device/scan").text
    assert "/account/device" == location(thief.get("/account/device/scan"))


# Notifications


def with_device(jane: Onboarding) -> Onboarding:
    """Jane with her phone."""
    jane.with_password().signed_in().enrol_device()
    jane.house.clock.advance("PT1M")
    return jane


def test_an_answer_on_the_phone_opens_the_browser_that_asked_and_no_other(attacker, house, jane):
    """Who asked for an earlier notification gets nothing from the answer to a later one; an answer opens one browser."""
    with_device(jane)
    thief, owner = attacker.browser(), attacker.browser()
    assert "/sign-in/waiting" == location(attacker.begin(thief, jane.email, "push"))
    attacker.begin(owner, jane.email, "push")
    house.drain()
    jane.fire("sign_in_by_app", PHONE, **jane.phone.answer_push(jane.newest_push, "4711"))
    assert 200 == thief.get("/sign-in/waiting").status_code
    assert "/account" == location(owner.get("/sign-in/waiting"))
    assert "/sign-in" in location(thief.get("/account"))
    late = attacker.browser()
    attacker.begin(late, jane.email, "push")
    assert 200 == late.get("/sign-in/waiting").status_code


def test_a_notification_that_was_answered_before_the_password_was_changed_opens_nothing(attacker, house, jane):
    """Whoever tricked the owner and has not come in yet does not come in after the owner changed the password."""
    with_device(jane)
    thief = attacker.browser()
    attacker.begin(thief, jane.email, "push")
    house.drain()
    jane.fire("sign_in_by_app", PHONE, **jane.phone.answer_push(jane.newest_push, "4711"))
    jane.fire("change_password", password=PASSWORD, new_password=NEW_PASSWORD, new_password_confirm=NEW_PASSWORD)
    assert 200 == thief.get("/sign-in/waiting").status_code
    assert "/sign-in" in location(thief.get("/account"))


# Forms and addresses


def test_a_form_of_another_kind_than_ours_is_not_read(attacker):
    """A multipart form names encodings of its own, some of which take seconds to read; none of our forms is one."""
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"9" * 60_000 + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x; charset=punycode"
    assert 415 == attacker.browser().post("/register", content=part, headers={"Content-Type": kind}).status_code


def test_a_length_that_is_no_number_is_refused(attacker):
    """A length of digits of another script, or of thousands of digits, is no length."""
    for length in (b"\xb2", b"9" * 5_000):
        headers = {b"Content-Type": b"application/x-www-form-urlencoded", b"Content-Length": length}
        assert 411 == attacker.browser().post("/register", content=b"", headers=headers).status_code


def test_a_host_that_is_none_breaks_no_page(attacker):
    """Pages take nothing from the header with the host, so a broken one changes nothing on them."""
    for host in ("[", "evil.example/account?", "a b"):
        answer = attacker.browser(is_telling=False).get("/account", headers={"Host": host})
        assert (303, "/sign-in?next=/account") == (answer.status_code, location(answer))
        assert 'name="here" value="/help"' in attacker.browser().get("/help", headers={"Host": host}).text


def test_no_way_back_leads_off_the_site(attacker, jane):
    """Whatever stands in the address to go on with, the browser stays here."""
    jane.with_password()
    for path in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "evil",
        "javascript:alert(1)",
        "/\r\nX: y",
    ):
        browser = attacker.browser()
        page = browser.get("/sign-in").text
        token = page.partition('name="form_token" value="')[2].partition('"')[0]
        form = {"form_token": token, "name": jane.email, "password": PASSWORD, "method": "password"}
        assert "/account" == location(browser.post("/sign-in", params={"next": path}, data=form))
        assert "/" == location(attacker.post(browser, "/preferences", on="/help", here=path, language="de"))


# Back office


def test_the_back_office_fires_nothing_that_is_not_its_own(attacker, jane):
    """A sign-in, the answer of a phone, or what the applicant does is fired by no form of the back office, nor by its bulk form."""
    jane.requested()
    tess, path = attacker.staff("tess"), f"/office/requests/{jane.id}"
    before = len(jane.said)
    for event in ("sign_in", "ask_text_code", "sign_in_two_factor", "set_password", "withdraw", "remind", "register", "nonsense"):
        assert 404 == attacker.post(tess, path, do=event, password=PASSWORD, method="totp", code=jane.totp_code).status_code
        attacker.post(tess, "/office/decide", on="/office", instance=jane.id, event=event, password=PASSWORD)
    assert before == len(jane.said)


def test_a_request_that_does_not_exist_stands_in_no_way_of_the_others(attacker, jane):
    """Of several ticked requests an invented one is told as such, and the one that exists is decided."""
    jane.requested()
    tess = attacker.staff("tess")
    page = tess.get("/office").text
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    form = {"form_token": token, "instance": ["", "../../etc", jane.id], "event": "approve", "rationale": "Fine."}
    answer = tess.post("/office/decide", data=form)
    assert (200, 2) == (answer.status_code, answer.text.count("There is no such request."))
    assert "requested.awaiting_account" == jane.state


def test_numbers_and_dates_that_are_none_are_reasons_and_no_faults(attacker, jane):
    """A version of another script is an old version, and a day at the end of the calendar is no day."""
    jane.requested()
    tess = attacker.staff("tess")
    odd = attacker.post(tess, f"/office/requests/{jane.id}", do="approve", rationale="Fine.", version="²")
    assert (409, "requested.awaiting_approval") == (odd.status_code, jane.state)
    for starts, ends in (("2026-01-01", "9999-12-31"), ("0001-01-01", "2026-01-02"), ("x", "y")):
        answer = attacker.post(tess, "/office/delegations", deputy="tom", starts=starts, ends=ends)
        assert 422 == answer.status_code
    assert 200 == attacker.staff("hal").get("/office/outbox?state=%27--").status_code


def test_nobody_ends_somebody_elses_delegation(attacker, house):
    """Only the two people of a delegation end it."""
    tess = attacker.staff("tess")
    day = house.clock.now().date()
    made = attacker.post(tess, "/office/delegations", deputy="tom", starts=day.isoformat(), ends=(day + timedelta(days=3)).isoformat())
    assert 303 == made.status_code
    with house.engine.store.unit() as uow:
        (one,) = uow.load(None, subject="tess").delegations
    assert 422 == attacker.post(attacker.staff("eve"), "/office/delegations", end=one.id).status_code
    with house.engine.store.unit() as uow:
        assert (one,) == uow.load(None, subject="tess").delegations
    assert 303 == attacker.post(attacker.staff("tom"), "/office/delegations", end=one.id).status_code


def numbers(page: str) -> set[str]:
    """The numbers of requests on the page of a definition."""
    return set(re.findall(r">(\d+)<span", page))


def test_who_sees_no_request_learns_no_number_of_them(attacker, jane):
    """Numbers by state count what the reader may see; messages and audit are for those who look after them."""
    jane.requested()
    eve, path = attacker.staff("eve"), "/office/definitions/cpms-access"
    assert {"0"} == numbers(eve.get(path).text)
    assert {"0", "1"} == numbers(attacker.staff("tess").get(path).text)
    for path in ("/office/outbox", "/office/audit"):
        assert 404 == eve.get(path).status_code
    for path in ("/office/outbox", "/office/audit", f"/office/requests/{jane.id}/bundle"):
        assert 404 == attacker.post(eve, path, on="/office", do="verify", message="x").status_code
    found = eve.get("/office/requests", params={"q": jane.email})
    assert 200 == found.status_code
    assert jane.id not in found.text


def test_whom_a_host_lets_in_without_a_role_learns_nothing_of_staff_or_requests(house, jane):
    """In a host's application everybody who is logged in may reach the back office; who holds which role is for staff."""
    jane.requested()
    office = back_office(house.engine, identify=lambda _: Actor.of("somebody"), base_url=BASE)
    browser = TestClient(office, base_url=BASE, follow_redirects=False)
    assert {"0"} == numbers(browser.get("/definitions/cpms-access").text)
    for path in ("/roles", "/outbox", "/audit", f"/requests/{jane.id}"):
        assert 404 == browser.get(path).status_code
    assert jane.id not in browser.get("/requests").text


def test_another_site_neither_begins_a_sign_in_nor_ends_one(house, jane):
    """A link on another site to the provider's sign-in leads to our page for it, and an applicant who is signed in stays so."""
    jane.enrolled().sign_in_freshly()
    settings = OidcSettings(issuer="https://provider.invalid", client_id="c", client_secret="s")
    attacker = Attacker(house, oidc=OpenIdProvider(settings, redirect_uri=f"{BASE}/office/oidc/back"))
    browser = attacker.signed_in(jane)
    answer = browser.get("/office/oidc", headers={"Sec-Fetch-Site": "cross-site"})
    assert (303, "/office/sign-in") == (answer.status_code, location(answer))
    assert 200 == browser.get("/account").status_code


def test_only_named_proxies_are_believed():
    """Proxies are addresses or networks; everybody is none."""
    given = {"WORKFLOW_ENVIRONMENT": "development", "WORKFLOW_TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/24 2001:db8::/32"}
    assert ("10.0.0.5", "10.1.0.0/24", "2001:db8::/32") == Settings.read(given).trusted_proxies
    assert () == Settings.read({"WORKFLOW_ENVIRONMENT": "development"}).trusted_proxies
    for wrong in ("*", "0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1/24"):
        with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
            Settings.read({**given, "WORKFLOW_TRUSTED_PROXIES": wrong})


@pytest.mark.parametrize("odd", ["\x00", "../../etc", "²", "{0}" + "9" * 400])
def test_nothing_that_is_typed_makes_a_page_fail(attacker, jane, caplog, odd):
    """Whatever stands in an address, a query or a form, the answer is a page that says so, and nothing is logged as a fault."""
    jane.requested()
    ada, tess, own, nobody = attacker.staff("ada"), attacker.staff("tess"), attacker.signed_in(jane), attacker.browser()
    for path in ("/office/requests/", "/office/definitions/", "/links/", "/phone/", "/account/remove/", "/"):
        ada.get(path + quote(odd, safe=""))
        own.get(path + quote(odd, safe=""))
    for path, names in QUERIES.items():
        for name in names:
            ada.get(path, params={name: odd})
    attacker.post(ada, "/office/audit", do="export", form="csv", definition=odd, state=odd)
    attacker.post(ada, "/office/outbox", message=odd)
    attacker.post(tess, "/office/delegations", deputy=odd, role=odd, starts="2026-11-01", ends=odd, reason=odd)
    attacker.post(tess, "/office/delegations", end=odd)
    attacker.post(tess, "/office/decide", on="/office", instance=odd, event=odd, rationale=odd)
    attacker.post(tess, f"/office/requests/{jane.id}", do="approve", rationale=odd, version=odd)
    attacker.post(tess, f"/office/requests/{jane.id}", do="show_personal", basis=odd)
    attacker.post(own, "/saas/request", on="/saas", answer="choose_organisation", network=odd, country=odd, centre=odd)
    attacker.post(nobody, "/register", first_name=odd, last_name=odd, email=odd, email_confirm=odd, language=odd)
    attacker.begin(nobody, odd, "sms", odd)
    attacker.post(nobody, "/preferences", on="/help", here=odd, language=odd, zone=odd)
    assert [] == [record.getMessage() for record in caplog.records if record.name.startswith("workflow.web")]


def test_a_character_that_nobody_types_reaches_no_database(attacker):
    """NUL, which PostgreSQL takes in no text, is refused at the door, in addresses as well as in forms."""
    ada = attacker.staff("ada")
    assert 404 == ada.get("/office/requests/a%00b").status_code
    assert 404 == ada.get("/office/requests", params={"q": "a\x00b"}).status_code
    assert 400 == attacker.post(ada, "/office/outbox", message="a\x00b").status_code


# Errors


def failing(visit: Visit):
    """A page with a fault."""
    raise LookupError(visit.path)


def refusing(visit: Visit):
    """A page that is refused something."""
    visit.engine.end_delegation("d-none", actor=Actor.of("eve"))


def test_a_page_that_fails_writes_its_name_to_the_log_and_not_its_address(house, caplog):
    """The address of a link is a secret, also when its page fails."""
    parts = parts_of(house, BASE)
    ended: list[str] = []

    @contextmanager
    def engine_of(_: Request) -> Iterator[Engine]:
        try:
            yield house.engine
        except BaseException:
            ended.append("rolled back")
            raise
        ended.append("committed")

    parts = replace(parts, engine_of=engine_of)
    site = create_site(parts)
    room = Room(parts=parts, system="eulogin")
    site.router.routes.insert(0, room.page("/failing/{token}", failing, name="failing"))
    site.router.routes.insert(0, room.page("/refusing", refusing, name="refusing"))
    browser = TestClient(site, base_url=BASE, follow_redirects=False)
    caplog.set_level(logging.ERROR)
    answer = browser.get("/failing/SECRET")
    assert 500 == answer.status_code
    assert "Traceback" not in answer.text
    (record,) = [one for one in caplog.records if one.name == "workflow.web.pages"]
    assert "SECRET" not in record.getMessage()
    assert 404 == browser.get("/refusing").status_code
    assert ["rolled back", "committed"] == ended
