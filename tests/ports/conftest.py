"""Every kind of store, behind one way to use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
import workflow_store
from sqlalchemy.ext.asyncio import create_async_engine

from workflow.ports import Store
from workflow.testing.store import MemoryStore

T = TypeVar("T")
OWN = ("memory", "sqlite", "postgres")
JOINED = ("sqlite_joined", "postgres_joined", "aiosqlite", "asyncpg", "psycopg_async")
DRIVERS = {"aiosqlite": "sqlite+aiosqlite", "asyncpg": "postgresql+asyncpg", "psycopg_async": "postgresql+psycopg_async"}


class Case:
    """One kind of store."""

    def __init__(self, kind: str, do: Callable[[Callable[[Store], Any]], Any], url: str = "") -> None:
        self.kind = kind
        self.is_joined = kind in JOINED
        self.url = url
        self._do = do

    def do(self, act: Callable[[Store], T]) -> T:
        """Use the store; what was saved is committed afterwards, in joined kinds by the host."""
        return self._do(act)


def _joined(url: str) -> Callable[[Callable[[Store], Any]], Any]:
    def do(act: Callable[[Store], Any]) -> Any:
        engine = sa.create_engine(url)
        try:
            with engine.begin() as connection:
                return act(workflow_store.join(connection))
        finally:
            engine.dispose()

    return do


def _asynchronous(url: str) -> Callable[[Callable[[Store], Any]], Any]:
    async def run(act: Callable[[Store], Any]) -> Any:
        engine = create_async_engine(url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(lambda sync: act(workflow_store.join(sync)))
        finally:
            await engine.dispose()

    return lambda act: asyncio.run(run(act))


def make_case(kind: str, request: pytest.FixtureRequest, ending: ExitStack) -> Case:
    """Make the case of a kind on a fresh database."""
    if kind == "memory":
        store = MemoryStore()
        return Case(kind, lambda act: act(store))
    is_sqlite = "sqlite" in kind
    url = request.getfixturevalue("sqlite_url" if is_sqlite else "postgres_url")
    if kind in OWN:
        own = workflow_store.connect(url)
        ending.callback(own.close)
        return Case(kind, lambda act: act(own), url)
    if kind in DRIVERS:
        _, rest = url.split(":", 1)
        return Case(kind, _asynchronous(f"{DRIVERS[kind]}:{rest}"), url)
    return Case(kind, _joined(url), url)


@pytest.fixture(params=[*OWN, *JOINED])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Every kind of store."""
    with ExitStack() as ending:
        yield make_case(request.param, request, ending)


@pytest.fixture(params=OWN)
def own(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Every store with connections of its own."""
    with ExitStack() as ending:
        yield make_case(request.param, request, ending)


@pytest.fixture(params=["sqlite", "postgres"])
def real(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Every real store with connections of its own."""
    with ExitStack() as ending:
        yield make_case(request.param, request, ending)
