"""Programs of events, reports and waits against a definition with every kind of timer, for properties about time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from workflow.states.instance import Actor

TIMETABLE = """
definition: timetable
language: 1
calendar: ern-office
subject: applicant
roles: {boss: {}, clerk: {}}
fields: {level: integer, seen_at: instant}
events:
  begin: {by: [applicant]}
  ask: {by: [boss]}
  answer: {by: [applicant]}
  hold: {by: [boss]}
  deeper: {by: [boss]}
  again: {by: [boss]}
  fresh: {by: [boss]}
  note: {by: [boss, applicant]}
  send: {by: [boss]}
  resend: {by: [clerk]}
  approve: {by: [boss, clerk], decision: approval}
  close: {by: [clerk]}
  reopen: {by: [clerk]}
  remind: {by: engine}
  half: {by: engine}
  breach: {by: engine}
  still: {by: engine}
  link_dead: {by: engine}
  silence: {by: engine}
  ping: {by: engine}
  expire: {by: engine}
  overtime: {by: engine}
  sent: {by: engine}
  send_failed: {by: engine}
start: {event: begin}
initial: open
timers:
  - {name: overall, since: sent, after: P9D, event: expire}
  - {name: overtime, after: 6bd, event: overtime}
paused_in: [deep]
tally: [overtime]
transitions:
  - {event: note, actions: [{mail: note}]}
  - {event: expire, guard: "count.overtime > 0", target: lost}
  - {event: expire, target: shelved, actions: [{mail: expired}]}
  - {event: overtime, actions: [{alert: overtime}]}
  - {event: send, actions: [{mail: link, link: way, done: sent, failed: send_failed}]}
  - {event: sent}
  - {event: send_failed, actions: [{alert: failed}]}
states:
  open:
    initial: waiting
    paused_in: [asked, held]
    tally: [remind, note, ping]
    entry: [{mail: opened}]
    timers:
      - {name: remind, after: 1bd, event: remind}
      - {name: twin, after: 1bd, event: half}
      - {name: day, after: P1D, event: half}
      - {name: breach, after: 2bd, event: breach}
      - {name: hours, after: 16bh, event: still}
      - {name: link, since: sent, after: PT5M, event: link_dead}
      - {name: link_hours, since: sent, after: 2bh, event: half}
    transitions:
      - {event: remind, actions: [{mail: reminder}]}
      - {event: half, guard: "count.remind > 0", set: {level: instance.level + 1}}
      - {event: still, guard: "now - instance.seen_at < duration('72h')", set: {level: 10 / instance.level}}
      - {event: still, actions: [{mail: still}]}
      - {event: breach, target: urgent}
      - {event: link_dead, target: asked}
      - {event: sent, set: {seen_at: now}}
      - {event: again, target: waiting}
      - {event: fresh, target: waiting, reenter: true}
      - {event: resend, actions: [{mail: link, link: way, done: sent, failed: send_failed}], target: held}
      - {event: approve, quorum: {need: 2}, target: done}
    states:
      waiting:
        timers: [{name: ping, after: P1D, event: ping}]
        transitions:
          - {event: ping, guard: "count.ping < 5", target: waiting, reenter: true}
          - {event: ping, target: urgent}
          - {event: ask, target: asked}
          - {event: hold, target: held}
      asked:
        timers: [{name: silence, after: PT24H, event: silence}]
        transitions:
          - {event: answer, target: waiting}
          - {event: silence, target: urgent}
          - {event: hold, target: held}
      held:
        initial: shallow
        timers: [{name: patience, after: 3bd, event: silence}]
        paused_in: [deep]
        transitions: [{event: silence, target: waiting}, {event: answer, target: waiting}]
        states:
          shallow:
            timers: [{name: slip, after: 3bd, event: ping}]
            transitions: [{event: deeper, target: deep}, {event: ping, target: deep}]
          deep:
            timers: [{name: surface, after: 4bh, event: ping}]
            transitions: [{event: ping, target: shallow}]
      urgent:
        timers: [{name: last, after: P2D, event: breach}]
        transitions: [{event: breach, target: shelved}, {event: ask, target: asked}]
  shelved:
    timers: [{name: end, after: 2bd, event: silence}]
    transitions: [{event: reopen, target: open}, {event: silence, target: lost}, {event: close, target: done}]
  done: {outcome: success}
  lost: {outcome: failure}
"""

ANA, BEN, CY = Actor.of("ana"), Actor.of("ben", "boss"), Actor.of("cy", "clerk")
STARTS = (
    datetime(2026, 3, 27, 14, 30, tzinfo=UTC),  # Friday before the clocks go forward
    datetime(2026, 10, 23, 14, 30, tzinfo=UTC),  # Friday before the clocks go back
    datetime(2026, 4, 2, 22, 30, tzinfo=UTC),  # the night before Good Friday; Easter Monday is a holiday
    datetime(2026, 12, 22, 8, 0, tzinfo=UTC),  # two days before the year-end closing
    datetime(2026, 11, 28, 23, 0, tzinfo=UTC),  # a weekend
)
RIGHT = (
    *(("ask", BEN), ("hold", BEN), ("deeper", BEN), ("again", BEN), ("fresh", BEN), ("note", ANA), ("note", BEN), ("send", BEN)),
    *(("answer", ANA), ("send", BEN), ("answer", ANA), ("resend", CY), ("approve", BEN), ("reopen", CY), ("hold", BEN), ("deeper", BEN)),
    *(("approve", CY), ("close", CY)),
)
"""Events with somebody who may fire them; what ends everything comes last and seldom."""
NAMES = tuple(dict.fromkeys(name for name, _ in RIGHT))


@dataclass(frozen=True)
class Fire:
    """Somebody fires an event."""

    name: str
    actor: Actor


@dataclass(frozen=True)
class Wait:
    """Time passes; a run that sweeps does so after each of these parts of the wait."""

    seconds: int
    sweeps: tuple[float, ...] = ()


@dataclass(frozen=True)
class Until:
    """Time passes until one of the next deadlines, or a moment beside it."""

    rank: int
    beside: timedelta
    sweeps: tuple[float, ...] = ()


@dataclass(frozen=True)
class Report:
    """A message that was queued is reported, done so many seconds ago (at its queueing at the earliest), or failed."""

    rank: int
    lag_seconds: int = 0
    is_done: bool = True


_SWEEPS = st.lists(st.floats(0, 1), max_size=3).map(lambda parts: tuple(sorted(parts)))
_SECONDS = st.one_of(
    st.integers(0, 900),
    st.sampled_from([1, 299, 300, 301, 3600, 7200, 14_400, 40_000, 86_399, 86_400, 86_401]),
    st.integers(0, 30_000),
    st.integers(0, 2 * 86_400),
)
_BESIDE = st.sampled_from([timedelta(0), timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(seconds=1)])


def operations():
    """Give one step of a program."""
    right = st.sampled_from(RIGHT).map(lambda pair: Fire(*pair))
    anybody = st.builds(Fire, st.sampled_from(NAMES), st.sampled_from([ANA, BEN, CY]))
    lags = st.sampled_from([0, 1, 60, 299, 300, 301, 4000, 90_000, 400_000])
    reports = st.builds(Report, st.integers(0, 3), lags, st.sampled_from([True, True, True, False]))
    waits = st.one_of(st.builds(Wait, _SECONDS, _SWEEPS), st.builds(Until, st.integers(0, 2), _BESIDE, _SWEEPS))
    return st.one_of(right, right, right, anybody, waits, waits, reports)


def programs(*, min_size: int = 6, max_size: int = 25):
    """Give (when it starts, what happens)."""
    return st.tuples(st.sampled_from(STARTS), st.lists(operations(), min_size=min_size, max_size=max_size))
