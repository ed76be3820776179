"""The rig: the real engine on a real database, with a clock, checks, people and performers that do as they are told.

Promises: the engine and the store are those of production; what is exchanged are only the ports around them. A crash is an
exception that no part of the engine may catch, raised before or after any call to the store.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from workflow import bootstrap
from workflow.bootstrap import Extensions
from workflow.engine import Engine, Parts
from workflow.errors import Reason
from workflow.ports import CheckInput, CheckResult, Reads, Store, UnitOfWork, Watched
from workflow.settings import development_keys
from workflow.states.definition import Definition, RoleName
from workflow.states.instance import Actor, ActorId, Grant
from workflow.states.known import Known
from workflow.states.making import World
from workflow.testing.acts import Script
from workflow.testing.clock import VirtualClock

EVERYBODY = "allrounder"
"""Holds every role, for every scope."""
ADMIN = Actor.of("admin", "administrator")
PASSING = frozenset({"ok", "valid", "found", "mobile", "genuine"})
"""Leaves whose falsehood is a reason of its own, as the built-in checks have it."""


class CrashError(BaseException):
    """The process ends here; nothing may catch it, as nothing catches a power cut."""


@dataclass(slots=True)
class ScriptedChecks:
    """`ports.Checks` whose findings are said beforehand; what is not said is false, zero or empty."""

    known: Known
    script: Script = field(default_factory=dict)

    def run(self, seen: CheckInput, /) -> CheckResult:
        """Find what the script says."""
        spec, said = self.known.checks[seen.use.use], self.script.get(seen.use.name, {})
        zero: dict[str, bool | int | str] = {"bool": False, "int": 0, "string": ""}
        facts = {leaf: said.get(leaf, zero[type_]) for leaf, type_ in spec.facts.items()}
        missed = [leaf for leaf in spec.facts if leaf in PASSING and facts[leaf] is False]
        reasons = (Reason(code=f"{seen.use.name}_fails", message=f"The check {seen.use.name} finds no {missed[0]}."),) if missed else ()
        return CheckResult(facts=facts, reasons=reasons)


@dataclass(frozen=True, slots=True)
class People:
    """`ports.Directory`: two people for each role, and one who holds them all."""

    def holders(self, role: RoleName, scope: str | None) -> Sequence[ActorId]:
        """Name who holds a role, whatever the scope."""
        del scope
        return ActorId(f"{role}-1"), ActorId(f"{role}-2"), ActorId(EVERYBODY)

    def address(self, actor: ActorId) -> Mapping[str, str]:
        """Give an address for everybody."""
        return {"email": f"{actor}@office.example", "name": actor}


def actor_of(id_: str, roles: Sequence[str]) -> Actor:
    """Make an actor from an act's words."""
    return Actor(id=ActorId(id_), grants=frozenset(Grant.read(role) for role in roles))


class FragileStore:
    """A store whose process may end before or after any call."""

    def __init__(self, inner: Store) -> None:
        """Take the real store."""
        self.inner = inner
        self._left: int | None = None
        self._statements: int | None = None
        self._is_within = False
        self.is_cut = False

    def arm(self, crash: int | None, cut: int | None = None) -> None:
        """Say how many calls, and how many statements within a transaction, the process still lives through; None for ever."""
        self._left, self._statements = crash, cut

    def before(self, statement: str) -> None:
        """End the process between two statements of one transaction; a process that has ended runs nothing any more."""
        if self.is_cut:
            raise CrashError
        if statement.startswith("BEGIN"):
            self._is_within = True
        elif self._is_within and self._statements is not None:
            self._statements -= 1
            if self._statements < 0:
                self.is_cut = True
                raise CrashError
        if statement in {"COMMIT", "ROLLBACK"}:
            self._is_within = False

    def point(self) -> None:
        """End the process when its time has come."""
        if self._left is None:
            return
        if self._left <= 0:
            self._left = None
            raise CrashError
        self._left -= 1

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """Open a unit of work."""
        with self.inner.unit() as uow:
            yield cast("UnitOfWork", _Fragile(uow, self.point))

    @contextmanager
    def reads(self) -> Iterator[Reads]:
        """Open a reader."""
        with self.inner.reads() as reads:
            yield cast("Reads", _Fragile(reads, self.point))


class _Fragile:
    """Whatever it wraps, with a point of danger before and after each call."""

    def __init__(self, inner: object, point: Callable[[], None]) -> None:
        self._inner, self._point = inner, point

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever is wrapped
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **more: Any) -> Any:  # noqa: ANN401  # as above
            self._point()
            answer = found(*args, **more)
            self._point()
            return answer

        return call


MakeEngine = Callable[[Parts, Store], Engine]


class House:
    """What all runs over one definition share: the compiled documents, and a database in which they are published."""

    def __init__(
        self, source: str | Path, *, extensions: Extensions | None = None, postgres: str | None = None, engine: MakeEngine = Engine
    ) -> None:
        """Publish a definition into a database that every run begins with.

        Args:
            source: path of the definition, or the name of a shipped one.
            extensions: the host's own kinds of checks and actions; their checks are scripted like the built-in ones.
            postgres: URL of a database to run on; every run takes other names there. A temporary SQLite file when None.
            engine: makes the engine under test; a test of the oracles gives a broken one.
        """
        self.source = str(source)
        self.known = bootstrap.known(extensions)
        self._make, self._url, self._runs = engine, postgres, 0
        self._folder = tempfile.TemporaryDirectory(prefix="workflow-test-", dir=_memory(), ignore_cleanup_errors=True)
        self._template = Path(self._folder.name) / "template.db"
        opened = bootstrap.open_engine(postgres or f"sqlite:///{self._template}", keys=development_keys(), upgrade=True)
        bootstrap.publish(opened, source, extensions=extensions)
        self._parts = opened.parts
        name = next(d.name for d in bootstrap.documents_of(source, extensions=extensions) if d.kind == "definition")
        self.world: World = opened.newest(name).world
        self._shared = opened.store if postgres else None
        self._close = opened.close
        if not postgres:
            opened.close()

    @property
    def definition(self) -> Definition:
        """The definition under test."""
        return self.world.definition

    def open(self, clock: VirtualClock) -> Opened:
        """Open an engine on a database of its own (on PostgreSQL: under names of its own)."""
        self._runs += 1
        checks = ScriptedChecks(self.known)
        parts = replace(self._parts, clock=clock, checks=checks, directory=People())
        if self._shared is not None:
            store = FragileStore(self._shared)
            tag = f"-{self._folder.name[-8:]}-{self._runs}"
            return Opened(engine=self._make(parts, store), store=store, checks=checks, close=_nothing, tag=tag)
        path = self._template.with_name(f"run-{self._runs}.db")
        shutil.copyfile(self._template, path)
        return self._opened(path, parts, checks)

    def reopen(self, dead: Opened, clock: VirtualClock) -> Opened:
        """Open another engine on what the files of one held at the instant at which its process ended."""
        if dead.path is None:
            return dead
        self._runs += 1
        path = dead.path.with_name(f"run-{self._runs}.db")
        for suffix in ("", "-wal"):  # the index of the log is made anew, as after a power cut
            left = dead.path.with_name(dead.path.name + suffix)
            if left.exists():
                shutil.copyfile(left, path.with_name(path.name + suffix))
        dead.close()
        checks = ScriptedChecks(self.known)
        return self._opened(path, replace(self._parts, clock=clock, checks=checks, directory=People()), checks)

    def _opened(self, path: Path, parts: Parts, checks: ScriptedChecks) -> Opened:
        opened = bootstrap.open_engine(f"sqlite:///{path}", keys=development_keys())
        store = FragileStore(opened.store)
        if isinstance(opened.store, Watched):
            opened.store.watch(store.before)

        def close() -> None:
            opened.close()
            for left in path.parent.glob(f"{path.name}*"):
                left.unlink()

        return Opened(engine=self._make(parts, store), store=store, checks=checks, close=close, path=path)

    def close(self) -> None:
        """Remove the databases."""
        self._close()
        self._folder.cleanup()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One run's engine with what is exchanged around it.

    `tag` makes names differ where runs share a database; `path` is the run's own file, None in a shared one.
    """

    engine: Engine
    store: FragileStore
    checks: ScriptedChecks
    close: Callable[[], None]
    tag: str = ""
    path: Path | None = None

    def contents(self) -> dict[str, list[Any]]:
        """Give every row of the run's own file, by table."""
        raw = cast("Any", self.store.inner).engine.raw_connection()
        try:
            cursor = raw.cursor()
            names = [name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
            return {name: sorted(map(repr, cursor.execute(f'SELECT * FROM "{name}"').fetchall())) for name in names}  # noqa: S608  # our own names
        finally:
            raw.close()


def _nothing() -> None:
    """Leave a shared database open."""


def _memory() -> str | None:
    """Give a folder in memory where there is one: the file is as real there, and no disk is waited for."""
    folder = Path("/dev/shm")  # noqa: S108  # TemporaryDirectory makes a private folder in it
    return str(folder) if folder.is_dir() else None
