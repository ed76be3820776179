"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.cli import audit, definitions, demo_command, exporting, history, instances, operations, policy, serving
from workflow.cli.exits import EPILOG
from workflow.cli.options import release

app = typer.Typer(
    name="workflow",
    help="Onboardings as state machines: check and publish definitions, run instances, look after the worker, read the history.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(release())
        raise typer.Exit


@app.callback()
def common(
    _version_wanted: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Onboardings as state machines: check and publish definitions, run instances, look after the worker, read the history."""


demo_command.register(app)
definitions.register(app)
instances.register(app)
operations.register(app)
history.register(app)
exporting.register(app)
audit.register(app)
policy.register(app)
serving.register(app)
