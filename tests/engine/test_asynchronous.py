"""The asynchronous engine: the whole surface of the synchronous one, on its own store and on a host's asynchronous connection."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa
import workflow_store
from sqlalchemy.ext.asyncio import create_async_engine

from tests.engine.conftest import ADMIN, House
from tests.support.approvals import BEN, TEXT, VISITOR
from workflow.engine import AsyncEngine, Engine
from workflow.engine.shelf import InForce
from workflow.errors import RefusedError
from workflow.states.instance import Actor, ActorId, Delegation, Event

TURNS = {"starting", "firing", "settling", "telling", "asking", "looking", "opening"}
"""Turns that both engines drive; no call of a host's."""
ONE_SIDED = {"reads": "an open reader, whose calls would block the event loop", "engine": "the synchronous engine underneath"}
REGISTER = Event.of("register", VISITOR, email="ana@example.org", network="ERKNet")


def surface(engine: type) -> dict[str, inspect.Signature | None]:
    """Give the public names of an engine with their parameters."""
    found = {name: member for name, member in vars(engine).items() if not name.startswith("_") and name not in TURNS | set(ONE_SIDED)}
    return {name: inspect.signature(member) if inspect.isfunction(member) else None for name, member in found.items()}


def test_both_engines_have_the_same_surface():
    """Every public method of `Engine` is one of `AsyncEngine`, with the same parameters, defaults and answer."""
    ours, theirs = surface(Engine), surface(AsyncEngine)
    assert set(ours) == set(theirs)
    for name in set(ours) - {"on"}:  # `on` takes another kind of connection and gives another engine
        assert ours[name] == theirs[name], name


@pytest.fixture
def house(sqlite_url) -> Iterator[House]:
    """A house on SQLite; its own store has a pool."""
    store = workflow_store.connect(sqlite_url)
    store.upgrade()
    with closing(store):
        yield House(store)


async def everything(engine: AsyncEngine, house: House) -> None:
    """Call each method once, and check what it says."""
    started = await engine.start("access", REGISTER, subject="ana")
    id_ = started.instance.id
    now = await engine.now()
    grant = Delegation(
        id="d", principal=ActorId("ben"), deputy=ActorId("dee"), role=None, scope=None, starts_at=now, ends_at=now.replace(year=2030)
    )
    await engine.delegate(grant, actor=BEN)
    await engine.end_delegation("d", actor=BEN)
    assert (await engine.disclose(id_, actor=Actor.of("hal"), fields=["email"])) == {"email": "ana@example.org"}
    assert (await engine.values(id_))["email"] == "ana@example.org"
    assert [row.kind for row in await engine.history(id_)] == ["instance:started", "data:read"]
    assert [one.instance.id for one in (await engine.instances()).rows] == [id_]
    assert {work.event for _, work in (await engine.work()).rows} >= {"approve", "ask"}
    assert {work.event for _, work in (await engine.work_of(BEN)).rows} == {"approve", "ask"}
    assert (await engine.may(id_, BEN, "ask"))["ask"] is not None
    assert isinstance(await engine.in_force(id_), InForce)
    assert (await engine.newest("access")).world.definition.name == "access"
    assert (await engine.get(id_)).state == (await engine.situation(id_)).instance.state == "requested.open"
    await engine.fire(id_, Event.of("rate", Actor.of("ana"), level=3))
    house.clock.wait(days=1, hours=1)
    assert (await engine.tick()).fired == 1
    assert (await engine.publish(*house_documents(house), actor=ADMIN)) == 0
    erased = await engine.erase("ana", basis="GDPR 17", actor=ADMIN)
    assert erased.instances == (id_,)
    assert "email" not in await engine.values(id_)


def house_documents(house: House):
    with house.store.unit() as uow:
        return [uow.newest("definition", "access")]


def test_everything_on_its_own_store(house):
    """Each method works in a thread on the engine's own store; a refusal is raised."""
    house.publish(TEXT)
    engine = AsyncEngine(house.engine)
    asyncio.run(everything(engine, house))
    with pytest.raises(RefusedError):
        asyncio.run(engine.erase("ana", basis="", actor=ADMIN))


def test_everything_on_a_hosts_connection(house, sqlite_url):
    """Each method works in the host's transaction, erasure and reads too; the host's rollback leaves nothing."""
    house.publish(TEXT)

    async def visit() -> None:
        database = create_async_engine(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"), poolclass=sa.NullPool)
        async with database.connect() as connection:
            parts = replace(house.parts, join=lambda given: workflow_store.join(given.sync_connection))
            engine = AsyncEngine(Engine(parts, house.store)).on(connection)
            await everything(engine, house)
            refused = await engine.erase("ana", basis="", actor=ADMIN)
            assert [reason.code for reason in refused.reasons] == ["basis_missing"]
            await connection.rollback()
        await database.dispose()

    asyncio.run(visit())
    assert house.engine.instances().rows == ()
