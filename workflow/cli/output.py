"""How commands answer: JSON for programs, aligned lines for people.

Promises: readable at 80 columns and without a terminal; colours only on one. Instants are shown in the zone of the process's
calendar, with the weekday, because deadlines are counted in working days there.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console

if TYPE_CHECKING:
    from workflow.states.instance import Instance, Situation, Timer

T = TypeVar("T")
_MANY = 5


@cache
def console() -> Console:
    """Give the console for standard output."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False, markup=False)


def emit(value: object) -> None:
    """Print a value as JSON."""
    sys.stdout.write(as_json(value) + "\n")


def as_json(value: object) -> str:
    """Write a value as JSON."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def say(text: str = "", *, style: str = "") -> None:
    """Print a line."""
    console().print(text, style=style)


def tracked(things: Sequence[T], what: str) -> Iterable[T]:
    """Go through things with a bar on standard error; without a terminal, or with few of them, just go through them."""
    if len(things) < _MANY or not sys.stderr.isatty():
        return things
    from rich.progress import track

    return track(things, description=what, console=Console(stderr=True), transient=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal that something takes its time."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True).status(what):
        yield


@contextmanager
def naming() -> Iterator[Callable[[str, int, int], None]]:
    """Show the same of work in several parts, each with its name."""
    if not sys.stderr.isatty():
        yield lambda _what, done, total: _hush(done, total)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total, refresh=True)

        yield tell


def _hush(done: int, total: int) -> None:
    del done, total


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far a long work is; no thread draws, so that processes may be forked meanwhile."""
    if not sys.stderr.isatty():
        yield _hush
        return
    with naming() as tell:
        yield lambda done, total: tell(what, done, total)


def columns(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under titles, aligned; what is too long in the last column goes on below."""
    table = list(rows)
    _aligned([tuple(titles), *table], styles=("bold", *("" for _ in table)))


def pairs(rows: Iterable[tuple[str, str]], *, indent: int = 0) -> None:
    """Print names and values, aligned."""
    _aligned([(" " * indent + name, value) for name, value in rows], styles=())


def _aligned(rows: Sequence[Sequence[str]], *, styles: Sequence[str]) -> None:
    """Align all columns but the last by their longest value; no blanks at the end of a line."""
    if not rows:
        return
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    room = max(console().width - sum(widths) - 2 * len(widths), 24)
    for row, style in zip_longest(rows, styles, fillvalue=""):
        parts = [part for line in (row[-1].splitlines() or [""]) for part in textwrap.wrap(line, room) or [""]]
        for number, part in enumerate(parts):
            cells = row[:-1] if number == 0 else [""] * len(widths)
            said = "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=True))
            say(f"{said}{part}".rstrip(), style=style)


def local(at: datetime | None, zone: str = "UTC") -> str:
    """Write an instant in a zone with its weekday: ``Mon 2026-05-04 16:30``; empty for None."""
    if at is None:
        return ""
    return at.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M" if zone != "UTC" else "%a %Y-%m-%d %H:%MZ")


def instant(at: datetime | None) -> str | None:
    """Write an instant for programs, in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def next_due(situation: Situation) -> datetime | None:
    """Give the earliest running deadline."""
    return min((timer.due_at for timer in situation.timers if timer.due_at is not None), default=None)


def timer_data(timer: Timer) -> dict[str, object]:
    """Give a timer as data."""
    return {
        "timer": timer.key,
        "event": timer.event,
        "due_at": instant(timer.due_at),
        "armed_at": instant(timer.armed_at),
        "is_paused": timer.due_at is None,
    }


def instance_data(instance: Instance, situation: Situation | None = None) -> dict[str, object]:
    """Give an instance as data; personal values are named, not shown."""
    said: dict[str, object] = {
        "id": instance.id,
        "definition": instance.definition,
        "digest": instance.digest,
        "state": instance.state,
        "outcome": instance.outcome,
        "subject": instance.subject,
        "version": instance.version,
        "head": instance.head,
        "head_hash": instance.head_hash.hex(),
        "fields": dict(instance.fields),
        "personal": sorted(instance.personal),
        "started_at": instant(instance.started_at),
        "recorded_at": instant(instance.recorded_at),
    }
    if situation is not None:
        said["timers"] = [timer_data(timer) for timer in situation.timers]
    return said
