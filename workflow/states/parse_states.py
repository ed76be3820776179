"""States, transitions, timers and actions of a definition, from nodes to values.

Promises: notes every fault and goes on; a reference that leads nowhere is left out of the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from workflow.states.definition import (
    ROOT,
    ActionUse,
    Assignment,
    EventName,
    EventType,
    FieldName,
    Quorum,
    Rule,
    State,
    StatePath,
    TimerKey,
    TimerType,
    Transition,
)
from workflow.states.durations import is_duration, read_duration
from workflow.states.findings import quote
from workflow.states.grammar import ACTION
from workflow.states.known import Known
from workflow.states.node import Node
from workflow.states.parse_fields import flag, text, whole
from workflow.states.parse_names import SUBJECT, Names, name_of

_COPY = re.compile(r"\s*event\.([a-z][a-z0-9_]*)\s*")


class States:
    """Reads the tree of states; the order of the whole document numbers the timers."""

    def __init__(self, names: Names, events: Mapping[EventName, EventType], known: Known) -> None:
        """Take what has been read before."""
        self._names = names
        self._findings = names.findings
        self._events = events
        self._known = known
        self._timer_count = 0

    def read(self) -> dict[StatePath, State]:
        """Give all states in declaration order, the root first."""
        return {path: self._state(path, node) for path, node in self._names.states.items()}

    def _state(self, path: StatePath, node: Node) -> State:
        children = self._names.children[path]
        self._judge_initial(path, node)
        return State(
            path=path,
            name=name_of(path),
            parent=None if path == ROOT else StatePath(path.rpartition(".")[0]),
            children=children,
            initial=self._names.initial(path),
            transitions=tuple(self._transitions(path, node)),
            timers=tuple(self._timers(path, node)),
            entry=self.actions(node.get("entry")),
            exit=self.actions(node.get("exit")),
            paused_in=frozenset(self._paused(path, node)),
            tally=frozenset(self._names.events_of(node.get("tally"))),
            outcome=text(node.get("outcome")) or None,
            waits_forever=text(node.get("waits_forever")) or None,
            title=text(node.get("title")),
            description=text(node.get("description")),
        )

    def _judge_initial(self, path: StatePath, node: Node) -> None:
        initial = node.get("initial")
        if initial is None or initial.text is None:
            return
        children = [name_of(child) for child in self._names.children[path]]
        if self._names.initial(path) is None:
            what = f"the state {path!r}" if path else "the definition"
            message = f"{quote(initial.text)} is no state directly inside {what}.{self._findings.hint(initial.text, children)}"
            self._findings.note(initial, "unknown-state", message)

    def _paused(self, path: StatePath, node: Node) -> Iterator[StatePath]:
        listed = node.get("paused_in")
        for item in listed.items if listed else ():
            found = self._names.state(item)
            if found is None:
                continue
            if found == path or not (path == ROOT or found.startswith(path + ".")):
                self._findings.note(item, "not-inside", f"{quote(found)} is not inside {path!r}, so its timers never run there.")
            yield found

    def _transitions(self, path: StatePath, node: Node) -> Iterator[Transition]:
        listed = node.get("transitions")
        for index, item in enumerate(listed.items if listed else ()):
            found = self.transition(item, path, index)
            if found is not None:
                yield found

    def transition(self, node: Node, source: StatePath, index: int) -> Transition | None:
        """Read a transition; None when its event is unknown, after all the rest of it has been looked at."""
        event = self._names.event(node.get("event"))
        declared = self._names.state(node.get("target"))
        quorum, actions = self._quorum(node.get("quorum")), self.actions(node.get("actions"))
        # A mapping has no order: all values are computed before any is written.
        assignments = sorted(self._assignments(node.get("set"), event), key=lambda one: one.field)
        if node.get("reenter") is not None and node.get("target") is None:
            message = "'reenter' needs a target; an internal transition leaves nothing."
            self._findings.note(node.place_of("reenter"), "key-not-applicable", message)
        if event is None:
            return None
        return Transition(
            event=event,
            source=source,
            index=index,
            target=None if declared is None else self._names.leaf(declared),
            declared_target=declared,
            guards=tuple(rule for _, rule in rules(node.get("guard"))),
            quorum=quorum,
            assignments=tuple(assignments),
            actions=actions,
            is_reentering=flag(node.get("reenter")),
            title=text(node.get("title")),
        )

    def _quorum(self, node: Node | None) -> Quorum | None:
        if node is None:
            return None
        need = whole(node.get("need"))
        return Quorum(need=need or 1, is_distinct=flag(node.get("distinct"), default=True), role=self._names.role(node.get("role")))

    def _assignments(self, node: Node | None, event: EventName | None) -> Iterator[Assignment]:
        for name, value in (node.entries if node else {}).items():
            field = self._names.field_at(node.place_of(name) if node else (1, 1), name)
            if field is not None:
                yield self._assignment(field, value, event)

    def _assignment(self, field: FieldName, node: Node, event: EventName | None) -> Assignment:
        if node.value is None:
            return Assignment(field=field, is_cleared=True)
        source = literal(node)
        copied = _COPY.fullmatch(source)
        payload = {} if event is None else self._events[event].payload
        if copied is None or event is None or (copied[1] == "name" and "name" not in payload):
            return Assignment(field=field, source=source)
        if copied[1] not in payload:
            message = f"The event {event!r} has no payload value {quote(copied[1])}.{self._findings.hint(copied[1], payload)}"
            self._findings.note(node, "unknown-payload-value", message)
            return Assignment(field=field, is_cleared=True)
        return Assignment(field=field, copy_of=FieldName(copied[1]))

    def _timers(self, path: StatePath, node: Node) -> Iterator[TimerType]:
        listed = node.get("timers")
        seen: set[str] = set()
        for item in listed.items if listed else ():
            name, after = text(item.get("name")), item.get("after")
            if name in seen:
                self._findings.note(item.get("name") or item, "duplicate-timer", f"There is a timer {quote(name)} in this state already.")
            seen.add(name)
            unit = read_duration(text(after))
            if after is not None and unit is None and is_duration(text(after)):
                message = f"{quote(text(after))} is no duration that can be waited: at least a second, at most ten years."
                self._findings.note(after, "invalid-duration", message)
            event, since = self._names.engine_event(item.get("event")), self._names.engine_event(item.get("since"))
            index, self._timer_count = self._timer_count, self._timer_count + 1
            if event is not None and unit is not None:
                key = TimerKey(f"{path}.{name}" if path else name)
                yield TimerType(key=key, name=name, state=path, after=unit, event=event, since=since, index=index)

    def actions(self, node: Node | None) -> tuple[ActionUse, ...]:
        """Read a list of actions; one of an unknown kind is left out."""
        found = (self._action(item) for item in (node.items if node else ()))
        return tuple(action for action in found if action is not None)

    def _action(self, node: Node) -> ActionUse | None:
        kind = self._kind(node)
        done, failed = self._names.engine_event(node.get("done")), self._names.engine_event(node.get("failed"))
        to = node.get("to")
        addressee = to.text if to is not None and to.text == SUBJECT else self._names.role(to)
        if kind is None:
            return None
        given = node.get("with")
        params = {key: value.value for key, value in (given.entries if given else {}).items() if isinstance(value.value, str | int | bool)}
        return ActionUse(
            kind=kind,
            name=text(node.get(kind)),
            to=SUBJECT if addressee is None or addressee == self._names.subject else addressee,
            done=done,
            failed=failed,
            link=text(node.get("link")) or None,
            params=params,
        )

    def _kind(self, node: Node) -> str | None:
        """Find the one key of an action that says what it is."""
        if not isinstance(node.value, Mapping):
            return None
        kinds = [key for key in node.entries if key not in ACTION.keys]
        unknown = [key for key in kinds if key not in self._known.actions]
        for key in unknown:
            message = f"There is no kind of action {quote(key)}.{self._findings.hint(key, [*self._known.actions, *ACTION.keys])}"
            self._findings.note(node.place_of(key), "unknown-action", message)
        for key in [key for key in kinds if key not in unknown][1:]:
            self._findings.note(
                node.place_of(key), "keys-exclude-each-other", "An action is one thing; write a second one as its own item."
            )
        if not kinds:
            self._findings.note(node, "missing-key", f"An action says what it does: one of {', '.join(sorted(self._known.actions))}.")
        return next((key for key in kinds if key not in unknown), None)


def literal(node: Node) -> str:
    """Give the expression that a value stands for: a number or a boolean is written without quotes."""
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return str(node.value) if isinstance(node.value, str | int) else ""


def rules(node: Node | None) -> Iterator[tuple[Node, Rule]]:
    """Give the guards of a transition, each with the node of its expression."""
    if node is None:
        return
    if node.text is not None:
        yield node, Rule(source=node.text)
    for item in node.items:
        yield from rules(item)
    when = node.get("when")
    if when is not None and when.text is not None:
        yield (
            when,
            Rule(
                source=when.text,
                code=text(node.get("code")) or "guard_false",
                message=text(node.get("message")),
                needed=text(node.get("needed")),
            ),
        )
