"""`make bench`: prints each figure with its goal, and writes `artefacts/bench.json`."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import ours
from benchmarks.alone import figures_alone
from benchmarks.auditing import figures_of_auditing
from benchmarks.figures import Figure
from benchmarks.floors import PlainPostgres, PlainSqlite
from benchmarks.large import figures_of_memory, figures_of_proving
from benchmarks.pages import figures_of_pages
from tests.support.postgres import new_database, server


def paired(floor: Callable[[], object], our: Callable[[], object], *, rounds: int, count: int) -> tuple[float, float, float]:
    """Run floor and ours in turn; gives (median ratio ours/floor in steps per second, floor per second, ours per second)."""
    ratios, floors, ourselves = [], [], []
    for round_ in range(rounds):
        order = (floor, our) if round_ % 2 == 0 else (our, floor)
        taken = {}
        for run in order:
            began = time.perf_counter()
            for _ in range(count):
                run()
            taken[run] = time.perf_counter() - began
        ratios.append(taken[floor] / taken[our])
        floors.append(count / taken[floor])
        ourselves.append(count / taken[our])
    return statistics.median(ratios), statistics.median(floors), statistics.median(ourselves)


def _fire(name: str, plain: PlainPostgres | PlainSqlite, url: str, goal: float, scale: int) -> Iterator[Figure]:
    engine = ours.engine(url)
    left, right = plain.start(), ours.start(engine)
    for _ in range(1000):  # statements prepared, pages warm, and SQLite's log past its first end: it grows only once
        plain.step(left)
        ours.step(engine, right)
    with plain.apart() if isinstance(plain, PlainPostgres) else nullcontext("") as placed:
        ratio, floor, our = paired(lambda: plain.step(left), lambda: ours.step(engine, right), rounds=21, count=scale)
    detail = f"{our:,.0f}/s against {floor:,.0f}/s{placed and f'; client and server: {placed}'}"
    yield Figure(f"fire, {name}, 1 caller", ratio, "of plain", f">= {goal}", ratio >= goal, detail)
    if isinstance(plain, PlainPostgres):
        for where in (plain.together, nullcontext):
            with where() as placed:
                ratio, floor, our = paired(lambda: plain.step(left), lambda: ours.step(engine, right), rounds=7, count=scale)
            detail = f"{our:,.0f}/s against {floor:,.0f}/s"
            yield Figure(f"the same, {name}, {placed or 'as the scheduler likes'}", ratio, "of plain", "(none)", True, detail)
    queued = ours.start(engine, "queued")
    ratio, floor, our = paired(lambda: plain.step(left), lambda: ours.step(engine, queued), rounds=5, count=scale // 2)
    detail = f"{our:,.0f}/s against {floor:,.0f}/s; the floor keeps no queue"
    yield Figure(f"the same, {name}, with a row in a queue", ratio, "of plain", "(none)", True, detail)
    ratio, fired, started = paired(lambda: ours.step(engine, right), lambda: ours.start(engine), rounds=5, count=scale // 2)
    slower = 1 / ratio
    yield Figure(f"start, {name}", slower, "x a fire", "<= 1.5", slower <= 1.5, f"{started:,.0f}/s against {fired:,.0f}/s")
    yield _sweep(name, engine, scale)


def _sweep(name: str, engine: ours.Engine, scale: int) -> Figure:
    """Fire due timers through the full engine, a hundred instances in one transaction (a million waiting comes in a later issue)."""
    ids = [ours.start(engine) for _ in range(scale)]
    later = datetime.now(UTC) + timedelta(hours=2)
    swept = type(engine)(ours.at(engine.parts, later), engine.store)
    began = time.perf_counter()
    fired = 0
    while (ticked := swept.tick(limit=100)).fired:
        fired += ticked.fired
    rate = fired / (time.perf_counter() - began)
    return Figure(f"due timers, {name}", rate, "per second", "(2,000/s in a later issue)", fired >= len(ids), f"{fired} fired")


def _imports() -> Iterator[Figure]:
    for name, command, goal in (
        ("import workflow", [sys.executable, "-c", "import workflow"], 0.1),
        ("workflow --help", [sys.executable, "-m", "workflow.cli", "--help"], 0.5),
    ):
        bare = statistics.median(_seconds([sys.executable, "-c", "pass"]) for _ in range(5))
        took = statistics.median(_seconds(command) for _ in range(5))
        value = took - bare if name.startswith("import") else took
        yield Figure(name, value, "s", f"<= {goal}", value <= goal, f"interpreter alone {bare:.3f} s")


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


@contextmanager
def _closing(plain: PlainPostgres | PlainSqlite) -> Iterator[PlainPostgres | PlainSqlite]:
    try:
        yield plain
    finally:
        plain.close()


def measure(scale: int) -> Iterator[Figure]:
    """Measure everything; `scale` is the number of steps in each of the paired rounds."""
    yield from _imports()
    yield from figures_alone(scale)
    yield from figures_of_auditing(scale * 400)
    yield from figures_of_proving(min(scale * 3_500, 1_000_000))
    yield from figures_of_memory(min(scale * 350, 100_000))
    yield from figures_of_pages(min(scale * 350, 100_000))
    with tempfile.TemporaryDirectory() as folder:
        with _closing(PlainSqlite(Path(folder) / "plain.db")) as plain:
            yield from _fire("SQLite", plain, f"sqlite:///{folder}/ours.db", 0.5, scale)
        with server(is_durable=True, is_loopback=True) as url, _closing(PlainPostgres(new_database(url))) as plain:
            yield from _fire("PostgreSQL", plain, new_database(url), 1.0, scale)


def main() -> int:
    """Print the table; the exit code is 1 when a goal is missed."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--scale", type=int, default=300, help="steps per round (default 300)")
    options.add_argument("--json", type=Path, default=Path("artefacts/bench.json"))
    given = options.parse_args()
    table = Table(title="Ratios to the same SQL written by hand, same database, same run")
    for column in ("figure", "measured", "goal", "", "detail"):
        table.add_column(column)
    figures = []
    for figure in measure(given.scale):
        figures.append(figure)
        table.add_row(figure.name, f"{figure.value:.3g} {figure.unit}", figure.goal, "yes" if figure.is_reached else "NO", figure.detail)
    Console(width=140).print(table)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    return 0 if all(figure.is_reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
