"""The command `policy diff`: what changed in meaning, and what that means for a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.exits import FINDINGS, LOOSENED
from workflow.cli.options import Json

if TYPE_CHECKING:
    from workflow.engine import Engine
    from workflow.policy.changes import Comparison, Side
    from workflow.policy.figures import Impact


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("diff")(diff)


def diff(
    first: Annotated[
        str, typer.Argument(metavar="OLD", help="The version before: a path, or the name of a shipped one; with --against, NEW.")
    ],
    second: Annotated[str | None, typer.Argument(metavar="NEW", help="The version after.")] = None,
    impact: Annotated[
        str | None,
        typer.Option("--impact", metavar="URL", help="Say what NEW would mean for every onboarding in this database. Reads only."),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="URL", help="Take as OLD the newest version that is published in this database.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what changed in meaning from one version of a definition to another, and not in text.

    Order, comments, titles and layout do not show. A change loosens (something is allowed that was not, or there is more time),
    tightens, or does neither. The exit code is 0 when the meaning is the same, 1 when it changed, and 6 when something is loosened
    or, with --impact, somebody would be stuck.
    """
    from workflow.cli import compared as told
    from workflow.cli import output

    old, new = _sides(first, second, against)
    comparison = _compared(old, new)
    found = _impact(comparison, second or first, impact, is_told=not json) if impact else None
    if json:
        output.emit(told.as_data(comparison, found))
    else:
        told.tell(comparison, found)
    if comparison.is_loosened or (found is not None and found.stuck):
        raise typer.Exit(LOOSENED)
    if comparison.changes:
        raise typer.Exit(FINDINGS)


def _sides(first: str, second: str | None, against: str | None) -> tuple[Side, Side]:
    if (second is None) == (against is None):
        raise typer.BadParameter("Give OLD and NEW, or NEW and --against.")
    if against is None:
        return read_side(first, is_old=True), read_side(str(second))
    from workflow.cli.opening import opened

    new = read_side(first)
    with opened(against) as engine:
        return stored_side(engine, new.definition.name), new


def read_side(name: str, *, is_old: bool = False) -> Side:
    """Read a version from a file, or a shipped one by its name; an old one is not judged by newer checks.

    Raises:
        DefinitionError: it is faulty.
    """
    from workflow import bootstrap, load
    from workflow.errors import DefinitionError
    from workflow.policy.changes import Side

    path = bootstrap.find_definition(name)
    parsed, findings = load.parsed(path, known=bootstrap.known(), is_stored=is_old)
    if parsed is None:
        raise DefinitionError(findings)
    return Side(file=str(path) if Path(name).is_file() else path.name, parsed=parsed)


def stored_side(engine: Engine, name: str) -> Side:
    """Read the newest version that a store has published, as it was written.

    Raises:
        NotFoundError: it has none of this name.
    """
    from workflow import load
    from workflow.errors import DefinitionError, NotFoundError
    from workflow.policy.changes import Side

    with engine.store.unit() as uow:
        document = uow.newest("definition", name)
    if document is None:
        raise NotFoundError("published definition", name)
    file = f"{name}@{document.digest[:8]}"
    parsed, findings = load.parsed(document.text or document.content, name=file, known=engine.parts.shelf.known, is_stored=True)
    if parsed is None:
        raise DefinitionError(findings)
    return Side(file=file, parsed=parsed)


def _compared(old: Side, new: Side) -> Comparison:
    from workflow.bootstrap import known
    from workflow.policy.compare import compare

    return compare(old, new, known())


def _impact(comparison: Comparison, new: str, url: str, *, is_told: bool) -> Impact:
    from workflow import bootstrap
    from workflow.cli.counting import counting
    from workflow.cli.opening import opened
    from workflow.engine.archive import Archive
    from workflow.policy.impact import Version, impact_of

    known = bootstrap.known()
    readers, documents = bootstrap.readers(known), {document.kind: document for document in bootstrap.documents_of(new)}
    version = Version(
        comparison=comparison,
        known=known,
        calendar=readers.calendar(documents["calendar"]) if "calendar" in documents else None,
        catalogue=readers.catalogue(documents["catalogue"]) if "catalogue" in documents else None,
    )
    with opened(url) as engine, counting("supposing", is_wanted=is_told) as tell:
        return impact_of(Archive(engine), version, now=engine.now(), progress=tell)
