"""The check of a mailed link.

Promises: valid from the recorded report of its sending until before `ttl` has passed; the newest serial only; and a link
that is not ours reads like one that nobody knows. Nothing here consumes anything: the accepted event does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from workflow.checks.reading import elapsed, payload_text, text
from workflow.checks.specs import MAIL_LINK_SECONDS
from workflow.checks.vault import KeyVault, LinkParts, read_link
from workflow.errors import Reason
from workflow.ports import CheckInput, CheckResult
from workflow.states.definition import EventName
from workflow.states.instance import Instance

_ASK: Final = "Ask for a new link."
NOT_GENUINE: Final = Reason(code="link_unknown", message="This link is not valid.", needed=_ASK, private="link_not_genuine", field="token")
"""What is said of every link that is not ours, and of everything else that must read like one."""
_SUPERSEDED: Final = Reason(
    code="link_superseded", message="A newer link was sent; this one is no longer valid.", needed="Use the newest mail.", field="token"
)
_PENDING: Final = Reason(
    code="link_pending",
    message="One moment, please: the message is still being sent.",
    needed="Try again in a moment.",
    field="token",
)
_EXPIRED: Final = Reason(code="link_expired", message="This link has expired.", needed=_ASK, field="token")
_RETIRED: Final = Reason(code="link_expired", message="This link has expired.", needed=_ASK, private="link_key_retired", field="token")


@dataclass(frozen=True, slots=True)
class Link:
    """Kind ``link``."""

    vault: KeyVault

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Judge the token in the payload against the instance's newest serial and the report of its sending."""
        parts, instance = read_link(payload_text(seen, "token")), None if seen.situation is None else seen.situation.instance
        if parts is None or instance is None or not self._is_genuine(seen, parts, instance):
            return _answer(reason=self._reason(seen, parts))
        if parts.serial != instance.serials.get(parts.purpose, 0):
            return _answer("genuine", reason=_SUPERSEDED)
        sent_at = instance.marks.get(EventName(text(seen, "since")))
        if sent_at is None:
            return _answer("genuine", "current", reason=_PENDING)
        if _is_over(seen, sent_at):
            return _answer("genuine", "current", "sent", "expired", reason=_EXPIRED)
        return _answer("genuine", "current", "sent", "valid")

    def _is_genuine(self, seen: CheckInput, parts: LinkParts, instance: Instance) -> bool:
        token = payload_text(seen, "token")
        is_ours = self.vault.is_genuine(token, definition=instance.definition, subject=instance.subject)
        return is_ours and parts.instance == instance.id and parts.purpose == text(seen, "purpose")

    def _reason(self, seen: CheckInput, parts: LinkParts | None) -> Reason:
        # A link under a key that is no longer there cannot be judged; it outlived the longest link, so it has expired.
        is_retired = parts is not None and parts.kid not in self.vault.kids and parts.purpose == text(seen, "purpose")
        return _RETIRED if is_retired else NOT_GENUINE


def _is_over(seen: CheckInput, sent_at: datetime) -> bool:
    ttl: timedelta = elapsed(seen, "ttl", "", longest_seconds=MAIL_LINK_SECONDS)
    return seen.now >= sent_at + ttl


def _answer(*true: str, reason: Reason | None = None) -> CheckResult:
    facts = {leaf: leaf in true for leaf in ("valid", "genuine", "current", "sent", "expired")}
    return CheckResult(facts=facts, reasons=() if reason is None else (reason,))
