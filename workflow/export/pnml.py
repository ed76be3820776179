"""PNML (ISO/IEC 15909-2): a definition as a Petri net, to compare an event log with.

Promises: every history of steps that the definition allows is a run of the net: inherited transitions, internal events, quorums
that are not yet reached, late reports, and deadlines that no transition takes are all in it. Guards, roles and time are not: a
net cannot say them, `workflow.audit.replay` does. Every leaf state is a place, and the label of a transition is its event.
From each state a silent transition leads to the end, because a history that is still under way is no wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from workflow.export.markup import text
from workflow.states.definition import Definition, EventName, State, StatePath
from workflow.states.machine import Table

GRAMMAR = "http://www.pnml.org/version-2009/grammar/pnml"
NET_TYPE = "http://www.pnml.org/version-2009/grammar/ptnet"
BEFORE, AFTER = "start", "end"


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """A transition of the net: from a place to a place by an event; `event` is empty for a silent one."""

    source: str
    event: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """A definition as places and moves between them."""

    name: str
    places: tuple[str, ...]
    moves: tuple[Move, ...] = field(default=())


def net_of(table: Table) -> Net:
    """Give the net of a compiled definition."""
    definition = table.definition
    leaves = [leaf.path for leaf in definition.leaves()]
    moves = {Move(BEFORE, definition.start.event, definition.start.target or leaves[0])}
    for leaf in leaves:
        moves |= set(_moves(table, leaf))
        moves.add(Move(leaf, "", AFTER))
    return Net(name=definition.name, places=(BEFORE, *leaves, AFTER), moves=tuple(sorted(moves)))


def _moves(table: Table, leaf: StatePath) -> Iterator[Move]:
    """Give what may happen in a leaf state."""
    for event in table.events_in(leaf):
        for arrow in table.arrows(leaf, event):
            target = arrow.transition.target
            yield Move(leaf, event, target if target is not None else leaf)
            if arrow.transition.quorum is not None:
                yield Move(leaf, event, leaf)
    for event in _without_effect(table.definition, leaf):
        yield Move(leaf, event, leaf)


def _without_effect(definition: Definition, leaf: StatePath) -> Iterator[EventName]:
    """Give the engine's events that may be recorded here although no transition takes them: reports, told events, deadlines."""
    for state in definition.states.values():
        for use in _uses(state):
            yield from (name for name in use if name is not None)
    yield from (name for action in definition.start.actions for name in (action.done, action.failed) if name is not None)
    yield from (f.unique_on_conflict for f in definition.fields.values() if f.unique_on_conflict is not None)
    if definition.calendar is not None:
        yield EventName("calendar_changed")
    for path in definition.lineage(leaf):
        yield from (timer.event for timer in definition.states[path].timers)


def _uses(state: State) -> Iterator[tuple[EventName | None, EventName | None]]:
    for action in (*state.entry, *state.exit, *(a for transition in state.transitions for a in transition.actions)):
        yield action.done, action.failed


def pnml(net: Net, *, digest: str) -> str:
    """Write a net; `digest` names the definition that it stands for."""
    places = {name: f"p{place}" for place, name in enumerate(net.places)}
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f"<!-- {text(net.name).replace('--', '- -')}, definition {text(digest)} -->\n",
        f'<pnml xmlns="{GRAMMAR}">\n  <net id="{text(net.name)}" type="{NET_TYPE}">\n',
        f'    <name><text>{text(net.name)}</text></name>\n    <page id="page">\n',
    ]
    for name, id_ in places.items():
        marking = "<initialMarking><text>1</text></initialMarking>" if name == BEFORE else ""
        parts.append(f'      <place id="{id_}"><name><text>{text(name)}</text></name>{marking}</place>\n')
    for number, move in enumerate(net.moves):
        # The mark for a silent transition is the one that ProM introduced and other tools read.
        silent = "" if move.event else '<toolspecific tool="ProM" version="6.4" activity="$invisible$" localNodeID="silent"/>'
        parts.append(f'      <transition id="t{number}"><name><text>{text(move.event or "silent")}</text></name>{silent}</transition>\n')
        parts.append(f'      <arc id="i{number}" source="{places[move.source]}" target="t{number}"/>\n')
        parts.append(f'      <arc id="o{number}" source="t{number}" target="{places[move.target]}"/>\n')
    parts.append("    </page>\n")
    parts.append(f'    <finalmarkings><marking><place idref="{places[AFTER]}"><text>1</text></place></marking></finalmarkings>\n')
    parts.append("  </net>\n</pnml>\n")
    return "".join(parts)
