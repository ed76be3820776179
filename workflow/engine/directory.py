"""A directory kept in a mapping: for small hosts, demos and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workflow.states.definition import RoleName
from workflow.states.instance import ActorId, Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedDirectory:
    """Role holders from a mapping of ``role`` or ``role:scope`` to actor ids, and their addresses.

    `people` gives ``email``, ``name`` and ``language`` by actor id.
    """

    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def holders(self, role: RoleName, scope: str | None) -> Sequence[ActorId]:
        """Name everyone who holds the role for the scope."""
        return tuple(ActorId(who) for who in self.roles.get(str(Grant(role=role, scope=scope)), ()))

    def address(self, actor: ActorId) -> Mapping[str, str]:
        """Give what is known of a holder."""
        return self.people.get(actor, {})
