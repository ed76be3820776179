"""Commands: audit export, and audit verify-export, which needs no store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.audit import audit
from workflow.cli.history import Definition, Outcome, Since, State, Until, require_published, wanted_of
from workflow.cli.options import ActorOption, Database, Json

if TYPE_CHECKING:
    from workflow.engine import Engine
    from workflow.export.completeness import Checked
    from workflow.export.files import Exported
    from workflow.export.population import Wanted
    from workflow.export.proven import Proven
    from workflow.states.instance import Actor


class Format(StrEnum):
    """What an export is written in."""

    CSV = "csv"
    JSONL = "jsonl"
    XES = "xes"
    XES_ALL = "xes-all"
    OCEL = "ocel"


def register(app: typer.Typer) -> None:
    """Add the commands below ``audit``."""
    del app
    audit.command("export")(export)
    audit.command("verify-export")(verify_export)


def export(
    file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write; one that exists is replaced.")],
    actor: ActorOption,
    format_: Annotated[
        Format, typer.Option("--format", help="What to write. xes has the steps, xes-all every entry, refusals too.")
    ] = Format.CSV,
    proven: Annotated[
        bool,
        typer.Option(
            "--proven", help="As of the newest checkpoint, with FILE.proof.zip: by it anybody can check that nothing was left out."
        ),
    ] = False,
    definition: Definition = None,
    state: State = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Write histories to a file: tables (csv, jsonl), or event logs for process mining (xes, xes-all, ocel).

    Beside a log stands the Petri net (PNML) of each definition that its histories follow. Personal values are in no export. The
    export itself is an entry of the system's chain, with the filter, the counts, the file's SHA-256 and the newest checkpoint.
    """
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.states.instance import Actor

    wanted = wanted_of(definition, state, outcome, since=since, until=until)
    with opened(database) as engine:
        require_published(engine, definition)
        done, proof = _write(engine, wanted, file, form=format_, actor=Actor.of(actor), is_proven=proven, is_json=json)
    nets = [str(net) for net in done.nets]
    if json:
        said = {"file": str(done.path), "histories": done.histories, "entries": done.entries, "sha256": done.sha256}
        output.emit(said | {"nets": nets, "system_entry": done.sequence, "proof": _proof_data(proof) if proof else None})
        return
    output.say(f"{done.path}: {done.histories} histories, {done.entries} entries, SHA-256 {done.sha256}")
    for net in nets:
        output.say(f"{net}: the definition as a Petri net")
    output.say(f"Recorded as entry {done.sequence} of the system's chain.")
    if proof is None:
        output.say("The count is not proven: --proven does that, under the newest checkpoint.")
        return
    output.say(f"{proof.proof}: accounts for all {proof.checkpoint.size} entries under the newest checkpoint.")
    output.say(f"Outside the population: {proof.outside_histories} histories, {proof.outside_entries} entries.")
    output.say(f"Check it anywhere with: workflow audit verify-export {done.path} --key KEY --checkpoint KEPT")


def _write(
    engine: Engine, wanted: Wanted, file: Path, *, form: Format, actor: Actor, is_proven: bool, is_json: bool
) -> tuple[Exported, Proven | None]:
    from workflow.bootstrap import tree_of
    from workflow.cli.counting import counting
    from workflow.engine.archive import Archive
    from workflow.export.files import export as write
    from workflow.export.proven import export_proven, newest_noted

    archive = Archive(engine)
    with tree_of(engine).snapshot() as snapshot, counting("exporting", is_wanted=not is_json) as tell:
        if is_proven:
            proof = export_proven(archive, snapshot, wanted, path=file, form=form.value, actor=actor, progress=tell)
            return proof.exported, proof
        noted = newest_noted(snapshot)
    with counting("exporting", is_wanted=not is_json) as tell:
        return write(archive, wanted, file, form=form.value, actor=actor, progress=tell, noted=noted), None


def _proof_data(proof: Proven) -> dict[str, object]:
    head = proof.checkpoint
    return {
        "file": str(proof.proof),
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "outside": {"histories": proof.outside_histories, "entries": proof.outside_entries},
    }


def verify_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An export that was made with --proven.")],
    proof: Annotated[Path | None, typer.Option("--proof", metavar="ZIP", help="Its proof; FILE.proof.zip when left out.")] = None,
    checkpoints: Annotated[
        list[Path] | None, typer.Option("--checkpoint", metavar="PATH", help="A checkpoint that was kept elsewhere. May be repeated.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY|FILE", help="Public key of the log, as `audit keys` prints it. May be repeated."),
    ] = None,
    definition: Definition = None,
    state: State = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """Check, without the database, that an export is complete: nothing of the population was left out, and nothing was added.

    The population is the one that the proof names, unless options here name the one that was asked for. The exit code is 1 when
    something does not hold. What was shown, and what cannot be shown, is said in sentences.
    """
    from workflow.auditing import read_given
    from workflow.cli import output
    from workflow.cli.audit import known_keys
    from workflow.errors import NotFoundError
    from workflow.export.completeness import check_export
    from workflow.export.proven import proof_path

    wanted = wanted_of(definition, state, outcome, since=since, until=until)
    beside = proof or proof_path(file)
    for place, what in ((file, "export"), (beside, "proof")):
        if not place.is_file():
            raise NotFoundError(what, str(place))
    kept = [(str(place), read_given(place).note) for place in checkpoints or ()]
    with output.waiting("Checking"):
        found = check_export(file, beside, keys=known_keys(None, key or ()), kept=kept, wanted=wanted if wanted.as_data() else None)
    if json:
        output.emit(_checked(found))
        return
    for said in found.proved:
        output.say(f"proved      {said}", style="green")
    for said in found.not_proved:
        output.say(f"not proved  {said}")


def _checked(found: Checked) -> dict[str, object]:
    return {
        "is_complete": True,
        "size": found.checkpoint.size,
        "root": found.checkpoint.root.hex(),
        "histories": found.histories,
        "entries": found.entries,
        "outside": {"histories": found.outside_histories, "entries": found.outside_entries},
        "proved": found.proved,
        "not_proved": found.not_proved,
    }
