"""The words of the model: its variables, and what is free in each step.

Promises: one z3 constant for each name; a variable has a value before the first step. Nothing here knows a definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import z3

from workflow.prove.terms import Formula

Sort = type[bool] | type[int] | type[float]

_ZERO: dict[Sort, Formula] = {bool: z3.BoolVal(False), int: z3.IntVal(0), float: z3.RealVal(0)}
_MAKE = {bool: z3.Bool, int: z3.Int, float: z3.Real}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How much of time the model keeps.

    Without instants every comparison of instants is free; without deadlines an armed timer may fire at any time.
    """

    has_instants: bool = False
    has_deadlines: bool = False


@dataclass(slots=True)
class Words:
    """Variables (kept from step to step) and inputs (free in each step)."""

    sorts: dict[str, Sort] = field(default_factory=dict)
    initial: dict[str, Formula] = field(default_factory=dict)
    inputs: dict[str, Formula] = field(default_factory=dict)
    input_sorts: dict[str, Sort] = field(default_factory=dict)
    _vars: dict[str, Formula] = field(default_factory=dict)
    _pins: dict[int, list[tuple[Formula, Formula]]] = field(default_factory=dict)

    def declare(self, name: str, sort: Sort, initial: Formula | None = None) -> None:
        """Add a variable; it begins with the zero of its sort unless `initial` says otherwise."""
        self.sorts[name] = sort
        self.initial[name] = _ZERO[sort] if initial is None else initial
        self._vars[name] = _MAKE[sort](f"v:{name}")
        self._pins.clear()

    def var(self, name: str) -> Formula:
        """Give the constant of a variable."""
        return self._vars[name]

    def has(self, name: str) -> bool:
        """Tell whether there is such a variable."""
        return name in self._vars

    def input(self, name: str, sort: Sort) -> Formula:
        """Give the constant of an input; the first use declares it."""
        if name not in self.inputs:
            self.inputs[name], self.input_sorts[name] = _MAKE[sort](f"i:{name}"), sort
        return self.inputs[name]

    def pinned(self, formula: Formula, number: int) -> Formula:
        """Write a formula for one step of an unrolled run."""
        if number not in self._pins:
            self._pins[number] = []
        pins, everything = self._pins[number], [*self._vars.values(), *self.inputs.values()]
        if len(pins) != len(everything):
            pins[:] = [(const, at_step(const, number)) for const in everything]
        return z3.substitute(formula, *pins)


def at_step(const: Formula, number: int) -> Formula:
    """Give the constant of a variable or input at a step of an unrolled run."""
    return z3.Const(f"{const.decl().name()}@{number}", const.sort())
