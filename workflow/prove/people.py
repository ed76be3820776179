"""People as the model sees them: one person that a property is about, the subject, and all others.

Promises: the person *p* is anybody, the same one through the whole run; what is proven of *p* holds for everybody. Who holds which
role is free in each step: no host's directory is taken for granted.
"""

from __future__ import annotations

import z3

from workflow.prove.terms import TRUE, Formula
from workflow.prove.words import Words
from workflow.states.definition import Definition, EventType, Role, RoleName


def declare_people(definition: Definition, words: Words) -> None:
    """Declare who *p* is, and in which stages *p* has decided."""
    words.declare("p.is_subject", bool, words.input("p.is_subject", bool))
    stages = {type_.decision for type_ in definition.events.values() if type_.decision is not None}
    for stage in sorted(stages):
        words.declare(f"decided.{stage}", bool)


def who_may(definition: Definition, type_: EventType, words: Words, *, is_start: bool) -> Formula:
    """Say who may fire an event; `states.who` is the rule."""
    subject, p = words.input("actor.is_subject", bool), words.input("actor.is_p", bool)
    for_subject, for_p = words.input("for.is_subject", bool), words.input("for.is_p", bool)
    deputy, acts_for = words.input("actor.is_deputy", bool), words.input("for.anybody", bool)
    is_p_subject = words.input("p.is_subject", bool) if is_start else words.var("p.is_subject")
    roles = [definition.roles[name] for name in type_.by]
    rules = [
        z3.Implies(is_p_subject, z3.And(p == subject, for_p == for_subject)),
        z3.Implies(z3.Not(is_p_subject), z3.Not(z3.Or(z3.And(p, subject), z3.And(for_p, for_subject)))),
        z3.Implies(z3.Or(for_subject, for_p), acts_for),
        z3.Implies(acts_for, deputy),
        z3.Not(z3.And(p, for_p)),
        z3.Not(z3.And(subject, for_subject)),
        z3.Or([_lets_in(role, words, is_start=is_start) for role in roles]),
        z3.BoolVal(True) if any(not (r.is_anyone or r.is_subject) for r in roles) else z3.Not(acts_for),
    ]
    if type_.decision is not None:
        rules.append(z3.Not(z3.Or(subject, for_subject, words.input("deputy.of_subject", bool))))
        rules.append(z3.Implies(deputy, acts_for))
        rules += _stages(definition, type_, words) if not is_start else []
    return z3.And(rules)


def role_input(words: Words, name: RoleName) -> Formula:
    """Give the input that says whether the actor was let in by this role."""
    return words.input(f"role.{name}", bool)


def _lets_in(role: Role, words: Words, *, is_start: bool) -> Formula:
    holds = role_input(words, role.name)
    if role.is_subject:
        return z3.And(holds, words.input("actor.is_subject", bool))
    if role.scope is not None and not is_start:
        return z3.And(holds, words.var(f"has.{role.scope}"))
    return holds


def _stages(definition: Definition, type_: EventType, words: Words) -> list[Formula]:
    """Whoever decided in one stage is refused in every other that does not list it."""
    took_part = z3.Or(words.input("actor.is_p", bool), words.input("for.is_p", bool))
    stages = {one.decision for one in definition.events.values() if one.decision is not None}
    barred = [words.var(f"decided.{stage}") for stage in sorted(stages) if stage != type_.decision and stage not in type_.may_also_decide]
    return [z3.Implies(took_part, z3.Not(z3.Or(barred)))] if barred else [TRUE]
