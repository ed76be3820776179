"""Fixtures: the reference journey's house on a fresh database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.onboarding import House
from workflow.testing.mailbox import Mailbox


@pytest.fixture(scope="session")
def mail_trap() -> Iterator[Mailbox]:
    """One mail server for the whole run."""
    with Mailbox() as box:
        yield box


@pytest.fixture
def box(mail_trap: Mailbox) -> Mailbox:
    """The mail server, empty."""
    mail_trap.clear()
    return mail_trap


@pytest.fixture(scope="session")
def published_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, mail_trap: Mailbox) -> Path:
    """A SQLite file in which the reference definition is published, to be copied."""
    path = tmp_path_factory.mktemp("published") / "store.db"
    shutil.copyfile(sqlite_template, path)
    with closing(House(f"sqlite:///{path}", mail_trap)) as house:
        assert house.engine.newest("cpms-access").world.definition.name == "cpms-access"
    return path


@pytest.fixture
def database(published_template: Path, tmp_path: Path) -> Path:
    """A fresh SQLite file in which the reference definition is published."""
    path = tmp_path / "access.db"
    shutil.copyfile(published_template, path)
    return path


@pytest.fixture
def house(database: Path, box: Mailbox) -> Iterator[House]:
    """The house on SQLite."""
    with closing(House(f"sqlite:///{database}", box, definition=None)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def house_on(request: pytest.FixtureRequest, box: Mailbox) -> Iterator[House]:
    """The house on every real store."""
    with closing(House(request.getfixturevalue(f"{request.param}_url"), box)) as opened:
        yield opened
