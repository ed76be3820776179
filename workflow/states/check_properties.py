"""Judges the policy block against the definition: what can never fail, what is never kept, and what contradicts something else.

Promises: pure; no proof. A property that is said to be vacuous asks about something that does not happen; one that is said not to be
kept is broken whenever what it asks about happens. What depends on a run is left to `policy test` and `policy prove`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from workflow.states.cases import Cases, Table, may_be
from workflow.states.check_events import reported
from workflow.states.check_people import SUBJECT, written
from workflow.states.definition import Definition, EventName, Property, RoleName, Rule, StatePath, has_mark, listed, values_named
from workflow.states.findings import Findings
from workflow.states.flow import Flow, Way
from workflow.states.moves import move_of
from workflow.states.node import Node
from workflow.states.parse import Parsed

MAX_COMPARED = 300
"""More properties than these are not compared with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What judges of properties ask about a definition."""

    flow: Flow
    ways: tuple[Way, ...]

    @property
    def definition(self) -> Definition:
        """What is judged."""
        return self.flow.definition

    def happens(self, name: str) -> bool:
        """Tell whether an event may ever be accepted or reported; a field that nothing sets yet may be a switch for later."""
        flow, is_start = self.flow, name == self.definition.start.event
        return (
            is_start
            or name in reported(self.definition)
            or any(
                name in flow.graph.handled[leaf] and flow.may_happen(EventName(name), leaf, fields) for leaf, fields in flow.set_in.items()
            )
        )

    def leaves(self, name: str) -> frozenset[StatePath]:
        """Give the leaves of a state that can be reached."""
        state = self.definition.resolve(name)
        return frozenset(leaf for leaf in self.flow.set_in if state is not None and self.definition.is_within(leaf, state))

    def of(self, names: tuple[str, ...]) -> tuple[Way, ...]:
        """Give the ways by some events."""
        return tuple(way for way in self.ways if way.transition.event in names)

    def following(self, ways: tuple[Way, ...]) -> tuple[Way, ...]:
        """Give what can be taken after any of some ways."""
        leaves = self.flow.reached_from([way.target for way in ways], lambda _: True)
        return tuple(way for way in self.ways if way.source in leaves)

    def is_engine(self, name: str) -> bool:
        """Tell whether only the engine fires an event."""
        return self.definition.events[EventName(name)].is_engine


def check_properties(parsed: Parsed, flow: Flow, cases: Cases, findings: Findings) -> None:
    """Note every property that says nothing, cannot be kept, or excludes another; needs names that all lead somewhere."""
    rules = Rules(flow=flow, ways=tuple(way for ways in flow.ways.values() for way in ways))
    all_ = list(written(parsed))
    tables = _tables(all_, rules, cases)
    for item, rule in all_:
        why = _vacuous(rule, rules) or _always_so(tables.get(rule.name))
        if why:
            findings.warn(item, "vacuous-property", f"This property can never fail: {why}.")
        elif broken := _broken(rule, rules) or _never_so(tables.get(rule.name)):
            findings.warn(item, "property-not-kept", f"This property is not kept: {broken}.")
    for (_, one), (item, other) in combinations(all_ if len(all_) <= MAX_COMPARED else (), 2):
        clash = _clash(one, other, rules) or _clash(other, one, rules) or _exclude(one, other, tables, rules)
        if clash:
            findings.note(item, "contradicting-properties", f"This property and {one.name!r} cannot both be kept: {clash}.")


def _tables(all_: list[tuple[Node, Property]], rules: Rules, cases: Cases) -> dict[str, Table]:
    """Give the tables of the rules about the instance; they share their regions, so that they can be compared."""
    chosen = [rule for _, rule in all_ if rule.kind == "cel" and "event" not in rule.body]
    sources = [Rule(source=str(rule.body["holds"])) for rule in chosen]
    tables = cases.tables(sources, cases.scene(None, sorted(rules.flow.set_in)))
    return {rule.name: table for rule, (table, _) in zip(chosen, tables, strict=True) if table is not None}


def _always_so(table: Table | None) -> str:
    return "its expression holds whatever the values are" if table is not None and not table.fails else ""


def _never_so(table: Table | None) -> str:
    return "its expression holds for no values" if table is not None and not table.holds else ""


def _vacuous(rule: Property, rules: Rules) -> str:
    """Say why a property can never fail; empty when it can, as far as is seen here."""
    events = listed(rule.body.get("event"))
    if events and not any(map(rules.happens, events)):
        return f"{' and '.join(map(repr, events))} can never happen"
    return next((judge(rule, rules, events) for key, judge in _VACUOUS.items() if key in rule.body), "")


def _before(rule: Property, rules: Rules, _: tuple[str, ...]) -> str:
    before, start = str(rule.body["before"]), rules.definition.start
    if before == start.event:
        return f"every onboarding begins with {before!r}"
    place = rules.definition.resolve(before)
    if place is not None and start.target is not None and rules.definition.is_within(start.target, place):
        return f"every onboarding begins in {before!r}"
    return ""


def _actor(rule: Property, rules: Rules, events: tuple[str, ...]) -> str:
    role = str(rule.body["actor"])
    if rule.kind != "never":
        return ""
    if all(map(rules.is_engine, events)):
        return "only the engine fires what it is about"
    by = {name for event in events for name in rules.definition.events[EventName(event)].by}
    if role not in {SUBJECT, rules.definition.subject} and role not in by:
        return f"the role {role!r} may not fire it anyway"
    return ""


def _same_actor(rule: Property, rules: Rules, events: tuple[str, ...]) -> str:
    other = str(rule.body["same_actor_as"])
    if not rules.happens(other):
        return f"{other!r} can never happen"
    if rules.is_engine(other) or all(map(rules.is_engine, events)):
        return "the engine is the only actor of one of the two"
    if other == rules.definition.start.event:
        return ""
    if not any(way.transition.event in events for way in rules.following(rules.of((other,)))):
        return f"{' and '.join(map(repr, events))} can never come after {other!r}"
    return ""


def _more_than(rule: Property, rules: Rules, events: tuple[str, ...]) -> str:
    ways = rules.of(events)
    again = any(way.transition.event in events for way in rules.following(ways))
    return "it can happen once at the most" if int(str(rule.body["more_than"])) > 0 and ways and not again else ""


def _since(rule: Property, rules: Rules, _: tuple[str, ...]) -> str:
    since = str(rule.body["since"])
    is_known = rules.happens(since) if since in rules.definition.events else bool(rules.leaves(since))
    return "" if is_known else f"{since!r} never comes"


def _leads_to(rule: Property, rules: Rules, _: tuple[str, ...]) -> str:
    place = rules.definition.resolve(str(rule.body.get("state", "")))
    goals = [rules.definition.resolve(name) for name in listed(rule.body["leads_to"])]
    if rule.kind == "always" and place and any(goal is not None and rules.definition.is_within(place, goal) for goal in goals):
        return f"{rule.body['state']!r} lies inside what it shall lead to"
    return ""


_VACUOUS: Mapping[str, Callable[[Property, Rules, tuple[str, ...]], str]] = {
    "before": _before,
    "same_actor_as": _same_actor,
    "more_than": _more_than,
    "since": _since,
    "leads_to": _leads_to,
    "actor": _actor,
}
"""Key of a body -> who judges whether it can fail."""


def _broken(rule: Property, rules: Rules) -> str:
    """Say why a property is broken whenever it applies; empty when it may be kept."""
    match rule.kind:
        case "field":
            return _unmarked(rule, rules.definition)
        case "requires":
            return "" if "when" in rule.body else _unmet(rule, rules)
        case "always":
            return _unreachable(rule, rules)
        case "never" if "before" in rule.body and rule.body["before"] == rule.body.get("state"):
            return "a state cannot come before itself"
        case _:
            return ""


def _unmarked(rule: Property, definition: Definition) -> str:
    mark = str(rule.body["is"])
    bare = [name for name in listed(rule.body["name"]) if not all(has_mark(one, mark) for one in values_named(definition, name, mark))]
    return f"{', '.join(bare)} {'is' if len(bare) == 1 else 'are'} not {mark}" if bare else ""


def _unmet(rule: Property, rules: Rules) -> str:
    """Judge what an event must have: no way by which it can be accepted has it."""
    ways = rules.of(listed(rule.body.get("event")))
    if "state" in rule.body:
        leaves = rules.leaves(str(rule.body["state"]))
        ways = tuple(way for way in ways if way.source in leaves)
    if not ways:
        return ""
    effect = listed(rule.body.get("effect"))
    if effect and not any(set(effect) <= _effects(way, rules.definition) for way in ways):
        return f"no transition by which it is accepted has the effect {', '.join(effect)}"
    roles = {rules.definition.subject if name == SUBJECT else name for name in listed(rule.body.get("actor"))}
    if roles and not any(roles & set(rules.definition.events[way.transition.event].by) for way in ways):
        return f"no role that may fire it is {' or '.join(sorted(roles))}"
    goals = frozenset(leaf for name in listed(rule.body.get("leads_to")) for leaf in rules.leaves(name))
    if "leads_to" in rule.body and not any(way.target in goals for way in ways):
        return f"no transition by which it is accepted leads to {', '.join(listed(rule.body['leads_to']))}"
    return ""


def _effects(way: Way, definition: Definition) -> set[str]:
    uses = move_of(definition, way.transition, way.source).uses
    return {text for use in uses for text in (use.kind, use.name, f"{use.kind}.{use.name}", f"{use.kind}:{use.name}")}


def _unreachable(rule: Property, rules: Rules) -> str:
    """Judge what must follow: nothing of it can."""
    asked = [way.target for way in rules.of(listed(rule.body.get("event")))]
    asked += rules.leaves(str(rule.body["state"])) if "state" in rule.body else []
    wanted = listed(rule.body["leads_to"])
    goals = frozenset(leaf for name in wanted for leaf in rules.leaves(name))
    reached = rules.flow.reached_from(asked, lambda _: True)
    comes = any(way.source in reached and way.transition.event in wanted for way in rules.ways) or reported(rules.definition) & set(wanted)
    if not asked or reached & goals or comes:
        return ""
    return f"{' or '.join(map(repr, wanted))} can never follow"


def _clash(one: Property, other: Property, rules: Rules) -> str:
    """Say why one property excludes another; the other order is asked for separately."""
    if one.kind != "never":
        return ""
    first, second = one.body, other.body
    if other.kind == "never" and "before" in first and "before" in second:
        if (first["state"], first["before"]) == (second["before"], second["state"]):
            return f"each of {first['state']!r} and {first['before']!r} would have to come first"
        return ""
    if other.kind == "always":
        wanted = listed(second["leads_to"])
        forbidden = frozenset(_forbidden(one, rules))
        goals = {rules.definition.resolve(name) or name for name in wanted}
        return f"{' and '.join(map(repr, wanted))} must follow and must never come" if goals and goals <= forbidden else ""
    if other.kind == "requires" and "actor" in second and "actor" in first and set(listed(second["event"])) & set(listed(first["event"])):
        return _only_forbidden(first, second, rules)
    return ""


def _forbidden(rule: Property, rules: Rules) -> Iterator[str]:
    """Give the states and events that a property forbids altogether."""
    if "state" in rule.body and not {"before", "event"} & set(rule.body):
        place = rules.definition.resolve(str(rule.body["state"]))
        yield from (path for path in rules.definition.states if place is not None and rules.definition.is_within(path, place))
    if rule.body.get("more_than") == 0:
        yield from listed(rule.body["event"])


def _only_forbidden(first: Mapping[str, object], second: Mapping[str, object], rules: Rules) -> str:
    role = RoleName(str(first["actor"]))
    role = rules.definition.subject if role == SUBJECT else role
    named = {rules.definition.subject if name == SUBJECT else name for name in listed(second["actor"])}
    return f"it must come from {role!r} and must never" if named == {role} else ""


def _exclude(one: Property, other: Property, tables: Mapping[str, Table], rules: Rules) -> str:
    """Compare two expressions about the instance in the states that both speak of."""
    first, second = tables.get(one.name), tables.get(other.name)
    if first is None or second is None or not first.holds or not second.holds:
        return ""
    everywhere = frozenset(rules.flow.set_in)
    both = [rules.leaves(str(rule.body["state"])) if "state" in rule.body else everywhere for rule in (one, other)]
    places = both[0] & both[1]
    is_possible = not places or may_be([first.holds, second.holds], {"instance.state": places})
    return "" if is_possible else f"in {min(places)!r} their expressions never hold together"
