"""Oracles about the history: it replays, it verifies, it hides what is personal, and it is the same with and without sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from workflow.audit.chain import entry_hash, verify
from workflow.errors import ChainBrokenError
from workflow.states.instance import Instance
from workflow.states.verdict import Accepted, Kind, Refused
from workflow.testing.acts import Perform
from workflow.testing.observed import Observed
from workflow.testing.run import Rig

STEPS = frozenset({Kind.STARTED, Kind.ACCEPTED, Kind.FIRED, Kind.REPORTED, Kind.CALENDAR_CHANGED})
NOTICES = frozenset({"mail", "sms", "push", "alert"})
Said = Mapping[str, object]


def log_replays(rig: Rig, seen: Observed) -> Iterator[str]:
    """From, to, version, head and timers follow from the entries alone."""
    if seen.after is None:
        return
    instance: Instance = seen.after.instance
    last = rig.marks.setdefault("replay", {"state": None, "version": 0})
    for said in seen.said:
        if said["kind"] in STEPS and "effects" in said:
            if said["from"] != last["state"]:
                yield f"Entry {said['sequence']} says it left {said['from']}, and the onboarding was in {last['state']}."
            last["state"] = said["to"]
            last["version"] += said["kind"] != Kind.CALENDAR_CHANGED
        elif said["from"] != last["state"] or said["to"] != last["state"]:
            yield f"Entry {said['sequence']} ({said['event']}) changed nothing and says {said['from']} -> {said['to']}."
    if (instance.state, instance.version) != (last["state"], last["version"]):
        yield f"The history leads to {last['state']} at version {last['version']}; stored is {instance.state} at {instance.version}."
    if instance.head != len(rig.history) or (rig.rows and instance.head_hash != rig.rows[-1].entry_hash):
        yield f"The history has {len(rig.history)} entries; the stored head is {instance.head}."
    stored = {str(t.key): t.due_at for t in seen.after.timers}
    running = rig.timers_after
    if stored != running:
        yield f"By the history {_timers(running)} run; stored are {_timers(stored)}."


def _timers(timers: Mapping[str, datetime | None]) -> str:
    return ", ".join(f"{key} ({at:%a %d %b %H:%M:%S})" if at else f"{key} (paused)" for key, at in sorted(timers.items())) or "no timers"


def chain_verifies(rig: Rig, seen: Observed) -> Iterator[str]:
    """Each new entry follows the one before it."""
    first = len(rig.rows) - len(seen.entries)
    for index, row in enumerate(seen.entries, start=first):
        previous = rig.rows[index - 1].entry_hash.hex() if index else ""
        if row.sequence != index + 1 or rig.history[index]["previous"] != previous or entry_hash(row.canonical) != row.entry_hash:
            yield f"Entry {row.sequence} does not follow entry {index}."


def chain_faults(rig: Rig) -> Iterator[str]:
    """Verify the whole chain as an auditor does, at the end of a run."""
    if rig.instance_id is None:
        return
    try:
        verify(rig.engine.history(rig.instance_id, limit=10_000))
    except ChainBrokenError as error:
        yield str(error)


def lazy_is_eager(rig: Rig, seen: Observed) -> Iterator[str]:
    """After an event, the history is that of the shadow, which never sweeps."""
    if seen.said and (isinstance(seen.answer, Refused | Accepted) or isinstance(seen.act, Perform)):
        yield from notes_differ(rig, until=seen.now)


def notes_differ(rig: Rig, *, until: datetime) -> Iterator[str]:
    """Compare the real history with the shadow's, once both are settled until the same instant."""
    rig.shadow.settle(until)
    ours, theirs = rig.notes, rig.shadow.notes
    first = int(rig.marks.get("compared", 0))
    for index in range(first, max(len(ours), len(theirs))):
        eager, lazy = (notes[index] if index < len(notes) else None for notes in (ours, theirs))
        if eager != lazy:
            yield f"With sweeps entry {index + 1} is {_note(eager)}, without it is {_note(lazy)}."
            return
    rig.marks["compared"] = len(ours)


def lazy_is_eager_at_last(rig: Rig) -> Iterator[str]:
    """At the end, too."""
    stored = rig.stored()
    if stored is not None:
        yield from notes_differ(rig, until=rig.now(stored))


def _note(note: tuple[object, ...] | None) -> str:
    return "missing" if note is None else " ".join(str(part) for part in note)


MARK = "wq7x"
"""Stands in every personal and secret value that the strategies make."""


def nothing_leaks(rig: Rig, seen: Observed) -> Iterator[str]:
    """The mark of personal and secret values is nowhere in clear."""
    for row in seen.entries:
        if MARK.encode() in row.canonical:
            yield f"Entry {row.sequence} ({row.event}) holds a personal or secret value in clear."
    for message in seen.messages:
        if MARK in str(message.effect):
            yield f"The message {message.effect.kind}.{message.effect.name} holds a personal or secret value in clear."
    del rig
