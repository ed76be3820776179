"""Chances: of what runs are made, and how often; the numbers behind the drawing of acts."""

from __future__ import annotations

from datetime import timedelta

MARGINS = (0, 1, -1, 3_600)
"""Seconds beside a deadline at which a wait ends: at it, just after, just before, an hour later."""
PAUSES = (1, 61, 300, 3_600, 86_400, 3 * 86_400, -60, -3_600, -2 * 86_400)
HOUR = 3_600
NEAR_PATIENCE, PATIENCE = 6, 60
"""So many acts are spent on one side of a guard: on one that is judged here, and on one far away."""
MAX_DEPTH = 5
"""So many transitions may be needed, one for the next, before the one that is wanted."""
TRIES = 3
"""So many goals are tried before a step is left to chance."""
LAST_DAYS = timedelta(days=500)
"""A run ends so long before the calendar does, so that its horizon is met by nobody by accident."""
ACTS = (
    *("proceed",) * 9,
    *("perform",) * 3,
    *("due",) * 2,
    *("fire",) * 3,
    "pause",
    "tick",
    "wrong",
    "repeat",
    *("ask",) * 2,
    "delegate",
    "again",
)
PURPOSEFUL = (*("proceed",) * 28, "perform", "perform", *ACTS[9:])
"""A run either goes after its goals or strays; which one is drawn at its beginning."""
DETERMINED = (*("proceed",) * 36, "perform", "perform", "tick", *("ask",) * 3)
"""While something is not covered yet, a third of the runs do hardly anything but go after it."""
CRASHES = (*(None,) * 16, 0, 1, 2, 3, 4, 5)


CUTS = (*(None,) * 700, *range(14))
"""So many statements of a transaction run before the process ends; a step has about a dozen."""
