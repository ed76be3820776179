"""What the tests of the examples share: both databases, and a look at them from outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

Count = Callable[[str], int]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh database with our tables, once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a fresh database without any table."""
    url: str = f"sqlite:///{tmp_path}/empty.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url")
    return url


def count_rows(url: str, table: str) -> int:
    """Count the rows that a connection of its own sees: what is committed, and nothing else."""
    database = sa.create_engine(url, poolclass=sa.NullPool)
    with database.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one())


@pytest.fixture
def count(database_url: str) -> Count:
    """Count the committed rows of a table."""
    return lambda table: count_rows(database_url, table)
