"""What verifying a store gave, told to people and programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflow.cli import output

if TYPE_CHECKING:
    from workflow.auditing import Flaw, Report, Window

_SHOWN = 20


@contextmanager
def progress(*, is_wanted: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error when it is a terminal."""
    if not is_wanted or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} entries/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=None, rate="")

        def tell(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:,.0f}" if speed else "")

        yield tell


def print_report(report: Report, *, is_json: bool) -> None:
    """Print what verifying a store gave: for people the first flaw first, for programs all that were kept."""
    if is_json:
        output.emit(_report_data(report))
        return
    output.say(
        f"{report.entries} entries of {report.instances} histories verified in {report.seconds:.1f} s "
        f"({report.entries_per_second:,.0f} entries/s); {report.leaves} in the tree, {report.waiting} waiting."
    )
    told = f"verified by {', '.join(report.keys)}" if report.keys else "signatures NOT verified: no known key"
    if report.checkpoints or report.given:
        output.say(f"{report.checkpoints} stored checkpoint(s), {report.given} from outside; {told}.")
    for line in _window_lines(report.window):
        output.say(line)
    first = report.first
    if first is None:
        output.say("Nothing is wrong.", style="green")
        return
    output.say(f"\n{report.flaw_count} flaw(s). First: {_place(first)}{first.message} [{first.what}]", style="bold red")
    if first.expected or first.found:
        output.pairs([("expected", first.expected), ("found", first.found)], indent=2)
    for flaw in [one for one in report.flaws if one is not first][:_SHOWN]:
        output.say(f"- {_place(flaw)}{flaw.message} [{flaw.what}]")
    if report.flaw_count > _SHOWN + 1:
        output.say(f"... and {report.flaw_count - _SHOWN - 1} more; --json lists up to 200.")


def _place(flaw: Flaw) -> str:
    parts = [flaw.instance or "", f"entry {flaw.sequence}" if flaw.sequence is not None else ""]
    where = ", ".join(part for part in parts if part)
    return f"{where}: " if where else ""


def _window_lines(window: Window) -> Iterator[str]:
    since = f", the oldest of {output.instant(window.oldest_at)}" if window.oldest_at else ""
    if window.is_held_elsewhere:
        yield f"Window: {window.count} entries are not under a checkpoint that is held elsewhere{since}; {window.covered} are."
        return
    covered = f"; {window.covered} are, but under one from the database itself" if window.covered else ""
    yield f"Window: {window.count} entries are not under a checkpoint{since}{covered}."
    yield "Give one that somebody else has kept (--checkpoint): without it the owner of database and signing key could have rewritten all."


def _report_data(report: Report) -> dict[str, object]:
    window = report.window
    return {
        "is_sound": report.is_sound,
        "entries": report.entries,
        "instances": report.instances,
        "leaves": report.leaves,
        "waiting": report.waiting,
        "root": report.root.hex(),
        "checkpoints": report.checkpoints,
        "given": report.given,
        "keys": list(report.keys),
        "window": {
            "entries": window.count,
            "oldest_at": output.instant(window.oldest_at),
            "covered": window.covered,
            "is_held_elsewhere": window.is_held_elsewhere,
        },
        "seconds": round(report.seconds, 3),
        "entries_per_second": round(report.entries_per_second),
        "flaw_count": report.flaw_count,
        "first": _flaw_data(report.first) if report.first else None,
        "flaws": [_flaw_data(flaw) for flaw in report.flaws],
    }


def _flaw_data(flaw: Flaw) -> dict[str, object]:
    return {
        "what": flaw.what.value,
        "message": flaw.message,
        "instance": flaw.instance,
        "sequence": flaw.sequence,
        "position": flaw.position,
        "expected": flaw.expected,
        "found": flaw.found,
    }
