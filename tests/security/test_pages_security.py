"""Security rules as the pages keep them; each test is named after its number."""

from __future__ import annotations

import logging
import re
import statistics
import threading
import time

import pytest

from tests.support.door import Door
from tests.support.live import HouseStandIns
from tests.support.onboarding import ADMIN, ERKNET, EVE, PASSWORD, TESS, House
from workflow.web.limits import Limiter

BASE = "https://access.test"
DEAD = f"/links/k.password.{'a' * 22}.1.{'b' * 43}"
PAGES = ("/", "/register", "/sign-in", "/cpms", "/help", DEAD, "/office/sign-in", "/nothing")


@pytest.fixture
def door(house: House) -> Door:
    """The site of the house."""
    return Door(house)


def shown(answer) -> str:
    """What a page says, without tokens that differ every time."""
    return re.sub(r'name="form_token" value="\w+"', "", answer.text)


def test_rule_05_get_and_head_of_a_link_change_nothing(door, jane):
    """HEAD, GET and GET again, as mail scanners do, leave history, link and mails as they were."""
    path = f"/links/{jane.registered().token}"
    before, mails = jane.instance, len(jane.subjects)
    for _ in range(3):
        assert 200 == door.client.get(path).status_code
        assert door.client.head(path).status_code == 200
    door.house.drain()
    assert (before.version, mails) == (jane.instance.version, len(jane.subjects))
    assert 303 == door.post(path, password=PASSWORD, password_confirm=PASSWORD).status_code


def test_rule_06_an_expired_a_foreign_and_an_invented_link_lead_to_the_same_page(door, jane):
    """Same code and same words, but for the address of the form itself."""
    path = f"/links/{jane.registered().token}"
    door.house.wait("PT5M")
    pages = {shown(door.client.get(one)).replace(one, "") for one in (path, DEAD, "/links/nonsense")}
    assert 1 == len(pages)


def test_rule_06_asking_for_a_new_link_answers_alike_for_known_and_unknown_names(house, jane):
    """Same code, place and least time, whether the username is right, wrong, or the link invented."""
    door = Door(house, answer_floor_seconds=0.3)
    path = f"/links/{jane.registered().token}"
    house.wait("PT5M")
    answers = []
    for link, name in ((path, "n00nobody"), (DEAD, jane.username), (path, jane.username)):
        token = door.token(link)
        began = time.monotonic()
        answer = door.client.post(link, data={"form_token": token, "username": name})
        answers.append((answer.status_code, answer.headers["location"], time.monotonic() - began >= 0.3))
    assert [(303, "/link-requested", True)] * 3 == answers


def test_rule_06_registering_and_signing_in_do_not_tell_who_has_an_account(house, jane):
    """Known and unknown addresses get the same page, and the medians of their times differ by less than a tenth of the least time."""
    door = Door(house, answer_floor_seconds=0.25)
    jane.with_password()
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    pages = set()
    for _ in range(5):
        for kind, name in (("known", jane.email), ("unknown", "nobody@clinic.example")):
            token = door.token("/sign-in")
            began = time.monotonic()
            answer = door.client.post("/sign-in", data={"form_token": token, "name": name, "password": "wrong", "method": "sms"})
            times[kind].append(time.monotonic() - began)
            pages.add((answer.status_code, shown(answer).replace(name, "")))
    assert 1 == len(pages)
    assert abs(statistics.median(times["known"]) - statistics.median(times["unknown"])) < 0.1
    form = {**jane.form, "privacy_accepted": "yes"}
    again = [door.post("/register", **{**form, "email": mail, "email_confirm": mail}) for mail in (jane.email, "new@clinic.example")]
    assert [(303, "/registered")] * 2 == [(one.status_code, one.headers["location"]) for one in again]


def test_rule_06_the_page_for_the_code_does_not_tell_who_has_an_account(door, jane):
    """By authenticator app password and code are judged together: unknown name, account without one, wrong password, wrong and used code."""
    paul = door.house.person().with_password()
    jane.enrolled().sign_in_freshly()
    tries = [(name, password, "000000") for name in ("no@clinic.example", paul.email, jane.email) for password in (PASSWORD, "wrong")]
    pages = set()
    for name, password, code in [*tries, (jane.email, PASSWORD, jane.totp_code), (jane.email, "wrong", jane.totp_code)]:
        door.post("/sign-in", name=name, password=password, method="totp")
        answer = door.post("/sign-in/code", code=code)
        pages.add((answer.status_code, shown(answer).replace(code, "")))
    assert 1 == len(pages)
    assert "The password or the code is not right." in answer.text


def test_rule_09_pages_are_not_cached_and_tell_no_other_site_where_one_came_from(door):
    """No page may be kept by a browser or proxy, and no address is passed on."""
    for path in PAGES:
        headers = door.client.get(path).headers
        assert ("no-store", "no-referrer") == (headers["cache-control"], headers["referrer-policy"])


def test_rule_09_no_token_is_logged(door, jane, caplog):
    """Opening and using a link writes its token to no log."""
    caplog.set_level(logging.DEBUG)
    token = jane.registered().token
    door.client.get(f"/links/{token}")
    door.post(f"/links/{token}", password="short", password_confirm="short")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("workflow")]
    assert not [said for said in ours if token in said]


def test_rule_10_no_address_on_a_page_comes_from_the_request(door, jane):
    """A forged Host or X-Forwarded-Host is found on no page and in no mail."""
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for path in PAGES:
        assert "evil.example" not in door.client.get(path, headers=evil).text
    jane.registered()
    assert "evil.example" not in jane.mail.text


def test_rule_11_choosing_a_password_signs_nobody_in(door, jane):
    """After the password was set by the link the account's pages still ask for a sign-in."""
    door.post(f"/links/{jane.registered().token}", password=PASSWORD, password_confirm=PASSWORD)
    assert "/sign-in" in door.client.get("/account").headers["location"]


def test_rule_12_registrations_and_links_are_limited_by_address(house):
    """The twenty-first registration in an hour from one address is not taken."""
    door = Door(house, limiter=Limiter())
    codes = [door.post("/register", first_name="J").status_code for _ in range(21)]
    last = door.post("/register", first_name="J")
    assert {422} == set(codes)
    assert "too many attempts" in last.text


def test_rule_28_a_sign_in_makes_a_new_session_and_signing_out_ends_it_on_the_server(door, jane):
    """The cookie changes with the sign-in, and the old one opens nothing after signing out, for whoever holds it."""
    jane.with_password()
    signed = door.post("/sign-in", name=jane.email, password=PASSWORD, method="password")
    assert 303 == signed.status_code
    first = door.client.cookies["__Host-session"]
    again = door.post("/sign-in", on="/account", name=jane.email, password=PASSWORD, method="password")
    second = door.client.cookies["__Host-session"]
    assert 303 == again.status_code
    assert first != second
    thief = door.another()
    thief.cookies.set("__Host-session", first, domain="access.test")
    assert "/sign-in" in thief.get("/account").headers["location"]
    door.post("/sign-out", on="/account")
    thief.cookies.set("__Host-session", second, domain="access.test")
    assert "/sign-in" in thief.get("/account").headers["location"]


def test_rule_28_a_changed_password_ends_every_other_session(door, jane):
    """Whoever was signed in elsewhere is signed out by a change of the password."""
    jane.enrolled().sign_in_freshly()
    elsewhere = door.another()
    door.sign_in(jane, client=elsewhere)
    door.sign_in(jane)
    assert 200 == elsewhere.get("/account").status_code
    changed = door.post("/account/password", password=PASSWORD, new_password="hBJhGXJwf.", new_password_confirm="hBJhGXJwf.")
    assert 303 == changed.status_code
    assert 200 == door.client.get("/account").status_code
    assert 303 == elsewhere.get("/account").status_code


def test_rule_28_a_session_ends_when_nobody_uses_it(door, jane):
    """After half an hour without a page the sign-in is over."""
    jane.with_password()
    door.sign_in(jane, level=1)
    assert 200 == door.client.get("/account").status_code
    door.house.clock.advance("PT30M")
    assert 303 == door.client.get("/account").status_code


def test_rule_28_a_dump_of_the_sessions_signs_nobody_in(door, jane):
    """The store has the digest of a session's token and sealed contents, and neither the token nor what it says."""
    jane.with_password()
    token = door.sign_in(jane)
    with door.house.engine.store.engine.connect() as connection:
        rows = repr(connection.exec_driver_sql("SELECT * FROM workflow_sessions").fetchall())
    assert token not in rows
    assert jane.id not in rows


def test_rule_29_only_a_post_with_the_pages_own_token_changes_anything(door, jane):
    """Without the token, with another visit's token, or from another site a form is refused and nothing happens."""
    jane.requested()
    door.sign_in(jane)
    other = door.another()
    foreign = door.token("/sign-in", other)
    own = door.token("/saas/withdraw")
    before = jane.instance.version
    refused = [
        door.client.post("/saas/withdraw", data={"do": "withdraw"}),
        door.client.post("/saas/withdraw", data={"form_token": foreign}),
        door.client.post("/saas/withdraw", data={"form_token": own}, headers={"Sec-Fetch-Site": "cross-site"}),
        door.client.post("/saas/withdraw", data={"form_token": own}, headers={"Origin": "https://evil.example"}),
    ]
    assert {403} == {answer.status_code for answer in refused}
    assert before == jane.instance.version
    assert 303 == door.client.post("/saas/withdraw", data={"form_token": own}).status_code


def test_rule_29_cookies_are_for_the_server_only(door, jane):
    """Cookies are secure, unreadable for scripts, sent to our site only, and bound to the host."""
    jane.with_password()
    answers = [door.client.get("/"), door.post("/sign-in", name=jane.email, password=PASSWORD, method="password")]
    cookies = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    assert {"__Host-visit", "__Host-session"} == {cookie.partition("=")[0] for cookie in cookies}
    for cookie in cookies:
        assert {"httponly", "secure", "samesite=lax", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}


def test_rule_30_no_page_runs_or_loads_what_is_not_ours(door):
    """The policy allows files of the site only, nothing inline, and no page to frame ours; no page needs more."""
    for path in PAGES:
        answer = door.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|<style", answer.text)
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', answer.text)


def test_rule_31_pages_of_the_request_cannot_be_skipped_reordered_or_forged(door, jane):
    """An answer to a page that is not the next one changes nothing, and values that do not belong together are refused."""
    jane.enrolled().sign_in_freshly().fire("begin_request")
    door.sign_in(jane)
    for event, values in (
        ("choose_profiles", {"profiles": "HP"}),
        ("submit_request", {}),
        ("choose_organisation", ERKNET),
        ("approve", {"rationale": "x"}),
    ):
        door.post("/saas/request", answer=event, **values)
        assert "mfa_enrolled.application" == jane.state
    door.post("/saas/request", answer="choose_application", application="CPMS")
    forged = door.post("/saas/request", answer="choose_organisation", network="ERKNet", country="BE", centre="eye-de-sample")
    assert (422, "mfa_enrolled.organisation") == (forged.status_code, jane.state)


def test_rule_31_a_sign_in_by_password_alone_asks_for_no_access(door, jane):
    """However lately the owner signed in with two factors elsewhere, a weak session does not reach the request."""
    jane.enrolled().sign_in_freshly()
    door.sign_in(jane, level=1)
    for path in ("/saas/request", "/cpms/home", "/account/password", "/account/remove/totp", "/account/phone"):
        assert "/sign-in" in door.client.get(path).headers["location"]


def test_rule_32_nobody_sees_the_request_of_another_network(door, jane):
    """To a team of another network a request reads like one that does not exist, on every page that takes its id."""
    jane.requested()
    eve, tess = door.staff("eve"), door.staff("tess")
    assert 200 == tess.get(f"/office/requests/{jane.id}").status_code
    for path in (f"/office/requests/{jane.id}", "/office/requests/nothing", f"/office/requests/{jane.id}/bundle"):
        assert 404 == eve.get(path).status_code
    assert jane.id not in eve.get("/office/requests").text
    assert EVE.id in eve.get("/office").text


def test_rule_32_a_role_that_was_taken_away_bites_at_once(door, jane):
    """Whoever loses the role sees nothing from the next page on, without signing in again."""
    jane.requested()
    tess = door.staff("tess")
    assert jane.id in tess.get("/office").text
    stand_ins = door.parts.development
    assert isinstance(stand_ins, HouseStandIns)
    stand_ins.staff["tess"] = ("network_team:EYE",)
    assert jane.id not in tess.get("/office").text
    assert 404 == tess.get(f"/office/requests/{jane.id}").status_code


def test_rule_33_the_applicant_never_decides_at_the_back_office(door, jane):
    """An applicant who holds the approver's role is refused the own request, with the reason on the page."""
    jane.requested()
    stand_ins = door.parts.development
    assert isinstance(stand_ins, HouseStandIns)
    stand_ins.staff[jane.subject] = ("network_team:ERKNet",)
    browser = door.staff(jane.subject)
    path = f"/office/requests/{jane.id}"
    answer = door.post(path, client=browser, do="approve", rationale="It is me.", version=str(jane.instance.version))
    assert 422 == answer.status_code
    assert "Nobody decides on their own request." in answer.text
    assert "requested.awaiting_approval" == jane.state


def test_rule_37_a_rationale_is_required_on_the_page_and_in_bulk(door, jane):
    """An approval without a rationale is refused, one by one and for several at once."""
    jane.requested()
    tess = door.staff("tess")
    single = door.post(f"/office/requests/{jane.id}", client=tess, do="approve", version=str(jane.instance.version))
    bulk = door.post("/office/decide", on="/office", client=tess, instance=jane.id, event="approve")
    assert (422, "requested.awaiting_approval") == (single.status_code, jane.state)
    assert "not done" in bulk.text


def test_rule_38_two_approvers_at_once_decide_once(door, jane):
    """Of two people who press the button in the same moment one decides, and the other is told."""
    jane.requested()
    browsers = [door.staff("tess"), door.staff("tom")]
    path, version = f"/office/requests/{jane.id}", str(jane.instance.version)
    tokens = [door.token(path, browser) for browser in browsers]
    answers: list[int] = []

    def press(number: int) -> None:
        data = {"form_token": tokens[number], "do": "approve", "rationale": "Fine.", "version": version}
        answers.append(browsers[number].post(path, data=data).status_code)

    threads = [threading.Thread(target=press, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == jane.events.count("approve")
    assert sorted(answers) in ([200, 409], [200, 422])


def test_rule_40_what_people_wrote_is_shown_and_never_run(door, jane):
    """Markup in a comment or a name comes out as the text that was typed."""
    evil = "<script>alert(1)</script>{{ 7 * 7 }}"
    jane.requested().fire("ask_information", TESS, question=evil)
    door.sign_in(jane)
    page = door.client.get("/saas").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in page
    assert "<script>alert" not in page


def test_rule_43_forms_are_limited_in_size_and_kind(door):
    """A form that is too long, of another kind, or without a length is refused before it is read."""
    kinds = [
        door.client.post("/register", content=b"x" * 70_000, headers={"Content-Type": "application/x-www-form-urlencoded"}),
        door.client.post("/register", content=b"{}", headers={"Content-Type": "application/json"}),
        door.client.post("/register", data={f"f{number}": "x" for number in range(300)}),
    ]
    assert [413, 415, 400] == [answer.status_code for answer in kinds]


def test_rule_44_reading_personal_data_is_an_entry(door, jane):
    """Who opens the personal data of a request at the back office stands in its history, with the ground that was given."""
    jane.requested()
    tess = door.staff("tess")
    assert "Doe" not in tess.get(f"/office/requests/{jane.id}").text
    opened = door.post(f"/office/requests/{jane.id}", client=tess, do="show_personal", basis="to decide")
    assert "Doe" in opened.text
    assert ("tess", "data:read") == (jane.said[-1]["actor"], jane.said[-1]["kind"])


def test_rule_28_an_erasure_ends_every_session_of_the_subject(door, jane):
    """Whoever was erased is signed in nowhere any more, and no row of theirs is left among the sign-ins."""
    jane.with_password()
    door.sign_in(jane, level=1)
    assert 200 == door.client.get("/account").status_code
    door.house.engine.erase(jane.subject, basis="asked for it", actor=ADMIN)
    assert 303 == door.client.get("/account").status_code
    with door.house.engine.store.engine.connect() as connection:
        assert [] == connection.exec_driver_sql("SELECT * FROM workflow_sessions").fetchall()
