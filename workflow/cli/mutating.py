"""The command `policy mutate`: which faults of a definition does its policy notice?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.exits import FINDINGS, OPERATOR
from workflow.cli.options import Json

if TYPE_CHECKING:
    from workflow.policy.mutating import Judged, Score, Tester
    from workflow.states.definition import Definition

_EXAMPLES, _STEPS = 25, 60


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command()(mutate)


def mutate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A definition: a path, or the name of a shipped one.")],
    tools: Annotated[str, typer.Option("--with", metavar="TOOLS", help="In this order: check, prove, test.")] = "check,prove",
    sample: Annotated[int | None, typer.Option("--sample", min=1, metavar="N", help="Only so many mutants, drawn by the seed.")] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The same seed draws the same mutants.")] = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, metavar="N", help="Processes; one for each core.")] = None,
    threshold: Annotated[float, typer.Option("--threshold", min=0, max=100, metavar="P", help="Percentage that must be noticed.")] = 0.0,
    json: Json = False,
) -> None:
    """Mutate a definition: one small fault at a time, and does anything notice it. Needs the extra `prove`.

    Each mutant goes to the tools until one notices it. For a survivor the missing property is given, in YAML ready to paste, or the reason
    why none can notice it. The exit code is 1 when fewer than the threshold are noticed, or a survivor is not explained.
    """
    from workflow import bootstrap
    from workflow import prove as proofs
    from workflow.cli import output, prove
    from workflow.policy.mutating import TOOLS, Plan
    from workflow.policy.mutating import mutate as judge

    wanted = tuple(one.strip() for one in tools.split(",") if one.strip())
    if not wanted or not set(wanted) <= set(TOOLS):
        raise typer.BadParameter(f"The tools are {', '.join(TOOLS)}.", param_hint="--with")
    if "prove" in wanted and not proofs.is_installed():
        output.say("Proofs need the solver z3: install this package with its extra `prove`.")
        raise typer.Exit(OPERATOR)
    path = Path(bootstrap.find_definition(file))
    plan = Plan(tools=wanted, sample=sample, seed=seed, jobs=jobs or prove.cores())
    with output.naming() as progress:
        score = judge(
            path.read_bytes(),
            file=str(file),
            known=bootstrap.known(),
            plan=plan,
            tester=_tester(path) if "test" in wanted else None,
            progress=progress,
        )
    if json:
        output.emit(_data(score))
    else:
        _print(score)
    if score.percent < threshold or any(not one.is_explained for one in score.judged):
        raise typer.Exit(FINDINGS)


def _tester(path: Path) -> Tester:
    """Give the one who tests a variant: random onboardings on a real engine, few of them."""

    def test(variant: Definition) -> str:
        import tempfile

        from workflow.cli.output import as_json
        from workflow.testing.machine import from_definition, run_tests

        with tempfile.TemporaryDirectory(prefix="workflow-mutate-", ignore_cleanup_errors=True) as folder:
            # Every JSON text is YAML too, and calendars and catalogues are found where the original's are.
            place = Path(folder) / path.name
            place.write_text(as_json(variant.data), encoding="utf-8")
            machine = from_definition(place)
            try:
                failure = run_tests(machine, examples=_EXAMPLES, steps=_STEPS, with_seed=0).failure
            finally:
                machine.house.close()
        return "" if failure is None else failure.name

    return test


def _print(score: Score) -> None:
    from workflow.cli import output

    for name in score.unproven:
        output.say(f"Not proven of the definition itself, so it notices nothing: {name}")
    rows = [(kind, *(str(counts[tool]) for tool in ("check", "prove", "test", "")), str(counts.total())) for kind, counts in _kinds(score)]
    output.columns(("FAULT", "CHECK", "PROVE", "TEST", "SURVIVED", "ALL"), rows)
    for one in score.survivors:
        _print_survivor(one, score.file)
    missing = dict.fromkeys(one.proposal for one in score.survivors if one.proposal)
    if missing:
        output.say()
        output.say("Missing in `policy:`; each holds of the definition and notices a survivor:")
        for text in missing:
            output.say(f"  {text}")
    unknown = sum(not one.is_explained for one in score.judged)
    said = f"{score.definition}: {len(score.judged) - len(score.survivors)} of {len(score.judged)} mutants noticed, {score.percent:.1f} %"
    output.say(f"{said}; {len(score.survivors)} survived, {unknown} of them unexplained.")


def _kinds(score: Score) -> list[tuple[str, Counter[str]]]:
    found = score.by_kind()
    return [*found.items(), ("all", sum(found.values(), Counter()))]


def _print_survivor(one: Judged, file: str) -> None:
    from workflow.cli import output

    output.say()
    output.say(f"{file}:{one.line}:{one.column}: survived[{one.kind}]: {one.sentence}")
    if one.proposal:
        output.say(f"  missing: {one.proposal}")
    if one.reason:
        output.say(f"  why: {one.reason}")
    if not one.is_explained:
        output.say("  No property was found that notices it, and none that shows why: please look.")


def _data(score: Score) -> dict[str, object]:
    return {
        "definition": score.definition,
        "mutants": len(score.judged),
        "noticed": len(score.judged) - len(score.survivors),
        "percent": round(score.percent, 1),
        "unproven": score.unproven,
        "by_kind": {kind: {tool or "survived": number for tool, number in counts.items()} for kind, counts in score.by_kind().items()},
        "judged": [asdict(one) for one in score.judged],
    }
