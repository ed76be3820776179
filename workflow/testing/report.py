"""Reports: what a failing run is told like: the rule, the history as a timeline, and a test to paste.

Promises: everything needed to do the run again stands in the text; nothing personal is in it but what the strategies made up.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from workflow.policy.sentences import sentence_of
from workflow.testing.coverage import Coverage
from workflow.testing.machine import Outcome
from workflow.testing.properties import PolicyViolationError
from workflow.testing.run import Rig

SHOWN = 8
"""So many missing parts of one kind are named; the rest is counted."""


def failure_text(error: PolicyViolationError, *, seed: int | None = None) -> str:
    """Tell a failure in full."""
    rig = error.rig
    lines = [f"{error.name}", f"  {error.sentence}", f"  {error.detail}", "", "What happened:"]
    lines += [f"  {line}" for line in timeline(rig)]
    if seed is not None:
        lines += ["", f"Seed {seed} reproduces this run."]
    lines += ["", "To keep it as a test:", "", regression_test(error)]
    return "\n".join(lines)


def told(outcome: Outcome, *, threshold: float = 0.0) -> Iterator[str]:
    """Tell what testing a definition came to."""
    coverage = outcome.coverage
    if outcome.failure is not None:
        yield failure_text(outcome.failure, seed=outcome.seed)
        yield ""
    for rule in outcome.marks:
        yield f"{rule.name}"
        yield f"  {sentence_of(rule)} The definition does not mark it so."
    for name, count in sorted(outcome.warnings.items()):
        yield f"warning: {name} ({count} times)"
    yield from coverage_lines(coverage)
    reached = coverage.reached()
    if outcome.failure is None and reached < threshold:
        yield f"Covered are {reached:.0f} % of states, transitions or rungs; wanted are {threshold:.0f} %. Give more examples or steps."
    verdict = "passed" if outcome.is_passed(threshold) else "FAILED"
    speed = coverage.steps / outcome.seconds if outcome.seconds else 0
    seed = "" if outcome.seed is None else f", seed {outcome.seed}"
    took = f"{coverage.runs} onboardings, {coverage.steps} steps in {outcome.seconds:.1f} s ({speed:.0f}/s)"
    yield f"{outcome.definition}: {verdict}; {took}{seed}."


def as_data(outcome: Outcome, *, threshold: float = 0.0) -> dict[str, object]:
    """Give the same as plain data."""
    failure = outcome.failure
    return {
        "definition": outcome.definition,
        "passed": outcome.is_passed(threshold),
        "seed": outcome.seed,
        "onboardings": outcome.coverage.runs,
        "steps": outcome.coverage.steps,
        "seconds": round(outcome.seconds, 3),
        "coverage": {
            row.kind: {"covered": row.covered, "of": row.wanted, "missing": list(row.missing)} for row in outcome.coverage.table()
        },
        "switched_off": list(outcome.coverage.switched_off()),
        "warnings": dict(outcome.warnings),
        "marks": [rule.name for rule in outcome.marks],
        "failure": failure
        and {
            "rule": failure.name,
            "sentence": failure.sentence,
            "detail": failure.detail,
            "timeline": list(timeline(failure.rig)),
            "test": regression_test(failure),
        },
    }


def timeline(rig: Rig) -> Iterator[str]:
    """Tell the history, one line for each entry, in the calendar's own time."""
    calendar = rig.world.calendar
    zone = ZoneInfo(calendar.zone if calendar else "UTC")
    for said in rig.history:
        at = datetime.fromisoformat(str(said["occurred_at"])).astimezone(zone)
        recorded = datetime.fromisoformat(str(said["recorded_at"])).astimezone(zone)
        late = f", recorded {recorded:%a %d %b %H:%M:%S}" if recorded != at else ""
        yield f"{said['sequence']:>3}  {at:%a %d %b %Y %H:%M:%S}  {_told(said)}{late}"
    yield f"     {rig.clock.now().astimezone(zone):%a %d %b %Y %H:%M:%S}  now"


def _told(said: Mapping[str, object]) -> str:
    who = said["actor"] if said.get("on_behalf_of") is None else f"{said['actor']} for {said['on_behalf_of']}"
    reasons = said.get("reasons")
    if isinstance(reasons, Sequence) and reasons:
        return f"{said['event']} by {who} refused in {said['to']}: {', '.join(str(r['public']) for r in reasons)}"
    move = f"-> {said['to']}" if said["from"] != said["to"] else f"in {said['to']}"
    return f"{said['event']} by {who} {move}"


def regression_test(error: PolicyViolationError) -> str:
    """Write the run as a test of its own."""
    rig = error.rig
    words = re.sub(r"[^a-z0-9]+", "_", error.name.lower()).strip("_")
    names = sorted({type(act).__name__ for act in rig.acts})
    lines = [f"from workflow.testing import {', '.join([*names, 'replay'])}", "", "", f"def test_{words}():"]
    lines += [f'    """{error.sentence}"""', "    replay(", f"        {rig.house.source!r},", "        ["]
    lines += [textwrap.indent(f"{act!r},", " " * 12) for act in rig.acts]
    lines += ["        ],", f"        start_at={rig.start_at.isoformat()!r},", "    )"]
    return "\n".join(lines)


def coverage_lines(coverage: Coverage) -> Iterator[str]:
    """Give the table of coverage."""
    yield f"{'':<18}{'covered':>9}{'of':>6}{'':>8}"
    for row in coverage.table():
        yield f"{row.kind:<18}{row.covered:>9}{row.wanted:>6}{row.percent:>7.0f}%"
        for name in row.missing[:SHOWN]:
            yield f"    never: {name}"
        if len(row.missing) > SHOWN:
            yield f"    and {len(row.missing) - SHOWN} more"
    for name in coverage.switched_off():
        yield f"not counted: {name}"
