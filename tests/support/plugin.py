"""Fixtures that every test may ask for: real databases, fresh for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

# A test that fails when the machine is busy proves nothing: no example has a limit of its own (each test has one).
settings.register_profile("workflow", deadline=None)
settings.load_profile("workflow")

# What the terminal of whoever runs the tests can do, and how wide it is, must not change what they see.
os.environ["TERM"] = "xterm-256color"
for _name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)

_MEASURED = ("tests/states/", "tests/audit/", "tests/load/test_bad_definitions.py", "tests/load/test_good_definitions.py")
"""Tests of the two pure rooms, apart from modules that say so themselves (`pytestmark = pytest.mark.measured`)."""
_SERVER = pytest.StashKey[str]()
_ENDING = pytest.StashKey[ExitStack]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what counts for the coverage of the pure rooms: a property does not, because its examples differ from run to run."""
    if item.nodeid.startswith(_MEASURED) and not is_hypothesis_test(getattr(item, "obj", None)):
        item.add_marker(pytest.mark.measured)


def _server(config: pytest.Config) -> str:
    """Start this run's one server when it is first wanted; it ends with the run."""
    if _SERVER not in config.stash:
        from tests.support.postgres import server  # noqa: PLC0415  # most runs need no server

        ending = config.stash.setdefault(_ENDING, ExitStack())
        config.stash[_SERVER] = ending.enter_context(server())
    return config.stash[_SERVER]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give every worker of pytest-xdist the server of the process that started them."""
    node.workerinput["postgres"] = _server(node.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server with the run."""
    if _ENDING in config.stash:
        config.stash[_ENDING].close()


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> str:
    """URL of the first database of a running server; make databases of your own with `tests.support.postgres.new_database`."""
    given = getattr(request.config, "workerinput", {}).get("postgres")
    return given or _server(request.config)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """Name of a database that has our tables, to be copied."""
    import workflow_store  # noqa: PLC0415  # as above

    from tests.support.postgres import database_name, new_database  # noqa: PLC0415  # most runs need neither

    url = new_database(postgres_server)
    workflow_store.upgrade(url)
    return database_name(url)


@pytest.fixture(scope="session")
def spare_databases() -> list[str]:
    """URLs of databases that have our tables and are empty again."""
    return []


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str, spare_databases: list[str]) -> Iterator[str]:
    """URL of a PostgreSQL database that has our tables, without any row."""
    from tests.support.postgres import drop_database, emptied, new_database  # noqa: PLC0415  # most runs need neither

    url = spare_databases.pop() if spare_databases else new_database(postgres_server, template=postgres_template)
    yield url
    # Deleting rows takes a twentieth of the time of making a database.
    if emptied(url):
        spare_databases.append(url)
    else:
        drop_database(postgres_server, url)


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a fresh PostgreSQL database without any table."""
    from tests.support.postgres import drop_database, new_database  # noqa: PLC0415  # most runs need neither

    url = new_database(postgres_server)
    yield url
    drop_database(postgres_server, url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has our tables, to be copied."""
    import workflow_store  # noqa: PLC0415  # most runs need neither

    path = tmp_path_factory.mktemp("template") / "store.db"
    workflow_store.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a fresh SQLite file that has our tables."""
    path = tmp_path / "store.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"
