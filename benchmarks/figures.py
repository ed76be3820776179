"""What a benchmark gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: `value` in `unit`, `goal` as text, and whether it is reached."""

    name: str
    value: float
    unit: str
    goal: str
    is_reached: bool
    detail: str = ""
