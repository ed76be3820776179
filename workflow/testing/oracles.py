"""The oracles: what must hold of every engine and every definition, judged anew after each act.

Promises: an oracle works from what was asked, what is stored and what the history says; who may, when a deadline falls due
and which timers run is worked out here once more, in other words than the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workflow.testing import oracles_answers as answers
from workflow.testing import oracles_crashes as crashes
from workflow.testing import oracles_history as history
from workflow.testing import oracles_time as deadlines
from workflow.testing import oracles_who as people
from workflow.testing.observed import Observed
from workflow.testing.run import Rig


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """A rule, asked after each act: `look` gives what speaks against it; `end` is asked once more when the run is over."""

    name: str
    sentence: str
    look: Callable[[Rig, Observed], Iterator[str]]
    end: Callable[[Rig], Iterator[str]] | None = None


ORACLES = (
    Oracle(
        name="deadline honoured",
        sentence="No event is accepted in a state whose deadline has passed.",
        look=deadlines.deadline_honoured,
    ),
    Oracle(
        name="no unauthorised move",
        sentence="Nobody moves an onboarding without the role, for the scope.",
        look=people.no_unauthorised_move,
    ),
    Oracle(
        name="no unjust refusal",
        sentence="Whoever holds the role is not told that it is missing.",
        look=people.no_unjust_refusal,
    ),
    Oracle(
        name="four eyes",
        sentence="Nobody decides on their own request, or in two stages.",
        look=people.four_eyes,
    ),
    Oracle(
        name="armed rightly",
        sentence="A state that is entered arms its timers, for the right instants.",
        look=deadlines.armed_rightly,
    ),
    Oracle(
        name="no timer outlives its state",
        sentence="A timer is gone when its state is left.",
        look=deadlines.no_timer_outlives,
    ),
    Oracle(
        name="once per rung",
        sentence="Each effect is queued once, and of rungs reached together the last one notifies.",
        look=deadlines.once_per_rung,
    ),
    Oracle(
        name="the log replays",
        sentence="The history alone leads to the stored state, version, head and timers.",
        look=history.log_replays,
    ),
    Oracle(
        name="the chain verifies",
        sentence="Every entry follows the one before it.",
        look=history.chain_verifies,
        end=history.chain_faults,
    ),
    Oracle(
        name="a refusal changes nothing",
        sentence="A refusal adds to the history and changes nothing else.",
        look=answers.refusal_changes_nothing,
    ),
    Oracle(
        name="idempotent",
        sentence="The same event with the same key happens once and is answered alike.",
        look=answers.idempotent,
    ),
    Oracle(
        name="at most once",
        sentence="After a crash, a repeated event or report does not happen twice.",
        look=answers.once,
    ),
    Oracle(
        name="may tells the truth",
        sentence="What `may` allows is accepted, and what it refuses is refused.",
        look=people.may_tells_the_truth,
    ),
    Oracle(
        name="open work matches may",
        sentence="The queues hold what their people may do, and nothing else.",
        look=people.work_matches_may,
    ),
    Oracle(
        name="one holder",
        sentence="A unique value belongs to one onboarding.",
        look=answers.one_holder,
    ),
    Oracle(
        name="nothing leaks",
        sentence="No personal or secret value stands in the history or the outbox.",
        look=history.nothing_leaks,
    ),
    Oracle(
        name="lazy is eager",
        sentence="A run with sweeps at any times has the history of a run with none.",
        look=history.lazy_is_eager,
        end=history.lazy_is_eager_at_last,
    ),
    Oracle(
        name="all or nothing",
        sentence="A process that ends between two statements leaves a whole step, or none.",
        look=crashes.all_or_nothing,
    ),
)
"""All of them, in the order in which they are asked."""
