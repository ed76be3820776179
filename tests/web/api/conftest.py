"""Fixtures of the API's tests: the badge process, and the house of the reference journey."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.houses import box, database, house, house_on, mail_trap, published_template
from tests.support.web import Badges

__all__ = ["box", "database", "house", "house_on", "mail_trap", "published_template"]


@pytest.fixture
def badges(sqlite_url: str) -> Iterator[Badges]:
    """The badge process on SQLite."""
    opened = Badges(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def badges_on(request: pytest.FixtureRequest) -> Iterator[Badges]:
    """The badge process on every real store."""
    opened = Badges(request.getfixturevalue(f"{request.param}_url"))
    yield opened
    opened.close()


@pytest.fixture
def badges_with(sqlite_url: str) -> Iterator[Callable[..., Badges]]:
    """The badge process with another API: what is given goes to `create_api`."""
    with ExitStack() as ending:

        def opened(**changes: Any) -> Badges:
            made = Badges(sqlite_url, changes)
            ending.callback(made.close)
            return made

        yield opened
