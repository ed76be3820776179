"""Oracles about answers: a refusal changes nothing, a repetition happens once, a unique value has one holder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from workflow.errors import ConflictError
from workflow.states.instance import Situation
from workflow.states.verdict import Accepted, Kind, Merged, Refused
from workflow.testing.acts import Fire, Perform, Repeat, Start
from workflow.testing.observed import Observed
from workflow.testing.run import Rig

STEPS = frozenset({Kind.STARTED, Kind.ACCEPTED, Kind.FIRED, Kind.REPORTED, Kind.CALENDAR_CHANGED})
NOTICES = frozenset({"mail", "sms", "push", "alert"})
Said = Mapping[str, object]


def refusal_changes_nothing(rig: Rig, seen: Observed) -> Iterator[str]:
    """A refusal leaves everything but the history as it was."""
    if not isinstance(seen.answer, Refused | ConflictError) or seen.settled is None or seen.after is None or isinstance(seen.act, Start):
        return
    refused = isinstance(seen.answer, Refused)
    wanted = seen.settled if refused and seen.said else seen.before
    if wanted is not None and _substance(wanted) != _substance(seen.after):
        yield f"A refusal changed {', '.join(_differences(wanted, seen.after))}."
    steps = {said["sequence"] for said in seen.said if "effects" in said}
    for message in seen.messages:
        if message.sequence not in steps:
            yield f"A refusal queued {message.effect.kind}.{message.effect.name}."
    del rig


def _substance(situation: Situation) -> tuple[object, ...]:
    """Give all of a situation but its history's own marks."""
    bare = replace(
        situation.instance,
        head=0,
        head_hash=b"",
        recorded_at=situation.instance.started_at,
        refusal_window_at=None,
        refusal_count=0,
        suppressed_count=0,
        suppressed_first_at=None,
        suppressed_last_at=None,
    )
    return bare, frozenset((t.key, t.due_at, t.remaining) for t in situation.timers)


def _differences(one: Situation, other: Situation) -> list[str]:
    names = ("state", "version", "fields", "personal", "tallies", "deciders", "serials", "marks", "outcome")
    found = [name for name in names if getattr(one.instance, name) != getattr(other.instance, name)]
    return found or ["its timers"]


def idempotent(rig: Rig, seen: Observed) -> Iterator[str]:
    """The same key gives the same answer, and other content a conflict."""
    if not isinstance(seen.act, Repeat) or seen.event is None or seen.is_crashed:
        return
    first = seen.first
    if first is None or seen.now - first.now >= timedelta(hours=24) or seen.act.is_changed:
        if (
            seen.act.is_changed
            and first is not None
            and seen.now - first.now < timedelta(hours=24)
            and not isinstance(seen.answer, ConflictError)
        ):
            yield f"The key of {seen.event.name} was used with other content, and the answer was {seen.answer}."
        return
    if not isinstance(first.answer, Accepted | Refused):
        return
    if seen.said or seen.after != seen.before:
        yield f"{seen.event.name} was delivered twice and changed something the second time."
    elif isinstance(first.answer, Accepted) and isinstance(seen.answer, Accepted):
        if (seen.answer.sequence, seen.answer.is_repeat) != (first.answer.sequence, True):
            yield f"{seen.event.name} was delivered twice and answered with entry {seen.answer.sequence}, not {first.answer.sequence}."
    elif isinstance(first.answer, Refused) and isinstance(seen.answer, Accepted):
        yield f"{seen.event.name} was refused, and accepted when it was delivered once more."
    del rig


def once(rig: Rig, seen: Observed) -> Iterator[str]:
    """An event with a key happens at most once, also when the process died after it."""
    if isinstance(seen.act, Repeat) and seen.event is not None and not seen.act.is_changed and seen.first is None:
        again = [s for s in seen.said if s["kind"] == Kind.ACCEPTED and s["actor"] == seen.event.actor.id and s["event"] == seen.event.name]
        key, done = (seen.event.key, rig.marks.setdefault("done", set()))
        if again and key in done and seen.now - rig.marks["at"] < timedelta(hours=24):  # so long is an answer kept
            yield f"{seen.event.name} happened before the crash, and once more when it was repeated."
    if isinstance(seen.act, Fire) and seen.act.key is not None:
        if any(s["kind"] == Kind.ACCEPTED and s["event"] == seen.act.event and s["actor"] != "engine" for s in seen.said):
            rig.marks.setdefault("done", set()).add(seen.act.key)
        rig.marks["at"] = seen.now
    if isinstance(seen.act, Perform):
        for came in rig.performed.values():
            if len(came) > 1:
                yield f"One message was reported {len(came)} times."


def one_holder(rig: Rig, seen: Observed) -> Iterator[str]:
    """A unique value has one holder, who is told of a second registration."""
    if isinstance(seen.act, Start) and seen.before is not None and isinstance(seen.answer, Accepted):
        both = rig.unique(seen.act.payload) & rig.unique(rig.started.payload if rig.started else {})
        if both:
            yield f"The value of {', '.join(sorted(name for name, _ in both))} was accepted for a second onboarding, too."
    if isinstance(seen.act, Start) and isinstance(seen.answer, Merged) and seen.answer.instance_id != rig.instance_id:
        yield "A second registration was merged into an onboarding that does not hold the value."
