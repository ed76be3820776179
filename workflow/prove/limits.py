"""Limits of single questions to the solver.

Promises: the solver counts its own work, so the same question has the same answer on a busy machine; the limit of time is far away and
only ends what would never end.
"""

from __future__ import annotations

from typing import Any

SMALL, MIDDLING = 1_000_000, 5_000_000
"""Work for a question about one step, and for one about a whole run; a million is a second or so."""
_FAR = 120_000
"""Milliseconds."""


def limit(solver: Any, work: int) -> None:  # noqa: ANN401  # z3 has no types
    """Limit what each question to a solver may cost."""
    solver.set("rlimit", work)
    solver.set("timeout", _FAR)
