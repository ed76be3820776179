"""The questions to the solver: can a property be broken in a cut (Spacer), by which run (unrolling), and is that run one of the model.

Promises: an answer that is not certain is None, never a guess; every question has a limit, which the solver counts
itself, so that a busy machine changes no answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import z3

from workflow.prove.certificate import PLACE, Certificate, read_certificate
from workflow.prove.limits import MIDDLING, SMALL, limit
from workflow.prove.system import Arc, Cut, System
from workflow.prove.terms import TRUE, Formula
from workflow.prove.words import Words, at_step
from workflow.states.definition import StatePath

MANY = 8
"""From so many variables on, a run of a cut may be one of the model, and it is asked before the cut is refined."""
FEW_STEPS, FEW_ROUNDS = 12, 4
"""The same for one question among many."""
ROUNDS = 30
"""How often a cut is refined."""
NOWHERE = "(start)"
LONGEST = 40
"""Steps of the longest run that is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a question may cost.

    Attributes:
        work: how much each question to the solver may cost by the solver's own count, which no load of the machine changes.
        until: monotonic instant at which to give up, should the machine be far too slow.
        longest: steps of the longest run that is looked for.
        rounds: how often a cut is refined.
    """

    work: int
    until: float
    longest: int = LONGEST
    rounds: int = ROUNDS

    @property
    def left(self) -> float:
        """Give the seconds that are left."""
        return self.until - time.monotonic()

    @property
    def milliseconds(self) -> int:
        """Give the time that is left as the solver wants it."""
        return max(int(self.left * 1000), 1)


def little(work: int, until: float) -> Budget:
    """Give a budget for what is one question among many."""
    return Budget(work=work, until=until, longest=FEW_STEPS, rounds=FEW_ROUNDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of a run that the solver found, with the values of what is free in it."""

    arc: Arc
    values: dict[str, Formula]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`is_safe` True: no run breaks the property; False: `arcs` do; None: not known in time. `kept` are the variables looked at."""

    is_safe: bool | None
    arcs: tuple[Arc, ...] = ()
    kept: frozenset[str] = frozenset()
    certificate: Certificate | None = None


def decide(system: System, *, budget: Budget, is_certified: bool = False) -> Answer:
    """Cut, ask, and refine where a run of the cut needs a variable that was cut away.

    Args:
        system: the model with its watcher.
        budget: what it may cost.
        is_certified: whether a proof must come with a certificate; without it the solver may simplify more beforehand.
    """
    if not system.rests and _is_harmless(system.arcs):
        return Answer(is_safe=True, certificate=dict.fromkeys(system.leaves, TRUE))
    kept, run = system.beginning(), None
    for _ in range(budget.rounds):
        if budget.left <= 0:
            break
        cut = system.cut(kept)
        # A finer cut has no shorter run. Where it still has one as short, asking whether it is safe would be for nothing.
        shortest = len(run) if run else 1
        run = find_run(cut, budget=budget, shortest=shortest, longest=shortest + 1) if run else None
        if run is None:
            is_safe, certificate = _spacer(cut, budget=budget, is_plain=is_certified)
            if is_safe is not False:
                return Answer(is_safe=is_safe, kept=kept, certificate=certificate)
            run = find_run(cut, budget=budget, shortest=shortest)
        if run is None:
            return Answer(is_safe=None, kept=kept)
        if len(kept) > MANY and follow(system, run, frozenset(system.words.sorts)) is not None:
            return Answer(is_safe=False, arcs=run, kept=frozenset(system.words.sorts))
        wider = system.refined(kept, run)
        if wider == kept:
            return Answer(is_safe=False, arcs=run, kept=kept)
        kept = wider
    return Answer(is_safe=None, kept=kept)


def _is_harmless(arcs: Sequence[Arc]) -> bool:
    """Tell whether no step breaks the property, wherever and whenever it is taken: then nothing need be known of runs."""
    solver = z3.Solver()
    limit(solver, SMALL)
    return all(solver.check(*arc.parts, arc.broken) == z3.unsat for arc in arcs if arc.broken is not None)


def _spacer(cut: Cut, *, budget: Budget, is_plain: bool = False) -> tuple[bool | None, Certificate | None]:
    """Ask Spacer whether no run of the cut breaks the property; a certificate comes with a proof where it can be read."""
    fixed = z3.Fixedpoint()
    fixed.set(engine="spacer", timeout=budget.milliseconds, rlimit=budget.work)
    if is_plain:
        # What these take away is missing in the certificate.
        fixed.set("xform.slice", False)  # z3's own way to set a switch
        fixed.set("xform.inline_eager", False)  # as above
        fixed.set("xform.inline_linear", False)  # as above
    words = cut.words
    current = [words.var(name) for name in cut.kept]
    places = {leaf: z3.Function(f"{PLACE}{leaf}", *(one.sort() for one in current), z3.BoolSort()) for leaf in cut.leaves}
    broken = z3.Function("broken", z3.BoolSort())
    for relation in (*places.values(), broken):
        fixed.register_relation(relation)
    fixed.declare_var(*current, *cut.inputs().values())
    initial = _initial(words)
    for arc in cut.arcs:
        after = [arc.updates.get(name, words.var(name)) for name in cut.kept]
        head, body, bad = places[arc.rule.target](*after), [arc.guard], arc.broken
        if arc.rule.source is None:
            head, body = z3.substitute(head, *initial), [z3.substitute(arc.guard, *initial)]
            bad = None if bad is None else z3.substitute(bad, *initial)
        else:
            body = [places[arc.rule.source](*current), arc.guard]
        if arc.rule.source != arc.rule.target or arc.updates:
            fixed.rule(head, body)
        if bad is not None:
            fixed.rule(broken(), [*body, bad])
    for leaf, bad in cut.rests.items():
        fixed.rule(broken(), [places[leaf](*current), bad])
    try:
        answer = fixed.query(broken())
    except z3.Z3Exception:
        return None, None
    if answer == z3.unsat:
        return True, read_certificate(fixed, cut)
    return (False if answer == z3.sat else None), None


def find_run(cut: Cut, *, budget: Budget, shortest: int = 1, longest: int | None = None) -> tuple[Arc, ...] | None:
    """Find a shortest run of a cut that breaks the property, None when there is none of such a length or time is over."""
    unrolled = _Unrolled(cut)
    solver = z3.SolverFor("QF_LIRA")
    solver.add(unrolled.beginning())
    for number in range(budget.longest if longest is None else longest):
        if budget.left <= 0:
            return None
        solver.add(unrolled.step(number))
        if number + 1 < shortest:
            continue
        solver.set("timeout", budget.milliseconds)
        solver.set("rlimit", budget.work)
        if solver.check(unrolled.broken(number)) == z3.sat:
            return unrolled.arcs(solver.model(), number)
    return None


def follow(system: System, arcs: Sequence[Arc], kept: frozenset[str], *, wishes: Sequence[Formula] = ()) -> tuple[Move, ...] | None:
    """Go along a run with the whole guards of the model; as many `wishes` as possible hold in each step.

    Returns:
        The moves with their values, None when the model does not allow the run.
    """
    words, solver = system.words, z3.Solver()
    limit(solver, MIDDLING)
    solver.add([at_step(words.var(name), 0) == words.pinned(words.initial[name], 0) for name in kept])
    for number, arc in enumerate(arcs):
        solver.add([words.pinned(part, number) for part in arc.parts])
        whole = next((one for one in system.arcs if one.rule is arc.rule), arc)
        for name in kept:
            solver.add(at_step(words.var(name), number + 1) == words.pinned(whole.updates.get(name, words.var(name)), number))
    last = len(arcs) - 1
    bad = [] if arcs[last].broken is None else [words.pinned(arcs[last].broken, last)]
    resting = system.rests.get(arcs[last].rule.target)
    solver.add(z3.Or(*bad, *([] if resting is None else [words.pinned(resting, last + 1)])))
    if solver.check() != z3.sat:
        return None
    wanted: list[Formula] = []
    for wish in [words.pinned(wish, number) for wish in wishes for number in range(len(arcs))]:
        if solver.check(*wanted, wish) == z3.sat:
            wanted.append(wish)
    solver.check(*wanted)
    return tuple(_move(arc, number, solver.model(), words) for number, arc in enumerate(arcs))


def _move(arc: Arc, number: int, model: Formula, words: Words) -> Move:
    constants = {**words.inputs, "p.is_subject": words.var("p.is_subject")}
    values = {name: found for name, const in constants.items() if (found := model[at_step(const, number)]) is not None}
    if arc.rule.at is not None:
        values["at"] = model.eval(words.pinned(arc.rule.at, number), model_completion=True)
    return Move(arc=arc, values=values)


def _initial(words: Words) -> list[tuple[Formula, Formula]]:
    return [(words.var(name), words.initial[name]) for name in words.sorts]


class _Unrolled:
    """The arcs of a cut as one formula over a step, to be written once for each step."""

    def __init__(self, cut: Cut) -> None:
        self.cut, self.words = cut, cut.words
        self.places = (NOWHERE, *cut.leaves)
        self.chosen = [z3.Bool(f"c:{index}") for index in range(len(cut.arcs))]
        self.current = [self.words.var(name) for name in cut.kept]
        self.free = [*cut.inputs().values(), *self.chosen]
        self.formula, self.bad = self._formula(), self._bad()

    def beginning(self) -> Formula:
        first = [self._place(leaf, 0) if leaf == NOWHERE else z3.Not(self._place(leaf, 0)) for leaf in self.places]
        start = [at_step(self.words.var(name), 0) == self._pinned(self.words.initial[name], 0) for name in self.cut.kept]
        return z3.And(*first, *start)

    def step(self, number: int) -> Formula:
        return self._pinned(self.formula, number)

    def broken(self, number: int) -> Formula:
        return self._pinned(self.bad, number)

    def arcs(self, model: Formula, last: int) -> tuple[Arc, ...]:
        indexes = [next(i for i, one in enumerate(self.chosen) if z3.is_true(model[at_step(one, number)])) for number in range(last + 1)]
        return tuple(self.cut.arcs[index] for index in indexes)

    def _formula(self) -> Formula:
        parts = [z3.PbEq([(one, 1) for one in self.chosen], 1)]
        updaters: dict[str, list[Formula]] = {name: [] for name in self.cut.kept}
        leaving: dict[str, list[Formula]] = {leaf: [] for leaf in self.places}
        entering: dict[str, list[Formula]] = {leaf: [] for leaf in self.places}
        for arc, chosen in zip(self.cut.arcs, self.chosen, strict=True):
            leaving[arc.rule.source or NOWHERE].append(chosen)
            entering[arc.rule.target].append(chosen)
            for name in arc.updates:
                updaters[name].append(chosen)
            effect = [self._next(name) == value for name, value in arc.updates.items()]
            parts.append(z3.Implies(chosen, z3.And(arc.guard, *effect)))
        for leaf in self.places:
            parts.append(z3.Implies(z3.Or(leaving[leaf]), z3.Bool(f"l:{leaf}")))
            parts.append(z3.Bool(f"n:{leaf}") == z3.Or(entering[leaf]))
        parts += [z3.Or(*ones, self._next(name) == self.words.var(name)) for name, ones in updaters.items()]
        return z3.And(parts)

    def _bad(self) -> Formula:
        by_arc = [z3.And(c, arc.broken) for arc, c in zip(self.cut.arcs, self.chosen, strict=True) if arc.broken is not None]
        pairs = [(self.words.var(name), self._next(name)) for name in self.cut.kept]
        resting = [z3.And(z3.Bool(f"n:{leaf}"), z3.substitute(bad, *pairs)) for leaf, bad in self.cut.rests.items()]
        return z3.Or(*by_arc, *resting)

    def _pinned(self, formula: Formula, number: int) -> Formula:
        pairs = [(const, at_step(const, number)) for const in (*self.current, *self.free)]
        pairs += [(self._next(name), at_step(self.words.var(name), number + 1)) for name in self.cut.kept]
        pairs += [(z3.Bool(f"l:{leaf}"), self._place(leaf, number)) for leaf in self.places]
        pairs += [(z3.Bool(f"n:{leaf}"), self._place(leaf, number + 1)) for leaf in self.places]
        return z3.substitute(formula, *pairs)

    def _next(self, name: str) -> Formula:
        return z3.Const(f"w:{name}", self.words.var(name).sort())

    def _place(self, leaf: StatePath | str, number: int) -> Formula:
        return z3.Bool(f"l:{leaf}@{number}")
