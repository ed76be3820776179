"""Every page of the journey in French and German: what a reader of those languages gets to see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element

import html5lib
import pytest

from tests.support.live import EVERYBODY, LiveSite, Surfer
from tests.support.onboarding import ERKNET, HAL, TESS, Onboarding
from workflow.web.pages import SESSION_COOKIE

ENGLISH = re.compile(r"\b(the|your|with|of|this|are|not|you|has|have|from|is|one|and)\b", re.IGNORECASE)
ACCOUNT = ("", "/password", "/phone", "/device", "/authenticator", "/remove/totp")
OFFICE = ("", "/requests", "/board", "/delegations", "/roles", "/definitions", "/definitions/cpms-access")


def texts_of(html: str) -> Iterator[str]:
    """The texts of a page's main part; drawings and names of the definition are no sentences."""
    main = next(html5lib.parse(html, namespaceHTMLElements=False).iter("main"))
    yield from _texts(main)


def _texts(element: Element) -> Iterator[str]:
    if element.tag not in {"svg", "script", "{http://www.w3.org/2000/svg}svg"} and "code" not in element.get("class", "").split():
        yield element.text or ""
        for child in element:
            yield from _texts(child)
            yield child.tail or ""


class Reading:
    """Somebody who reads pages in a language, without the time that a browser takes to draw them."""

    def __init__(self, surfer: Surfer, language: str) -> None:
        self.surfer, self.language = surfer, language
        surfer.context.add_cookies([{"name": "language", "value": language, "url": surfer.site.base}])

    def as_applicant(self, person: Onboarding) -> Reading:
        """Sign in as somebody who asks for access."""
        site = self.surfer.site
        assert site.parts.sessions is not None
        data = {"kind": "applicant", "instance": person.id, "level": 2}
        session = site.parts.sessions.open(person.subject, data, now=site.house.clock.now())
        self.surfer.context.add_cookies([{"name": SESSION_COOKIE, "value": session.token, "url": site.base}])
        return self

    def read(self, path: str) -> str:
        """Read a page; no English sentence may be on it."""
        answer = self.surfer.context.request.get(path)
        html = answer.text()
        assert f'<html lang="{self.language}"' in html, path
        found = " ".join(" ".join(texts_of(html)).split())
        assert [] == [found[max(0, one.start() - 40) : one.end() + 40] for one in ENGLISH.finditer(found)], path
        return found


@pytest.fixture(params=["fr", "de"])
def reading(request: pytest.FixtureRequest, surfer: Callable[..., Surfer]) -> Callable[[], Reading]:
    """Open a window of somebody who reads French or German."""
    return lambda: Reading(surfer(), request.param)


def test_pages_for_everybody(site: LiveSite, reading: Callable[[], Reading]) -> None:
    """Pages before a sign-in, and the account's, have no English sentence in French and German."""
    jane, one = site.house.person().registered(), reading()
    for path in (
        *EVERYBODY,
        site.link(jane.email),
        f"/links/k.password.{'a' * 22}.1.{'b' * 43}",
        "/nothing",
        "/phone",
        f"/phone/{jane.id}",
    ):
        one.read(path)
    one = reading().as_applicant(site.house.person().enrolled())
    for path in ACCOUNT:
        one.read(f"/account{path}")


def test_pages_of_the_request(site: LiveSite, reading: Callable[[], Reading]) -> None:
    """The request's pages and CPMS have no English sentence, and say networks, countries and profiles in the reader's language."""
    jane = site.house.person().enrolled().sign_in_freshly()
    one = reading().as_applicant(jane)
    is_german = one.language == "de"
    for event, values in (("", {}), ("begin_request", {}), ("choose_application", {"application": "CPMS"})):
        if event:
            jane.fire(event, **values)
        one.read("/saas/request")
    chosen = one.read("/saas/request?network=ERKNet&country=BE")
    assert all(word in chosen for word in (("Nierenerkrankungen", "Belgien") if is_german else ("Maladies rénales", "Belgique")))
    jane.fire("choose_organisation", **ERKNET)
    assert ("Fachkraft des Gesundheitswesens" if is_german else "Professionnel·le de santé") in one.read("/saas/request")
    jane.fire("choose_profiles", profiles=["HP"])
    one.read("/saas/request")
    jane.submit()
    one.read("/saas")
    one.read("/saas/withdraw")
    jane.fire("ask_information", TESS, question="?")
    one.read("/saas")
    jane.fire("give_information", answer="!")
    jane.approve()
    jane.create_account()
    site.drain()
    one.read("/saas")
    assert ("Tubuläre Erkrankungen" if is_german else "Maladies tubulaires") in one.read("/cpms/preferences")
    jane.sign_in_freshly().fire("update_preferences", cpms_role="nurse", thematic_area="erknet-tubular-diseases")
    assert ("Pflege" if is_german else "Personnel infirmier") in one.read("/cpms/home")


def test_pages_of_the_back_office(site: LiveSite, reading: Callable[[], Reading]) -> None:
    """The back office has no English sentence in French and German, refusals and what the engine notes by itself included."""
    jane, paul = site.house.person().requested(), site.house.person().requested()
    paul.fire("reject", TESS, rationale="-")
    jane.refused("approve", HAL, rationale="-")
    tess, ada = reading(), reading()
    tess.surfer.is_staff("tess")
    ada.surfer.is_staff("ada")
    for path in (*OFFICE, f"/requests/{jane.id}", f"/requests/{paul.id}"):
        tess.read(f"/office{path}")
    for path in (f"/requests/{jane.id}", "/outbox?state=all", "/audit"):
        ada.read(f"/office{path}")
    reading().read("/office/sign-in")
