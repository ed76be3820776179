"""One engine suite on the fake and on every real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
import workflow_store

from workflow.audit.canonical import canonical
from workflow.bootstrap import Extensions, documents_of, known, readers
from workflow.checks import BuiltinChecks, HashCost, KeyVault
from workflow.engine import Engine, FloodLimit, Parts, Shelf
from workflow.engine.directory import FixedDirectory
from workflow.load import load
from workflow.ports import Document
from workflow.settings import development_keys
from workflow.states.instance import Actor
from workflow.testing.store import MemoryStore

CHEAP = HashCost(passes=1, memory_kib=64, lanes=1)
ADMIN = Actor.of("admin", "administrator")


class Clock:
    """A clock that is a value: it moves when a test says so."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def wait(self, **duration) -> None:
        self.at += timedelta(**duration)


class House:
    """An engine on one store, with everything around it that a test needs."""

    def __init__(self, store, *, directory=None, flood=None) -> None:
        self.clock = Clock()
        self.store = store
        self.vault = KeyVault(development_keys())
        self.directory = directory or FixedDirectory()
        everything = known(Extensions())
        self.parts = Parts(
            shelf=Shelf(readers(everything), everything),
            vault=self.vault,
            checks=BuiltinChecks(self.vault, self.directory, cost=CHEAP),
            directory=self.directory,
            clock=self.clock,
            flood=flood or FloodLimit(),
            join=workflow_store.join,
        )
        self.engine = Engine(self.parts, store)

    def publish(self, text: str) -> int:
        definition = load(text, known=known(Extensions()))
        document = Document(
            kind="definition",
            name=definition.name,
            digest=definition.digest,
            text_digest=definition.text_digest,
            content=canonical(definition.data),
            text=text.encode(),
        )
        return self.engine.publish(document, actor=ADMIN)

    def publish_shipped(self, name: str) -> int:
        return self.engine.publish(*documents_of(name), actor=ADMIN)

    def said(self, instance_id: str) -> list[dict]:
        """Give what the entries of an instance say."""
        return [orjson.loads(row.canonical) for row in self.engine.history(instance_id)]


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def store(request):
    """Each store in turn."""
    if request.param == "fake":
        yield MemoryStore()
        return
    opened = workflow_store.connect(request.getfixturevalue(f"{request.param}_url"))
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def house(store):
    """An engine on each store in turn."""
    return House(store)
