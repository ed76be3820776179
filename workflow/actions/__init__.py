"""Effects performed: mail, text messages, push notifications, provisioning, alerts.

Promises: `SPECS` says what a definition may name, `Performers` does it. A performer gets a `Briefing` whose values are
opened for this one performance, and gives the instant at which the other side accepted it, or raises `ActionError`.
It must never log an address, a link, a code or any other value of the briefing, and never keep one.
"""

from __future__ import annotations

from workflow.actions.registry import SPECS, Performers, specs

__all__ = ["SPECS", "Performers", "specs"]
