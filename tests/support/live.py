"""The site as people reach it: a real server on a loopback port over the journey's house, and a real browser in front of it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.onboarding import PEOPLE, House
from workflow.bootstrap import sessions_of, tree_of
from workflow.errors import NotFoundError
from workflow.states.instance import Actor
from workflow.testing.phone import PhoneSimulator
from workflow.web.limits import DEFAULTS, Limiter
from workflow.web.parts import Notice, SiteParts, always
from workflow.web.sessions import Sessions
from workflow.web.site import create_site

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = (320, 768, 1280)
SCREENS = Path(__file__).parents[2] / "artefacts" / "screens"
EVERYBODY = (
    "/",
    "/register",
    "/registered",
    "/sign-in",
    "/link-requested",
    "/password-chosen",
    "/signed-out",
    "/cpms",
    "/help",
    "/privacy",
)
"""Pages before a sign-in."""
STAFF = {
    "tess": ("network_team:ERKNet",),
    "tom": ("network_team:ERKNet",),
    "eve": ("network_team:EYE",),
    "lea": ("centre_lead:erknet-de-sample",),
    "hal": ("helpdesk",),
    "ada": ("administrator",),
}


@dataclass
class HouseStandIns:
    """`web.parts.Development` over the house's own mail trap, texts and pushes."""

    house: House
    phones: dict[str, PhoneSimulator] = field(default_factory=dict)
    staff: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(STAFF))

    def mails(self) -> tuple[Any, ...]:
        return self.house.box.received

    def texts(self) -> tuple[Notice, ...]:
        return tuple(Notice(at=self.house.clock.now(), kind="text", text=text, to=number) for number, text in self.house.texts.sent)

    def pushes(self, subject: str) -> tuple[Notice, ...]:
        return tuple(Notice(at=one.sent_at, kind=one.name, text=one.text) for one in self.house.pushes.received(subject))

    def phone(self, name: str) -> PhoneSimulator:
        return self.phones.setdefault(name, PhoneSimulator())

    def people(self) -> tuple[Actor, ...]:
        return tuple(Actor.of(who, *roles) for who, roles in self.staff.items())

    def grants_of(self, who: str) -> Actor:
        """The roles held now; nobody any more when they were taken away."""
        if who not in self.staff:
            raise NotFoundError("person", who)
        return Actor.of(who, *self.staff[who])


@dataclass
class LiveSite:
    """The running site; `parts` are what it is made of."""

    house: House
    base: str
    parts: SiteParts
    stand_ins: HouseStandIns

    def drain(self) -> None:
        """Let the worker do what is due."""
        self.house.drain()

    def link(self, email: str) -> str:
        """The path of the link in the newest mail to an address."""
        return re.sub(r"^https?://[^/]+", "", self.house.box.link(email, "/links/"))

    def person(self, who: str) -> dict[str, str]:
        """What the directory knows of a member of the staff."""
        return PEOPLE.get(who, {})


def parts_of(house: House, base: str) -> SiteParts:
    """What the site is made of, over a house."""
    stand_ins = HouseStandIns(house)
    return SiteParts(
        engine_of=always(house.engine),
        engine=house.engine,
        base_url=base,
        sessions=Sessions(store=sessions_of(house.engine), vault=house.vault),
        limiter=Limiter(rates=dict.fromkeys(DEFAULTS, "100000/minute")),
        development=stand_ins,
        tree=tree_of(house.engine),
        grants_of=stand_ins.grants_of,
        answer_floor_seconds=0.0,
    )


@contextmanager
def serving(house: House) -> Iterator[LiveSite]:
    """Serve the site on a free loopback port until the end of the block."""
    # The socket listens already, so the first request waits in its queue until the site has started.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        parts = parts_of(house, base)
        server = uvicorn.Server(uvicorn.Config(create_site(parts), access_log=False, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="site")
        thread.start()
        try:
            stand_ins = parts.development
            assert isinstance(stand_ins, HouseStandIns)
            yield LiveSite(house=house, base=base, parts=parts, stand_ins=stand_ins)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A real browser: Debian's where it is installed, Playwright's own elsewhere."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        arguments += ["--disable-component-update", "--disable-sync"]
        place = {"executable_path": str(CHROMIUM)} if CHROMIUM.exists() else {}
        browser = playwright.chromium.launch(args=arguments, **place)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Surfer:
    """Somebody at a browser of their own; whatever goes wrong in it is kept in `wrong`."""

    site: LiveSite
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)

    @staticmethod
    def at(browser: Browser, site: LiveSite, **how: Any) -> Surfer:
        """Open a browser window of one's own: no cookies of anybody else."""
        context = browser.new_context(base_url=site.base, **{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **how})
        surfer = Surfer(site, context, context.new_page())
        surfer.watch(surfer.page)
        return surfer

    def watch(self, page: Page) -> None:
        """Keep every error of the console, every failed script and every request that leaves the site."""
        page.set_default_timeout(10_000)
        page.on(
            "console",
            lambda said: self.wrong.append(f"{page.url}: {said.text}") if said.type == "error" and "status of 4" not in said.text else None,
        )
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((self.site.base, "data:")) else self.wrong.append(f"left the site: {request.url}")
            ),
        )

    def go(self, path: str) -> Page:
        """Open a page by its path."""
        self.page.goto(path)
        return self.page

    def fill(self, **values: str) -> None:
        """Type into fields by their names."""
        for name, value in values.items():
            field_ = self.page.locator(f"[name={name}]").first
            if field_.evaluate("e => e.tagName") == "SELECT":
                field_.select_option(value)
            else:
                field_.fill(value)

    def press(self, name: str) -> Page:
        """Press a button or follow a link by its words, as soon as it is there."""
        button, link = (self.page.get_by_role(role, name=name, exact=True) for role in ("button", "link"))
        button.or_(link).first.wait_for()
        (button if button.count() else link).first.click()
        return self.page

    @property
    def title(self) -> str:
        """The heading of the page."""
        return self.page.locator("h1").first.inner_text()

    @property
    def problems(self) -> str:
        """What the summary on top of the page says is wrong; empty when there is none."""
        found = self.page.locator("#problems")
        return found.inner_text() if found.count() else ""

    def is_staff(self, who: str) -> Surfer:
        """Sign in at the back office."""
        self.go("/office/sign-in")
        self.page.locator(f"button[value={who}]").click()
        return self
