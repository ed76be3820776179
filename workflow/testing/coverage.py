"""Coverage of a definition: which of its parts the runs have exercised.

Promises: what could be covered follows from the definition alone; a part that can never be reached, because a guard reads
a field that nothing sets, is named as switched off and not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from workflow.states.definition import Definition, Digest, StatePath
from workflow.states.guards import GuardFault
from workflow.states.instance import ActorId, Instance, InstanceId
from workflow.states.machine import Arrow, CompiledRule
from workflow.states.making import World
from workflow.states.view import View

STATES, TRANSITIONS, RUNGS, GUARDS, ROLES, REASONS = "states", "transitions", "timer rungs", "guards", "role refusals", "refusal reasons"
KINDS = (STATES, TRANSITIONS, RUNGS, GUARDS, ROLES, REASONS)
REQUIRED = (STATES, TRANSITIONS, RUNGS)
"""What a threshold is compared with; guards, role refusals and reasons are reported beside it."""

_ROLE_CODES = ("role_missing", "wrong_scope", "own_request", "deputy_of_subject", "two_stages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    kind: str
    covered: int
    wanted: int
    missing: tuple[str, ...]

    @property
    def percent(self) -> float:
        """How much is covered; 100 when there is nothing to cover."""
        return 100.0 * self.covered / self.wanted if self.wanted else 100.0


@dataclass(slots=True)
class Coverage:
    """What runs over one definition have exercised, and how often."""

    world: World
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: int = 0
    runs: int = 0

    def rest(self, state: StatePath) -> None:
        """An onboarding came to rest in a state."""
        self.counts[STATES, state] += 1

    def take(self, arrow: Arrow) -> None:
        """A transition was taken."""
        self.counts[TRANSITIONS, name_of(arrow)] += 1

    def judge(self, arrow: Arrow, index: int, *, holds: bool) -> None:
        """A guard was judged."""
        self.counts[GUARDS, side_name(arrow, index, holds=holds)] += 1

    def fire(self, timer: str) -> None:
        """A timer came due."""
        self.counts[RUNGS, timer] += 1

    def refuse(self, event: str, codes: Iterable[str]) -> None:
        """An event was refused."""
        for code in codes:
            self.counts[REASONS, code] += 1
            if code in _ROLE_CODES:
                self.counts[ROLES, f"{event}: {code}"] += 1

    def table(self) -> tuple[Row, ...]:
        """Compare what was covered with what the definition has."""
        rows = []
        for kind, wanted in wanted_of(self.world).items():
            missing = tuple(name for name in wanted if not self.counts[kind, name])
            rows.append(Row(kind=kind, covered=len(wanted) - len(missing), wanted=len(wanted), missing=missing))
        return tuple(rows)

    def switched_off(self) -> tuple[str, ...]:
        """Name the transitions that are not counted: a guard reads what nothing ever sets, or they stand there to refuse."""
        return tuple(name_of(arrow) for arrow in every_arrow(self.world) if is_switched_off(self.world.definition, arrow))

    def reached(self) -> float:
        """Give the percentage of the least covered kind among those that a threshold is compared with."""
        return min(row.percent for row in self.table() if row.kind in REQUIRED)


def every_arrow(world: World) -> Iterator[Arrow]:
    """Give the start and every transition that is the innermost of its event in some leaf, once each."""
    yield world.table.start
    seen = set()
    for leaf in world.definition.leaves():
        for event in world.table.events_in(leaf.path):
            for arrow in world.table.arrows(leaf.path, event):
                key = (arrow.transition.source, arrow.transition.index)
                if key not in seen:
                    seen.add(key)
                    yield arrow


def name_of(arrow: Arrow) -> str:
    """Name a transition: its state, its event, its target, and which one of several it is."""
    transition = arrow.transition
    target = f" -> {transition.target}" if transition.target is not None else ""
    return f"{transition.source or 'everywhere'}: {transition.event}{target} [{transition.index}]"


def wanted_of(world: World) -> Mapping[str, Sequence[str]]:
    """Name everything that can be covered, by kind."""
    definition = world.definition
    arrows = [arrow for arrow in every_arrow(world) if not is_switched_off(definition, arrow)]
    later = arrows[1:] if arrows and arrows[0] is world.table.start else arrows
    guards = [side_name(arrow, index, holds=holds) for arrow in later for index in range(len(arrow.rules)) for holds in (True, False)]
    return {
        STATES: [leaf.path for leaf in definition.leaves()],
        TRANSITIONS: [name_of(arrow) for arrow in arrows],
        RUNGS: [timer.key for state in definition.states.values() for timer in state.timers],
        GUARDS: guards,
        ROLES: list(_role_refusals(definition)),
        REASONS: sorted({*_reasons(world), *_payload_reasons(definition), "wrong_state"}),
    }


def is_switched_off(definition: Definition, arrow: Arrow) -> bool:
    """Tell whether no run needs to take a transition: a guard reads only what nothing ever sets, or it is there to refuse."""
    written = {a.field for state in definition.states.values() for t in state.transitions for a in t.assignments if not a.is_cleared}
    written |= {a.field for a in definition.start.assignments} | {f.name for f in definition.fields.values() if f.default is not None}
    if _only_refuses(definition, arrow):
        return True
    return any(_reads_only_unset(rule, written) and not _holds_unset(definition, arrow, rule) for rule in arrow.rules)


def _only_refuses(definition: Definition, arrow: Arrow) -> bool:
    """Tell whether a transition would change nothing if it were taken: it stands there for the reason of its guard."""
    transition = arrow.transition
    is_tallied = any(transition.event in state.tally for state in definition.states.values())
    does_something = transition.target is not None or transition.actions or transition.assignments or transition.quorum or is_tallied
    has_checks = bool(definition.events[transition.event].checks)
    return bool(arrow.rules) and not does_something and not has_checks


def _reads_only_unset(rule: CompiledRule, written: Collection[str]) -> bool:
    names = [leaf.partition(".") for leaf in rule.guard.reads]
    return bool(names) and all(prefix in {"instance", "has"} and name != "state" and name not in written for prefix, _, name in names)


def _holds_unset(definition: Definition, arrow: Arrow, rule: CompiledRule) -> bool:
    never = datetime(2000, 1, 1, tzinfo=UTC)
    empty = Instance(
        id=InstanceId("-"),
        definition=definition.name,
        digest=Digest(""),
        state=StatePath(""),
        subject=ActorId("-"),
        started_at=never,
        recorded_at=never,
    )
    try:
        return rule.guard.holds(View(definition=definition, instance=empty, event=arrow.transition.event, now=never).look_up)
    except GuardFault:
        return False


def side_name(arrow: Arrow, index: int, *, holds: bool) -> str:
    """Name one side of a guard: that it was judged true, or false."""
    rule = arrow.rules[index].rule
    return f"{name_of(arrow)}: {rule.source if rule.code == 'guard_false' else rule.code} is {'true' if holds else 'false'}"


def _role_refusals(definition: Definition) -> Iterator[str]:
    """Name the refusals of people: without the role, for another scope, the subject's own, a second stage."""
    stages = {type_.decision for type_ in definition.events.values() if type_.decision}
    for name, type_ in definition.events.items():
        roles = [definition.roles[role] for role in type_.by]
        if type_.is_engine or any(role.is_anyone for role in roles) or name == definition.start.event:
            continue
        yield f"{name}: role_missing"
        if any(role.scope for role in roles):
            yield f"{name}: wrong_scope"
        if type_.decision is not None:
            yield f"{name}: own_request"
            yield f"{name}: deputy_of_subject"
            if stages - {type_.decision, *type_.may_also_decide}:
                yield f"{name}: two_stages"


def _reasons(world: World) -> set[str]:
    """Name the codes with which guards refuse people; where the last transition has no guard, nobody is refused by one."""
    found = set()
    for leaf in world.definition.leaves():
        for event in world.table.events_in(leaf.path):
            arrows = world.table.arrows(leaf.path, event)
            if not world.definition.events[event].is_engine and all(arrow.rules for arrow in arrows):
                found |= {rule.rule.code for arrow in arrows for rule in arrow.rules}
    return found


def _payload_reasons(definition: Definition) -> Iterator[str]:
    for type_ in definition.events.values():
        for value in type_.payload.values():
            yield "invalid_value"
            yield "unknown_value"
            if value.is_required or value.must_be is not None:
                yield "value_missing"
            if value.same_as is not None:
                yield "values_differ"
            if value.catalogue is not None:
                yield "not_in_catalogue"
