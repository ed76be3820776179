"""The sweep: every deadline that is reached, of many instances at once.

Promises: one transaction for a batch where the store can, so that a hundred deadlines wait for the disk once. An instance that
cannot be settled costs the batch nothing: what somebody else has changed meanwhile is settled alone afterwards, and what is wrong
with an instance sets aside this instance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from workflow.engine.calls import drive
from workflow.engine.parts import Parts
from workflow.engine.turn import attempts, settle_once
from workflow.errors import ConflictError, StoreError
from workflow.ports import Batching, Store
from workflow.states.instance import InstanceId

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What a sweep did: how many deadlines fired, on how many instances, and which instances were set aside and why."""

    fired: int = 0
    instances: int = 0
    set_aside: tuple[tuple[InstanceId, str], ...] = ()


@dataclass(slots=True)
class _Sweep:
    parts: Parts
    fired: int = 0
    instances: int = 0
    aside: list[tuple[InstanceId, str]] = field(default_factory=list)

    def count(self, fired: int) -> None:
        """Note an instance that was settled."""
        self.fired, self.instances = self.fired + fired, self.instances + (fired > 0)

    def set_aside(self, instance_id: InstanceId, error: Exception) -> None:
        """Note an instance that cannot be settled."""
        _log.error("The deadlines of instance %s could not be settled", instance_id, exc_info=error)
        self.aside.append((instance_id, str(error)))


def sweep(parts: Parts, store: Store, due: Sequence[InstanceId]) -> Ticked:
    """Settle instances whose deadlines are reached."""
    swept = _Sweep(parts)
    left = _at_once(swept, store, due) if isinstance(store, Batching) and len(due) > 1 else due
    for instance_id in left:
        try:
            swept.count(
                drive(attempts(store, lambda uow, is_locked, id_=instance_id: settle_once(parts, uow, id_, is_locked=is_locked)))  # type: ignore[misc]  # bound now
            )
        except StoreError:  # not this instance's fault: nothing can be settled now
            raise
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one instance must not hold up the others
            swept.set_aside(instance_id, error)
    return Ticked(fired=swept.fired, instances=swept.instances, set_aside=tuple(swept.aside))


def _at_once(swept: _Sweep, store: Batching, due: Sequence[InstanceId]) -> list[InstanceId]:
    """Settle a batch in one transaction, and give the instances that somebody else has changed while it was open.

    Nothing is counted before it is committed. Instances that another sweep has locked are left to it.
    """
    fired: list[int] = []
    alone: list[InstanceId] = []
    broken: list[tuple[InstanceId, Exception]] = []
    with store.batch(due) as batch:
        for instance_id in batch.ids:
            try:
                fired.append(drive(settle_once(swept.parts, batch.unit(), instance_id, is_locked=False)))
            except ConflictError:
                alone.append(instance_id)
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001  # as above; nothing of this instance was written
                broken.append((instance_id, error))
    for count in fired:
        swept.count(count)
    for instance_id, why in broken:
        swept.set_aside(instance_id, why)
    return alone
