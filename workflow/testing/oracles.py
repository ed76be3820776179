"""The oracles: what must hold of every engine and every definition, judged anew after each act.

Promises: an oracle works from what was asked, what is stored and what the history says; who may, when a deadline falls due
and which timers run is worked out here once more, in other words than the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from workflow.audit.chain import entry_hash, verify
from workflow.errors import ChainBrokenError, ConflictError
from workflow.states.calendar import Calendar
from workflow.states.definition import ROOT, Definition, EventType, TimerType
from workflow.states.instance import Actor, Delegation, Event, Instance, Situation
from workflow.states.verdict import Accepted, Allowed, Kind, Merged, Refused
from workflow.testing.acts import Fire, Perform, Repeat, Start
from workflow.testing.rig import EVERYBODY
from workflow.testing.run import Observed, Rig

STEPS = frozenset({Kind.STARTED, Kind.ACCEPTED, Kind.FIRED, Kind.REPORTED, Kind.CALENDAR_CHANGED})
NOTICES = frozenset({"mail", "sms", "push", "alert"})
Said = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """A rule, asked after each act: `look` gives what speaks against it; `end` is asked once more when the run is over."""

    name: str
    sentence: str
    look: Callable[[Rig, Observed], Iterator[str]]
    end: Callable[[Rig], Iterator[str]] | None = None


def _people_events(seen: Observed) -> Iterator[Said]:
    """Give the accepted events of people that an act has brought about."""
    return (s for s in seen.said if s["kind"] in {Kind.ACCEPTED, Kind.STARTED} and s["actor"] != "engine")


# Who


def may_fire(
    definition: Definition, type_: EventType, actor: Actor, fields: Mapping[str, object], *, subject: str, running: Collection[Delegation]
) -> bool:
    """Say whether a person may fire an event, by the words of docs/language.md."""
    if type_.is_engine:
        return False
    for name in type_.by:
        role = definition.roles[name]
        if role.is_anyone:
            return True
        if role.is_subject:
            if actor.id == subject:
                return True
            continue
        value = fields.get(role.scope) if role.scope else None
        if role.scope and value is None:
            continue
        text = f"{name}:{value}" if role.scope else str(name)
        if text in {str(grant) for grant in actor.grants}:
            return True
        holders = {f"{name}-1", f"{name}-2", EVERYBODY}
        if any(d.deputy == actor.id and d.principal in holders and d.role in (None, name) and d.scope in (None, value) for d in running):
            return True
    return False


def _no_unauthorised_move(rig: Rig, seen: Observed) -> Iterator[str]:
    event = seen.event
    if event is None or isinstance(seen.act, Repeat):
        return
    for said in _people_events(seen):
        type_ = rig.definition.events[event.name]
        settled = seen.settled.instance.fields if seen.settled else {}
        fields = settled if seen.before else _starting(rig.definition, event)
        running = [d for d in seen.delegations if d.starts_at <= seen.now < d.ends_at]
        if not may_fire(rig.definition, type_, event.actor, fields, subject=rig.subject, running=running):  # type: ignore[arg-type]  # names of fields are text
            yield f"{said['event']} was accepted from {event.actor.id}, who holds {_held(event.actor)}."
        if said["actor"] != event.actor.id:
            yield f"{said['event']} was fired by {event.actor.id} and recorded as done by {said['actor']}."


def _starting(definition: Definition, event: Event) -> dict[str, object]:
    copies = ((a.field, a.copy_of) for a in definition.start.assignments if a.copy_of is not None)
    return {str(name): event.payload[source] for name, source in copies if source in event.payload}


def _held(actor: Actor) -> str:
    return ", ".join(sorted(map(str, actor.grants))) or "no role"


def _no_unjust_refusal(rig: Rig, seen: Observed) -> Iterator[str]:
    """The other half of who may: whoever may is not told that a role is missing."""
    event, answer = seen.event, seen.answer
    if not isinstance(seen.act, Fire) or event is None or seen.settled is None or not isinstance(answer, Refused):
        return
    type_ = rig.definition.events.get(event.name)
    if type_ is None or "role_missing" not in {r.code for r in answer.reasons}:
        return
    running = [d for d in seen.delegations if d.starts_at <= seen.now < d.ends_at]
    fields = seen.settled.instance.fields
    if may_fire(rig.definition, type_, event.actor, fields, subject=rig.subject, running=running):  # type: ignore[arg-type]  # as above
        quorum = any(
            a.transition.quorum and a.transition.quorum.role for a in rig.world.table.arrows(seen.settled.instance.state, event.name)
        )
        if not quorum:
            yield f"{event.name} was refused to {event.actor.id} for want of a role, who holds {_held(event.actor)}."


def _four_eyes(rig: Rig, seen: Observed) -> Iterator[str]:
    events = {str(name): type_ for name, type_ in rig.definition.events.items()}
    for said in _people_events(seen):
        type_ = events[str(said["event"])]
        if type_.decision is None:
            continue
        people = {said["actor"], said["on_behalf_of"] or said["actor"]}
        if rig.subject in people:
            yield f"{said['event']} decides on a request of {rig.subject}, by {rig.subject}."
        if any(d.deputy == said["actor"] and d.principal == rig.subject and d.starts_at <= seen.now < d.ends_at for d in seen.delegations):
            yield f"{said['event']} decides on a request of {rig.subject}, by their deputy {said['actor']}."
        for earlier in rig.history:
            other = events.get(str(earlier["event"]))
            if earlier["kind"] != Kind.ACCEPTED or other is None or other.decision in {None, type_.decision, *type_.may_also_decide}:
                continue
            if earlier["sequence"] < said["sequence"] and people & {earlier["actor"], earlier["on_behalf_of"] or earlier["actor"]}:  # type: ignore[operator]  # both are numbers
                yield f"{said['actor']} decided in the stage {type_.decision} after {other.decision}."


# Deadlines


def _deadline_honoured(rig: Rig, seen: Observed) -> Iterator[str]:
    """Go through the history with the timers that it arms itself."""
    running = rig.marks.setdefault("running", {})
    for said in seen.said:
        at = datetime.fromisoformat(str(said["occurred_at"]))
        if said["kind"] in {Kind.ACCEPTED, Kind.REPORTED, Kind.REFUSED}:
            for key, due_at in running.items():
                if due_at is not None and due_at <= seen.now:
                    yield f"{said['event']} came at {seen.now:%a %d %b %H:%M:%S}, and {key} was due at {due_at:%a %d %b %H:%M:%S}."
        if said["kind"] == Kind.FIRED:
            due = {key for key, due_at in running.items() if due_at == at}
            if not due:
                yield f"{said['event']} fired at {at:%a %d %b %H:%M:%S}, and no timer was due then."
            earlier = [key for key, due_at in running.items() if due_at is not None and due_at < at]
            if earlier:
                yield f"{said['event']} fired at {at:%a %d %b %H:%M:%S} before {', '.join(earlier)}, due earlier."
        _apply(running, said)


def _apply(running: dict[str, datetime | None], said: Said) -> None:
    for key in said.get("disarmed", ()):  # type: ignore[attr-defined]  # the entry's own form
        running.pop(key, None)
    for one in said.get("moved", ()):  # type: ignore[attr-defined]  # as above
        running[one["timer"]] = _instant(one["after"])
    for one in said.get("armed", ()):  # type: ignore[attr-defined]  # as above
        running[one["timer"]] = _instant(one["due_at"])


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _armed_rightly(rig: Rig, seen: Observed) -> Iterator[str]:
    """A state that is entered arms its timers, each for the instant that its duration says."""
    definition = rig.definition
    for said in seen.said:
        if said["kind"] not in STEPS or said["to"] is None:
            continue
        armed = {one["timer"]: _instant(one["due_at"]) for one in said.get("armed", ())}  # type: ignore[attr-defined]  # the entry's own form
        before = set(definition.lineage(said["from"])) if said["from"] is not None else set()  # type: ignore[arg-type]  # a leaf's path
        for path in definition.lineage(said["to"]):  # type: ignore[arg-type]  # as above
            for timer in definition.states[path].timers if path not in before else ():
                if timer.since is None and timer.key not in armed:
                    yield f"{said['event']} led into {path or 'the root'} and did not arm {timer.key}."
        occurred_at = datetime.fromisoformat(str(said["occurred_at"]))
        for key, due_at in armed.items():
            timer = definition.timer(key)
            wanted = due_of(timer, occurred_at, rig.world.calendar) if timer and due_at is not None and timer.since is None else None
            if wanted is not None and wanted != due_at:
                yield f"{key} was armed at {occurred_at.isoformat()} for {due_at:%a %d %b %H:%M:%S}, not {wanted:%a %d %b %H:%M:%S}."


def due_of(timer: TimerType, at: datetime, calendar: Calendar | None) -> datetime | None:
    """Work out when a timer is due, day by day; None for office hours, which only the core counts."""
    if timer.after.kind == "elapsed":
        return at + timedelta(seconds=timer.after.amount)
    if timer.after.kind != "working_days" or calendar is None:
        return None
    zone = ZoneInfo(calendar.zone)
    local = at.astimezone(zone)
    day, clock = local.date(), local.time().replace(fold=0, tzinfo=None)
    if local.fold or not _exists(local.replace(tzinfo=None), zone):
        return None  # the repeated hour has its own rules; the core's tests know them
    if not _works(day, calendar):
        day, clock = _next(day, calendar), time()
    for _ in range(timer.after.amount):
        day = _next(day, calendar)
    wall = datetime.combine(day, clock)
    return wall.replace(tzinfo=zone).astimezone(UTC) if _exists(wall, zone) else None


def _works(day: date, calendar: Calendar) -> bool:
    return day.isoweekday() in calendar.weekdays and day not in calendar.days_off


def _next(day: date, calendar: Calendar) -> date:
    day += timedelta(days=1)
    while not _works(day, calendar):
        day += timedelta(days=1)
    return day


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


def _no_timer_outlives(rig: Rig, seen: Observed) -> Iterator[str]:
    if seen.after is None:
        return
    lineage = rig.definition.lineage(seen.after.instance.state)
    for timer in seen.after.timers:
        if timer.state not in lineage:
            yield f"{timer.key} is armed, and the onboarding rests in {seen.after.instance.state}."


def _once_per_rung(rig: Rig, seen: Observed) -> Iterator[str]:
    """As many messages as effects, none twice; of rungs that are reached together only the last one notifies."""
    queued: dict[object, list[tuple[object, ...]]] = {}
    for m in seen.messages:
        queued.setdefault(m.sequence, []).append((m.effect.kind, m.effect.name, m.effect.to, m.effect.serial))
    for said in seen.said:
        wanted = [(e["kind"], e["name"], e["to"], e.get("serial", 0)) for e in said.get("effects", ())]  # type: ignore[attr-defined]  # the entry's own form
        for one in queued.get(said["sequence"], []):
            if one not in wanted:
                yield f"Entry {said['sequence']} ({said['event']}) has no effect for the message {one[0]}.{one[1]}, or has queued it twice."
            else:
                wanted.remove(one)
        links = {e["name"] for e in said.get("effects", ()) if e.get("link")}  # type: ignore[attr-defined]  # as above
        for one in wanted:
            if one[1] not in links:  # a link that a later step has replaced is not queued any more
                yield f"Entry {said['sequence']} ({said['event']}) has the effect {one[0]}.{one[1]}, and no message was queued."
    yield from _overtaken(rig, seen)


def _overtaken(rig: Rig, seen: Observed) -> Iterator[str]:
    fired = [s for s in seen.said if s["kind"] == Kind.FIRED]
    running = dict(rig.marks.get("before", {}))
    for said in seen.said:
        at = datetime.fromisoformat(str(said["occurred_at"]))
        spent = [key for key, due_at in running.items() if due_at == at] if said in fired else []
        state = _state_of(rig.definition, spent[0]) if spent else None
        _apply(running, said)
        until = datetime.fromisoformat(str(said["recorded_at"]))
        others = [
            key
            for key, due in running.items()
            if key not in spent and due is not None and due <= until and _state_of(rig.definition, key) == state
        ]
        loud = [e["name"] for e in said.get("effects", ()) if e["kind"] in NOTICES and not e.get("serial")]  # type: ignore[attr-defined]  # as above
        if len(spent) == 1 and others and loud:
            yield f"{spent[0]} notified ({', '.join(loud)}), although {', '.join(others)} had been reached as well."
    rig.marks["before"] = running


def _state_of(definition: Definition, key: str) -> str | None:
    return next((state.path for state in definition.states.values() for timer in state.timers if timer.key == key), None)


# The history


def _log_replays(rig: Rig, seen: Observed) -> Iterator[str]:
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
    running = rig.marks.get("running", {})
    if stored != running:
        yield f"By the history {_timers(running)} run; stored are {_timers(stored)}."


def _timers(timers: Mapping[str, datetime | None]) -> str:
    return ", ".join(f"{key} ({at:%a %d %b %H:%M:%S})" if at else f"{key} (paused)" for key, at in sorted(timers.items())) or "no timers"


def _chain_verifies(rig: Rig, seen: Observed) -> Iterator[str]:
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


# Answers


def _refusal_changes_nothing(rig: Rig, seen: Observed) -> Iterator[str]:
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


def _idempotent(rig: Rig, seen: Observed) -> Iterator[str]:
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


def _once(rig: Rig, seen: Observed) -> Iterator[str]:
    """An event with a key happens at most once, also when the process died after it."""
    if isinstance(seen.act, Repeat) and seen.event is not None and not seen.act.is_changed and seen.first is None:
        again = [s for s in seen.said if s["kind"] == Kind.ACCEPTED and s["actor"] == seen.event.actor.id and s["event"] == seen.event.name]
        key, done = (seen.event.key, rig.marks.setdefault("done", set()))
        if again and key in done:
            yield f"{seen.event.name} happened before the crash, and once more when it was repeated."
    if isinstance(seen.act, Fire) and seen.act.key is not None:
        if any(s["kind"] == Kind.ACCEPTED and s["event"] == seen.act.event and s["actor"] != "engine" for s in seen.said):
            rig.marks.setdefault("done", set()).add(seen.act.key)
        rig.marks["at"] = seen.now
    if isinstance(seen.act, Perform):
        for came in rig.performed.values():
            if len(came) > 1:
                yield f"One message was reported {len(came)} times."


def _may_tells_the_truth(rig: Rig, seen: Observed) -> Iterator[str]:
    if not isinstance(seen.act, Fire) or seen.event is None or isinstance(seen.answer, ConflictError):
        return
    if isinstance(seen.verdict, Refused) and isinstance(seen.answer, Accepted):
        yield f"`may` refused {seen.event.name} to {seen.event.actor.id}, and it was accepted."
    if isinstance(seen.verdict, Allowed) and isinstance(seen.answer, Refused):
        codes = {r.code for r in seen.answer.reasons} - {"unknown_value", "invalid_value", "deadline_unknown", "set_error", "values_differ"}
        codes -= {"not_in_catalogue", "does_not_belong", "not_offered", "choose_first", "needs_more"}
        if codes:
            yield f"`may` allowed {seen.event.name} to {seen.event.actor.id}, and it was refused ({', '.join(sorted(codes))})."
    del rig


def _work_matches_may(rig: Rig, seen: Observed) -> Iterator[str]:
    if seen.work is None or seen.before is None or seen.event is None or seen.settled != seen.before:
        return  # rows are as of the last write; what is reached since is settled by the next one
    actor, definition, state = seen.event.actor, rig.definition, seen.before.instance.state
    running = [d for d in seen.delegations if d.starts_at <= seen.now < d.ends_at]
    rows = {(str(w.event), str(w.role)) for w in seen.work if _holds(actor, str(w.role), w.scope, rig.subject, definition)}
    for name, verdict in seen.verdicts.items():
        type_ = next(t for n, t in definition.events.items() if n == name)
        arrows = rig.world.table.arrows(state, type_.name)
        is_work = arrows and arrows[0].transition.source != ROOT and not any(definition.roles[r].is_anyone for r in type_.by)
        has_row = any(event == name for event, _ in rows)
        codes = {r.code for r in verdict.reasons} if isinstance(verdict, Refused) else set()
        if has_row and codes & {"wrong_state", "role_missing"}:
            yield f"{name} is open work of {actor.id}, and `may` refuses it ({', '.join(sorted(codes))})."
        if is_work and not has_row and not codes and not any(d.deputy == actor.id for d in running):
            yield f"`may` does not refuse {name} to {actor.id}, and it is not among their open work."
    for event, _ in rows:
        if event not in seen.verdicts:
            yield f"{event} is open work of {actor.id}, and `may` does not know it."


def _holds(actor: Actor, role: str, scope: str | None, subject: str, definition: Definition) -> bool:
    if role == definition.subject:
        return actor.id == subject
    return (f"{role}:{scope}" if scope else role) in {str(grant) for grant in actor.grants}


def _one_holder(rig: Rig, seen: Observed) -> Iterator[str]:
    if isinstance(seen.act, Start) and seen.before is not None and isinstance(seen.answer, Accepted):
        both = rig.unique(seen.act.payload) & rig.unique(rig.started.payload if rig.started else {})
        if both:
            yield f"The value of {', '.join(sorted(name for name, _ in both))} was accepted for a second onboarding, too."
    if isinstance(seen.act, Start) and isinstance(seen.answer, Merged) and seen.answer.instance_id != rig.instance_id:
        yield "A second registration was merged into an onboarding that does not hold the value."


def _lazy_is_eager(rig: Rig, seen: Observed) -> Iterator[str]:
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


def _lazy_is_eager_at_last(rig: Rig) -> Iterator[str]:
    stored = rig.stored()
    if stored is not None:
        yield from notes_differ(rig, until=rig.now(stored))


def _note(note: tuple[object, ...] | None) -> str:
    return "missing" if note is None else " ".join(str(part) for part in note)


MARK = "wq7x"
"""Stands in every personal and secret value that the strategies make."""


def _nothing_leaks(rig: Rig, seen: Observed) -> Iterator[str]:
    for row in seen.entries:
        if MARK.encode() in row.canonical:
            yield f"Entry {row.sequence} ({row.event}) holds a personal or secret value in clear."
    for message in seen.messages:
        if MARK in str(message.effect):
            yield f"The message {message.effect.kind}.{message.effect.name} holds a personal or secret value in clear."
    del rig


ORACLES = (
    Oracle(name="deadline honoured", sentence="No event is accepted in a state whose deadline has passed.", look=_deadline_honoured),
    Oracle(name="no unauthorised move", sentence="Nobody moves an onboarding without the role, for the scope.", look=_no_unauthorised_move),
    Oracle(name="no unjust refusal", sentence="Whoever holds the role is not told that it is missing.", look=_no_unjust_refusal),
    Oracle(name="four eyes", sentence="Nobody decides on their own request, or in two stages.", look=_four_eyes),
    Oracle(name="armed rightly", sentence="A state that is entered arms its timers, for the right instants.", look=_armed_rightly),
    Oracle(name="no timer outlives its state", sentence="A timer is gone when its state is left.", look=_no_timer_outlives),
    Oracle(
        name="once per rung",
        sentence="Each effect is queued once, and of rungs reached together the last one notifies.",
        look=_once_per_rung,
    ),
    Oracle(name="the log replays", sentence="The history alone leads to the stored state, version, head and timers.", look=_log_replays),
    Oracle(name="the chain verifies", sentence="Every entry follows the one before it.", look=_chain_verifies, end=chain_faults),
    Oracle(
        name="a refusal changes nothing", sentence="A refusal adds to the history and changes nothing else.", look=_refusal_changes_nothing
    ),
    Oracle(name="idempotent", sentence="The same event with the same key happens once and is answered alike.", look=_idempotent),
    Oracle(name="at most once", sentence="After a crash, a repeated event or report does not happen twice.", look=_once),
    Oracle(
        name="may tells the truth", sentence="What `may` allows is accepted, and what it refuses is refused.", look=_may_tells_the_truth
    ),
    Oracle(name="open work matches may", sentence="The queues hold what their people may do, and nothing else.", look=_work_matches_may),
    Oracle(name="one holder", sentence="A unique value belongs to one onboarding.", look=_one_holder),
    Oracle(name="nothing leaks", sentence="No personal or secret value stands in the history or the outbox.", look=_nothing_leaks),
    Oracle(
        name="lazy is eager",
        sentence="A run with sweeps at any times has the history of a run with none.",
        look=_lazy_is_eager,
        end=_lazy_is_eager_at_last,
    ),
)
"""All of them, in the order in which they are asked."""
