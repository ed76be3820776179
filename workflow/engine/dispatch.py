"""The outbox at work: claim messages, perform them, report what came of it.

Promises: at least once, never lost. A message is performed by `perform`, whoever calls it; its report comes back through the
same door as every event, and proves itself by the lease's fencing token. Nothing personal is kept beyond one performance.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workflow.audit.entry import Witnessed
from workflow.engine.calls import Call, Turn, drive
from workflow.engine.conflicts import LeaseLostError
from workflow.engine.core import Engine
from workflow.engine.sealing import open_fields
from workflow.engine.turn import attempts, fetch, settled
from workflow.engine.writing import Draft
from workflow.errors import ActionError, NotFoundError, Reason, WorkflowError
from workflow.ports import Briefing, Loaded, Message, Performed, Recipient, SealedValue, UnitOfWork
from workflow.states.definition import Definition, EventName, FieldType, RoleName
from workflow.states.effects import Effect
from workflow.states.instance import ENGINE_ACTOR, Instance
from workflow.states.step import report as report_step
from workflow.states.verdict import Kind
from workflow.states.who import scope_of

_log = logging.getLogger(__name__)

LEASE_SECONDS = 60
"""How long a worker may take for one message before another one takes it over."""

NextAttempt = Callable[[Effect, int, float, datetime], datetime | None]
"""(effect, attempts so far, chance in [0, 1), now) -> when to try again, None when the message is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What became of one batch: messages done, put back for later, given up, and lost to another worker."""

    done: int = 0
    put_back: int = 0
    dead: int = 0
    lost: int = 0

    @property
    def total(self) -> int:
        """How many messages were taken."""
        return self.done + self.put_back + self.dead + self.lost


class Dispatch:
    """Performs the messages of an engine's outbox."""

    def __init__(
        self,
        engine: Engine,
        *,
        performer: Callable[[Briefing], Performed],
        next_attempt: NextAttempt,
        link_url: Callable[[str, str], str],
        lease_seconds: int = LEASE_SECONDS,
    ) -> None:
        """Join the engine with those who perform.

        Args:
            engine: on its own store.
            performer: does one message; raises `ActionError` when it cannot.
            next_attempt: the back-off.
            link_url: (purpose, token) -> the full address, from configuration and never from a request.
            lease_seconds: see `LEASE_SECONDS`.
        """
        self._engine = engine
        self._performer = performer
        self._next_attempt = next_attempt
        self._link_url = link_url
        self.lease_seconds = lease_seconds
        self._chance = random.Random()  # noqa: S311  # jitter, no secret

    def claim(self, *, limit: int = 10) -> Sequence[Message]:
        """Lease messages that are due."""
        with self._engine.store.reads() as reads:
            return reads.claim(now=self._now(), limit=limit, lease_seconds=self.lease_seconds)

    def renew(self, message: Message) -> bool:
        """Prolong the lease of a message that takes long; False when another worker has it by now."""
        with self._engine.store.reads() as reads:
            return reads.renew(message, now=self._now(), lease_seconds=self.lease_seconds)

    def run(self, *, limit: int = 10) -> Dispatched:
        """Claim a batch and perform it, one message after the other."""
        came = [self.perform(message) for message in self.claim(limit=limit)]
        return Dispatched(done=came.count("done"), put_back=came.count("put_back"), dead=came.count("dead"), lost=came.count("lost"))

    def perform(self, message: Message) -> Literal["done", "put_back", "dead", "lost"]:
        """Perform one leased message and report it."""
        try:
            briefing = drive(self._brief(message))
            if briefing is None:
                return self._report(message, None, reason="superseded")
            performed = self._performer(briefing)
        except LeaseLostError:
            return "lost"
        except ActionError as error:
            return self._failed(message, str(error), will_retry=error.will_retry)
        except WorkflowError as error:
            return self._failed(message, str(error), will_retry=True)
        except Exception as error:  # noqa: BLE001  # a performer is foreign code; its fault must not stop the worker
            _log.exception("Performing message %s failed unexpectedly", message.id)
            return self._failed(message, f"{type(error).__name__} in the performer; see the log of the worker", will_retry=True)
        return self._report(message, performed)

    def _now(self) -> datetime:
        return self._engine.now()

    def _failed(self, message: Message, error: str, *, will_retry: bool) -> Literal["put_back", "dead", "lost"]:
        """Put a message back for later, or declare it dead and report that."""
        now = self._now()
        again = self._next_attempt(message.effect, message.attempts, self._chance.random(), now) if will_retry else None
        if again is not None:
            with self._engine.store.reads() as reads:
                return "put_back" if reads.put_back(message, available_at=again, error=error[:500]) else "lost"
        _log.error("Message %s (%s %s) is given up: %s", message.id, message.effect.kind, message.effect.name, error)
        came = self._report(message, None, reason=error)
        return "dead" if came == "done" else "lost"

    def _report(self, message: Message, performed: Performed | None, *, reason: str = "") -> Literal["done", "lost"]:
        try:
            drive(
                attempts(
                    self._engine.store,
                    lambda uow, is_locked: self._report_once(uow, message, performed, reason=reason, is_locked=is_locked),
                )
            )
        except LeaseLostError:
            return "lost"
        return "done"

    def _report_once(self, uow: UnitOfWork, message: Message, performed: Performed | None, *, reason: str, is_locked: bool) -> Turn[None]:
        """Write one report: the message's end, the entry, and what the reported event brings about."""
        loaded: Loaded = yield Call(lambda: uow.load(message.instance_id, lock=is_locked))
        if loaded.situation is None:
            raise NotFoundError("instance", message.instance_id)
        if is_locked and not (yield Call(lambda: self._is_ours(message))):
            raise LeaseLostError(f"The message {message.id} belongs to another worker by now.")
        in_force = yield from fetch(self._engine.parts, uow, loaded)
        parts, world = self._engine.parts, in_force.world
        draft = Draft(
            loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood
        )
        situation = settled(draft, world)
        effect = message.effect
        name = effect.done if performed else effect.failed
        if reason == "superseded" or name is None:
            draft.witness(_seen(message, draft.now, performed, situation.instance, reason), message.instance_id)
        else:
            at = performed.performed_at if performed else draft.now
            draft.add(report_step(world, situation, effect, EventName(name), performed_at=at, now=draft.now))
            settled(draft, world)
        is_done = performed is not None or reason == "superseded"
        change = draft.change(settled=(message.id, message.token, "done" if is_done else "dead"))
        yield Call(lambda: uow.save(change))

    def _is_ours(self, message: Message) -> bool:
        with self._engine.store.reads() as reads:
            found = reads.message(message.id)
        return found is not None and found.token == message.token and found.state == "leased"

    def _brief(self, message: Message) -> Turn[Briefing | None]:
        """Open what one performance needs; None when a newer message has replaced this one."""
        parts = self._engine.parts
        with self._engine.store.unit() as uow:
            loaded: Loaded = yield Call(lambda: uow.load(message.instance_id))
            if loaded.situation is None:
                raise NotFoundError("instance", message.instance_id)
            in_force = yield from fetch(parts, uow, loaded)
            slots: Mapping[str, SealedValue] = yield Call(lambda: uow.personal(message.instance_id))
        instance, effect = loaded.situation.instance, message.effect
        if effect.link is not None and effect.serial < instance.serials.get(effect.link, 0):
            return None
        # An erasure leaves nothing personal and drops what waits; only then is it worth asking whether this message was dropped.
        if not instance.personal and effect.ends_with_subject and not (yield Call(lambda: self._is_ours(message))):
            raise LeaseLostError(f"The message {message.id} was dropped by an erasure.")
        values: dict[str, object] = {str(name): value for name, value in instance.fields.items()}
        values |= open_fields(parts.vault, slots, instance, loaded.subject_key)
        definition = in_force.world.definition
        link = None
        if effect.link is not None:
            token = parts.vault.link_token(
                purpose=effect.link, definition=definition.name, instance=instance.id, subject=instance.subject, serial=effect.serial
            )
            link = self._link_url(effect.link, token)
        running = [t.due_at for t in loaded.situation.timers if t.due_at is not None]
        return Briefing(
            message=message,
            definition=definition,
            instance=instance,
            recipients=self._recipients(effect, instance, values, definition),
            values=values,
            link=link,
            credentials=loaded.credentials,
            due_at=min(running, default=None),
        )

    def _recipients(
        self, effect: Effect, instance: Instance, values: Mapping[str, object], definition: Definition
    ) -> tuple[Recipient, ...]:
        """Say who gets a message: the subject by the instance's own fields, a role by the host's directory."""
        if effect.to == "subject":
            address = next((str(values[n]) for n, f in definition.fields.items() if f.type is FieldType.EMAIL and n in values), "")
            names = [str(values[n]) for n in ("first_name", "last_name") if n in values]
            language = str(values.get("language", "en"))
            return (Recipient(actor=instance.subject, email=address, name=" ".join(names), language=language),)
        role = RoleName(effect.to)
        directory = self._engine.parts.directory
        found = []
        holders = directory.holders(role, scope_of(definition.roles[role], instance.fields))
        for holder in (h for h in holders if h != instance.subject):  # nobody is asked to decide on their own request
            known = directory.address(holder)
            found.append(
                Recipient(actor=holder, email=known.get("email", ""), name=known.get("name", ""), language=known.get("language", "en"))
            )
        return tuple(found)


def _seen(message: Message, now: datetime, performed: Performed | None, instance: Instance, reason: str) -> Witnessed:
    """Give what is recorded of a report that no event of the definition wants to hear."""
    effect = message.effect
    payload: dict[str, object] = {"kind": effect.kind, "name": effect.name, "serial": effect.serial, "attempts": message.attempts}
    failed = () if performed else (Reason(code="superseded" if reason == "superseded" else "given_up", message=reason),)
    return Witnessed(
        kind=Kind.REPORTED,
        event=f"{effect.kind}_{effect.name}"[:64],
        actor=ENGINE_ACTOR,
        occurred_at=min(performed.performed_at, now) if performed else now,
        state=instance.state,
        reasons=failed,
        payload=payload,
    )
