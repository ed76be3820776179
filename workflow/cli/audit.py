"""Commands for auditors over a whole store: audit checkpoint, verify, prove, keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from workflow.cli.exits import FINDINGS
from workflow.cli.options import Database, Json

if TYPE_CHECKING:
    from workflow.audit.checkpoint import VerifierKey
    from workflow.checks import KeyVault
    from workflow.ports import Snapshot
    from workflow.settings import Settings

audit = typer.Typer(help="The history as a whole: sign it, verify it, prove what is in it.", no_args_is_help=True, rich_markup_mode=None)
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help="Signing keys in the form of WORKFLOW_KEYS, newest first, instead of WORKFLOW_KEYS."),
]
Origin = Annotated[
    str | None,
    typer.Option(
        "--origin", metavar="NAME", help="The log's name in its checkpoints; that of the newest one, else from WORKFLOW_BASE_URL."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    audit.command("checkpoint")(checkpoint)
    audit.command("verify")(verify)
    audit.command("prove")(prove)
    audit.command("keys")(keys)
    app.add_typer(audit, name="audit")


def checkpoint(
    output_to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the checkpoint to a file instead of printing it.")
    ] = None,
    tiles: Annotated[
        Path | None, typer.Option("--tiles", metavar="FOLDER", help="Write all hashes and the checkpoint to a folder (C2SP tlog-tiles).")
    ] = None,
    origin: Origin = None,
    key_file: KeyFile = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Take all entries into the tree, sign its head, and hand it out to be kept elsewhere.

    Whoever holds it can tell later whether anything before it was changed. Nothing is signed that contradicts an older checkpoint.
    """
    from datetime import UTC, datetime

    from workflow.auditing import make_checkpoint, signers_of, write_tiles
    from workflow.auditing.heads import write_note
    from workflow.bootstrap import open_tree
    from workflow.cli import output

    access = _access(database, key_file)
    vault = access.needed_vault()
    _note_keys(access.settings, vault if key_file is not None else None)
    with open_tree(access.settings) as tree:
        with tree.snapshot() as snapshot:
            name = origin or _origin_of(snapshot, access.settings)
        signed = make_checkpoint(tree, origin=name, signers=signers_of(vault, name), now=datetime.now(UTC))
        if tiles is not None:
            with tree.snapshot() as snapshot:
                write_tiles(snapshot, signed, tiles)
    if output_to is not None:
        write_note(signed.note, output_to)
    head, backlog = signed.checkpoint, signed.backlog
    if json:
        output.emit(
            {
                "origin": head.origin,
                "size": head.size,
                "root": head.root.hex(),
                "checkpoint": signed.note,
                "sequenced": signed.sequenced,
                "window": {"entries": backlog.count, "oldest_at": output.instant(backlog.oldest_at)},
                "keys": [signer.key.write() for signer in signers_of(vault, name)],
            }
        )
        return
    if output_to is None and tiles is None:
        typer.echo(signed.note, nl=False)
    since = f", the oldest of {output.instant(backlog.oldest_at)}" if backlog.oldest_at else ""
    typer.echo(
        f"{head.size} entries are under this checkpoint, {backlog.count} are not yet{since}. Keep it where nobody here can write.", err=True
    )


def verify(
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint", metavar="PATH", help="A checkpoint that was kept elsewhere: a file, or a folder of tiles. May be repeated."
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="KEY|FILE", help="Public key by which checkpoints are verified, as `audit keys` prints it. May be repeated."
        ),
    ] = None,
    key_file: KeyFile = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Verify every entry, every chain, the tree, its checkpoints, and that instances, timers and outbox are what the history says.

    The exit code is 1 when anything is wrong. No secret key is needed: give --key, and --database. Without a checkpoint from outside,
    whoever owns both the database and the signing key could have rewritten everything.
    """
    from workflow.auditing import read_given
    from workflow.auditing import verify as verify_store
    from workflow.bootstrap import open_tree
    from workflow.cli.verification import print_report, progress

    access = _access(database, key_file)
    given = [read_given(place) for place in checkpoints or ()]
    known = known_keys(access.vault, key or ())
    with open_tree(access.settings) as tree, progress(is_wanted=not json) as tell:
        report = verify_store(tree, keys=known, given=given, on_progress=tell)
    print_report(report, is_json=json)
    if not report.is_sound:
        raise typer.Exit(FINDINGS)


def prove(
    instance: Annotated[str, typer.Argument(metavar="INSTANCE", help="Id of the instance; `system` for publications and delegations.")],
    sequence: Annotated[int, typer.Argument(metavar="SEQUENCE", min=1, max=2**53 - 1, help="Number of the entry in its history.")],
    under: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="The checkpoint to prove it under; the newest one when left out.")
    ] = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Prove that an entry is under a signed checkpoint (C2SP tlog-proof); no key is needed."""
    from workflow.auditing import prove as prove_entry
    from workflow.auditing import read_given
    from workflow.bootstrap import open_tree
    from workflow.cli import output

    note = read_given(under).note if under else None
    with open_tree(_access(database, None).settings) as tree, tree.snapshot() as snapshot:
        proof = prove_entry(snapshot, instance, sequence, note=note)
    if json:
        output.emit({"index": proof.index, "path": [one.hex() for one in proof.path], "checkpoint": proof.note, "proof": proof.write()})
    else:
        typer.echo(proof.write(), nl=False)


def keys(origin: Origin = None, key_file: KeyFile = None, database: Database = None, json: Json = False) -> None:
    """Print the public keys by which checkpoints are verified; hand them to auditors by another way than the checkpoints."""
    from workflow.auditing import keys_of
    from workflow.bootstrap import open_tree
    from workflow.cli import output

    access = _access(database, key_file)
    with open_tree(access.settings) as tree, tree.snapshot() as snapshot:
        name = origin or _origin_of(snapshot, access.settings)
    written = [one.write() for one in keys_of(access.needed_vault(), name)]
    if json:
        output.emit({"origin": name, "keys": written})
    else:
        typer.echo("\n".join(written))


# Settings and keys


def _note_keys(settings: Settings, signing: KeyVault | None) -> None:
    """Record new keys in the history before they sign it; a signer who may not write there says so."""
    from workflow.bootstrap import note_keys
    from workflow.cli.opening import opened_by
    from workflow.errors import StoreError

    try:
        with opened_by(settings) as engine:
            note_keys(engine, vault=signing)
    except StoreError as error:
        typer.echo(f"The keys in use could not be noted in the history: {error}", err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    """A database, and the vault if there are keys for it."""

    settings: Settings
    vault: KeyVault | None

    def needed_vault(self) -> KeyVault:
        """Give the vault; raises `SettingsError` when there is no key."""
        from workflow.errors import SettingsError

        if self.vault is None:
            raise SettingsError("There is no signing key: set WORKFLOW_KEYS, or give --key-file.")
        return self.vault


def _access(database: str | None, key_file: Path | None) -> _Access:
    """Read the settings; an auditor who only verifies has no keys, and needs none."""
    from workflow.checks import KeyVault
    from workflow.cli.opening import read_settings
    from workflow.errors import NotFoundError
    from workflow.settings import MasterKey, development_keys

    if key_file is not None:
        try:
            texts = key_file.read_text(encoding="utf-8").split()
        except OSError:
            raise NotFoundError("key file", str(key_file)) from None
        found = tuple(MasterKey.read(text) for text in texts)
        return _Access(settings=replace(_plain_settings(database), keys=found), vault=KeyVault(found))
    is_development = os.environ.get("WORKFLOW_ENVIRONMENT", "").strip().lower() == "development"
    if os.environ.get("WORKFLOW_KEYS", "").strip() or is_development:
        settings: Settings = read_settings(database)
        return _Access(settings=settings, vault=KeyVault(settings.keys or development_keys()))
    return _Access(settings=_plain_settings(database), vault=None)


def _plain_settings(database: str | None) -> Settings:
    """Read where the database is, and nothing that only a running installation needs."""
    from workflow.settings import Settings

    names = ("WORKFLOW_DATABASE_URL", "WORKFLOW_PREFIX", "WORKFLOW_SCHEMA", "WORKFLOW_BASE_URL")
    wanted = {name: os.environ[name] for name in names if name in os.environ}
    return Settings.read(wanted | ({"WORKFLOW_DATABASE_URL": database} if database else {}) | {"WORKFLOW_ENVIRONMENT": "development"})


def _origin_of(snapshot: Snapshot, settings: Settings) -> str:
    """Give the name under which the log was signed before, else one made of the installation's address."""
    from workflow.audit.checkpoint import Checkpoint, read_note

    kept = snapshot.checkpoints()
    if kept:
        return Checkpoint.read(read_note(kept[-1].note).text).origin
    return f"{urlsplit(settings.base_url or '').hostname or 'localhost'}/workflow"


def known_keys(vault: KeyVault | None, texts: Iterable[str]) -> Callable[[str], Iterable[VerifierKey]] | None:
    """Give the known keys of an origin: those that were given, else the vault's; None when there is none at all."""
    from workflow.audit.checkpoint import VerifierKey
    from workflow.auditing import keys_of

    written = [line for text in texts for line in (Path(text).read_text(encoding="utf-8") if Path(text).is_file() else text).split()]
    given = [VerifierKey.read(line) for line in written]
    if given:
        return lambda _origin: given
    return None if vault is None else lambda origin: keys_of(vault, origin)
