"""Names of a definition, collected before anything refers to them.

Promises: every reference is resolved here, and one that leads nowhere is noted with the name that was probably meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workflow.states.definition import ENGINE, ROOT, EventName, FieldName, RoleName, StatePath
from workflow.states.findings import Findings, quote
from workflow.states.node import Node, Place

SUBJECT = "subject"


class Names:
    """What a definition declares, by name, with the nodes that declare it."""

    def __init__(self, root: Node, findings: Findings) -> None:
        """Collect the names of a whole document."""
        self.findings = findings
        self.untyped: set[str] = set()
        """Names of fields and payload values whose type is unknown; what follows from their type is not judged."""
        self._root = root
        self.subject = RoleName(_text(root.get("subject")) or "")
        self.roles = _entries(root, "roles")
        self.fields = _entries(root, "fields")
        self.checks = _entries(root, "checks")
        self.events = _entries(root, "events")
        self.states: dict[StatePath, Node] = {}
        self.state_places: dict[StatePath, Place] = {}
        self.by_name: dict[str, StatePath] = {}
        self.children: dict[StatePath, tuple[StatePath, ...]] = {}
        self._collect(root, ROOT)

    def _collect(self, node: Node, path: StatePath) -> None:
        self.states[path] = node
        inner = node.get("states")
        names = inner.entries if inner is not None else {}
        self.children[path] = tuple(join(path, name) for name in names)
        for name, child in names.items():
            place = inner.place_of(name) if inner is not None else child.place
            below = join(path, name)
            if name in self.by_name:
                message = f"The state name {quote(name)} is taken by {self.by_name[name]!r}; names are unique in a definition."
                self.findings.note(place, "duplicate-state", message)
            self.by_name.setdefault(name, below)
            self.state_places[below] = place
            self._collect(child, below)

    def place(self, section: str, name: str) -> Place:
        """Give the place of a name in one of the sections (``roles``, ``events``, ...)."""
        node = self._root.get(section)
        return node.place_of(name) if node else self._root.place

    def is_engine_event(self, name: str) -> bool:
        """Tell whether an event may only be fired by the engine."""
        node = self.events.get(name)
        return node is not None and _text(node.get("by")) == ENGINE

    def event(self, node: Node | None) -> EventName | None:
        """Resolve the name of an event."""
        return self._event(node, self.events, "event")

    def engine_event(self, node: Node | None) -> EventName | None:
        """Resolve the name of an event that only the engine fires."""
        name = self._event(node, self.events, "engine event")
        if name is None or node is None or self.is_engine_event(name):
            return name
        message = f"{quote(name)} is fired by people; timers and reports need an event with `by: engine`."
        self.findings.note(node, "not-an-engine-event", message)
        return None

    def _event(self, node: Node | None, known: Iterable[str], what: str) -> EventName | None:
        name = self._known(node, known, what, "unknown-event")
        return None if name is None else EventName(name)

    def field(self, node: Node | None) -> FieldName | None:
        """Resolve the name of a field."""
        name = self._known(node, self.fields, "field", "unknown-field")
        return None if name is None else FieldName(name)

    def field_at(self, place: Place, name: str) -> FieldName | None:
        """Resolve the name of a field that is written as a key."""
        return self.field(Node(value=name, line=place[0], column=place[1]))

    def role(self, node: Node | None) -> RoleName | None:
        """Resolve the name of a role."""
        name = self._known(node, {*self.roles, self.subject} - {""}, "role", "unknown-role")
        return None if name is None else RoleName(name)

    def check(self, node: Node | None) -> str | None:
        """Resolve the name of a check."""
        return self._known(node, self.checks, "check", "unknown-check")

    def state(self, node: Node | None) -> StatePath | None:
        """Resolve a state by its path or by its name."""
        name = _text(node)
        if node is None or name is None:
            return None
        if name and name in self.states:
            return StatePath(name)
        if name in self.by_name:
            return self.by_name[name]
        known = [*self.by_name, *self.states] if "." in name else list(self.by_name)
        self.findings.note(node, "unknown-state", f"There is no state {quote(name)}.{self.findings.hint(name, known)}")
        return None

    def events_of(self, node: Node | None) -> tuple[EventName, ...]:
        """Resolve a list of events."""
        found = (self.event(item) for item in (node.items if node else ()))
        return tuple(name for name in found if name is not None)

    def _known(self, node: Node | None, known: Iterable[str], what: str, code: str) -> str | None:
        name = _text(node)
        if node is None or name is None:
            return None
        if name in known:
            return name
        self.findings.note(node, code, f"There is no {what} {quote(name)}.{self.findings.hint(name, known)}")
        return None

    def leaf(self, path: StatePath) -> StatePath | None:
        """Give the leaf that is entered when a state is; None when an `initial` on the way leads nowhere."""
        seen = {path}
        while self.children[path]:
            found = self.initial(path)
            if found is None or found in seen:
                return None
            seen.add(found)
            path = found
        return path

    def initial(self, path: StatePath) -> StatePath | None:
        """Give the child of a state that is entered first; None for a leaf and when it leads nowhere."""
        children = self.children[path]
        name = _text(self.states[path].get("initial"))
        if not children or name is None:
            return children[0] if children else None
        return next((child for child in children if name in {child, name_of(child)}), None)


def join(parent: StatePath, name: str) -> StatePath:
    """Give the path of a child."""
    return StatePath(f"{parent}.{name}" if parent else name)


def name_of(path: StatePath) -> str:
    """Give the last part of a path."""
    return path.rpartition(".")[2]


def _text(node: Node | None) -> str | None:
    return None if node is None else node.text


def _entries(root: Node, key: str) -> Mapping[str, Node]:
    node = root.get(key)
    return {} if node is None else node.entries
