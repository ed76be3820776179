"""From the environment to an engine, for every command that needs one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflow.errors import SettingsError
from workflow.settings import Settings

if TYPE_CHECKING:
    from workflow.engine import Engine

_HINT = (
    "To try things out on this machine, set WORKFLOW_ENVIRONMENT=development: then a key that everybody knows"
    " and sqlite:///workflow.db are used."
)


def read_settings(database: str | None = None, *, serves: bool = False) -> Settings:
    """Read the settings; `database` takes the place of ``WORKFLOW_DATABASE_URL``, `serves` asks for what pages need."""
    environ = dict(os.environ)
    if database:
        environ["WORKFLOW_DATABASE_URL"] = database
    try:
        return Settings.read(environ, serves=serves)
    except SettingsError as error:
        is_development = environ.get("WORKFLOW_ENVIRONMENT", "").strip().lower() == "development"
        raise SettingsError(f"{error}" if is_development else f"{error}\n{_HINT}") from error


@contextmanager
def opened(database: str | None = None, *, upgrade: bool = False) -> Iterator[Engine]:
    """Open an engine for one command."""
    with opened_by(read_settings(database), upgrade=upgrade) as engine:
        yield engine


@contextmanager
def opened_by(settings: Settings, *, upgrade: bool = False) -> Iterator[Engine]:
    """Open an engine by settings that were read before."""
    from workflow import bootstrap

    with bootstrap.open_engine(settings.database_url, settings=settings, upgrade=upgrade) as engine:
        yield engine
