"""The command ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.options import Json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    slow: Annotated[bool, typer.Option("--slow", help="Pause between the lines, to read along.")] = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", file_okay=False, help="Keep database, mails and text messages in this folder.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the whole journey of getting access to CPMS, in seconds, with everything that can go wrong on the way.

    SQLite, a mail server in this process, a simulated phone and a clock that is moved; engine, worker, checks and mails are real.
    """
    from workflow.cli.demo import run

    run(folder=keep, is_slow=slow, is_json=json)
