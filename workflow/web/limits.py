"""How often one address or account may knock.

Promises: counted per name in a moving window, in this process; a deployment with several processes counts in each of them, or gives
a storage that all share (see the `limits` package).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage
from limits.strategies import MovingWindowRateLimiter

DEFAULTS = {
    "page": "600/minute",  # any page, by address
    "form": "120/minute",  # any change, by address
    "sign-in": "10/minute",  # attempts to sign in, by address and account
    "register": "20/hour",  # registrations, by address
    "link": "10/hour",  # new links, by account and by address
    "push": "5/10minute",  # attempts to have a notification sent to a phone, by address and account
}

HITS_BETWEEN_CLEANINGS = 1_000


def account_key(name: str) -> str:
    """Give what an account is counted by: a digest of the name as it was typed, so that nothing long and nothing personal is kept."""
    return sha256(name.strip().casefold().encode(errors="replace")).hexdigest()[:32]


def forget_idle(storage: MemoryStorage) -> None:
    """Forget names whose attempts are all over: the storage keeps them, empty, for ever, and anybody can make up new ones."""
    for name in [name for name, attempts in storage.events.copy().items() if not attempts]:
        with storage.locks[name]:
            if not storage.events.get(name):
                storage.events.pop(name, None)
                storage.locks.pop(name, None)


@dataclass(slots=True)
class Limiter:
    """Counts; `rates` are written like ``10/minute``."""

    rates: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    storage: Storage = field(default_factory=MemoryStorage)
    _parsed: dict[str, RateLimitItem] = field(default_factory=dict)
    _hits: int = 0

    def may(self, rate: str, *who: str) -> bool:
        """Count one attempt and tell whether it is within the rate."""
        item = self._parsed.setdefault(rate, parse(self.rates[rate]))
        self._hits += 1
        if self._hits % HITS_BETWEEN_CLEANINGS == 0 and isinstance(self.storage, MemoryStorage):
            forget_idle(self.storage)
        return bool(MovingWindowRateLimiter(self.storage).hit(item, rate, *who))

    def wait_seconds(self, rate: str, *who: str) -> int:
        """Say in how many seconds another attempt will be within the rate, at least one."""
        item = self._parsed.setdefault(rate, parse(self.rates[rate]))
        until = MovingWindowRateLimiter(self.storage).get_window_stats(item, *who).reset_time
        return max(1, ceil(until - time.time()))
