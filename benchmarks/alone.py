"""The engine's own work per step, without a database: decide, record and map, for an `approve` of the reference definition."""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
from workflow_store import loading
from workflow_store.mapping import loaded_from
from workflow_store.pipeline import binary, timestamp
from workflow_store.writes import writes_of

from benchmarks import ours
from benchmarks.figures import Figure
from workflow.audit.canonical import canonical_entry
from workflow.bootstrap import documents_of, open_engine, publish
from workflow.engine import Engine
from workflow.engine.calls import drive
from workflow.ports import Change, Loaded
from workflow.settings import development_keys
from workflow.states import timers as timing
from workflow.states.definition import FieldName, StatePath
from workflow.states.instance import Actor, ActorId, Event, Instance, InstanceId, Situation


class _Captured:
    """A unit of work that gives the same instance again and again, and keeps what would have been saved."""

    is_joined = False

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.change: Change | None = None

    def load(self, *_: object, **__: object) -> Loaded:
        return self.loaded

    def save(self, change: Change, /) -> None:
        self.change = change


class _OneUnit:
    def __init__(self, captured: _Captured) -> None:
        self.captured = captured

    @contextmanager
    def unit(self) -> Iterator[_Captured]:
        yield self.captured


def microseconds(work: Callable[[], object], *, count: int, rounds: int = 7) -> float:
    """Give the median CPU time of one call, in microseconds."""
    found = []
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(count):
            work()
        found.append((time.process_time_ns() - began) / count / 1000)
    return statistics.median(found)


def _awaiting_approval(engine: Engine) -> Loaded:
    """Give a request of the reference definition that waits for its approval, as the store would load it."""
    documents = documents_of("cpms-access")
    engine.publish(*documents, actor=Actor.of("bench", "administrator"))
    with engine.store.unit() as uow:
        empty = uow.load(None)
        in_force = engine.parts.shelf.fetch_newest(uow, "cpms-access", empty.publications)
    world, now = in_force.world, engine.now()
    leaf = StatePath("requested.awaiting_approval")
    instance = Instance(
        id=InstanceId("bench"),
        definition=world.definition.name,
        digest=world.definition.digest,
        state=leaf,
        subject=ActorId("subject"),
        version=12,
        head=20,
        head_hash=b"\x07" * 32,
        fields={FieldName("network"): "ERKNet", FieldName("language"): "en", FieldName("application"): "CPMS"},
        personal=frozenset({FieldName("email"), FieldName("first_name"), FieldName("last_name")}),
        started_at=now,
        recorded_at=now,
        calendar_digest=in_force.digests.get("calendar"),
    )
    types = [t for path in world.definition.lineage(leaf) for t in world.definition.states[path].timers if t.since is None]
    timers = [timing.arm(t, at=now, is_paused=False, calendar=world.calendar) for t in types]
    key = engine.parts.vault.new_subject_key(instance.subject)
    return replace(empty, situation=Situation(instance=instance, timers=tuple(timers)), subject_key=key)


def figures_alone(scale: int) -> Iterator[Figure]:
    """Measure the engine's own CPU per step, and what the history costs of a whole step."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/alone.db", keys=development_keys(), upgrade=True)
        loaded = _awaiting_approval(engine)
        captured = _Captured(loaded)
        alone = Engine(engine.parts, _OneUnit(captured))  # type: ignore[arg-type]  # what a step needs of a store
        event = Event.of("approve", Actor.of("approver", "network_team:ERKNet"), rationale="Known and trusted.")
        decide = microseconds(lambda: drive(alone.firing("bench", event)), count=scale)
        change = captured.change
        if change is None:
            raise RuntimeError("The approval was not saved.")
        save = microseconds(lambda: [binary(row) for _, row, _ in writes_of(change, timestamp)], count=scale)
        row = _row(engine)
        load = microseconds(lambda: loaded_from(row, has_instance=True), count=scale)
        total = decide + save + load
        detail = f"decide and record {decide:.0f}, map a load {load:.0f}, map a save {save:.0f}"
        yield Figure("own CPU per step (approve, reference definition)", total, "us", "<= 90", total <= 90, detail)
        yield _history(engine, change, scale)


def _history(engine: Engine, change: Change, scale: int) -> Figure:
    """Compare the canonical bytes and hashes of an entry with the whole durable step they are part of."""
    said = orjson.loads(change.entries[-1].canonical)
    own = microseconds(lambda: hashlib.sha256(b"\x00" + canonical_entry(said)).digest(), count=scale)
    publish(engine, ours.SWING)
    id_ = ours.start(engine)
    for _ in range(20):
        ours.step(engine, id_)
    began = time.perf_counter_ns()
    for _ in range(scale):
        ours.step(engine, id_)
    step = (time.perf_counter_ns() - began) / scale / 1000
    share = 100 * own / step
    return Figure("history on the hot path", share, "% of a step", "<= 5", share <= 5, f"{own:.1f} us of {step:.0f} us")


def _row(engine: Engine) -> Any:  # a database row
    """Give the row that a load of a swinging instance reads."""
    publish(engine, ours.SWING)
    id_ = ours.start(engine)
    with engine.store.unit() as uow:
        statement = uow._book[loading.existing(uow._book.database, has_key=False)]  # type: ignore[attr-defined]  # noqa: SLF001  # the mapping alone
        return uow._rows(statement, {"instance_id": id_, "key": None})[0]  # type: ignore[attr-defined]  # noqa: SLF001  # the mapping alone
