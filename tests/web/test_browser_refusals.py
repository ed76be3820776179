"""What goes wrong, as people meet it in a real browser: every refusal says all its reasons, and nothing happens twice."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page

from tests.support.live import LiveSite, Surfer
from tests.support.onboarding import HAL, PASSWORD, TESS, Onboarding
from workflow.web.pages import SESSION_COOKIE

Surfers = Callable[..., Surfer]


def beside(page: Page, name: str) -> list[str]:
    """What is said beside a field. Whoever hears the page is told too: the field is marked, and names what is said about it."""
    found = page.locator(f"p.field-problem[id^='{name}-problem-']")
    texts = [text.removeprefix("Error: ").strip() for text in found.all_inner_texts()]
    field = page.locator(f"#{name}")
    assert texts == [] or field.get_attribute("aria-invalid") == "true"
    assert all(
        identifier in (field.get_attribute("aria-describedby") or "") for identifier in found.evaluate_all("es => es.map(e => e.id)")
    )
    return texts


def on_top(one: Surfer) -> list[str]:
    """What the summary on top says, a line for each reason. It has the focus, and each of its links leads to a field that is there."""
    assert "problems" == one.page.evaluate("document.activeElement.id")
    assert one.page.title().startswith("Error:")
    targets = one.page.locator("#problems a").evaluate_all("es => es.map(e => !!document.querySelector(e.hash))")
    assert all(targets)
    return one.page.locator("#problems li").all_inner_texts()


def sign_in(one: Surfer, name: str, method: str, *, password: str = PASSWORD, path: str = "/sign-in") -> None:
    one.go(path)
    one.fill(name=name, password=password)
    one.page.locator(f"[name=method][value={method}]").check()
    one.press("Sign in")


def enter(site: LiveSite, one: Surfer, person: Onboarding) -> None:
    """Sign in with two factors: on the page, with a code that was not used yet."""
    site.house.clock.advance("PT30S")
    sign_in(one, person.email, "totp")
    one.fill(code=person.totp_code)
    one.press("Sign in")
    assert one.title == "My account"


def test_registration_and_password_say_everything_at_once(site: LiveSite, surfer: Surfers) -> None:
    """Each field says what is wrong with it, the summary says all of it, what was typed stays, and hints follow the typing."""
    one = surfer()
    one.go("/register")
    one.fill(first_name="Jane", email="jane", email_confirm="jane@clinic.example")
    one.press("Create an account")
    assert 4 == len(on_top(one))
    assert ["Jane", "jane"] == [one.page.input_value(f"#{name}") for name in ("first_name", "email")]
    assert [[], 1, 1, 1] == [
        beside(one.page, "first_name"),
        *(len(beside(one.page, n)) for n in ("last_name", "email", "privacy_accepted")),
    ]
    one.page.locator("#problems a").first.click()
    assert "last_name" == one.page.evaluate("document.activeElement.id")

    jane = site.house.person().registered()
    one.go(site.link(jane.email))
    rules = one.page.locator("ul.rules li[data-rule]")
    one.page.locator("#password").press_sequentially("Abc1")
    assert [False, True, True] == [classes == "kept" for classes in rules.evaluate_all("es => es.map(e => e.className)")]
    one.fill(password=jane.username[:6], password_confirm="another")
    one.press("Set the password")
    said = " ".join(on_top(one))
    assert all(words in said for words in ("too short", "groups", "not the same"))
    assert 2 == len(beside(one.page, "password"))
    assert ["The two are not the same."] == [text.partition(": ")[2] for text in beside(one.page, "password_confirm")]
    assert "" == one.page.input_value("#password")
    one.fill(password=f"A1{jane.username}")
    assert [True, True, False] == [classes == "kept" for classes in rules.evaluate_all("es => es.map(e => e.className)")]


def test_enrolment_and_sign_in_say_what_is_wrong(site: LiveSite, surfer: Surfers) -> None:
    """Wrong password, wrong number, wrong text code, two PINs that differ, a wrong PIN and a wrong picture on the phone."""
    jane, one = site.house.person().with_password(), surfer()
    sign_in(one, jane.email, "password", password="wrong")
    assert ["The address or the password is not right"] == [line.partition(".")[0] for line in on_top(one)]
    sign_in(one, jane.email, "password")
    one.go("/account/phone")
    one.fill(phone="+11 111 11 11 11")
    one.press("Send a code")
    assert "That is not a valid phone number." in " ".join(beside(one.page, "phone"))
    one.fill(phone="+32 470 12 34 56")
    one.press("Send a code")
    site.drain()
    one.fill(code="AAA-AAA-AAA")
    one.press("Finish")
    assert "That code is not right." in " ".join(beside(one.page, "code"))
    assert 2 == len(on_top(one))
    one.fill(code=site.house.texts.newest_code())
    one.press("Finish")
    sign_in(one, jane.email, "sms")
    site.drain()
    one.fill(code=site.house.texts.newest_code())
    one.press("Sign in")
    one.go("/account/device")
    one.fill(device_name="Phone", pin="4711", pin_confirm="4712")
    one.press("Next")
    assert 1 == len(beside(one.page, "pin_confirm"))
    one.fill(pin="4711", pin_confirm="4711")
    one.press("Next")

    phone = surfer()
    phone.go(f"/phone/{jane.id}")
    phone.page.fill("#initialise-scanned", one.page.locator("#qr-text").text_content() or "")
    phone.page.fill("#initialise-pin", "0000")
    phone.page.locator("button[value=initialise]").click()
    assert "The QR code or the PIN is not right" in phone.problems
    phone.page.fill("#scan-scanned", "nonsense")
    phone.press("Show the code")
    assert "not a code for sign-in" in phone.problems


def test_a_code_is_good_once_and_not_for_long(site: LiveSite, surfer: Surfers) -> None:
    """A wrong code, a replayed code and a wrong password read alike; a sign-in that took too long begins again."""
    jane, one = site.house.person().enrolled(), surfer()
    site.house.clock.advance("PT30S")
    for code in ("000000", jane.totp_code):
        sign_in(one, jane.email, "totp")
        one.fill(code=code)
        one.press("Sign in")
    assert one.title == "My account"
    one.press("Sign out")
    answers = []
    for code, password in ((jane.totp_code, PASSWORD), ("000000", PASSWORD), ("000000", "wrong")):
        sign_in(one, jane.email, "totp", password=password)
        one.fill(code=code)
        one.press("Sign in")
        answers.append(on_top(one))
    assert answers[0] == answers[1] == answers[2]
    site.house.clock.advance("PT10M")
    one.fill(code=jane.totp_code)
    one.press("Sign in")
    assert one.title == "This form is too old"
    one.go("/sign-in/code")
    assert ["The time for this sign-in is over. Begin again."] == on_top(one)


def test_the_request_says_what_does_not_fit(site: LiveSite, surfer: Surfers) -> None:
    """An old sign-in, an organisation that does not fit, a profile without HP, a second request, and pages that were answered already."""
    jane, one = site.house.person().enrolled(), surfer()
    enter(site, one, jane)
    site.house.clock.advance("PT16M")
    one.go("/saas/request")
    one.press("Begin")
    assert ["Sign in with two factors first."] == on_top(one)
    one.press("Sign in again")
    enter(site, one, jane)
    one.go("/saas/request")
    other = one.context.new_page()
    other.goto("/saas/request")
    one.press("Begin")
    one.press("Next")
    one.go("/saas/request?network=ERKNet&country=BE")
    centre = one.page.locator("[name=centre]").first
    centre.evaluate("e => e.value = 'eye-de-sample'")
    centre.check()
    one.press("Next")
    assert 2 == len(on_top(one)) == len(beside(one.page, "centre"))
    one.page.locator("[name=centre]").first.check()
    one.press("Next")
    one.page.get_by_label("Coordinator").check()
    one.press("Next")
    assert "can only be chosen together with" in " ".join(beside(one.page, "profiles"))
    assert one.page.get_by_label("Coordinator").is_checked()
    one.page.get_by_label("Health professional").check()
    one.press("Next")
    third = one.context.new_page()
    third.goto("/saas/request")
    one.page.get_by_role("button", name="Submit request access").dblclick()
    one.page.get_by_role("heading", name="My access request").wait_for()
    assert 1 == jane.events.count("submit_request")

    one.page.go_back()
    assert one.title == "My access request", "the back button shows where the request is now"
    third.get_by_role("button", name="Submit request access").click()
    assert "answered already" in third.inner_text("main")
    assert (1, "requested.awaiting_approval") == (jane.events.count("submit_request"), jane.state)
    other.get_by_role("button", name="Begin").click()
    assert "under way already" in other.inner_text("main")
    assert "My access request" == other.inner_text("h1")


def test_two_people_at_once_and_several_requests_at_once(site: LiveSite, surfer: Surfers) -> None:
    """Who comes second is told and decides nothing; of several requests each says its own result; a deputy's decision names both."""
    jane, john = site.house.person().requested(), site.house.person().requested()
    tess, tom, eve = surfer().is_staff("tess"), surfer().is_staff("tom"), surfer().is_staff("eve")
    for one in (tess, tom):
        one.go(f"/office/requests/{jane.id}")
        one.page.locator("summary", has_text="Approve").first.click()
    tess.page.locator("button[value=approve]").click()
    assert 1 == len(on_top(tess)) == len(beside(tess.page, "approve-rationale"))
    assert [] == beside(tess.page, "reject-rationale")
    tess.page.fill("#approve-rationale", "A member of the network.")
    tess.page.locator("button[value=approve]").click()
    assert "Done" in tess.page.locator("[role=status]").first.inner_text()
    tom.page.fill("#approve-rationale", "I was going to.")
    tom.page.locator("button[value=approve]").click()
    assert "Somebody was faster" in tom.page.locator("[role=alert]").inner_text()
    assert 1 == jane.events.count("approve")

    tess.go("/office/delegations")
    tess.fill(deputy="eve", starts="2026-01-01", ends="2025-12-31")
    tess.press("Name a deputy")
    assert "ends after it starts" in " ".join(on_top(tess))
    today = site.house.clock.now().date().isoformat()
    tess.fill(deputy="eve", starts=today, ends=today, reason="on leave")
    tess.press("Name a deputy")
    assert "eve" in tess.page.inner_text("table")

    anna = site.house.person().requested()
    eve.go("/office")
    assert 2 == eve.page.locator("[name=instance]").count()
    eve.page.locator(f"[value='{john.id}']").check()
    eve.page.locator(f"[value='{anna.id}']").check()
    anna.approve(TESS)
    eve.page.select_option("#bulk-event", "approve")
    eve.page.fill("#bulk-rationale", "Known to the network.")
    eve.press("Decide on the ticked ones")
    results = eve.page.locator("ul.results li").all_inner_texts()
    assert ["done", "not done"] == [re.findall(r"[✓✕] (done|not done)", line)[0] for line in results]
    assert ("eve", "tess") == (john.entry("approve")["actor"], john.entry("approve")["on_behalf_of"])
    tess.go(f"/office/requests/{john.id}")
    history = tess.page.inner_text("main")
    assert re.search(r"eve\b.*\btess", history), "both names stand on the page"


def test_a_mail_scanner_leaves_the_link_usable(site: LiveSite, surfer: Surfers) -> None:
    """HEAD, GET, and a real browser with scripts that opens the link, waits, moves and scrolls: nothing is used up and nothing is sent."""
    jane = site.house.person().registered()
    path, scanner = site.link(jane.email), surfer()
    before, mails = jane.instance, len(jane.subjects)
    assert 200 == scanner.context.request.head(path).status
    assert 200 == scanner.context.request.get(path).status
    page = scanner.go(path)
    page.mouse.wheel(0, 2_000)
    page.mouse.move(200, 300)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Tab")
    for link in page.locator("a[href]").evaluate_all("es => es.map(e => e.href)"):
        scanner.context.request.get(link)
    site.drain()
    assert (before.version, before.head, mails) == (jane.instance.version, jane.instance.head, len(jane.subjects))
    one = surfer()
    one.go(path)
    one.fill(password=PASSWORD, password_confirm=PASSWORD)
    one.press("Set the password")
    assert one.title == "Your password is set"
    assert scanner.go(path).locator("h1").inner_text() == "This link cannot be used any more"


def test_a_session_cannot_be_planted_read_or_kept(site: LiveSite, surfer: Surfers) -> None:
    """A cookie that somebody planted is not signed in, scripts see none of it, and a stolen one is dead after signing out."""
    jane, one, thief = site.house.person().enrolled(), surfer(), surfer()
    planted = {"name": SESSION_COOKIE, "value": "planted-by-somebody-else", "url": site.base}
    one.context.add_cookies([planted])
    thief.context.add_cookies([planted])
    enter(site, one, jane)
    assert "zone=" in (seen := one.page.evaluate("document.cookie"))
    assert SESSION_COOKIE not in seen
    thief.go("/account")
    assert thief.title == "Sign in"
    [stolen] = [cookie for cookie in one.context.cookies() if cookie["name"] == SESSION_COOKIE]
    assert ("planted-by-somebody-else", True, "Lax") != (stolen["value"], stolen["httpOnly"], stolen["sameSite"])
    assert stolen["httpOnly"]
    one.press("Sign out")
    thief.context.add_cookies([{"name": SESSION_COOKIE, "value": stolen["value"], "url": site.base}])
    thief.go("/account")
    assert thief.title == "Sign in"
    one.page.go_back()
    assert one.title == "Sign in", "the back button shows no page of the account after signing out"


def test_the_keyboard_alone_is_enough(site: LiveSite, surfer: Surfers) -> None:
    """Registration, sign-in and a decision by Tab, Space, Enter and letters; wherever the focus is, it can be seen."""
    one = surfer()
    one.go("/register")
    one.page.keyboard.press("Tab")
    assert "Skip to the content" == one.page.evaluate("document.activeElement.innerText")
    one.page.keyboard.press("Enter")
    for name, value in {
        "first_name": "Ada",
        "last_name": "Key",
        "email": "key@clinic.example",
        "email_confirm": "key@clinic.example",
    }.items():
        reach(one.page, f"#{name}")
        one.page.keyboard.type(value)
    reach(one.page, "#privacy_accepted")
    one.page.keyboard.press("Space")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url("**/registered")

    jane = site.house.person().enrolled()
    site.house.clock.advance("PT30S")
    one.go("/sign-in")
    for name, value in {"name": jane.email, "password": PASSWORD}.items():
        reach(one.page, f"#{name}")
        one.page.keyboard.type(value)
    reach(one.page, "[name=method]:checked")
    while one.page.locator("[name=method]:checked").get_attribute("value") != "totp":
        one.page.keyboard.press("ArrowDown")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url("**/sign-in/code")
    reach(one.page, "#code")
    one.page.keyboard.type(jane.totp_code)
    one.page.keyboard.press("Enter")
    one.page.wait_for_url("**/account")

    jane.sign_in_freshly().fill_in().submit()
    tess = surfer()
    tess.go("/office/sign-in")
    reach(tess.page, "button[value=tess]")
    tess.page.keyboard.press("Enter")
    tess.page.wait_for_url("**/office")
    reach(tess.page, "tbody th a")
    tess.page.keyboard.press("Enter")
    tess.page.wait_for_url("**/office/requests/*")
    reach(tess.page, "details.deed:has(button[value=approve]) summary")
    tess.page.keyboard.press("Space")
    reach(tess.page, "#approve-rationale")
    tess.page.keyboard.type("By keyboard.")
    reach(tess.page, "button[value=approve]")
    tess.page.keyboard.press("Space")
    tess.page.get_by_text("Done: ").wait_for()
    assert "requested.awaiting_account" == jane.state


def reach(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus; everything on the way shows that it has it."""
    for _ in range(80):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """wanted => {
                const one = document.activeElement, style = getComputedStyle(one);
                const is_seen = one === document.body || (one.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
                return [one.matches(wanted), is_seen, one.outerHTML.slice(0, 80)];
            }""",
            selector,
        )
        assert seen[1], f"the focus cannot be seen on {seen[2]}"
        if seen[0]:
            return
    raise AssertionError(f"{selector} cannot be reached by the keyboard")


def test_at_twice_the_size_nothing_is_lost(site: LiveSite, surfer: Surfers) -> None:
    """Zoomed to 200 %, and with letters twice as large, no page scrolls sideways, no button is cut off, and nothing lies on another."""
    jane = site.house.person().requested()
    zoomed = surfer(viewport={"width": 640, "height": 450}, device_scale_factor=2)
    zoomed.is_staff("tess")
    for path in ("/register", "/sign-in", "/cpms", "/office", f"/office/requests/{jane.id}", "/office/delegations", "/office/board"):
        for is_large in (False, True):
            page = zoomed.go(path)
            if is_large:
                page.set_viewport_size({"width": 1280, "height": 900})
                page.evaluate("document.documentElement.style.fontSize = '200%'")
            lost = page.evaluate(
                """() => [...document.querySelectorAll("button, main a, input:not([type=hidden]), select, textarea, h1, h2, label, summary")]
                    .filter(one => one.checkVisibility() && !one.closest(".scroll, .visually-hidden, .skip"))
                    .filter(one => { const box = one.getBoundingClientRect(); return box.left < -1 || box.right > innerWidth + 1; })
                    .map(one => one.outerHTML.slice(0, 80))"""
            )
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert ([], True) == (lost, over <= 0), f"{path}: {lost} {over}"
            page.set_viewport_size({"width": 640, "height": 450})


def test_a_file_can_be_fetched_twice(site: LiveSite, surfer: Surfers) -> None:
    """A form that is answered with a file can be submitted again, because its page stays."""
    site.house.person().requested().refused("approve", HAL, rationale="Not mine.")
    ada = surfer().is_staff("ada")
    ada.go("/office/audit")
    for _ in range(2):
        with ada.page.expect_download() as loading:
            ada.press("Export")
        assert "export.csv" == loading.value.suggested_filename
