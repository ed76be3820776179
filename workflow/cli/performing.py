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
    from workflow.engine import Dispatch, Engine
    from workflow.settings import Settings


def site_of(base_url: str) -> Site:
    """Name this installation as mails do."""
    base = base_url.rstrip("/")
    return Site(title="CPMS", home_url=base, login_url=f"{base}/sign-in", queue_url=f"{base}/queue", help=f"{base}/help")


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
    for name in ("alembic", "apscheduler"):
        logging.getLogger(name).setLevel(logging.WARNING)
