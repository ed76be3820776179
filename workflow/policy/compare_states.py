"""States, transitions, deadlines and effects of two versions, compared.

Promises: pure. States are matched by their names, which are unique; transitions by what they do. A transition that was only
written elsewhere (in a parent instead of in each child) shows when it acts otherwise in some state, and not else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from workflow.policy.changes import Change, Side, Way, spoken
from workflow.policy.guarding import compare_guards
from workflow.states.definition import ROOT, ActionUse, Assignment, Definition, EventName, State, StatePath, TimerType, Transition, Unit
from workflow.states.moves import move_of

_Said = tuple[Way, str, str]
"""Way, part, sentence."""


def compare_start(old: Side, new: Side) -> Iterator[Change]:
    """Compare how an onboarding begins."""
    before, after = old.definition.start, new.definition.start
    places = {"old": old.at(old.parsed.transition(before)), "new": new.at(new.parsed.transition(after))}
    if before.event != after.event:
        sentence = f"An onboarding starts with {after.event}, it started with {before.event}."
        yield Change(way=Way.OTHER, part="transition", name="start", sentence=sentence, **places)
    for way, part, sentence in _transition(before, after, "At the start"):
        yield Change(way=way, part=part, name=after.event, sentence=sentence, **places)


def compare_states(old: Side, new: Side) -> Iterator[Change]:
    """Compare all states, and what happens in them."""
    alike = _alike(old.definition, new.definition)
    before = {state.name: state for state in old.definition.states.values()}
    after = {state.name: state for state in new.definition.states.values()}
    for name, state in before.items():
        if name not in after:
            sentence = f"There is no state {state.path} any more."
            yield Change(way=Way.OTHER, part="state", name=state.path, sentence=sentence, old=_at(old, state))
    for name, state in after.items():
        if name not in before:
            yield Change(way=Way.OTHER, part="state", name=state.path, sentence=f"The state {state.path} is new.", new=_at(new, state))
        else:
            yield from _Pair(old, new, before[name], state, alike).compare()


def _at(side: Side, state: State) -> str:
    return side.at(side.parsed.place_of_state(state.path)) if state.path != ROOT else side.key("states")


@dataclass(frozen=True, slots=True)
class _Pair:
    """One state in both versions."""

    old: Side
    new: Side
    before: State
    after: State
    alike: frozenset[EventName]

    def compare(self) -> Iterator[Change]:
        """Give every difference."""
        for way, part, sentence in self._itself():
            yield Change(way=way, part=part, name=self.after.path, sentence=sentence, **self._places())
        yield from self._timers()
        for name in dict.fromkeys(t.event for t in (*self.before.transitions, *self.after.transitions)):
            if name not in self.alike:
                yield from self._transitions(name)

    @property
    def where(self) -> str:
        """Name the state in a sentence."""
        return f"In {self.after.path}" if self.after.path else "Everywhere"

    def _places(self) -> dict[str, str]:
        return {"old": _at(self.old, self.before), "new": _at(self.new, self.after)}

    def _itself(self) -> Iterator[_Said]:
        before, after = self.before, self.after
        if before.path != after.path:
            yield Way.OTHER, "state", f"The state {before.path} is {after.path} now: an onboarding that rests there must be moved."
        for key in ("initial", "outcome", "waits_forever"):
            one, other = getattr(before, key), getattr(after, key)
            if (one != other) if key == "waits_forever" else _leafname(one) != _leafname(other):
                yield Way.OTHER, "state", f"{after.path or 'The definition'} has `{key}` {other or 'none'}, it had {one or 'none'}."
        for what, one, other in (("entered", before.entry, after.entry), ("left", before.exit, after.exit)):
            yield from _effects(one, other, f"When {after.path or 'the onboarding'} is {what}")
        for name in sorted(before.tally ^ after.tally):
            said = "is counted" if name in after.tally else "is no longer counted"
            yield Way.OTHER, "count", f"{self.where}, {name} {said}."
        yield from self._pauses()

    def _pauses(self) -> Iterator[_Said]:
        one, other = ({_leafname(path): path for path in state.paused_in} for state in (self.before, self.after))
        for name in sorted(one.keys() ^ other.keys()):
            is_new = name in other
            way = Way.LOOSENED if is_new else Way.TIGHTENED
            said = "stand still" if is_new else "no longer stand still"
            yield way, "deadline", f"The deadlines of {self.after.path} {said} in {other.get(name) or one.get(name)}."

    # Deadlines

    def _timers(self) -> Iterator[Change]:
        before = {timer.name: (timer, index) for index, timer in enumerate(self.before.timers)}
        after = {timer.name: (timer, index) for index, timer in enumerate(self.after.timers)}
        for name, (timer, index) in before.items():
            if name not in after:
                sentence = f"The deadline {timer.key} ({spoken(timer.after)}, then {timer.event}) is gone."
                place = self._timer_at(self.old, self.before, index)
                yield Change(way=Way.LOOSENED, part="deadline", name=timer.key, sentence=sentence, old=place)
        for name, (timer, index) in after.items():
            place = self._timer_at(self.new, self.after, index)
            if name not in before:
                sentence = f"The deadline {timer.key} is new: {timer.event} after {spoken(timer.after)}."
                yield Change(way=Way.TIGHTENED, part="deadline", name=timer.key, sentence=sentence, new=place)
                continue
            old_place = self._timer_at(self.old, self.before, before[name][1])
            for way, sentence in _timer(before[name][0], timer):
                yield Change(way=way, part="deadline", name=timer.key, sentence=sentence, old=old_place, new=place)

    @staticmethod
    def _timer_at(side: Side, state: State, index: int) -> str:
        return side.at(side.parsed.item(state.path, "timers", index))

    # Transitions

    def _transitions(self, name: EventName) -> Iterator[Change]:
        """Compare what one event does here: the same ones are put aside, then those that are most alike are compared."""
        before = [t for t in self.before.transitions if t.event == name]
        after = [t for t in self.after.transitions if t.event == name]
        pairs, gone, new = _paired(before, after)
        for one, other in pairs:
            places = {"old": self._arrow_at(self.old, one), "new": self._arrow_at(self.new, other)}
            for way, part, sentence in _transition(one, other, self.where):
                yield Change(way=way, part=part, name=name, sentence=sentence, **places)
        is_engine = name in self.new.definition.events and self.new.definition.events[name].is_engine
        for one in gone:
            way = Way.OTHER if is_engine or after or self._is_handled(self.new, name) else Way.TIGHTENED
            sentence = f"{self.where}, {name} no longer {_does(one)}."
            yield Change(way=way, part="transition", name=name, sentence=sentence, old=self._arrow_at(self.old, one))
        for other in new:
            way = Way.OTHER if is_engine or self._is_handled(self.old, name) else Way.LOOSENED
            sentence = f"{self.where}, {name} {_does(other)} now{_when(other)}."
            yield Change(way=way, part="transition", name=name, sentence=sentence, new=self._arrow_at(self.new, other))
        order = [[pair[side].index for pair in sorted(pairs, key=lambda pair: pair[0].index)] for side in (0, 1)]
        if order[1] != sorted(order[1]):
            sentence = f"{self.where}, the transitions of {name} are tried in another order: the first whose guards hold is taken."
            places = {"old": self._arrow_at(self.old, pairs[0][0]), "new": self._arrow_at(self.new, pairs[0][1])}
            yield Change(way=Way.OTHER, part="transition", name=name, sentence=sentence, **places)

    @staticmethod
    def _arrow_at(side: Side, transition: Transition) -> str:
        return side.at(side.parsed.transition(transition))

    def _is_handled(self, side: Side, name: EventName) -> bool:
        """Tell whether a state around this one handles the event too, so that it does something here in any case."""
        own = self.after if side is self.new else self.before
        lineage = side.definition.lineage(own.path)[1:]
        return any(t.event == name for path in lineage for t in side.definition.states[path].transitions)


def _timer(old: TimerType, new: TimerType) -> Iterator[tuple[Way, str]]:
    if (old.after.kind, old.after.amount) != (new.after.kind, new.after.amount):
        yield _longer(old.after, new.after), f"The deadline {new.key} is {spoken(new.after)}, it was {spoken(old.after)}."
    if old.event != new.event:
        yield Way.OTHER, f"The deadline {new.key} fires {new.event}, it fired {old.event}."
    if old.since != new.since:
        said = [f"since {one.since}" if one.since else "since its state is entered" for one in (old, new)]
        yield Way.OTHER, f"The deadline {new.key} runs {said[1]}, it ran {said[0]}."


def _longer(old: Unit, new: Unit) -> Way:
    if old.kind != new.kind:
        return Way.OTHER
    return Way.LOOSENED if new.amount > old.amount else Way.TIGHTENED


def _paired(
    before: Sequence[Transition], after: Sequence[Transition]
) -> tuple[list[tuple[Transition, Transition]], list[Transition], list[Transition]]:
    """Match transitions: the same ones first, then by target and guards, by either of them, and a last one with a last one."""
    gone, new, pairs = list(before), list(after), []
    for key in (_whole, lambda t: (_leafname(t.target), _sources(t)), lambda t: _leafname(t.target), _sources):
        for one in list(gone):
            other = next((t for t in new if key(t) == key(one)), None)
            if other is not None:
                pairs.append((one, other))
                gone.remove(one)
                new.remove(other)
    if len(gone) == len(new) == 1:
        pairs.append((gone.pop(), new.pop()))
    return pairs, gone, new


def _sources(transition: Transition) -> tuple[str, ...]:
    return tuple(rule.source for rule in transition.guards)


def _whole(transition: Transition) -> object:
    """Give what a transition says, without where and in which place of its list it is said."""
    target, declared = _leafname(transition.target), _leafname(transition.declared_target)
    bare = replace(transition, index=0, source=ROOT, title="", target=None, declared_target=None)
    return target, declared, replace(bare, assignments=tuple(sorted(bare.assignments, key=lambda a: a.field)))


def _transition(old: Transition, new: Transition, where: str) -> Iterator[_Said]:
    subject = f"{where}, {new.event}"
    if _leafname(old.target) != _leafname(new.target):
        yield Way.OTHER, "transition", f"{subject} {_does(new)}, it {_did(old)}."
    if old.is_reentering != new.is_reentering:
        said = "begins its state anew: deadlines and counts start again" if new.is_reentering else "no longer begins its state anew"
        yield Way.OTHER, "transition", f"{subject} {said}."
    for way, sentence in compare_guards(old.guards, new.guards):
        yield way, "guard", f"{subject} {sentence}"
    yield from _quorum(old, new, subject)
    yield from _written(old.assignments, new.assignments, subject)
    yield from _effects(old.actions, new.actions, f"When {new.event} is accepted {_in(where)}")


def _in(where: str) -> str:
    return where[:1].lower() + where[1:]


def _quorum(old: Transition, new: Transition, subject: str) -> Iterator[_Said]:
    one, other = old.quorum, new.quorum
    if one == other:
        return
    if one is None or other is None:
        way = Way.TIGHTENED if other else Way.LOOSENED
        yield way, "four eyes", f"{subject} {f'must happen {other.need} times' if other else 'needs no second voice any more'}."
        return
    if one.need != other.need:
        way = Way.TIGHTENED if other.need > one.need else Way.LOOSENED
        yield way, "four eyes", f"{subject} must happen {other.need} times, it was {one.need}."
    if one.is_distinct != other.is_distinct:
        way = Way.TIGHTENED if other.is_distinct else Way.LOOSENED
        yield way, "four eyes", f"{subject} {'must' if other.is_distinct else 'need not'} come from different people."
    if one.role != other.role:
        yield Way.OTHER, "four eyes", f"{subject} counts voices of {other.role or 'every role'}, it counted {one.role or 'every role'}."


def _written(before: Iterable[Assignment], after: Iterable[Assignment], subject: str) -> Iterator[_Said]:
    one, other = ({a.field: _value(a) for a in side} for side in (before, after))
    for name in one.keys() | other.keys():
        if one.get(name) != other.get(name):
            said = f"sets {name} to {other[name]}" if name in other else f"no longer sets {name}"
            yield Way.OTHER, "value", f"{subject} {said}{f', it was {one[name]}' if name in one and name in other else ''}."


def _value(assignment: Assignment) -> str:
    if assignment.is_cleared:
        return "nothing"
    return f"the value {assignment.copy_of}" if assignment.copy_of else f"`{assignment.source}`"


def _effects(before: Sequence[ActionUse], after: Sequence[ActionUse], when: str) -> Iterator[_Said]:
    one, other = ([(use.kind, use.name, use.to, _more(use)) for use in side] for side in (before, after))
    gone, new = list((Counter(one) - Counter(other)).elements()), list((Counter(other) - Counter(one)).elements())
    for use in list(gone):
        same = next((found for found in new if found[:2] == use[:2]), None)
        if same is not None:
            gone.remove(use)
            new.remove(same)
            yield Way.OTHER, "effect", f"{when}, {_told(same)}; it was {_told(use)}."
    for use in gone:
        yield Way.OTHER, "effect", f"{when}, there is no {_told(use)} any more."
    for use in new:
        yield Way.OTHER, "effect", f"{when}, there is {_told(use)} now."
    if not gone and not new and one != other and sorted(map(repr, one)) == sorted(map(repr, other)):
        yield Way.OTHER, "effect", f"{when}, the effects come in another order."


def _more(use: ActionUse) -> str:
    said = [f"{key} {value}" for key, value in (("link", use.link), ("done", use.done), ("failed", use.failed)) if value]
    return ", ".join((*said, *(f"{key}={value}" for key, value in sorted(use.params.items()))))


def _told(use: tuple[str, str, str, str]) -> str:
    kind, name, to, more = use
    return f"{kind} {name} to {to}{f' ({more})' if more else ''}"


def _does(transition: Transition) -> str:
    return f"leads to {transition.target}" if transition.target is not None else "is accepted and stays"


def _did(transition: Transition) -> str:
    return f"led to {transition.target}" if transition.target is not None else "stayed"


def _when(transition: Transition) -> str:
    return f" when {' and '.join(f'`{rule.source}`' for rule in transition.guards)}" if transition.guards else ""


def _leafname(path: str | None) -> str:
    """Give the last name of a path, by which states are matched; empty for none."""
    return (path or "").rpartition(".")[2]


def _alike(old: Definition, new: Definition) -> frozenset[EventName]:
    """Name the events that do the same in every state of both versions, wherever that is written."""
    places = [{state.name: state.path for state in side.leaves()} for side in (old, new)]
    both = [name for name in places[0] if name in places[1]]
    flat = [{name: _flat(side, paths[name]) for name in both} for side, paths in zip((old, new), places, strict=True)]
    events = [name for name in new.events if name in old.events]
    return frozenset(name for name in events if all(flat[0][leaf].get(name) == flat[1][leaf].get(name) for leaf in both))


def _flat(definition: Definition, leaf: StatePath) -> Mapping[EventName, list[object]]:
    """Give what each event does in a leaf, in the order in which it is tried."""
    found: dict[EventName, tuple[StatePath, list[object]]] = {}
    for path in definition.lineage(leaf):
        for transition in definition.states[path].transitions:
            holder, done = found.setdefault(transition.event, (path, []))
            if holder == path:
                move = move_of(definition, transition, leaf)
                left = tuple(_leafname(timer.key) for one in move.left for timer in definition.states[one].timers)
                armed = tuple(timer.name for timer in move.arming)
                said = replace(
                    transition, index=0, source=ROOT, title="", target=None, declared_target=None, is_reentering=False, actions=()
                )
                done.append((_leafname(move.leaf), said, move.uses, left, armed, move.fresh))
    return {event: done for event, (_, done) in found.items()}
