"""The command `prove`: the policy of a definition for all runs, with counterexamples replayed on the real engine."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.exits import FINDINGS, OPERATOR
from workflow.cli.options import Json

if TYPE_CHECKING:
    from workflow.bootstrap import Extensions
    from workflow.prove import Happening, Replayed, Report, Verdict
    from workflow.prove.replay import Replay
    from workflow.states.definition import Property
    from workflow.states.making import World

MOST_JOBS = 8
_LONG_AFTER = timedelta(days=30)


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command()(prove)


def prove(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A definition: a path, or the name of a shipped one.")],
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Limit of time for one property.")] = 600.0,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, metavar="N", help="Processes; one for each core.")] = None,
    json: Json = False,
) -> None:
    """Prove the policy of a definition for all runs (needs the extra `prove`).

    Each property is PROVEN, REFUTED with a timeline that the real engine has confirmed, or UNKNOWN with the reason. The exit code is
    0 only when every property of severity error is proven.
    """
    from workflow import prove as proofs
    from workflow.cli import output

    if not proofs.is_installed():
        output.say("Proofs need the solver z3: install this package with its extra `prove`.")
        raise typer.Exit(OPERATOR)
    began = time.monotonic()
    with output.counting("Proving") as progress:
        report = report_of(file, seconds=seconds, jobs=jobs or cores(), progress=progress)
    if json:
        output.emit(_data(report))
    else:
        _print(report)
        output.say(f"It took {time.monotonic() - began:.1f} s with {jobs or cores()} process(es).")
    if not report.is_proven:
        raise typer.Exit(FINDINGS)


def cores() -> int:
    """Tell how many processes are worth starting."""
    return min(os.cpu_count() or 1, MOST_JOBS)


def report_of(
    source: str | Path,
    *,
    seconds: float = 20.0,
    extensions: Extensions | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Prove a definition, with every counterexample replayed on an engine of its own."""
    from workflow import bootstrap, load
    from workflow import prove as proofs

    known = bootstrap.known(extensions)
    definition = load.load(bootstrap.find_definition(source), known=known)
    confirm = confirming(source, extensions=extensions)
    return proofs.prove(definition, known, confirm=confirm, seconds=seconds, jobs=jobs, progress=progress)


def confirming(source: str | Path, *, extensions: Extensions | None = None) -> Callable[[Property, tuple[Happening, ...]], Replayed]:
    """Give the one who replays counterexamples of a definition, each on a temporary store."""

    def confirm(rule: Property, timeline: tuple[Happening, ...]) -> Replayed:
        with tempfile.TemporaryDirectory(prefix="workflow-prove-", ignore_cleanup_errors=True) as folder:
            return _replayed(source, rule, timeline, Path(folder) / "replay.db", extensions)

    return confirm


def _replayed(source: str | Path, rule: Property, timeline: tuple[Happening, ...], place: Path, extensions: Extensions | None) -> Replayed:
    from workflow import bootstrap
    from workflow.errors import WorkflowError
    from workflow.prove import Replayed
    from workflow.prove.replay import Everybody, Replay, ScriptedChecks
    from workflow.settings import development_keys
    from workflow.testing.clock import VirtualClock

    known, clock = bootstrap.known(extensions), VirtualClock()
    checks = ScriptedChecks(known)
    with bootstrap.open_engine(f"sqlite:///{place}", keys=development_keys(), clock=clock, extensions=extensions, upgrade=True) as opened:
        bootstrap.publish(opened, source, extensions=extensions)
        engine = type(opened)(replace(opened.parts, checks=checks, directory=Everybody()), opened.store)
        world = engine.newest(next(d.name for d in bootstrap.documents_of(source, extensions=extensions) if d.kind == "definition")).world
        replay = Replay(
            engine=engine,
            clock=clock,
            checks=checks,
            definition=world.definition,
            make_dispatch=lambda one, performer: bootstrap.dispatch(one, performer=performer, base_url="https://replay.example"),
            catalogue=world.catalogue,
        )
        strayed = ""
        try:
            replay.run(timeline)
        except WorkflowError as error:
            strayed = str(error)
        found = _broken(rule, replay, world)
        reason = found or strayed or "its run does not break the property there"
        return Replayed(is_confirmed=bool(found), reason=reason, lines=tuple(_lines(replay)))


def _broken(rule: Property, replay: Replay, world: World) -> str:
    """Judge what the engine has recorded; empty when nothing breaks the property."""
    from workflow.policy.history import Said, violations

    if replay.instance_id is None:
        return ""
    if "event" in rule.body and (rule.kind == "cel" or "when" in rule.body):
        return _moment(rule, replay, world)
    if rule.kind == "cel":
        return _resting(rule, replay, world)
    if rule.kind == "always" and "within" in rule.body:
        replay.settle(replay.clock.now() + _LONG_AFTER)
    entries = [Said.read(row.canonical) for row in replay.engine.history(replay.instance_id)]
    until = replay.clock.now()
    found = violations(world.definition, entries, subject="subject", calendar=world.calendar, until=until)
    return next((one.detail for one in found if one.rule.name == rule.name), "")


def _moment(rule: Property, replay: Replay, world: World) -> str:
    """Judge an event by the situation that it found."""
    from workflow.bootstrap import known
    from workflow.policy.moments import broken_moments

    if replay.instance_id is None:
        return ""
    entries = [row.canonical for row in replay.engine.history(replay.instance_id)]
    before = {one.instance.head + 1: one.instance for one in replay.situations}
    return next(broken_moments(rule, world.definition, known(), entries, before), "")


def _resting(rule: Property, replay: Replay, world: World) -> str:
    """Evaluate a state's expression by the engine's own CEL after each step."""
    from workflow.bootstrap import known
    from workflow.states.definition import EventName
    from workflow.states.guards import GuardFault, compile_guard, leaves_of
    from workflow.states.view import View

    definition, source = world.definition, str(rule.body["holds"])
    guard = compile_guard(source, leaves_of(definition, known(), None))
    place = definition.resolve(str(rule.body["state"])) if "state" in rule.body else None
    for situation in replay.situations:
        instance = situation.instance
        view = View(definition=definition, instance=instance, event=EventName(""), now=instance.recorded_at)
        try:
            holds = guard.holds(view.look_up)
        except GuardFault:
            holds = False
        if not holds and (place is None or definition.is_within(instance.state, place)):
            return f"In {instance.state} this does not hold: {source}"
    return ""


def _lines(replay: Replay) -> list[str]:
    from workflow.policy.history import Said

    if replay.instance_id is None:
        return []
    entries = [Said.read(row.canonical) for row in replay.engine.history(replay.instance_id)]
    return [
        f"{e.occurred_at:%a %Y-%m-%d %H:%M:%S}Z  {e.kind:16} {e.event} by {e.actor}: {e.source or '-'} -> {e.target or '-'}"
        for e in entries
    ]


def _print(report: Report) -> None:
    from workflow.cli import output
    from workflow.prove import Outcome

    rows = [(v.outcome.value, f"{v.seconds:.1f} s", v.rule.severity, v.rule.name, _why(v)) for v in report.verdicts]
    output.columns(("VERDICT", "TIME", "SEVERITY", "PROPERTY", "WHY"), rows)
    for verdict in report.verdicts:
        if verdict.timeline:
            _print_run(verdict)
    for words in sorted({one for v in report.verdicts for one in v.given}):
        output.say(f"Given: {words}.")
    for words in sorted({one for v in report.verdicts for one in v.opaque}):
        output.say(f"Left open (any value): {words}")
    counted = [f"{sum(v.outcome is one for v in report.verdicts)} {one.value}" for one in Outcome]
    output.say(f"{report.definition}: {', '.join(counted)}.")


def _why(verdict: Verdict) -> str:
    return f"VACUOUS, what it speaks of never happens; {verdict.reason}" if verdict.is_vacuous else verdict.reason


def _print_run(verdict: Verdict) -> None:
    from workflow.cli import output

    output.say()
    output.say(f"{verdict.outcome.value}: {verdict.rule.name}")
    for happening in verdict.timeline:
        output.say(f"    {happening.line()}")
    if verdict.replayed is not None:
        output.say(f"  The engine: {verdict.replayed.reason}")
        for line in verdict.replayed.lines:
            output.say(f"    {line}")
    output.say()


def _data(report: Report) -> dict[str, object]:
    return {
        "definition": report.definition,
        "digest": report.digest,
        "is_proven": report.is_proven,
        "properties": [
            {
                "name": v.rule.name,
                "severity": v.rule.severity,
                "verdict": v.outcome.value,
                "reason": v.reason,
                "is_vacuous": v.is_vacuous,
                "given": v.given,
                "left_open": v.opaque,
                "seconds": round(v.seconds, 3),
                "timeline": v.timeline,
                "replayed": v.replayed,
            }
            for v in report.verdicts
        ],
    }
