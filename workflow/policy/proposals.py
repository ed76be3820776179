"""Properties that would notice a fault, written in YAML ready to paste.

Promises: pure; what is proposed names only what the definition names. Nothing here knows whether it holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workflow.states.definition import Definition, EventName, StatePath, TimerType


@dataclass(frozen=True, slots=True)
class Where:
    """An event in a state, and the guards of its transition; the root state is the empty text."""

    event: str = ""
    state: str = ""
    guards: tuple[str, ...] = ()

    def asked(self, *, with_state: bool = True) -> str:
        """Write event and state as keys of a property."""
        said = [f"event: {self.event}"] if self.event else []
        return ", ".join([*said, *([f"state: {self.state}"] if self.state and with_state else [])])


def demand(where: Where, source: str) -> tuple[str, ...]:
    """Demand an expression whenever an event is accepted."""
    quoted = json.dumps(source, ensure_ascii=False)
    there = f" in {where.state}" if where.state else ""
    asked = [where.asked(), *([where.asked(with_state=False)] if where.state else [])]
    named = _name(f"{where.event}{there} needs {source}")
    return tuple(f"{{name: {named}, cel: {{{one}, holds: {quoted}}}}}" for one in asked)


def leads(where: Where, target: str) -> tuple[str, ...]:
    """Demand that an event leads to a state; under its own guards where others share the event."""
    named = _name(f"{where.event} in {where.state or 'every state'} leads to {target}")
    guards = json.dumps(" && ".join(f"({one})" for one in where.guards), ensure_ascii=False)
    asked = [where.asked(), *([f"{where.asked()}, when: {guards}"] if where.guards else [])]
    return tuple(f"{{name: {named}, requires: {{{one}, leads_to: {target}}}}}" for one in asked)


def effect(where: Where, name: str, key: str) -> tuple[str, ...]:
    """Demand an effect of an event, or of the entering of a state."""
    if key == "exit":
        return ()
    named = _name(f"{where.event or 'entering'} in {where.state or 'every state'} brings {name}")
    guards = json.dumps(" && ".join(f"({one})" for one in where.guards), ensure_ascii=False)
    asked = [where.asked(), *([f"{where.asked()}, when: {guards}"] if where.guards else [])]
    return tuple(f"{{name: {named}, requires: {{{one}, effect: {name}}}}}" for one in asked)


def role(event: str, roles: Sequence[str]) -> tuple[str, ...]:
    """Demand from whom an event comes."""
    named = _name(f"only {' or '.join(roles)} may {event}")
    return (f"{{name: {named}, requires: {{event: {event}, actor: [{', '.join(roles)}]}}}}",)


def decision(definition: Definition, event: str) -> tuple[str, ...]:
    """Demand that the subject does not decide, and nobody who decided in another stage."""
    stage = definition.events[EventName(event)].decision
    others = [name for name, type_ in definition.events.items() if type_.decision not in (None, stage)]
    own = f"{{name: {_name(f'nobody does {event} for themselves')}, never: {{event: {event}, actor: subject}}}}"
    pairs = (f"{{name: {_name(f'{event} and {one} take two people')}, never: {{event: {event}, same_actor_as: {one}}}}}" for one in others)
    return (own, *pairs)


def mark(name: str, said: str) -> tuple[str, ...]:
    """Demand a mark of a value."""
    return (f"{{name: {_name(f'{name} is {said}')}, field: {{name: {name}, is: {said}}}}}",)


def checked(event: str, check: str | None) -> tuple[str, ...]:
    """Demand what a check found."""
    return tuple(one for leaf in ("ok", "found", "valid") for one in demand(Where(event=event), f"facts.{check}.{leaf}"))


def bound(definition: Definition, timer: TimerType) -> tuple[str, ...]:
    """Demand that something follows by the time at which a timer fires."""
    asked = f"event: {timer.since}" if timer.since is not None else f"state: {timer.state}" if timer.state else ""
    if not asked:
        return ()
    leaving = _leaving(definition, timer.state)
    restarts = [str(t.event) for state in _around(definition, timer.state) for t in state.transitions if t.is_reentering]
    wanted = ", ".join(dict.fromkeys([str(timer.event), *leaving, *restarts]))
    named = _name(f"{timer.key} is kept")
    clock = f", clock: {timer.key}" if definition.states[timer.state].paused_in else ""
    return (f"{{name: {named}, always: {{{asked}, leads_to: [{wanted}], within: {timer.after.text}{clock}}}}}",)


def not_before(timer: TimerType) -> tuple[str, ...]:
    """Demand that a timer does not fire too soon."""
    since = timer.since or timer.state
    named = _name(f"{timer.key} is not early")
    return (f"{{name: {named}, never: {{event: {timer.event}, earlier_than: {timer.after.text}, since: {since}}}}}",) if since else ()


def pause(definition: Definition, place: StatePath, child: str) -> tuple[str, ...]:
    """Demand that the timers of a state do not fire while one of its children is active."""
    events = dict.fromkeys(str(timer.event) for timer in definition.states[place].timers)
    named = _name(f"no deadline of {place} runs out in {child}")
    return (f"{{name: {named}, never: {{event: [{', '.join(events)}], state: {child}}}}}",) if events else ()


def lifetime(definition: Definition, check: str) -> tuple[str, ...]:
    """Demand that what a check looks at is used in its lifetime, counted from the report of its message; nothing where none reports."""
    params = definition.checks[check].params
    since, ttl = params.get("since"), params.get("ttl")
    if since is None or ttl is None:
        return ()
    events = [str(name) for name, type_ in definition.events.items() if check in type_.checks]
    said = ((_name(f"{check} lives {ttl} for {event}"), event) for event in events)
    return tuple(f"{{name: {named}, never: {{event: {event}, later_than: {ttl}, since: {since}}}}}" for named, event in said)


def _leaving(definition: Definition, place: StatePath) -> Iterable[str]:
    """Name the states outside of a state to which something leads from inside."""
    inside = [state for path, state in definition.states.items() if definition.is_within(path, place)]
    targets = [t.target for state in (*inside, *_around(definition, place)) for t in state.transitions if t.target is not None]
    return dict.fromkeys(str(target) for target in targets if not definition.is_within(target, place))


def _around(definition: Definition, place: StatePath) -> list:  # type: ignore[type-arg]  # states of the lineage
    return [definition.states[path] for path in definition.lineage(place)]


def _name(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
