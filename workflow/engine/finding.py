"""Finding an onboarding by a unique value, such as the address that somebody signs in with."""

from __future__ import annotations

from workflow.engine.core import Engine
from workflow.engine.sealing import unique_value
from workflow.states.definition import FieldName
from workflow.states.instance import InstanceId


def find(engine: Engine, definition: str, field: str, value: str) -> InstanceId | None:
    """Say which onboarding of a definition has a value in one of its unique fields, None when none has.

    The value is compared in its normal form by the blind index; it need not be well-formed.

    Raises:
        NotFoundError: no definition of this name is published.
        KeyError: it has no such field.
    """
    wanted = unique_value(engine.parts.vault, engine.newest(definition).world.definition, FieldName(field), value)
    with engine.store.unit() as uow:
        return uow.unique_holder(wanted)
