"""The command ``serve``: all pages, the HTTP API and a worker in one process."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow.cli.options import Database, Json
from workflow.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from workflow.cli.standing_in import StandIns
    from workflow.engine import Engine
    from workflow.engine.directory import FixedDirectory
    from workflow.settings import Settings
    from workflow.states.instance import Actor
    from workflow.web.api import Clients
    from workflow.web.parts import SiteParts

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port to listen at; 0 takes a free one.")] = 8080,
    empty: Annotated[bool, typer.Option("--empty", help="In development: begin without sample requests.")] = False,
    without_worker: Annotated[bool, typer.Option("--without-worker", help="Deadlines and messages are left to `workflow worker`.")] = False,
    database: Database = None,
    json: Json = False,
) -> None:
    """Serve the pages (EU Login, SAAS, CPMS, back office) and the HTTP API, with a worker inside.

    Without any setting this is a trial: SQLite in workflow.db, sample requests in every state, mails and phones simulated, and
    only this machine can reach it. docs/serving.md says what to set for real use.
    """
    from workflow.cli import output
    from workflow.cli.performing import log_to_stderr

    require_extra()
    settings = _settings(database, host=host, port=port)
    if not settings.is_production and host not in LOOPBACK:
        raise SettingsError(
            f"Development has a key that everybody knows and lets anybody sign in, so it is not served at {host}:"
            " leave out --host, or set WORKFLOW_ENVIRONMENT=production and what it asks for."
        )
    log_to_stderr()
    with ExitStack() as house:
        listening = house.enter_context(_listening(host, port))
        settings = _settings(database, host=host, port=listening.getsockname()[1])
        site = house.enter_context(site_of_settings(settings, is_empty=empty, has_worker=not without_worker))
        _tell(settings, output, is_trial=site.development is not None, is_json=json)
        _run(site, listening, proxies=settings.trusted_proxies)


def _lacking(settings: Settings) -> Iterator[str]:
    """Say what the pages cannot do with these settings, though they can start."""
    if settings.oidc is None:
        yield "Nobody can sign in at the back office: set WORKFLOW_OIDC_ISSUER, WORKFLOW_OIDC_CLIENT_ID and WORKFLOW_OIDC_CLIENT_SECRET."
    if settings.directory is None:
        yield "Nobody holds a role, so no request can be decided: set WORKFLOW_DIRECTORY."
    if settings.api_clients is None:
        yield "No program can use the HTTP API: set WORKFLOW_API_CLIENTS."
    if not settings.trusted_proxies:
        yield "Behind a proxy everybody seems to come from one address, and attempts are counted by it: set WORKFLOW_TRUSTED_PROXIES."


def require_extra() -> None:
    """Say what to install where the pages' libraries are missing."""
    from importlib.util import find_spec

    missing = [name for name in ("authlib", "babel", "fastapi", "limits", "uvicorn") if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"The pages need {', '.join(missing)}: install this package with the extra `web`, pip install 'onboarding-workflow[web]'."
        )


def _settings(database: str | None, *, host: str, port: int) -> Settings:
    """Read the settings; without any the trial's."""
    from workflow.cli.opening import read_settings
    from workflow.settings import Settings

    if any(name.startswith("WORKFLOW_") for name in os.environ):
        return read_settings(database, serves=True)
    address = f"[{host}]" if ":" in host else host
    given = {"WORKFLOW_ENVIRONMENT": "development", "WORKFLOW_BASE_URL": f"http://{address}:{port}"}
    return Settings.read(given | ({"WORKFLOW_DATABASE_URL": database} if database else {}))


@contextmanager
def site_of_settings(settings: Settings, *, is_empty: bool = False, has_worker: bool = True) -> Iterator[SiteParts]:
    """Put the site together: engine, worker, sign-ins, and in development what stands in for the world."""
    from workflow import bootstrap
    from workflow.cli.standing_in import SAMPLE_DIRECTORY, KeptTexts, StandIns
    from workflow.engine.directory import FixedDirectory
    from workflow.testing.mailbox import Mailbox

    with ExitStack() as house:
        given = FixedDirectory.read(settings.directory) if settings.directory else None
        stand_ins: StandIns | None = None
        if not settings.is_production:
            mailbox = house.enter_context(Mailbox())
            stand_ins = StandIns(mailbox, given or SAMPLE_DIRECTORY)
            if not is_empty:
                _sow(settings, stand_ins)
        directory = stand_ins.directory if stand_ins else given or FixedDirectory()
        extensions = bootstrap.Extensions(directory=directory)
        engine = house.enter_context(
            bootstrap.open_engine(settings.database_url, settings=settings, extensions=extensions, upgrade=not settings.is_production)
        )
        bootstrap.publish(engine, "cpms-access")
        if stand_ins is not None:
            stand_ins.kept_texts = KeptTexts(engine)
        if has_worker:
            house.enter_context(_working(settings, engine, stand_ins))
        yield _parts(settings, engine, directory, stand_ins)


def _sow(settings: Settings, stand_ins: StandIns) -> None:
    """Put samples into a database that has no onboarding yet."""
    from workflow import bootstrap
    from workflow.cli import output
    from workflow.cli.seeding import SAMPLES, sow
    from workflow.ports import InstanceQuery

    with bootstrap.open_engine(settings.database_url, settings=settings, upgrade=True) as engine:
        if engine.instances(InstanceQuery(limit=1)).rows:
            return
        now = engine.now()
    with output.waiting(f"Making {len(SAMPLES)} sample requests"), _without_log():
        sow(
            settings.database_url,
            keys=settings.keys,
            directory=stand_ins.directory,
            mailbox=stand_ins.mailbox,
            base_url=settings.needed_base_url(),
            now=now,
        )


@contextmanager
def _without_log() -> Iterator[None]:
    """Log nothing until the end of the block: one sample meets a CPMS that is out of order, and that is no trouble of the reader's."""
    log = logging.getLogger("workflow")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _working(settings: Settings, engine: Engine, stand_ins: StandIns | None) -> Iterator[None]:
    """Run a worker beside the pages until the end of the block."""
    from workflow.auditing import sequencing
    from workflow.bootstrap import tree_of
    from workflow.cli.performing import dispatch_of, simulated_dispatch
    from workflow.worker import Pace, Worker

    made = dispatch_of(settings, engine) if stand_ins is None else simulated_dispatch(settings, engine, stand_ins)
    working = Worker(engine, made, pace=Pace(interval_seconds=0.5, batch=settings.limits.batch))
    with sequencing(tree_of(engine)):
        working.start()
        try:
            yield
        finally:
            working.stop()


def _parts(settings: Settings, engine: Engine, directory: FixedDirectory, stand_ins: StandIns | None) -> SiteParts:
    from workflow.bootstrap import sessions_of, tree_of
    from workflow.cli.standing_in import actor_of
    from workflow.web.api import create_api
    from workflow.web.oidc import OpenIdProvider
    from workflow.web.parts import SiteParts, always
    from workflow.web.sessions import Sessions

    def bundle(instance: str, actor: Actor, path: Path) -> None:
        from workflow.cli.bundling import make_bundle

        make_bundle(settings, instance, path, actor=actor, reveal=())

    base_url = settings.needed_base_url()
    return SiteParts(
        engine_of=always(engine),
        engine=engine,
        base_url=base_url,
        zone=settings.zone,
        api=create_api(engine, identify=_clients(settings, stand_ins), is_https=base_url.startswith("https://")),
        sessions=Sessions(store=sessions_of(engine), vault=engine.parts.vault),
        development=stand_ins,
        tree=tree_of(engine),
        bundle=bundle,
        grants_of=lambda who: actor_of(directory, who),
        oidc=OpenIdProvider(settings.oidc, redirect_uri=f"{base_url}/office/oidc/back") if settings.oidc else None,
    )


def _clients(settings: Settings, stand_ins: StandIns | None) -> Clients:
    """Give the programs that may use the API; while developing each person of the back office has a token, ``development-tess``."""
    from hashlib import sha256

    from workflow.web.api.clients import Client, Clients

    if settings.api_clients is not None:
        return Clients.read(settings.api_clients)
    people = stand_ins.people() if stand_ins is not None else ()
    return Clients(
        clients=tuple(
            Client(name=str(person.id), sha256=sha256(f"development-{person.id}".encode()).hexdigest(), actor=person) for person in people
        )
    )


def _listening(host: str, port: int) -> socket.socket:
    """Take the port before anything else is done.

    Raises:
        SettingsError: somebody else has it, or there is no such address here.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(
            f"Nothing can be served at {host}, port {port}: {os.strerror(error.errno or 0)}. Choose another one with --port."
        ) from error


def _run(site: SiteParts, listening: socket.socket, *, proxies: tuple[str, ...]) -> None:
    import uvicorn

    from workflow.web.site import create_site

    # No access log: addresses of links are secrets.
    settings = uvicorn.Config(
        create_site(site),
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=",".join(proxies),
    )
    with _stopped_by_signals():
        uvicorn.Server(settings).run(sockets=[listening])


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let Ctrl+C and SIGTERM end the server and not the process: it sends them on to itself, and the worker has to finish first."""
    before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, what in before.items():
            signal.signal(one, what)


def _tell(settings: Settings, output: Any, *, is_trial: bool, is_json: bool) -> None:  # noqa: ANN401  # the module that prints
    """Say where the pages are, and what they cannot do; for programs as one document, before anything is served."""
    lacking = () if is_trial else tuple(_lacking(settings))
    if is_json:
        output.emit({"url": settings.needed_base_url(), "is_trial": is_trial, "lacking": lacking})
        sys.stdout.flush()  # whoever waits for it reads from a pipe
        return
    output.say(f"Open {settings.needed_base_url()}", style="bold")
    if is_trial:
        _tell_trial(settings, output)
    for sentence in lacking:
        output.say(sentence, style="yellow")


def _tell_trial(settings: Settings, output: Any) -> None:  # noqa: ANN401  # the module that prints
    from workflow.cli.seeding import PASSWORD, SAMPLES

    base = settings.needed_base_url()
    output.pairs(
        [
            ("applicant", f"{base}/register"),
            ("", f"or sign in as {SAMPLES[4][1]}.{SAMPLES[4][2]}@clinic.example".lower()),
            ("", f"with {PASSWORD} and Mobile + SMS; the code is on the phone"),
            ("phone", f"{base}/phone"),
            ("mailbox", f"{base}/mailbox"),
            ("back office", f"{base}/office (choose who you are)"),
            ("HTTP API", f"{base}/api/openapi.json"),
            ("", "with the header Authorization: Bearer development-tess"),
            ("stop", "Ctrl+C"),
        ],
        indent=2,
    )
