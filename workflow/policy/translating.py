"""What was recorded under one version, in the words of another.

Promises: pure; renames are those that a comparison was certain of, and whatever else has no counterpart is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflow.policy.changes import Comparison
from workflow.states.definition import Definition, EventName, FieldName, StatePath, TimerKey, TimerType
from workflow.states.instance import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Names of an old version, in the new one."""

    new: Definition
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Kind -> old name -> new name."""

    @staticmethod
    def of(comparison: Comparison) -> Words:
        """Take the renames of a comparison."""
        names = {kind: {old: new for new, old in found.items()} for kind, found in comparison.renamed.items()}
        return Words(new=comparison.new, names=names)

    def name(self, kind: str, old: str) -> str:
        """Give the new name of something."""
        return self.names.get(kind, {}).get(old, old)

    def state(self, path: str) -> StatePath | None:
        """Find a leaf; None when the new version has no such leaf."""
        found = self.new.resolve(self.name("states", path.rpartition(".")[2]))
        return found if found is not None and self.new.states[found].is_leaf else None

    def timer(self, key: str) -> TimerType | None:
        """Find a deadline; None when the new version does not have it."""
        holder, _, name = key.rpartition(".")
        path = self.new.resolve(self.name("states", holder.rpartition(".")[2])) if holder else StatePath("")
        key = f"{path}.{name}" if path else name
        return self.new.timer(TimerKey(key)) if path is not None else None

    def said(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give an entry in the new version's words."""
        if not self.names:
            return said
        roles = []
        for written in said.get("roles", ()):
            role, colon, scope = written.partition(":")
            roles.append(f"{self.name('roles', role)}{colon}{scope}")
        facts = {}
        for leaf, value in said.get("facts", {}).items():
            check, _, rest = leaf.partition(".")
            facts[f"{self.name('checks', check)}.{rest}"] = value
        personal = {
            f"field:{self.name('fields', slot.partition(':')[2])}" if slot.startswith("field:") else slot: commitment
            for slot, commitment in said.get("personal", {}).items()
        }
        return {**said, "event": self.name("events", said["event"]), "roles": roles, "facts": facts, "personal": personal}

    def instance(self, old: Instance, state: StatePath) -> Instance:
        """Give an onboarding as the new version would have it in a state."""
        return replace(
            old,
            definition=self.new.name,
            digest=self.new.digest,
            state=state,
            fields={FieldName(self.name("fields", name)): value for name, value in old.fields.items()},
            personal=frozenset(FieldName(self.name("fields", name)) for name in old.personal),
            tallies={EventName(self.name("events", name)): tally for name, tally in old.tallies.items()},
            marks={EventName(self.name("events", name)): at for name, at in old.marks.items()},
        )
