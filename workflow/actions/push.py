"""Notifications to the subject's app.

Promises: a notification carries what the app needs to answer one challenge, which is worthless without the device's own
secret; it says nothing about the person. The text is opened for the one sending and never logged or put into an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from workflow.actions.faults import GatewayError, fault
from workflow.errors import NotFoundError
from workflow.ports import Briefing, Clock, Credential, Performed

CONFIRMATIONS = frozenset({"confirm_device"})
"""Names of the notifications that confirm a device under enrolment; all others go to the enrolled one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What arrives on a device.

    Attributes:
        subject: whose device; an app signs on to its owner's notifications.
        name: the definition's (``sign_in``, ``confirm_device``).
        text: what the app answers.
        reference: the message's id; a device shows the same one once.
    """

    subject: str
    name: str
    text: str = field(repr=False)
    reference: str
    sent_at: datetime


class PushGateway(Protocol):
    """Delivers notifications to devices."""

    def send(self, notification: Notification, /) -> None:
        """Deliver one.

        Raises:
            GatewayError: it was not taken.
        """
        ...


ReadPush = Callable[[Briefing], str | None]
"""Opens the text that waits for the subject's device; None when nothing waits (any more)."""


def waiting_text(open_text: Callable[[Credential], str], /) -> ReadPush:
    """Read the text from the subject's credential ``app_device``.

    Args:
        open_text: opens it from one credential and raises `NotFoundError` when none waits; supplied by the composition
            root, because only the checks know how a device is sealed.
    """

    def read(briefing: Briefing) -> str | None:
        is_active = briefing.message.effect.name not in CONFIRMATIONS
        subject = briefing.instance.subject
        for credential in briefing.credentials:
            if (credential.subject, credential.kind, credential.is_active) == (subject, "app_device", is_active):
                try:
                    return open_text(credential)
                except NotFoundError:
                    continue
        return None

    return read


class PushPerformer:
    """Performs ``push``."""

    def __init__(self, gateway: PushGateway, *, read_push: ReadPush, clock: Clock) -> None:
        """Take what delivers, what opens the text, and the clock."""
        self._gateway = gateway
        self._read_push = read_push
        self._clock = clock

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Notify the subject's device."""
        text = self._read_push(briefing)
        if text is None:
            raise fault(briefing, "Nothing waits for the subject's app (any more): it was answered, replaced or removed.", will_retry=False)
        message = briefing.message
        notification = Notification(
            subject=str(briefing.instance.subject),
            name=message.effect.name,
            text=text,
            reference=message.id,
            sent_at=self._clock.now(),
        )
        try:
            self._gateway.send(notification)
        except GatewayError as error:
            raise fault(briefing, str(error), will_retry=error.will_retry) from error
        return Performed(performed_at=self._clock.now(), detail="accepted by the gateway")


class SimulatedPush:
    """Keeps notifications in memory for simulated phones; the same reference arrives once."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._sent: dict[tuple[str, str], Notification] = {}

    def send(self, notification: Notification, /) -> None:
        """Keep one."""
        self._sent.setdefault((notification.subject, notification.reference), notification)

    def received(self, subject: str) -> tuple[Notification, ...]:
        """Give what arrived for a subject, oldest first."""
        return tuple(kept for (addressed, _), kept in self._sent.items() if addressed == subject)
