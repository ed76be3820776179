"""Commands for owners of a policy: test."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workflow.cli import comparing, mutating, policy_words, prove
from workflow.cli.exits import FINDINGS
from workflow.cli.options import Json

policy = typer.Typer(help="The policy of a definition: does it hold?", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    policy.callback()(_group)
    policy.command("test")(run)
    prove.register(policy)
    mutating.register(policy)
    comparing.register(policy)
    policy_words.register(policy)
    app.add_typer(policy, name="policy")


def _group() -> None:
    """The policy of a definition: does it hold?"""


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A definition, or the name of a shipped one.")],
    examples: Annotated[int, typer.Option("--examples", min=1, max=100_000, metavar="N", help="Onboardings.")] = 200,
    steps: Annotated[int, typer.Option("--steps", min=1, max=1_000, metavar="N", help="Acts in each onboarding, at most.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The same seed gives the same runs.")] = 0,
    postgres: Annotated[
        str | None, typer.Option("--postgres", metavar="URL", help="Run on this PostgreSQL database, made for tests, instead of SQLite.")
    ] = None,
    coverage_threshold: Annotated[
        float, typer.Option("--coverage-threshold", min=0, max=100, metavar="P", help="Percentage of states, transitions and rungs wanted.")
    ] = 0.0,
    json: Json = False,
) -> None:
    """Test a definition: random onboardings on the real engine, judged by its own properties and by what holds for all.

    Needs the extra `testing`. A failure is told with the property, the shortest history that shows it, and a test to paste.
    """
    from workflow.cli import output
    from workflow.errors import SettingsError

    try:
        from workflow.testing.machine import from_definition, run_tests
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is not installed: install this package with the extra `testing`.") from error
    from workflow.testing.report import as_data, told

    machine = from_definition(file, postgres=postgres)
    try:
        outcome = run_tests(machine, examples=examples, steps=steps, with_seed=seed)
    finally:
        machine.house.close()
    if json:
        output.emit(as_data(outcome, threshold=coverage_threshold))
    else:
        sys.stdout.write("\n".join(told(outcome, threshold=coverage_threshold)) + "\n")
    if not outcome.is_passed(coverage_threshold):
        raise typer.Exit(FINDINGS)
