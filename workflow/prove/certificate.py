"""Certificates: what is so in each leaf of a cut, whatever has happened, as the solver found it.

Promises: a certificate is believed only after every arc was asked whether it keeps it; that takes one small question for each arc
and no search, so an error of the search cannot pass for a proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import z3

from workflow.prove.limits import MIDDLING, limit
from workflow.prove.system import Arc, Cut, Mentions
from workflow.prove.terms import FALSE, TRUE, Formula
from workflow.prove.words import Words
from workflow.states.definition import StatePath

Certificate = Mapping[StatePath, Formula]
"""Leaf -> what holds there before every step; a leaf that is not named is never reached."""
PLACE = "at:"


def read_certificate(fixed: z3.Fixedpoint, cut: Cut) -> Certificate:
    """Read what Spacer has found after it said that nothing breaks the property."""
    answer = fixed.get_answer()
    current = [cut.words.var(name) for name in cut.kept]
    return dict(_read(part, current) for part in (answer.children() if z3.is_and(answer) else [answer]))


def _read(part: Formula, current: list[Formula]) -> tuple[StatePath, Formula]:
    """Read one relation: ``forall x: at:leaf(x) = what holds``, or without variables the relation itself."""
    if not z3.is_quantifier(part):
        place, holds = (part.arg(0), part.arg(1)) if z3.is_eq(part) else (part.arg(0), FALSE) if z3.is_not(part) else (part, TRUE)
        return StatePath(place.decl().name().removeprefix(PLACE)), holds
    place, holds = part.body().arg(0), part.body().arg(1)
    where = {z3.get_var_index(place.arg(index)): index for index in range(place.num_args())}
    values = [current[where[index]] for index in range(part.num_vars())]
    return StatePath(place.decl().name().removeprefix(PLACE)), z3.substitute_vars(holds, *values)


def unkept(cut: Cut, certificate: Certificate) -> bool:
    """Tell whether any arc of a cut, or resting in a leaf, breaks a certificate or the property."""
    solver = z3.Solver()
    limit(solver, MIDDLING)
    resting = (z3.And(certificate.get(leaf, FALSE), bad) for leaf, bad in cut.rests.items())
    return any(solver.check(one) != z3.unsat for one in resting) or first_leak(cut, certificate) is not None


def first_leak(cut: Cut, certificate: Certificate) -> Arc | None:
    """Give an arc of a cut that may lead out of a certificate, or break the property inside it; None when there is none."""
    solver = z3.Solver()
    limit(solver, MIDDLING)
    return next(leaks(cut.arcs, certificate, solver, words=cut.words, mentions=cut.mentions), None)


def leaks(arcs: Iterable[Arc], certificate: Certificate, solver: z3.Solver, *, words: Words, mentions: Mentions) -> Iterator[Arc]:
    """Give the arcs that may lead out of a certificate, or break the property inside it."""
    first = [(words.var(name), words.initial[name]) for name in words.sorts]
    for arc in arcs:
        before = TRUE if arc.rule.source is None else certificate.get(arc.rule.source, FALSE)
        after = certificate.get(arc.rule.target, FALSE)
        if _is_plain(arc, before, after, mentions):
            continue
        after = z3.substitute(after, *((words.var(name), value) for name, value in arc.updates.items()))
        question = z3.And(before, arc.guard, z3.Or(z3.Not(after), FALSE if arc.broken is None else arc.broken))
        if arc.rule.source is None:
            question = z3.substitute(question, *first)
        if solver.check(question) != z3.unsat:
            yield arc


def _is_plain(arc: Arc, before: Formula, after: Formula, mentions: Mentions) -> bool:
    """Tell whether an arc keeps a certificate for a reason that needs no solver: most do."""
    if z3.is_false(before):
        return True
    if arc.broken is not None:
        return False
    return z3.is_true(after) or (arc.rule.source is not None and after.eq(before) and mentions.variables(after).isdisjoint(arc.updates))
