"""Who performs effects for ``workflow worker``: by the settings, and simulated where nothing real can be reached."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workflow.actions.provision import SimulatedCpms
from workflow.actions.push import SimulatedPush
from workflow.actions.render import Site
from workflow.actions.sms import ConsoleGateway, FileGateway, HttpGateway
from workflow.actions.smtp import MailSettings
from workflow.bootstrap import dispatch, performers

if TYPE_CHECKING:
    from workflow.actions.sms import SmsGateway
    from workflow.cli.standing_in import StandIns
    from workflow.engine import Dispatch, Engine
    from workflow.settings import Settings


def site_of(base_url: str) -> Site:
    """Name this installation as mails do."""
    base = base_url.rstrip("/")
    return Site(title="CPMS", home_url=base, login_url=f"{base}/cpms", queue_url=f"{base}/office", help=f"{base}/help")


def dispatch_of(settings: Settings, engine: Engine) -> Dispatch:
    """Join an engine with the performers of an installation.

    In development the app's notifications and the accounts of CPMS are simulated. Elsewhere a message of such a kind fails
    with a clear word, and waits in the outbox to be retried by a worker that has a performer for it.
    """
    base_url = settings.needed_base_url()
    is_simulated = not settings.is_production
    made = performers(
        engine,
        mail=MailSettings.of(settings),
        site=site_of(base_url),
        sms=gateway_of(settings),
        push=SimulatedPush() if is_simulated else None,
        targets={"cpms_account": SimulatedCpms()} if is_simulated else None,
    )
    return dispatch(engine, performer=made, base_url=base_url, lease_seconds=settings.limits.lease_seconds)


def simulated_dispatch(settings: Settings, engine: Engine, stand_ins: StandIns) -> Dispatch:
    """Join an engine with what stands in for the world: its mailbox, its phones, its CPMS."""
    base_url, mailbox = settings.needed_base_url(), stand_ins.mailbox
    mail = MailSettings(
        host=mailbox.host, port=mailbox.port, sender="no-reply@access.example", security="none", operators="ops@access.example"
    )
    made = performers(
        engine,
        mail=mail,
        site=site_of(base_url),
        sms=stand_ins.kept_texts,
        push=stand_ins.push,
        targets={"cpms_account": SimulatedCpms()},
        zone="Europe/Brussels",
    )
    return dispatch(engine, performer=made, base_url=base_url, lease_seconds=settings.limits.lease_seconds)


def gateway_of(settings: Settings) -> SmsGateway:
    """Choose the gateway for text messages."""
    sms = settings.sms
    match sms.gateway:
        case "console":
            return ConsoleGateway()
        case "file":
            return FileGateway(Path(sms.url))
        case "http":
            return HttpGateway(sms.url, token=sms.token, timeout_seconds=sms.timeout_seconds)


def log_to_stderr() -> None:
    """Write the log to standard error, one line for each record, for whoever collects it."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Alembic and APScheduler tell of things that only their authors want to know.
    # The trial's own mail server tells of every line of every conversation.
    for name in ("alembic", "apscheduler", "mail.log"):
        logging.getLogger(name).setLevel(logging.WARNING)
