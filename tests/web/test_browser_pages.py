"""Every page, looked at: by axe, by a strict HTML parser, at three widths, in light and dark, in three languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import html5lib
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.support.live import EVERYBODY, SCREENS, WIDTHS, LiveSite, Surfer
from tests.support.onboarding import ERKNET, HAL, TESS, Onboarding
from workflow.web.pages import SESSION_COOKIE

LARGEST_BYTES = 100_000
# WCAG 2.2 A and AA, and what axe calls best practice beside it.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"]}
# What the colours can change; everything else is the same in light and dark.
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}, "resultTypes": ["violations"]}
RUN_AXE = """options => axe.run(options).then(found =>
    found.violations.map(one => `${one.id}: ${one.help}: ${one.nodes.map(node => node.html).join(" ")}`))"""


def signed_in(site: LiveSite, surfer: Surfer, person: Onboarding, *, level: int = 2) -> Surfer:
    """Give a browser the cookie of a sign-in; how one gets it is proven by the journey."""
    assert site.parts.sessions is not None
    data = {"kind": "applicant", "instance": person.id, "level": level, "begun": ["app_device", "totp"]}
    session = site.parts.sessions.open(person.subject, data, now=site.house.clock.now())
    surfer.context.add_cookies([{"name": SESSION_COOKIE, "value": session.token, "url": site.base}])
    return surfer


def look(surfer: Surfer, path: str, *, name: str = "") -> None:
    """Look at a page as everybody would; nothing may be wrong with it."""
    page, saved = surfer.page, name or re.sub(r"[^a-z]+", "-", path.strip("/").lower()).strip("-") or "home"
    response = page.goto(path)
    assert response is not None
    body = response.body()
    faults = list(html_faults(body.decode()))
    assert [] == faults, f"{path} is no valid HTML"
    assert [] == barriers(page), path
    page.emulate_media(color_scheme="dark")
    assert [] == page.evaluate(RUN_AXE, OF_COLOURS), f"{path} in the dark"
    page.emulate_media(color_scheme="light")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{path} is {over} pixels too wide at {width}"
        folder = SCREENS / str(width)
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{saved}.jpg", type="jpeg", quality=80, full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert weight(page, len(body)) <= LARGEST_BYTES, f"{path} is too heavy"


def barriers(page: Page) -> list[str]:
    """What axe finds on a page."""
    page.evaluate(AXE_SCRIPT)  # larger than all our pages together: once for each of them
    return list(page.evaluate(RUN_AXE, RULES))


def html_faults(text: str) -> Iterator[str]:
    """Parse strictly: the parser names every fault of the syntax; duplicate ids are ours to see."""
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(text)
    for place, code, about in parser.errors:
        yield f"{place}: {code} {about}"
    ids = re.findall(r'\sid="([^"]*)"', text)
    yield from (f"id {one} is there twice" for one in set(ids) if ids.count(one) > 1)


def weight(page: Page, own_bytes: int) -> int:
    """Bytes transferred for a page with everything it loads."""
    loaded = page.evaluate("performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)")
    return own_bytes + int(loaded)


def test_pages_for_everybody(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """Pages before a sign-in are accessible, valid, fit every width and are light."""
    jane = site.house.person().registered()
    one = surfer()
    for path in EVERYBODY:
        look(one, path)
    look(one, site.link(jane.email), name="password")
    look(one, f"/links/k.password.{'a' * 22}.1.{'b' * 43}", name="link-expired")
    look(one, "/nothing", name="not-found")
    for path in ("/phone", f"/phone/{jane.id}", "/mailbox"):
        look(one, path, name="phone" if jane.id in path else "")
    one.go("/register")
    one.press("Create an account")
    assert "Fill this in" in one.problems
    assert [] == barriers(one.page)


def test_pages_of_the_account(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """The pages of the account are accessible, valid, fit every width and are light."""
    jane = site.house.person().enrolled()
    one = signed_in(site, surfer(), jane)
    for path in ("/account", "/account/password", "/account/phone", "/account/device", "/account/authenticator", "/account/remove/totp"):
        look(one, path)
    jane.sign_in_freshly().fire("add_device", device_name="Phone", pin="4711", pin_confirm="4711")
    look(one, "/account/device/scan")
    jane.fire("add_authenticator")
    look(one, "/account/authenticator/code")
    jane.fire("add_phone", phone="+32 470 12 34 56")
    look(one, "/account/phone/code")


def test_pages_of_the_request(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """The four pages of the request, its place on the way, and CPMS are accessible, valid, fit every width and are light."""
    jane = site.house.person().enrolled().sign_in_freshly()
    one = signed_in(site, surfer(), jane)
    look(one, "/saas/request", name="request-begin")
    look(one, "/cpms/home", name="cpms-no-access")
    jane.fire("begin_request")
    look(one, "/saas/request", name="request-application")
    jane.fire("choose_application", application="CPMS")
    look(one, "/saas/request?network=ERKNet&country=BE", name="request-organisation")
    jane.fire("choose_organisation", **ERKNET)
    look(one, "/saas/request", name="request-profile")
    jane.fire("choose_profiles", profiles=["HP"])
    look(one, "/saas/request", name="request-recap")
    jane.submit()
    look(one, "/saas", name="request-waiting")
    look(one, "/saas/withdraw")
    jane.fire("ask_information", TESS, question="At which ward?")
    look(one, "/saas", name="request-question")
    jane.fire("give_information", answer="The third one.")
    jane.approve()
    jane.create_account()
    site.drain()
    look(one, "/saas", name="request-approved")
    look(one, "/cpms/preferences")
    jane.sign_in_freshly().fire("update_preferences", cpms_role="nurse", thematic_area="erknet-tubular-diseases")
    look(one, "/cpms/home", name="cpms-home")


def test_pages_of_the_back_office(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """The back office is accessible, valid, fits every width and is light."""
    jane, paul = site.house.person().requested(), site.house.person().requested()
    paul.fire("reject", TESS, rationale="Not known at this centre.")
    jane.refused("approve", HAL, rationale="Not mine to decide.")
    tess, ada = surfer().is_staff("tess"), surfer().is_staff("ada")
    for path in ("/office", "/office/requests", "/office/board", "/office/delegations", "/office/roles", "/office/definitions"):
        look(tess, path)
    look(tess, f"/office/requests/{jane.id}", name="office-request")
    look(tess, "/office/definitions/cpms-access", name="office-definition")
    look(ada, "/office/outbox?state=all", name="office-outbox")
    look(ada, "/office/audit")
    ada.press("Verify")
    assert "Sound" in ada.page.inner_text("main")
    look(surfer(), "/office/sign-in")


@pytest.mark.parametrize("language", ["fr", "de"])
def test_pages_speak_the_readers_language(site: LiveSite, surfer: Callable[..., Surfer], language: str) -> None:
    """A browser that asks for French or German gets it, and no English sentence is left on the page."""
    one = surfer(locale={"fr": "fr-BE", "de": "de-AT"}[language])
    for path in ("/register", "/sign-in", "/cpms", "/help"):
        page = one.go(path)
        assert language == page.locator("html").get_attribute("lang")
        assert not re.search(r"\b(the|your|and|with)\b", page.inner_text("main")), f"English words on {path}"
