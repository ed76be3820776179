"""Options that several commands share, so that they are named and explained alike everywhere."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer


def a_person(value: str | None) -> str | None:
    """Take what may be an actor's id.

    Raises:
        typer.BadParameter: it cannot be one.
    """
    from workflow.states.instance import Actor

    if value is None:
        return None
    try:
        Actor.of(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return value


def some_roles(values: list[str] | None) -> list[str] | None:
    """Take what may be roles.

    Raises:
        typer.BadParameter: one of them cannot be a role.
    """
    from workflow.states.instance import Grant

    if not all(Grant.read(value).role for value in values or ()):
        raise typer.BadParameter("A role has a name: ROLE or ROLE:SCOPE.")
    return values


Json = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]
Database = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="sqlite:///file.db or postgresql://..., instead of WORKFLOW_DATABASE_URL."),
]
InstanceArgument = Annotated[str, typer.Argument(metavar="INSTANCE", help="Id of the instance.")]
ActorOption = Annotated[str, typer.Option("--actor", metavar="ID", callback=a_person, help="Opaque id of who acts.")]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role", metavar="ROLE[:SCOPE]", callback=some_roles, help="A role the actor holds, e.g. network_team:ERKNet. May be repeated."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A value of the payload; lists are written a,b. May be repeated."),
]
SetJson = Annotated[
    list[str] | None, typer.Option("--set-json", metavar="NAME=JSON", help="A value of the payload as JSON. May be repeated.")
]
Secret = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME[=@FILE|=-]",
        help="A secret value: asked for, or the first line of a file or of standard input; never on the command line.",
    ),
]
Key = Annotated[str | None, typer.Option("--key", help="Idempotency key: the same command repeated with it happens once.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Rows at most.")]
After = Annotated[str | None, typer.Option("--after", metavar="CURSOR", help="Go on behind this place (`next` of the page before).")]


def release() -> str:
    """Give the version of this program."""
    try:
        return version("onboarding-workflow")
    except PackageNotFoundError:
        return "0 (not installed)"
