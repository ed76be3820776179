"""Notifications to the subject's app.

Promises: a notification carries a name, an instance and a reference, and nothing to read: the app fetches what it may show
over its own connection, so that the push provider learns nothing and nothing can be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from workflow.actions.faults import fault
from workflow.actions.sms import GatewayError
from workflow.ports import Briefing, Clock, Performed


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What arrives on a device; `name` is the definition's (``sign_in``, ``confirm_device``)."""

    device: str
    name: str
    instance: str
    reference: str
    sent_at: datetime


class PushGateway(Protocol):
    """Delivers notifications to devices."""

    def send(self, notification: Notification, /) -> None:
        """Deliver one; a device shows the same reference once.

        Raises:
            GatewayError: it was not taken.
        """
        ...


ReadDevices = Callable[[Briefing], Sequence[str]]
"""Names the devices that one message is for, as the gateway addresses them."""


def app_devices(briefing: Briefing, /) -> tuple[str, ...]:
    """Address devices by their subject: an app signs on to its owner's notifications.

    A device under enrolment counts too, because it is confirmed by a notification.
    """
    has_device = any(
        credential.kind == "app_device" and credential.subject == briefing.instance.subject for credential in briefing.credentials
    )
    return (str(briefing.instance.subject),) if has_device else ()


class PushPerformer:
    """Performs ``push``."""

    def __init__(self, gateway: PushGateway, *, clock: Clock, read_devices: ReadDevices = app_devices) -> None:
        """Take what delivers, the clock, and how devices are addressed."""
        self._gateway = gateway
        self._clock = clock
        self._read_devices = read_devices

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Notify every device of the subject."""
        devices = self._read_devices(briefing)
        if not devices:
            raise fault(briefing, "The subject has no app to notify (any more).", will_retry=False)
        message = briefing.message
        for device in devices:
            notification = Notification(
                device=device,
                name=message.effect.name,
                instance=str(briefing.instance.id),
                reference=message.id,
                sent_at=self._clock.now(),
            )
            try:
                self._gateway.send(notification)
            except GatewayError as error:
                raise fault(briefing, str(error), will_retry=error.will_retry) from error
        return Performed(performed_at=self._clock.now(), detail=f"{len(devices)} device(s) notified")


class SimulatedPush:
    """Keeps notifications in memory for simulated phones; the same reference arrives once on a device."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._sent: dict[tuple[str, str], Notification] = {}

    def send(self, notification: Notification, /) -> None:
        """Keep one."""
        self._sent.setdefault((notification.device, notification.reference), notification)

    def received(self, device: str) -> tuple[Notification, ...]:
        """Give what arrived on a device, oldest first."""
        return tuple(kept for (addressed, _), kept in self._sent.items() if addressed == device)
