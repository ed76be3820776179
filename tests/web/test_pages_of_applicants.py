"""The applicant's pages one by one, without a browser: what each says, where it leads, and what it does when something is not there."""

from __future__ import annotations

import pytest

from tests.support.door import Door
from tests.support.onboarding import ADMIN, ERKNET, HAL, NUMBER, PASSWORD, TESS, House, Onboarding
from workflow.web import back_office
from workflow.web.limits import Limiter

NEW = "hBJhGXJwf."
UNLIMITED = dict.fromkeys(Limiter().rates, "100000/minute")


def texts(answer: object) -> str:
    """The page's text on one line."""
    return " ".join(answer.text.split())  # type: ignore[attr-defined]  # an answer of the client


def enrol_phone(door: Door, jane: Onboarding) -> None:
    jane.with_password()
    door.post("/sign-in", name=jane.email, password=PASSWORD, method="password")
    assert "/account/phone/code" == door.post("/account/phone", phone=NUMBER).headers["location"]
    door.house.drain()
    assert "/account/factor-added" == door.post("/account/phone/code", code=door.house.texts.newest_code()).headers["location"]
    assert "registered" in door.client.get("/account/factor-added").text


def test_a_phone_is_added_used_and_removed(door: Door, jane: Onboarding) -> None:
    """From the number to the sign-in by its code, and away again; pages that have nothing to do lead on."""
    enrol_phone(door, jane)
    answer = door.post("/sign-in", name=jane.email, password=PASSWORD, method="sms")
    door.house.drain()
    assert "/sign-in/code" == answer.headers["location"]
    assert "/account" == door.post("/sign-in/code", code=door.house.texts.newest_code()).headers["location"]
    assert "/account" == door.client.get("/account/phone/code").headers["location"]
    assert 404 == door.client.get("/account/remove/totp").status_code
    removed = door.post("/account/remove/phone")
    assert "/account" == removed.headers["location"]
    assert "is removed" in door.client.get("/account").text
    assert "/account" == door.client.get("/account/authenticator/code").headers["location"]
    assert "/account/device" == door.client.get("/account/device/scan").headers["location"]


def test_the_app_is_connected_page_by_page(door: Door, jane: Onboarding) -> None:
    """The QR code is shown until it was scanned, then the page waits for the confirmation, then it leads on."""
    jane.with_password()
    door.post("/sign-in", name=jane.email, password=PASSWORD, method="password")
    assert 422 == door.post("/account/device", device_name="", pin="1", pin_confirm="1").status_code
    assert "/account/device/scan" == door.post("/account/device", device_name="Phone", pin="4711", pin_confirm="4711").headers["location"]
    page = door.client.get("/account/device/scan").text
    assert "<svg" in page
    phone = f"/phone/{jane.id}"
    scanned = page.partition('id="qr-text">')[2].partition("<")[0]
    assert phone == door.post(phone, do="initialise", scanned=scanned, pin="4711").headers["location"]
    door.house.drain()
    assert "The phone knows the code" in door.client.get("/account/device/scan").text
    push = jane.newest_push
    assert phone == door.post(phone, do="confirm", push=push).headers["location"]
    asked = door.client.get("/account/device/scan", headers={"HX-Request": "true"})
    assert (200, "/account/factor-added") == (asked.status_code, asked.headers["hx-redirect"])
    assert 404 == door.post(phone, do="dance").status_code


def test_a_notification_is_answered_on_the_phone(door: Door, jane: Onboarding) -> None:
    """The page waits, the wrong PIN is told on the phone, the right one lets the page go on; the QR code works without a connection."""
    jane.with_password().signed_in().enrol_device()
    door.parts.development.phones[jane.subject] = jane.phone  # type: ignore[union-attr]  # the house's stand-ins
    assert "/sign-in/waiting" == door.post("/sign-in", name=jane.email, password=PASSWORD, method="push").headers["location"]
    assert "Look at your phone" in door.client.get("/sign-in/waiting").text
    door.house.drain()
    phone = f"/phone/{jane.id}"
    wrong = door.post(phone, do="sign_in", push=jane.newest_push, pin="0000")
    assert (422, True) == (wrong.status_code, "The PIN is not right" in wrong.text)
    assert 303 == door.post(phone, do="sign_in", push=jane.newest_push, pin="4711").status_code
    assert "/account" == door.client.get("/sign-in/waiting").headers["location"]
    door.post("/sign-in", name=jane.email, password=PASSWORD, method="qr")
    page = door.client.get("/sign-in/code").text
    shown = door.post(phone, do="scan", scanned=page.partition('id="qr-text">')[2].partition("<")[0]).text
    code = shown.partition('id="app-code">')[2].partition("<")[0]
    assert "/account" == door.post("/sign-in/code", code=code).headers["location"]
    door.post("/sign-in", name=jane.email, password=PASSWORD, method="qr")
    door.house.clock.advance("PT9M59S")
    assert 200 == door.client.get("/sign-in/code").status_code


def test_an_authenticator_app_is_added_beside_another_factor(door: Door, jane: Onboarding) -> None:
    """Somebody with a phone adds an app after a sign-in with two factors and stays signed in; the password is changed likewise."""
    enrol_phone(door, jane)
    door.post("/sign-in", name=jane.email, password=PASSWORD, method="password")
    for path in ("/account/authenticator", "/account/password", "/account/device"):
        assert "/sign-in" in door.client.get(path).headers["location"]
    door.post("/sign-in", name=jane.email, password=PASSWORD, method="sms")
    door.house.drain()
    door.post("/sign-in/code", code=door.house.texts.newest_code())
    assert "/account/authenticator/code" == door.post("/account/authenticator").headers["location"]
    page = door.client.get("/account/authenticator/code").text
    jane.scan_authenticator()
    assert 'id="secret"' in page
    assert "/account" == door.post("/account/authenticator/code", code=jane.totp_code).headers["location"]
    assert "your new second factor is registered" in door.client.get("/account").text
    refused = door.post("/account/password", password="wrong", new_password=NEW, new_password_confirm=NEW)
    assert (422, True) == (refused.status_code, "present password is not right" in refused.text)
    both = texts(door.post("/account/password", password=PASSWORD, new_password="short", new_password_confirm="other"))
    assert all(words in both for words in ("too short", "The two are not the same."))


def test_a_request_goes_its_way_and_says_where_it_is(door: Door, jane: Onboarding) -> None:
    """Pages back and forth, cancelled, begun again, submitted, answered, withdrawn, asked for again: the status page always says whose turn it is."""
    jane.enrolled().sign_in_freshly()
    door.sign_in(jane)
    page = "/saas/request"
    assert "You have not asked for access yet." in door.client.get("/saas").text
    assert "/saas" == door.client.get("/saas/answer").headers["location"]
    assert "This answer belongs to no page." in door.post(page, answer="dance").text
    assert page == door.post(page, answer="begin_request").headers["location"]
    assert page == door.post(page, answer="choose_application", application="CPMS").headers["location"]
    assert page == door.post(page, answer="go_back").headers["location"]
    assert "/saas" == door.post(page, answer="cancel_request").headers["location"]
    for answer, values in (
        ("begin_request", {}),
        ("choose_application", {"application": "CPMS"}),
        ("choose_organisation", ERKNET),
        ("choose_profiles", {"profiles": "HP"}),
        ("submit_request", {"comments": ""}),
    ):
        assert 303 == door.post(page, answer=answer, **values).status_code
    assert "/saas" == door.client.get(page).headers["location"]
    assert 303 == door.client.get("/cpms/preferences").status_code
    assert 403 == door.client.get("/cpms/home").status_code
    jane.fire("ask_information", TESS, question="At which ward?")
    assert "At which ward?" in door.client.get("/saas").text
    assert "Fill this in" in door.post("/saas/answer", on="/saas", answer="").text
    assert 303 == door.post("/saas/answer", on="/saas", answer="The third one.").status_code
    assert 303 == door.post("/saas/withdraw").status_code
    assert "You withdrew your request" in door.client.get("/saas").text
    twice = door.post("/saas/withdraw")
    assert (422, True) == (twice.status_code, "You withdrew your request" in twice.text)
    assert page == door.post(page, on="/saas", answer="request_again").headers["location"]


def test_a_rejection_tells_its_reason(door: Door, jane: Onboarding) -> None:
    """The applicant reads why; with a weak sign-in the way back to asking again is a stronger one."""
    jane.requested().fire("reject", TESS, rationale="Not known at this centre.")
    door.sign_in(jane, level=1)
    page = door.client.get("/saas").text
    assert "Not known at this centre." in page
    assert "Sign in with two factors to ask again" in page


def test_the_first_login_asks_for_preferences(door: Door, jane: Onboarding) -> None:
    """Nothing else is shown before they are saved; what is wrong is said; later they can be changed."""
    jane.approved().sign_in_freshly()
    door.sign_in(jane)
    assert "/cpms/preferences" == door.client.get("/cpms/home").headers["location"]
    refused = door.post("/cpms/preferences", cpms_role="", thematic_area="eye-anything")
    assert 422 == refused.status_code
    assert all(words in refused.text for words in ("Role: Fill this in.", "Thematic area: "))
    saved = door.post("/cpms/preferences", cpms_role="nurse", thematic_area="erknet-tubular-diseases")
    assert "/cpms/home" == saved.headers["location"]
    assert "Welcome to CPMS, Jane" in door.client.get("/cpms/home").text
    assert (
        "/cpms/home" == door.post("/cpms/preferences", cpms_role="clinician", thematic_area="erknet-tubular-diseases").headers["location"]
    )


def test_links_say_one_moment_and_are_asked_for_again(door: Door, jane: Onboarding) -> None:
    """Before the mail server took the mail the link says so; a dead link's form for a password leads to the form for a new link."""
    jane.register()
    vault = door.house.vault
    early = vault.link_token(purpose="password", definition="cpms-access", instance=jane.id, subject=jane.subject, serial=1)
    assert "<h1>One moment" in door.client.get(f"/links/{early}").text
    door.house.drain()
    assert early == jane.token
    path = f"/links/{early}"
    door.house.wait("PT5M")
    token = door.token(path)
    assert "This link cannot be used any more" in door.client.post(path, data={"form_token": token, "password": NEW}).text
    assert "This link cannot be used any more" in door.client.post("/links/nonsense", data={"form_token": token, "password": NEW}).text
    asked = door.client.post(path, data={"form_token": token, "username": jane.username})
    assert "/link-requested" == asked.headers["location"]
    newest = [message for message in door.house.outbox(jane.id) if message.effect.name == "password_link"][-1]
    assert "queued" == newest.state
    unknown = f"/links/k.password.{'a' * 22}.1.{'b' * 43}"
    assert "/link-requested" == door.client.post(unknown, data={"form_token": token, "username": "nobody"}).headers["location"]


def test_a_closed_erased_or_foreign_session_asks_for_a_sign_in(door: Door, jane: Onboarding) -> None:
    """A session whose onboarding is gone, or is somebody else's, is nobody's."""
    jane.with_password()
    paul = door.house.person().with_password()
    assert door.parts.sessions is not None
    for instance in ("nothing", paul.id):
        session = door.parts.sessions.open(
            jane.subject, {"kind": "applicant", "instance": instance, "level": 2}, now=door.house.clock.now()
        )
        door.client.cookies.set("__Host-session", session.token, domain="access.test")
        assert "/sign-in" in door.client.get("/account").headers["location"]
        assert door.parts.sessions.read(session.token, now=door.house.clock.now()) is None
    door.sign_in(jane)
    door.house.engine.erase(jane.subject, basis="asked for it", actor=ADMIN)
    assert "/sign-in" in door.client.get("/account").headers["location"]


def test_limits_are_told_in_words(house: House, jane: Onboarding) -> None:
    """Too many pages, forms, sign-ins, codes and links are each a page that says to wait."""
    jane.enrolled()
    few = Door(house, limiter=Limiter(rates=UNLIMITED | {"page": "3/minute"}))
    assert [200, 200, 200, 429] == [few.client.get("/").status_code for _ in range(4)]
    assert "60" == few.client.get("/").headers["retry-after"]
    few = Door(house, limiter=Limiter(rates=UNLIMITED | {"sign-in": "1/minute"}))
    codes = [few.post("/sign-in", name=jane.email, password="wrong", method="totp") for _ in range(2)]
    assert [303, 422] == [answer.status_code for answer in codes]
    assert "too many attempts" in codes[1].text
    codes = [few.post("/sign-in/code", code="1") for _ in range(2)]
    assert "too many attempts" in codes[1].text
    few = Door(house, limiter=Limiter(rates=UNLIMITED | {"push": "1/hour"}))
    pushes = [few.post("/sign-in", name="nobody@clinic.example", password="x", method="push").text for _ in range(2)]
    assert ["too many attempts" in text for text in pushes] == [False, True]


def test_a_reader_chooses_language_and_zone(door: Door) -> None:
    """The choice is kept in cookies, is a known one, and leads back to a page of ours only."""
    here = {"on": "/help", "language": "fr", "zone": "Europe/Lisbon"}
    assert "/help" == door.post("/preferences", here="/help", **here).headers["location"]
    page = door.client.get("/help").text
    assert '<html lang="fr"' in page
    assert "Europe/Lisbon" in page
    assert "/" == door.post("/preferences", here="//evil.example", on="/help", language="xx", zone="Mars/Olympus").headers["location"]
    assert '<html lang="fr"' in door.client.get("/help").text


def test_texts_and_mails_are_shown_while_developing_and_never_otherwise(door: Door, jane: Onboarding) -> None:
    """The mailbox shows what was sent, to whom one asks for; a phone belongs to an account; outside development none of it is there."""
    jane.registered()
    assert jane.token in door.client.get("/mailbox").text
    assert jane.token not in door.client.get("/mailbox?to=nobody@clinic.example").text
    assert f"/phone/{jane.id}" == door.post("/phone", name=jane.username).headers["location"]
    assert 422 == door.post("/phone", name="").status_code
    real = Door(door.house, development=None)
    for path in ("/phone", f"/phone/{jane.id}", "/mailbox"):
        assert 404 == real.client.get(path).status_code


@pytest.mark.parametrize("path", ["/account", "/saas", "/saas/request", "/cpms/home", "/account/phone/code", "/sign-in/code"])
def test_whoever_is_not_signed_in_is_sent_to_the_sign_in(door: Door, path: str) -> None:
    """And comes back to where they wanted to go."""
    answer = door.client.get(path)
    if path == "/sign-in/code":
        assert "The time for this sign-in is over." in answer.text
    else:
        assert f"/sign-in?next={path}" == answer.headers["location"]


def test_signing_out_ends_at_a_page_that_says_so(door: Door, jane: Onboarding) -> None:
    """Nobody is signed in any more, and signing out twice is no fault."""
    jane.with_password()
    door.sign_in(jane, level=1)
    assert "/signed-out" == door.post("/sign-out", on="/account").headers["location"]
    assert "/signed-out" == door.post("/sign-out", on="/signed-out").headers["location"]
    assert 200 == door.client.get("/signed-out").status_code
    assert "/sign-in" in door.client.get("/account").headers["location"]


def test_retired_text_messages_lead_to_another_factor_and_no_further(door: Door, jane: Onboarding) -> None:
    """Whoever has text messages only and signs in with them after they were retired may add a factor, and nothing else."""
    enrol_phone(door, jane)
    jane.fire("retire_sms", HAL)
    door.post("/sign-in", name=jane.email, password=PASSWORD, method="sms")
    door.house.drain()
    assert "/account" == door.post("/sign-in/code", code=door.house.texts.newest_code()).headers["location"]
    assert "/sign-in" in door.client.get("/saas/request").headers["location"]


def test_the_package_gives_its_public_names_and_no_others() -> None:
    """What `workflow.web` promises is there on first use; anything else is an error that names it."""
    from workflow import web  # noqa: PLC0415  # the module is what is tested

    assert back_office is web.back_office
    assert all(getattr(web, name) is not None for name in web.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = web.nothing


def test_a_reader_without_a_catalogue_gets_english(door: Door) -> None:
    """A language that is not ours, or a header that is none, reads English."""
    for accepted in ("ja", "de;q=x", "", "*"):
        page = door.client.get("/help", headers={"Accept-Language": accepted}).text
        assert '<html lang="en"' in page
    assert '<html lang="de"' in door.client.get("/help", headers={"Accept-Language": "fr;q=0.2, de-AT;q=0.9"}).text
