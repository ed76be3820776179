"""Commands for auditors: explain, and the group ``audit``."""

from __future__ import annotations

import typer

from workflow.cli.exits import FINDINGS
from workflow.cli.options import Database, InstanceArgument, Json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(explain)


def explain(instance: InstanceArgument, database: Database = None, json: Json = False) -> None:
    """Explain every deadline of an instance: what counted, what did not, and why.

    Weekends, holidays, nights, pauses (with the entry that paused) and clock changes are named, and the counted stretches sum
    to the second to the engine's own figure. The exit code is 1 when a recorded deadline does not follow from the history.
    """
    from workflow.cli import output
    from workflow.cli.explaining import as_data, print_deadlines
    from workflow.cli.opening import opened
    from workflow.engine.archive import Archive

    with opened(database) as engine:
        found = Archive(engine).explain(instance)
        calendar = engine.in_force(instance).world.calendar
    zone = calendar.zone if calendar else "UTC"
    if json:
        output.emit({"instance": instance, "zone": zone, "deadlines": [as_data(one) for one in found]})
    else:
        output.say(f"Deadlines of {instance} (times in {zone})", style="bold")
        print_deadlines(found, zone)
    if not all(one.agrees for one in found):
        raise typer.Exit(FINDINGS)
