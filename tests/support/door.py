"""The site as a browser without scripts sees it, without a server: for whatever needs no real browser."""

from __future__ import annotations

import re
from dataclasses import replace

from starlette.testclient import TestClient

from tests.support.live import parts_of
from tests.support.onboarding import House, Onboarding
from workflow.web.site import create_site

BASE = "https://access.test"


class Door:
    """A browser without scripts in front of the site; it is reached by TLS, as in production."""

    def __init__(self, house: House, **changes: object) -> None:
        self.house = house
        self.parts = replace(parts_of(house, BASE), **changes)
        self.client = self.another()

    def another(self) -> TestClient:
        """A browser of somebody else, at the same site."""
        return TestClient(create_site(self.parts), base_url=BASE, follow_redirects=False)

    def token(self, path: str, client: TestClient | None = None) -> str:
        """The anti-forgery token on a page."""
        return re.findall(r'name="form_token" value="(\w+)"', (client or self.client).get(path).text)[0]

    def post(self, path: str, *, on: str = "", client: TestClient | None = None, headers: dict[str, str] | None = None, **values: object):
        """Submit a form that stands on a page."""
        browser = client or self.client
        data = {"form_token": self.token(on or path, browser), **values}
        return browser.post(path, data=data, headers=headers or {})

    def sign_in(self, who: Onboarding, *, client: TestClient | None = None, level: int = 2) -> str:
        """Give a browser a sign-in, as the journey's pages do; gives its cookie's value."""
        assert self.parts.sessions is not None
        session = self.parts.sessions.open(
            who.subject, {"kind": "applicant", "instance": who.id, "level": level}, now=self.house.clock.now()
        )
        (client or self.client).cookies.set("__Host-session", session.token, domain="access.test")
        return session.token

    def staff(self, who: str) -> TestClient:
        """A browser signed in at the back office."""
        browser = self.another()
        answer = self.post("/office/sign-in", client=browser, person=who)
        assert 303 == answer.status_code
        return browser
