"""The one composition root: joins settings, store, loader, checks, actions and engine.

Promises: the only place that knows the store; whoever embeds the engine starts here (through `workflow.open`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import workflow_store

from workflow.actions.backoff import next_attempt, plan_for
from workflow.actions.registry import SPECS as ACTION_SPECS
from workflow.actions.registry import Performers
from workflow.audit.canonical import canonical
from workflow.checks import SPECS as CHECK_SPECS
from workflow.checks import BuiltinChecks, HashCost, KeyVault, open_text_challenge, push_text
from workflow.engine import AsyncEngine, Dispatch, Engine, FloodLimit, Parts, Readers, Shelf, acts
from workflow.engine.directory import FixedDirectory
from workflow.errors import NotFoundError, SettingsError, StoreError
from workflow.load import calendar_from_data, catalogue_from_data, load, load_data, read_calendar, read_catalogue
from workflow.ports import Briefing, Check, Clock, Directory, Document, Performed, SessionStore, TreeStore
from workflow.settings import MasterKey, Settings
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Definition, Digest
from workflow.states.effects import Effect
from workflow.states.instance import Actor
from workflow.states.known import ActionSpec, CheckSpec, Known

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

    from workflow.actions.provision import Provisioner
    from workflow.actions.push import PushGateway
    from workflow.actions.render import Site
    from workflow.actions.sms import SmsGateway
    from workflow.actions.smtp import MailSettings

metadata = workflow_store.metadata
"""Our tables, for a host's own Alembic."""

PUBLISHER = Actor.of("system:publisher", "administrator")
"""Named in the history when documents are published by the program and not by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """What a host adds: its own kinds of checks and actions, described for the loader, and its role holders."""

    checks: Mapping[str, Check] = field(default_factory=dict)
    check_specs: Mapping[str, CheckSpec] = field(default_factory=dict)
    action_specs: Mapping[str, ActionSpec] = field(default_factory=dict)
    directory: Directory = field(default_factory=FixedDirectory)
    password_cost: HashCost = field(default_factory=HashCost)
    """Of one password hash; lower it in tests only."""


def known(extensions: Extensions | None = None) -> Known:
    """Give everything a definition may name: the built-in kinds and the host's."""
    more = extensions or Extensions()
    return Known(checks={**CHECK_SPECS, **more.check_specs}, actions={**ACTION_SPECS, **more.action_specs})


def open_engine(
    target: str | Connection | Session,
    *,
    keys: tuple[MasterKey, ...] | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    extensions: Extensions | None = None,
    upgrade: bool = False,
) -> Engine:
    """Open an engine on a database of its own (a URL) or inside a host's transaction (a SQLAlchemy `Connection` or `Session`).

    Args:
        target: ``sqlite:///file.db``, ``postgresql://...``, or the host's connection.
        keys: newest first; from `settings`, else from ``WORKFLOW_KEYS`` when None.
        settings: prefix, schema, limits and keys; the defaults when None.
        clock: where time comes from; the database's (PostgreSQL) or the system's clock when None.
        extensions: the host's own checks, actions and directory.
        upgrade: bring the tables up to date first (only for a URL).

    Raises:
        SettingsError: there is no key.
        StoreError: the database cannot be used as it is.
    """
    more = extensions or _extensions(settings)
    parts = _parts(_keys(keys, settings), settings=settings, clock=clock, extensions=more)
    if not isinstance(target, str):
        return Engine(parts, parts.joined(target), is_joined=True)
    store = workflow_store.connect(target, prefix=_prefix(settings), schema=settings.schema if settings else None)
    if upgrade:
        store.upgrade()
    return Engine(parts, store, close=store.close)


def open_async_engine(
    target: str | AsyncConnection | AsyncSession,
    *,
    keys: tuple[MasterKey, ...] | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    extensions: Extensions | None = None,
) -> AsyncEngine:
    """Open an engine for an asynchronous host; see `open_engine`. A URL is served by threads, a host's connection by `run_sync`."""
    if isinstance(target, str):
        return AsyncEngine(open_engine(target, keys=keys, settings=settings, clock=clock, extensions=extensions))
    parts = _parts(_keys(keys, settings), settings=settings, clock=clock, extensions=extensions or Extensions())
    return AsyncEngine(Engine(parts, parts.joined(target), is_joined=True), target)


def _parts(keys: tuple[MasterKey, ...], *, settings: Settings | None, clock: Clock | None, extensions: Extensions) -> Parts:
    everything = known(extensions)
    vault = KeyVault(keys, blind_kid=settings.blind_kid if settings else None)
    limits = settings.limits if settings else None
    flood = FloodLimit(refusals=limits.refusals, window=timedelta(seconds=limits.refusal_window_seconds)) if limits else FloodLimit()
    prefix, schema = _prefix(settings), settings.schema if settings else None
    return Parts(
        shelf=Shelf(readers(everything), everything),
        vault=vault,
        checks=BuiltinChecks(vault, extensions.directory, extensions.checks, cost=extensions.password_cost),
        directory=extensions.directory,
        clock=clock,
        flood=flood,
        join=lambda connection: workflow_store.join(_sync(connection), prefix=prefix, schema=schema),
    )


def _sync(connection: object) -> object:
    """Give the synchronous object underneath an `AsyncConnection` or `AsyncSession`; any other as it is."""
    return getattr(connection, "sync_session", None) or getattr(connection, "sync_connection", None) or connection


def readers(everything: Known) -> Readers:
    """Say how stored documents become values."""

    def definition(document: Document) -> Definition:
        return load_data(orjson.loads(document.content), text=document.text, known=everything)

    return Readers(
        definition=definition,
        calendar=lambda document: calendar_from_data(orjson.loads(document.content)),
        catalogue=lambda document: catalogue_from_data(orjson.loads(document.content)),
        meaning=lambda document: load(document.text, name=f"definition {document.name}", known=everything).digest,
    )


def _extensions(settings: Settings | None) -> Extensions:
    """Give what an installation without a host adds: the role holders of its settings."""
    if settings is None or settings.directory is None:
        return Extensions()
    return Extensions(directory=FixedDirectory.read(settings.directory))


def _prefix(settings: Settings | None) -> str:
    return settings.prefix if settings else "workflow_"


def _keys(keys: tuple[MasterKey, ...] | None, settings: Settings | None) -> tuple[MasterKey, ...]:
    """Find the keys: given, in the settings, or in the environment; there is no silent default."""
    found = keys or (settings.keys if settings else None)
    if found:
        return found
    text = os.environ.get("WORKFLOW_KEYS", "")
    if not text:
        raise SettingsError("There is no key: give `keys=`, or set WORKFLOW_KEYS to what `workflow keys new` prints.")
    return tuple(MasterKey.read(part) for part in text.replace(",", " ").split())


# Documents


def definitions_folder() -> Path:
    """Give the folder of the shipped definitions: in the wheel below the package, in a checkout beside it."""
    inside = Path(__file__).parent / "definitions"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "definitions"


def find_definition(name_or_path: str | Path) -> Path:
    """Find a definition by path, or a shipped one by name.

    Raises:
        NotFoundError: neither a file nor a shipped definition.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = definitions_folder() / f"{name_or_path}.yaml"
    if shipped.is_file():
        return shipped
    raise NotFoundError("definition", str(name_or_path))


def documents_of(name_or_path: str | Path, *, extensions: Extensions | None = None) -> tuple[Document, ...]:
    """Read a definition with the calendar and the catalogue it names, ready to be published.

    A calendar or catalogue is looked for beside the definition, in its ``calendars/`` or ``catalogues/``, then among the shipped ones.

    Raises:
        DefinitionError: one of them is faulty; carries every finding.
        NotFoundError: one of them is not there.
    """
    path = find_definition(name_or_path)
    definition = load(path, known=known(extensions))
    found = [_document("definition", definition, path)]
    if definition.calendar is not None:
        place = _beside(path, "calendar", definition.calendar)
        found.append(_document("calendar", read_calendar(place), place))
    if definition.catalogue is not None:
        place = _beside(path, "catalogue", definition.catalogue)
        found.append(_document("catalogue", read_catalogue(place), place))
    return tuple(found)


def publish(engine: Engine, *names_or_paths: str | Path, actor: Actor = PUBLISHER, extensions: Extensions | None = None) -> int:
    """Publish definitions with their calendars and catalogues; gives how many documents were new."""
    documents = [document for name in names_or_paths for document in documents_of(name, extensions=extensions)]
    unique = {(d.kind, d.name): d for d in documents}
    return engine.publish(*unique.values(), actor=actor)


def _beside(definition: Path, kind: str, name: str) -> Path:
    folders = (definition.parent, definition.parent / f"{kind}s", definitions_folder() / f"{kind}s")
    for folder in folders:
        if (place := folder / f"{name}.yaml").is_file():
            return place
    raise NotFoundError(kind, name)


def _document(kind: str, value: Definition | Calendar | Catalogue, path: Path) -> Document:
    text = path.read_bytes()
    text_digest = value.text_digest if isinstance(value, Definition) else Digest(hashlib.sha256(text).hexdigest())
    return Document(kind=kind, name=value.name, digest=value.digest, text_digest=text_digest, content=canonical(value.data), text=text)  # type: ignore[arg-type]  # one of three literals


# Tables


def upgrade(settings: Settings) -> None:
    """Bring the tables of a database up to date."""
    workflow_store.upgrade(settings.database_url, prefix=settings.prefix, schema=settings.schema)


def is_current(settings: Settings) -> bool:
    """Tell whether the tables of a database are there and up to date."""
    return workflow_store.is_current(settings.database_url, prefix=settings.prefix, schema=settings.schema)


def upgrade_sql(settings: Settings) -> str:
    """Give the statements of all migrations as SQL, for databases that only an administrator may change."""
    return workflow_store.upgrade_sql(
        settings.database_url.partition(":")[0].partition("+")[0], prefix=settings.prefix, schema=settings.schema
    )


# Keys

OPERATOR = Actor.of("system:operator")
"""Named in the history when a program notes the keys it runs with."""


def note_keys(engine: Engine, *, actor: Actor = OPERATOR, vault: KeyVault | None = None) -> int | None:
    """Record the keys in use, with their public halves, when they are not those that were recorded last.

    Args:
        engine: whose history it is.
        actor: who runs the program.
        vault: holds keys that sign checkpoints only; the engine's own keys when None.

    Returns:
        The sequence of the entry in the system's chain, None when nothing is new.
    """
    found = vault or engine.parts.vault
    if not isinstance(found, KeyVault):
        return None
    keys = [(kid, found.public_key(kid)) for kid in found.kids]
    return acts.note_keys(engine, keys, actor=actor, purpose=acts.INSTALLATION if vault is None else acts.CHECKPOINTS)


# The tree


def tree_of(engine: Engine) -> TreeStore:
    """Give the tree over the history of an engine with a store of its own.

    Raises:
        StoreError: the engine is inside a host's transaction, which cannot show the whole store at one moment.
    """
    if isinstance(engine.store, workflow_store.OwnStore):
        return engine.store
    raise StoreError("The history of a whole store is sequenced and verified on a connection of our own: open the engine by URL.")


def sessions_of(engine: Engine) -> SessionStore:
    """Give what keeps the sign-ins at the pages, in the store of an engine of our own.

    Raises:
        StoreError: the engine is inside a host's transaction; a host keeps the sign-ins of its people itself.
    """
    if isinstance(engine.store, workflow_store.OwnStore):
        return engine.store.sessions()
    raise StoreError("Sign-ins are kept on a connection of our own: open the engine by URL.")


@contextmanager
def open_tree(settings: Settings) -> Iterator[TreeStore]:
    """Open the history of a database without an engine: an auditor needs no key for it."""
    store = workflow_store.connect(settings.database_url, prefix=settings.prefix, schema=settings.schema)
    try:
        yield store
    finally:
        store.close()


# Effects


def dispatch(engine: Engine, *, performer: Callable[[Briefing], Performed], base_url: str, lease_seconds: int = 60) -> Dispatch:
    """Join an engine with those who perform its messages; links point to `base_url`."""

    def again(effect: Effect, attempts: int, chance: float, now: datetime) -> datetime | None:
        return next_attempt(attempts, jitter=chance, now=now, plan=plan_for(effect))

    def link_url(_purpose: str, token: str) -> str:
        return f"{base_url.rstrip('/')}/links/{token}"

    return Dispatch(engine, performer=performer, next_attempt=again, link_url=link_url, lease_seconds=lease_seconds)


def performers(
    engine: Engine,
    *,
    mail: MailSettings,
    site: Site,
    sms: SmsGateway,
    push: PushGateway | None = None,
    targets: Mapping[str, Provisioner] | None = None,
    zone: str = "UTC",
    templates: Path | None = None,
) -> Performers:
    """Join those who perform our kinds of effects; a kind that is left out fails with a clear word in the outbox.

    Args:
        engine: whose clock and vault are used.
        mail: the mail server.
        site: this installation, as its readers know it.
        sms: sends text messages.
        push: delivers notifications to the app.
        targets: other systems that have accounts, by name (``cpms_account``).
        zone: in which deadlines are written.
        templates: the host's own templates.
    """
    from workflow.actions.mail import AlertPerformer, MailPerformer  # noqa: PLC0415  # loads mail and template libraries
    from workflow.actions.provision import ProvisionPerformer  # noqa: PLC0415  # as above
    from workflow.actions.push import PushPerformer, waiting_text  # noqa: PLC0415  # as above
    from workflow.actions.render import Renderer  # noqa: PLC0415  # as above
    from workflow.actions.sms import SmsPerformer  # noqa: PLC0415  # loads an HTTP client

    renderer, vault = Renderer(site, directory=templates, zone=zone), engine.parts.vault
    mails = MailPerformer(mail, renderer, clock=engine)
    return Performers.build(
        mail=mails,
        alert=AlertPerformer(mails, mail),
        sms=SmsPerformer(sms, renderer, read_challenge=lambda briefing: open_text_challenge(vault, briefing.credentials), clock=engine),
        push=PushPerformer(push, read_push=waiting_text(lambda device: push_text(vault, device)), clock=engine) if push else None,
        provision=ProvisionPerformer(targets, clock=engine) if targets else None,
    )


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """Give the present instant."""
        return datetime.now(UTC)
