"""Fixtures: the site on a real server, and a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.support.door import Door
from tests.support.houses import box, database, house, mail_trap, published_template
from tests.support.live import LiveSite, Surfer, chromium, serving
from tests.support.onboarding import House, Onboarding

__all__ = ["box", "database", "house", "mail_trap", "published_template"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the whole run; every surfer has a window with cookies of its own."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def site(house: House) -> Iterator[LiveSite]:
    """The site on a fresh database."""
    with serving(house) as live:
        yield live


@pytest.fixture
def surfer(browser: Browser, site: LiveSite) -> Iterator[Callable[..., Surfer]]:
    """Open windows; at the end nothing may have gone wrong in any of them."""
    with ExitStack() as ending:
        opened: list[Surfer] = []

        def open_one(**how: object) -> Surfer:
            one = Surfer.at(browser, site, **how)
            ending.callback(one.context.close)
            opened.append(one)
            return one

        yield open_one
        assert [] == [fault for one in opened for fault in one.wrong]


@pytest.fixture
def door(house: House) -> Door:
    """The site without a server, for a browser without scripts."""
    return Door(house)


@pytest.fixture
def jane(house: House) -> Onboarding:
    """Jane, who has not registered yet."""
    return house.person()
