"""Attacks on a property: walks that may break it, tried one after the other instead of searched for.

Promises: what an attack gives is a run of the model; that none succeeds says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import z3

from workflow.prove.monitors import Monitor, MoreThan
from workflow.prove.walks import MANY_WALKS, Step, Walk, Walker, breach, goal_of, is_broken, taken_by, watched
from workflow.states.definition import StatePath

FEW = 24
"""Steps that are attacked with others in between."""
DIRECT = 60
"""Steps that are attacked as they are."""
BETWEEN = 40
"""The same, where no step is suspected more than another."""
ALONG = 8
"""Walks that are gone to their end because they take such a step."""
ROUNDS = 12
"""How often a circle is gone for what counts."""
PUMPED = 30
"""How often an event is repeated at most."""
BACK = 4
"""Steps of a way back to a leaf, at most."""


def attack(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]], steps: Sequence[Step]) -> Walk | None:
    """Find a run that breaks a property.

    Args:
        walker: goes through the model under attack.
        monitor: the property over that model.
        walks: ways to each leaf, of this model or of another whose steps have the same places.
        steps: steps that may lead to a breach; without any, every step that breaks the property is tried.
    """
    several = (_at(walker, monitor, walks, steps), _along(walker, monitor, walks, steps), _circles(walker, monitor, walks, steps))
    first = several if steps else (_anywhere(walker, monitor, walks), _anywhere_helped(walker, monitor, walks))
    tried = (*first, _pumps(walker, monitor, walks))
    found: Walk | None
    for way in tried:
        for found in way:
            if found is not None:
                return found
    return None


def _at(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]], steps: Sequence[Step]) -> Iterator[Walk | None]:
    """Go to a step and take it: each as it is first, then a few with steps in between where they need them."""
    likely = _likely(walker, monitor, walks, steps)
    for walk, step in likely[:DIRECT]:
        way = taken_by(walker, walk)
        yield breach(walker, monitor, watched(walker, monitor, way), step, is_helped=False) if way is not None else None
    for walk, step in likely[:FEW]:
        way = taken_by(walker, walk)
        yield breach(walker, monitor, way, step) if way is not None else None


def _likely(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]], steps: Sequence[Step]) -> list[tuple[Walk, Step]]:
    """Give walks with the step to take after them: of each step the walk that knows most of what the step asks, then the next ones."""
    found: list[tuple[int, int, int, Walk, Step]] = []
    for step in steps:
        rule = walker.rule(step)
        if rule is None:
            continue
        read = walker.read_by(rule, goal_of(walker, monitor, rule))
        ways = walks.get(rule.source, ()) if rule.source is not None else (Walk(),)
        ranked = sorted(((len(read - walk.known()), len(walk.steps), walk) for walk in ways), key=lambda one: one[:2])
        # What a step asks may also be that something is not so: the walks that know least take turns with those that know most.
        turns = [one for pair in zip(ranked, reversed(ranked), strict=True) for one in pair][: len(ranked)]
        found += [(place, missing, length, walk, step) for place, (missing, length, walk) in enumerate(turns)]
    return [(walk, step) for *_, walk, step in sorted(found, key=lambda one: one[:3])]


def _anywhere(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]]) -> Iterator[Walk | None]:
    """Try, wherever a walk leads, every step that breaks the property there."""
    for leaf, some in walks.items():
        steps = list(_breaking(walker, monitor, leaf))
        for way in _asking(walker, monitor, some[:MANY_WALKS]) if steps else ():
            seen = watched(walker, monitor, way)
            yield from (breach(walker, monitor, seen, step, is_helped=False) for step in steps)


def _anywhere_helped(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]]) -> Iterator[Walk | None]:
    """Try the likeliest of these steps with others in between: a deadline may come after two that change nothing."""
    steps = [step for leaf in walks for step in _breaking(walker, monitor, leaf)]
    for walk, step in _likely(walker, monitor, walks, steps)[:BETWEEN]:
        way = taken_by(walker, walk)
        yield breach(walker, monitor, way, step) if way is not None else None


def _asking(walker: Walker, monitor: Monitor, walks: Iterable[Walk]) -> Iterator[Walk]:
    """Give ways to a leaf, and those on which the watcher is made to wait for something there."""
    for walk in walks:
        way = taken_by(walker, walk)
        if way is None:
            continue
        yield way
        for step in walker.steps_from(way.leaf):
            rule = walker.rule(step)
            if rule is not None and rule.source == rule.target and any(z3.is_true(one) for one in monitor.see(rule).updates.values()):
                asked = walker.taken(way, step)
                if asked is not None:
                    yield asked


def _breaking(walker: Walker, monitor: Monitor, leaf: StatePath) -> Iterator[Step]:
    """Name the steps that break the property by themselves, the passing of time first: it is what a deadline leaves out."""
    order = ("idle", "fired")
    for step in sorted(walker.steps_from(leaf), key=lambda one: order.index(one.group.kind) if one.group.kind in order else len(order)):
        rule = walker.rule(step)
        if rule is not None and monitor.see(rule).broken is not None:
            yield step


def _along(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]], steps: Sequence[Step]) -> Iterator[Walk | None]:
    """Go the walks that take such a step to their ends."""
    ways = sorted((walk for some in walks.values() for walk in some if not set(steps).isdisjoint(walk.steps)), key=lambda w: len(w.steps))
    for walk in ways[:ALONG]:
        yield is_broken(walker, monitor, walk.steps)


def _pumps(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]]) -> Iterator[Walk | None]:
    """Repeat an event that must not happen too often."""
    if not isinstance(monitor, MoreThan):
        return
    for leaf, some in walks.items():
        for step in walker.steps_from(leaf):
            rule = walker.rule(step)
            if rule is not None and monitor.see(rule).broken is not None:
                way = taken_by(walker, some[0])
                yield _pumped(walker, monitor, way, step) if way is not None else None


def _circles(walker: Walker, monitor: Monitor, walks: Mapping[StatePath, Sequence[Walk]], steps: Sequence[Step]) -> Iterator[Walk | None]:
    """Go in a circle until what a property counts is reached."""
    if "count." not in str(dict(monitor.body)):
        return
    for step in steps[:FEW]:
        way = next(iter(walks.get(step.group.leaf or StatePath(""), ())), None)
        way = None if way is None else taken_by(walker, way)
        for _ in range(ROUNDS):
            if way is not None:
                yield breach(walker, monitor, watched(walker, monitor, way), step, is_helped=False)
                way = _round(walker, way)


def _round(walker: Walker, walk: Walk) -> Walk | None:
    """Leave a leaf and come back to it."""
    for step in walker.steps_from(walk.leaf):
        left = walker.taken(walk, step)
        back = _back(walker, left, walk.leaf) if left is not None and left.leaf != walk.leaf else None
        if back is not None:
            return back
    return None


def _pumped(walker: Walker, monitor: Monitor, walk: Walk, step: Step) -> Walk | None:
    way: Walk | None = walk
    for _ in range(PUMPED):
        way = walker.taken(way, step) if way is not None else None
        if way is None:
            return None
        found = is_broken(walker, monitor, way.steps, is_last_only=True)
        if found is not None:
            return found
        way = _back(walker, way, step.group.leaf)
    return None


def _back(walker: Walker, walk: Walk, leaf: StatePath | None) -> Walk | None:
    """Find a short way back to a leaf, leaf by leaf."""
    waiting, seen = [walk], {walk.leaf}
    while waiting:
        way = waiting.pop(0)
        if way.leaf == leaf:
            return way
        if len(way.steps) - len(walk.steps) >= BACK:
            continue
        for step in walker.steps_from(way.leaf):
            rule = walker.rule(step)
            if rule is None or rule.target in seen:
                continue
            further = next((one for start in walker.helped(way, step, most=3) if (one := walker.taken(start, step)) is not None), None)
            if further is not None:
                seen.add(further.leaf)
                waiting.append(further)
    return None
