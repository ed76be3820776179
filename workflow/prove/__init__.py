"""Proofs: the policy of a definition, for all runs, by the solver z3 (extra `prove`).

Promises: returns values; reads no file and opens no store. What a proof means is said in docs/prove.md. The names here can be
imported without the solver; `prove` needs it and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.prove.verdicts import Confirm, Happening, Outcome, Replayed, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from workflow.states.definition import Definition
    from workflow.states.known import Known

__all__ = ["Confirm", "Happening", "Outcome", "Replayed", "Report", "Verdict", "is_installed", "prove"]


def is_installed() -> bool:
    """Tell whether the solver is there (extra `prove`)."""
    from importlib.util import find_spec  # noqa: PLC0415  # asked once by commands only

    return find_spec("z3") is not None


def prove(
    definition: Definition,
    known: Known,
    *,
    confirm: Confirm | None = None,
    seconds: float = 20.0,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Give the verdict on every property of a definition; see `workflow.prove.proving.prove`."""
    from workflow.prove import proving  # noqa: PLC0415  # loads the solver

    return proving.prove(definition, known, confirm=confirm, seconds=seconds, jobs=jobs, progress=progress)
