"""What every turn of the engine needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from workflow.engine.shelf import Shelf
from workflow.engine.writing import FloodLimit
from workflow.errors import SettingsError
from workflow.ports import (
    Checks,
    Clock,
    Directory,
    Loaded,
    Store,
    Vault,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every turn needs: the compiled documents, the vault, the checks, the host's directory, the clock."""

    shelf: Shelf
    vault: Vault
    checks: Checks
    directory: Directory
    clock: Clock | None = None
    flood: FloodLimit = field(default_factory=FloodLimit)
    join: Callable[[object], Store] | None = None
    """Makes a store of a host's connection; the composition root knows how."""

    def joined(self, connection: object) -> Store:
        """Give the store inside a host's transaction."""
        if self.join is None:
            raise SettingsError("This engine was composed without a way to join a host's connection: use `workflow.open`.")
        return self.join(connection)

    def now(self, loaded: Loaded) -> datetime:
        """Give the instant of an event: the clock's (the database's own when there is no other), never before the newest entry."""
        now = self.clock.now() if self.clock else loaded.database_now or datetime.now(UTC)
        newest = loaded.situation.instance.recorded_at if loaded.situation else now
        return max(now, newest)
