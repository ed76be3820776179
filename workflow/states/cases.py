"""Cases: values of the leaves under which guards hold, and under which they do not.

Promises: pure; each expression is evaluated by the engine's own CEL, once for each region of its leaves, so a case that is given really
makes the expressions what it says. What is not understood, or would take more than the budget, is no table and nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod

from workflow.states.definition import Definition, EventType, Rule, StatePath, Transition
from workflow.states.guards import CelType, Guard, GuardError, GuardFault, compile_guard, leaves_of
from workflow.states.known import Known
from workflow.states.regions import Compared, understand
from workflow.states.values import Part, Scene, written

MAX_REGIONS = 600
"""Regions of one expression; one with more is not judged."""
MAX_EVALUATIONS = 25_000
"""Evaluations for one definition; past it nothing more is judged. One takes about five microseconds."""
MAX_STEPS = 4_000
"""Combinations tried in one search."""

Row = tuple[tuple[str, Part], ...]
Case = Mapping[str, Part]
Fixed = Mapping[str, Collection[Part]]


class _BudgetError(Exception):
    """A search takes more than its budget; nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The regions in which one expression holds, and those in which it does not (an error included)."""

    holds: tuple[Row, ...]
    fails: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A transition with the table of each of its guards; None stands for one that is not understood."""

    transition: Transition
    tables: tuple[Table | None, ...]
    reads: tuple[frozenset[str], ...]
    """What each guard reads."""
    read: frozenset[str]
    """What all of them read."""

    @property
    def is_known(self) -> bool:
        """Tell whether all its guards are understood."""
        return None not in self.tables

    def holding(self) -> list[tuple[Row, ...]]:
        """Give what must hold, as terms of a search; guards that are not understood are left out."""
        return [table.holds for table in self.tables if table is not None]

    def failing(self) -> tuple[Row, ...]:
        """Give every row in which some guard does not hold; only of use when all of them are understood."""
        return tuple(row for table in self.tables if table is not None for row in table.fails)


@dataclass(slots=True)
class Cases:
    """Makes the tables of one definition."""

    definition: Definition
    known: Known
    left: int = MAX_EVALUATIONS
    _leaves: dict[str, dict[str, CelType]] = field(default_factory=dict)

    def scene(self, event: EventType | None, places: Iterable[StatePath], *, is_start: bool = False) -> Scene:
        """Say where expressions are judged."""
        return Scene(definition=self.definition, known=self.known, event=event, places=tuple(places), is_start=is_start)

    def guarded(self, transitions: Sequence[Transition], scene: Scene) -> tuple[Guarded, ...]:
        """Give transitions with the tables of their guards; all share the regions of their leaves."""
        tables = self.tables([rule for one in transitions for rule in one.guards], scene)
        found, at = [], 0
        for one in transitions:
            mine = tables[at : at + len(one.guards)]
            at += len(one.guards)
            reads = tuple(reads for _, reads in mine)
            found.append(Guarded(transition=one, tables=tuple(t for t, _ in mine), reads=reads, read=frozenset().union(*reads)))
        return tuple(found)

    def tables(self, rules: Sequence[Rule], scene: Scene) -> list[tuple[Table | None, frozenset[str]]]:
        """Give the table of each expression, and the leaves that it reads."""
        types = self._types(scene.event)
        guards = [_compiled(rule.source, types) for rule in rules]
        understood = [understand(rule.source, types) for rule in rules]
        compared = Compared.joined(one for one in understood if one is not None)
        domains: dict[str, tuple[Part, ...]] = {}
        found = []
        for guard, one in zip(guards, understood, strict=True):
            table = None if guard is None or one is None else self._table(guard, scene, compared, domains)
            found.append((table, frozenset(guard.reads) if guard else frozenset()))
        return found

    def _types(self, event: EventType | None) -> dict[str, CelType]:
        name = "" if event is None else event.name
        if name not in self._leaves:
            self._leaves[name] = leaves_of(self.definition, self.known, event)
        return self._leaves[name]

    def _table(self, guard: Guard, scene: Scene, compared: Compared, domains: dict[str, tuple[Part, ...]]) -> Table | None:
        variables = sorted({scene.variable(leaf) for leaf in guard.reads})
        for variable in variables:
            if variable not in domains:
                domains[variable] = scene.domain(variable, compared)
        count = prod(len(domains[variable]) for variable in variables)
        if not 0 < count <= min(MAX_REGIONS, self.left):
            return None
        self.left -= count
        holds: list[Row] = []
        fails: list[Row] = []
        for values in product(*(domains[variable] for variable in variables)):
            row = tuple(zip(variables, values, strict=True))
            (holds if _holds(guard, scene, dict(row)) else fails).append(row)
        return Table(holds=tuple(holds), fails=tuple(fails))


def _compiled(source: str, types: Mapping[str, CelType]) -> Guard | None:
    try:
        guard = compile_guard(source, types)
    except GuardError:
        return None
    return guard if guard.type is CelType.BOOL else None


def _holds(guard: Guard, scene: Scene, case: Case) -> bool:
    try:
        return guard.holds(lambda leaf: scene.look_up(leaf, case))
    except GuardFault:
        return False


def witness(terms: Iterable[Sequence[Row]], fixed: Fixed | None = None) -> Case | None:
    """Find a case that has a row of every term; None when there is none, or when it takes too long to say.

    Args:
        terms: each a choice of rows; rows fit together when they give the same values.
        fixed: what a variable may be, for the variables that are not free.
    """
    try:
        return _search(terms, fixed or {})
    except _BudgetError:
        return None


def may_be(terms: Iterable[Sequence[Row]], fixed: Fixed | None = None) -> bool:
    """Tell whether a case may have a row of every term: what takes too long to say may. The arguments are those of `witness`."""
    try:
        return _search(terms, fixed or {}) is not None
    except _BudgetError:
        return True


def _search(terms: Iterable[Sequence[Row]], wanted: Fixed) -> Case | None:
    allowed = [[row for row in term if all(value in wanted[name] for name, value in row if name in wanted)] for term in terms]
    if not all(allowed):
        return None
    return _joined(sorted(allowed, key=len), {}, [MAX_STEPS])


def _joined(terms: Sequence[Sequence[Row]], case: dict[str, Part], steps: list[int]) -> Case | None:
    if not terms:
        return case
    for row in terms[0]:
        steps[0] -= 1
        if steps[0] < 0:
            raise _BudgetError
        if all(name not in case or case[name] == value for name, value in row):
            found = _joined(terms[1:], {**case, **dict(row)}, steps)
            if found is not None:
                return found
    return None


def told(case: Case) -> str:
    """Write a case for a person; what every case has in common (that it is now) is left out."""
    said = [written(name, value) for name, value in sorted(case.items()) if name not in {"now", "event.name"}]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said) or "always"
