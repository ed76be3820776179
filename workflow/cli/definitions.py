"""Commands for authors: check, graph, publish."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.exits import FINDINGS
from workflow.cli.options import Database, Json, a_person

if TYPE_CHECKING:
    from workflow.errors import Finding
    from workflow.states.definition import Definition, StatePath

_FIRST_KEY = re.compile(r"^([A-Za-z_]+)\s*:", re.MULTILINE)


class CheckFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class GraphFormat(StrEnum):
    """What a picture is written in."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(check)
    app.command()(graph)
    app.command()(publish)


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Definitions, calendars or catalogues; - is standard input.")],
    format_: Annotated[CheckFormat, typer.Option("--format", help="How findings are printed.")] = CheckFormat.TEXT,
    notes: Annotated[
        bool, typer.Option("--notes", help="Also what is worth knowing and no fault: roles without whom nothing succeeds.")
    ] = False,
    json: Json = False,
) -> None:
    """Check documents and name every fault with its place.

    Calendars and catalogues are recognised by their first key. The exit code is 1 when any finding is an error.
    """
    from workflow.cli import output

    findings = [finding for file in output.tracked(files, "Checking") for finding in findings_of(file, with_notes=notes)]
    errors = sum(finding.severity == "error" for finding in findings)
    match CheckFormat.JSON if json else format_:
        case CheckFormat.JSON:
            output.emit({"files": files, "errors": errors, "findings": [_data(finding) for finding in findings]})
        case CheckFormat.GITHUB:
            for finding in findings:
                sys.stdout.write(f"{_annotation(finding)}\n")
        case CheckFormat.TEXT:
            for finding in findings:
                sys.stdout.write(f"{finding.render()}\n")
            warnings, noted = (sum(finding.severity == one for finding in findings) for one in ("warning", "note"))
            also = f", {noted} note(s)" if notes else ""
            sys.stdout.write(f"{len(files)} document(s) checked: {errors} error(s), {warnings} warning(s){also}.\n")
    if errors:
        raise typer.Exit(FINDINGS)


def findings_of(file: str, *, with_notes: bool = False) -> tuple[Finding, ...]:
    """Check one document; ``-`` is standard input."""
    from workflow import bootstrap, load
    from workflow.errors import DefinitionError

    source: Path | bytes = sys.stdin.buffer.read(load.MAX_BYTES + 1) if file == "-" else Path(file)
    name = "<stdin>" if file == "-" else file
    kind = _kind(source)
    if kind == "definition":
        return load.inspect(source, name=name, known=bootstrap.known(), with_notes=with_notes)[1]
    try:
        (load.read_calendar if kind == "calendar" else load.read_catalogue)(source, name=name)
    except DefinitionError as error:
        return error.findings
    return ()


def _kind(source: Path | bytes) -> str:
    """Say by its first key what a document is; whatever cannot be read is left to the loader, which says why."""
    from workflow import load

    if isinstance(source, bytes):
        text = source
    else:
        try:
            with source.open("rb") as file:
                # Never more than the loader takes: the file may be a device without an end.
                text = file.read(load.MAX_BYTES + 1)
        except OSError:
            return "definition"
    found = _FIRST_KEY.search(text.decode("utf-8", errors="replace"))
    key = found.group(1) if found else ""
    return key if key in {"calendar", "catalogue"} else "definition"


def _data(finding: Finding) -> dict[str, object]:
    names = ("file", "line", "column", "severity", "code", "message", "source")
    return {name: getattr(finding, name) for name in names}


def _annotation(finding: Finding) -> str:
    """Write a finding as a workflow command of GitHub Actions."""

    def escaped(text: str, *, is_property: bool = True) -> str:
        text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return text.replace(":", "%3A").replace(",", "%2C") if is_property else text

    place = f"file={escaped(finding.file)},line={finding.line},col={finding.column},title={escaped(finding.code)}"
    severity = "notice" if finding.severity == "note" else finding.severity
    return f"::{severity} {place}::{escaped(finding.message, is_property=False)}"


def graph(
    name: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A definition: a file, a shipped or a published one.")],
    format_: Annotated[GraphFormat, typer.Option("--format", help="What the picture is written in.")] = GraphFormat.MERMAID,
    instance: Annotated[str | None, typer.Option("--instance", metavar="ID", help="Mark the state this instance is in.")] = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Draw a definition, generated from what the engine runs.

    With --instance the definition is the one that the instance is pinned to, which may be older than NAME.
    """
    from workflow.cli import output
    from workflow.states import graph as pictures

    definition, current = _drawn(name, instance, database)
    match format_:
        case GraphFormat.MERMAID:
            text = pictures.mermaid(definition, current=current)
        case GraphFormat.DOT:
            text = pictures.dot(definition, current)
        case GraphFormat.SVG:
            text = pictures.svg(definition, current)
    if json:
        output.emit({"definition": definition.name, "digest": definition.digest, "state": current, "format": format_, "text": text})
    else:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def _drawn(name: str, instance: str | None, database: str | None) -> tuple[Definition, StatePath | None]:
    from workflow import bootstrap, load
    from workflow.cli.opening import opened
    from workflow.errors import NotFoundError

    if instance is None:
        try:
            return load.load(bootstrap.find_definition(name), known=bootstrap.known()), None
        except NotFoundError:
            if "/" in name or name.endswith((".yaml", ".yml")):
                raise
        with opened(database) as engine:
            return engine.newest(name).world.definition, None
    with opened(database) as engine:
        found = engine.in_force(instance).world.definition
        if name != found.name and not Path(name).is_file():
            raise NotFoundError(f"instance of {name}", instance)
        return found, engine.get(instance).state


def publish(
    names: Annotated[list[str], typer.Argument(metavar="FILE|NAME...", help="Definitions: files, or shipped ones by name.")],
    actor: Annotated[
        str, typer.Option("--actor", metavar="ID", callback=a_person, help="Who publishes, for the history.")
    ] = "system:publisher",
    database: Database = None,
    json: Json = False,
) -> None:
    """Publish definitions with the calendars and catalogues they name.

    New instances start by them at once; instances under way keep their definition and take the new calendar and catalogue.
    """
    from workflow import bootstrap
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.states.instance import Actor

    documents = [document for name in names for document in bootstrap.documents_of(name)]
    with opened(database) as engine:
        count = engine.publish(*{(d.kind, d.name): d for d in documents}.values(), actor=Actor.of(actor, "administrator"))
    if json:
        output.emit({"new": count, "documents": [{"kind": d.kind, "name": d.name, "digest": d.digest} for d in documents]})
        return
    output.columns(("kind", "name", "digest"), [(d.kind, d.name, d.digest[:16]) for d in documents])
    output.say(f"{count} new document(s) published." if count else "Nothing new: all of it was published before.")
