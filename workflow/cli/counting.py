"""A count on standard error, for commands that go through a whole store and do not know how large it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(what: str, *, is_wanted: bool) -> Iterator[Callable[[int, int], None]]:
    """Show how many histories and entries are done, when standard error is a terminal; the answer is told (histories, entries)."""
    if not is_wanted or not sys.stderr.isatty():
        yield lambda _histories, _entries: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        TextColumn("{task.completed:,} histories, {task.fields[entries]:,} entries"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, entries=0)

        def tell(histories: int, entries: int) -> None:
            bar.update(task, completed=histories, entries=entries)

        yield tell
