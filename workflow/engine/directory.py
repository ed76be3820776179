"""A directory kept in a mapping: for small hosts, demos and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from workflow.errors import SettingsError
from workflow.states.definition import RoleName
from workflow.states.instance import ActorId, Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedDirectory:
    """Role holders from a mapping of ``role`` or ``role:scope`` to actor ids, and their addresses.

    `people` gives ``email``, ``name`` and ``language`` by actor id.
    """

    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> FixedDirectory:
        """Read a JSON file: ``{"roles": {"network_team:ERKNet": ["tom"]}, "people": {"tom": {"email": "...", "language": "en"}}}``.

        Raises:
            SettingsError: it cannot be read, or is not of this form.
        """
        try:
            given = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise SettingsError(f"The directory {path} cannot be read: {error}. It is a JSON file of role holders.") from error
        roles, people = _part(given, "roles", path), _part(given, "people", path)
        for role, holders in roles.items():
            if not isinstance(holders, list) or not all(isinstance(one, str) for one in holders):
                raise SettingsError(f'The directory {path}: the role {role!r} needs a list of actor ids, like ["tom"].')
        for who, known in people.items():
            if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
                raise SettingsError(f'The directory {path}: {who!r} needs texts, like {{"email": "tom@example.org"}}.')
        return FixedDirectory(roles=roles, people=people)

    def holders(self, role: RoleName, scope: str | None) -> Sequence[ActorId]:
        """Name everyone who holds the role for the scope."""
        return tuple(ActorId(who) for who in self.roles.get(str(Grant(role=role, scope=scope)), ()))

    def address(self, actor: ActorId) -> Mapping[str, str]:
        """Give what is known of a holder."""
        return self.people.get(actor, {})


def _part(given: object, name: str, path: Path) -> dict[str, Any]:
    part = given.get(name, {}) if isinstance(given, dict) and not given.keys() - {"roles", "people"} else None
    if not isinstance(part, dict):
        raise SettingsError(f'The directory {path} has the form {{"roles": {{...}}, "people": {{...}}}} and nothing else.')
    return part
