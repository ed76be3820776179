"""The whole journey through the pages, in a real browser: from the registration to the saved preferences."""

from __future__ import annotations

import base64
from collections.abc import Callable

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.support.live import LiveSite, Surfer

EMAIL = "jane@clinic.example"
PASSWORD = "WuWWBzzJp$"


def register(site: LiveSite, jane: Surfer) -> None:
    jane.go("/register")
    jane.fill(first_name="Jane", last_name="Doe", email=EMAIL, email_confirm=EMAIL, language="en")
    jane.page.get_by_label("privacy statement").check()
    jane.press("Create an account")
    assert jane.title == "Look into your mailbox"
    site.drain()


def choose_password(site: LiveSite, jane: Surfer) -> None:
    jane.go(site.link(EMAIL))
    assert jane.title == "Choose a password"
    jane.fill(password=PASSWORD, password_confirm=PASSWORD)
    jane.press("Set the password")
    assert jane.title == "Your password is set"


def sign_in(jane: Surfer, method: str, *, path: str = "/sign-in") -> None:
    jane.go(path)
    jane.fill(name=EMAIL, password=PASSWORD)
    jane.page.locator(f"[name=method][value={method}]").check()
    jane.press("Sign in")


def code_of(site: LiveSite, secret: str) -> str:
    """Compute a code by a library that the application does not use."""
    totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)
    return totp.generate(int(site.house.clock.now().timestamp())).decode()


def enrol_authenticator(site: LiveSite, jane: Surfer) -> str:
    sign_in(jane, "password")
    assert jane.title == "My account"
    jane.go("/account/authenticator")
    jane.press("Next")
    secret = jane.page.locator("#secret").text_content() or ""
    jane.fill(code=code_of(site, secret))
    jane.press("Finish")
    assert jane.title == "Your second factor is registered"
    return secret


def ask_for_access(site: LiveSite, jane: Surfer) -> None:
    jane.go("/saas/request")
    jane.press("Begin")
    jane.press("Next")
    jane.page.locator("#network").select_option("ERKNet")
    jane.page.locator("#country").select_option("BE")
    jane.page.get_by_label("Sample University Hospital Oudenveld").check()
    jane.press("Next")
    jane.page.get_by_label("Health professional").check()
    jane.press("Next")
    assert "Sample University Hospital Oudenveld" in jane.page.inner_text("main")
    jane.fill(comments="For the new clinic.")
    jane.press("Submit request access")
    assert jane.title == "My access request"
    site.drain()


def decide(staff: Surfer, event: str, **payload: str) -> None:
    staff.go("/office/requests")
    staff.page.locator("tbody th a").first.click()
    deed = staff.page.locator("details.deed", has=staff.page.locator(f"button[value={event}]"))
    if deed.get_attribute("open") is None:
        deed.locator("summary").click()
    for name, value in payload.items():
        deed.locator(f"[name={name}]").fill(value)
    deed.locator(f"button[value={event}]").click()
    staff.site.drain()


def test_from_registration_to_preferences(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """A person gets from the registration to CPMS through the pages alone, with two different people deciding."""
    jane = surfer()
    register(site, jane)
    choose_password(site, jane)
    secret = enrol_authenticator(site, jane)
    site.house.clock.advance("PT30S")
    sign_in(jane, "totp", path="/sign-in?next=/saas/request")
    jane.fill(code=code_of(site, secret))
    jane.press("Sign in")
    ask_for_access(site, jane)

    tess, hal = surfer().is_staff("tess"), surfer().is_staff("hal")
    decide(tess, "ask_information", question="At which ward?")
    jane.go("/saas")
    jane.fill(answer="At the outpatients' clinic.")
    jane.press("Send the answer")
    decide(tess, "approve", rationale="A member of the network.")
    decide(hal, "create_account", rationale="Approved by the network.")

    assert "Your access to CPMS is ready" in [mail.subject for mail in site.house.box.to(EMAIL)]
    jane.go("/cpms")
    jane.press("Login via EU Login")
    assert jane.title == "ERN preferences"
    jane.fill(cpms_role="nurse", thematic_area="erknet-tubular-diseases")
    jane.press("Update ERN preferences")
    assert jane.title == "Welcome to CPMS, Jane"
    [situation] = site.house.engine.instances().rows
    assert "preferences_set" == situation.instance.state


def test_the_phone_enrols_and_signs_in_by_pin_and_by_code(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """The app is initialised from the page's QR code, answers a notification by PIN, and shows the 8 digits for a sign-in code."""
    jane, phone = surfer(), surfer()
    register(site, jane)
    choose_password(site, jane)
    sign_in(jane, "password")
    jane.go("/account/device")
    jane.fill(device_name="My phone", pin="4711", pin_confirm="4711")
    jane.press("Next")
    shown = jane.page.locator("#qr-text").text_content() or ""

    phone.go("/phone")
    phone.fill(name=EMAIL)
    phone.press("Take this phone")
    phone.page.fill("#initialise-scanned", shown)
    phone.page.fill("#initialise-pin", "4711")
    phone.page.locator("button[value=initialise]").click()
    site.drain()
    phone.page.get_by_role("button", name="Confirm").click()
    jane.page.get_by_role("heading", name="Your second factor is registered").wait_for()

    sign_in(jane, "push")
    assert jane.title == "Look at your phone"
    site.drain()
    phone.page.wait_for_selector("#push-pin")
    phone.page.fill("#push-pin", "4711")
    phone.page.get_by_role("button", name="Authenticate").first.click()
    jane.page.get_by_role("heading", name="My account").wait_for()
    jane.press("Sign out")

    sign_in(jane, "qr")
    phone.page.fill("#scan-scanned", jane.page.locator("#qr-text").text_content() or "")
    phone.press("Show the code")
    jane.fill(code=phone.page.locator("#app-code").inner_text())
    jane.press("Sign in")
    assert jane.title == "My account"


def test_a_link_expires_and_the_same_link_asks_for_a_new_one(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """Five minutes after the mail was sent the same link leads to the form for a new one, and the older link stays dead."""
    jane = surfer()
    register(site, jane)
    first = site.link(EMAIL)
    site.house.clock.advance("PT5M")
    site.drain()
    jane.go(first)
    assert jane.title == "This link cannot be used any more"
    [situation] = site.house.engine.instances().rows
    jane.fill(username=str(site.house.engine.values(situation.instance.id)["username"]))
    jane.press("Send a new link")
    site.drain()
    assert first != site.link(EMAIL)
    jane.go(first)
    assert jane.title == "This link cannot be used any more"
    choose_password(site, jane)


def test_scripts_are_a_comfort_only(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """Registration, password, sign-in and the request work in a browser without scripts."""
    jane = surfer(java_script_enabled=False)
    register(site, jane)
    choose_password(site, jane)
    sign_in(jane, "password")
    assert jane.title == "My account"
