"""Accounts in other systems.

Promises: an order names a reference that is the same in every attempt, so that one account comes of it however often it
is tried. `SimulatedCpms` stands for the real application in demo and tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Protocol

import orjson

from workflow.actions.faults import fault
from workflow.ports import Briefing, Clock, Performed
from workflow.states.instance import ActorId, InstanceId


class ProvisioningError(Exception):
    """The other system did not do it; the text is for the operator and holds no personal value."""

    def __init__(self, message: str, *, will_retry: bool) -> None:
        """Say why, and whether another attempt can help."""
        super().__init__(message)
        self.will_retry = will_retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done.

    Attributes:
        reference: the message's id; the other system does it once for each.
        operation: ``create`` unless the definition says otherwise (``with: {operation: extend}`` or ``close``).
        subject: whose account.
        request: the instance that asks for it.
        values: the instance's fields, opened; the system takes what it needs. After an erasure none of them is personal, so what
            closes an account must find it by its subject.
    """

    reference: str
    operation: str
    subject: ActorId
    request: InstanceId
    values: Mapping[str, object] = field(repr=False)


class Provisioner(Protocol):
    """Another system that has accounts."""

    def create_account(self, order: Order, /) -> str:
        """Do what the order says and give the account's id there, which is no personal value.

        Raises:
            ProvisioningError: it was not done.
        """
        ...


class ProvisionPerformer:
    """Performs ``provision``: each target is a provisioner."""

    def __init__(self, targets: Mapping[str, Provisioner], *, clock: Clock) -> None:
        """Take the provisioners by target (``cpms_account``) and the clock."""
        self._targets = dict(targets)
        self._clock = clock

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Hand the order to its target."""
        effect = briefing.message.effect
        target = self._targets.get(effect.name)
        if target is None:
            known = ", ".join(sorted(self._targets)) or "none"
            raise fault(briefing, f"Nothing here provisions {effect.name!r}; known targets: {known}.", will_retry=False)
        order = Order(
            reference=briefing.message.id,
            operation=str(effect.params.get("operation", "create")),
            subject=briefing.instance.subject,
            request=briefing.instance.id,
            values=briefing.values,
        )
        try:
            account = target.create_account(order)
        except ProvisioningError as error:
            raise fault(briefing, str(error), will_retry=error.will_retry) from error
        return Performed(performed_at=self._clock.now(), detail=f"account {account}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account in the simulated application."""

    id: str
    subject: str
    extended_count: int = 0
    is_closed: bool = False


class SimulatedCpms:
    """The application, as far as onboarding sees it: accounts, by subject, in memory or in a JSON file.

    Idempotent by reference. `fail_next` makes the next orders fail for the time being, `refuse_all` for good.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Begin empty, or with what the file holds."""
        self._path = path
        self._lock = Lock()
        self._accounts: dict[str, Account] = {}
        self._done: dict[str, str] = {}
        self._failures_left = 0
        self._is_refusing = False
        if path is not None and path.exists():
            kept = orjson.loads(path.read_bytes())
            self._accounts = {subject: Account(**account) for subject, account in kept["accounts"].items()}
            self._done = kept["done"]

    def fail_next(self, count: int) -> None:
        """Make the next `count` orders fail in a way that passes."""
        self._failures_left = count

    def refuse_all(self, *, is_refusing: bool = True) -> None:
        """Make every order fail for good, or stop doing so."""
        self._is_refusing = is_refusing

    def account(self, subject: str) -> Account | None:
        """Give a subject's account."""
        return self._accounts.get(subject)

    def account_count(self) -> int:
        """Count the accounts."""
        return len(self._accounts)

    def create_account(self, order: Order, /) -> str:
        """Create the account, extend or close it; a subject has one, which opens again when it is created anew.

        Closing an account that was never made is done at once, and answers ``none``.
        """
        with self._lock:
            if (done := self._done.get(order.reference)) is not None:
                return done
            self._fail_if_told()
            account = self._changed(order)
            if account is not None:
                self._accounts[account.subject] = account
            self._done[order.reference] = account.id if account else "none"
            self._keep()
            return self._done[order.reference]

    def _fail_if_told(self) -> None:
        if self._is_refusing:
            raise ProvisioningError("CPMS refuses to create accounts (simulated)", will_retry=False)
        if self._failures_left > 0:
            self._failures_left -= 1
            raise ProvisioningError("CPMS is not available (simulated)", will_retry=True)

    def _changed(self, order: Order) -> Account | None:
        existing = self._accounts.get(order.subject)
        match order.operation:
            case "create":
                fresh = existing or Account(id=f"cpms-{len(self._accounts) + 1:05}", subject=str(order.subject))
                return replace(fresh, is_closed=False)
            case "extend" if existing is not None:
                return replace(existing, extended_count=existing.extended_count + 1)
            case "close":  # an erasure closes what may have been made; where nothing was made, nothing is open
                return replace(existing, is_closed=True) if existing else None
            case "extend":
                raise ProvisioningError("CPMS has no account to extend (simulated)", will_retry=False)
            case _:
                message = f"CPMS does not know the operation {order.operation!r} (simulated); known: create, extend, close"
                raise ProvisioningError(message, will_retry=False)

    def _keep(self) -> None:
        """Write the whole file beside the old one and put it in its place, so that a crash leaves one of the two."""
        if self._path is None:
            return
        accounts = {subject: asdict(kept) for subject, kept in self._accounts.items()}
        fresh = self._path.with_suffix(self._path.suffix + ".new")
        fresh.write_bytes(orjson.dumps({"accounts": accounts, "done": self._done}))
        fresh.replace(self._path)
