"""The machine: a Hypothesis state machine made from a definition, which drives the real engine.

Promises: every choice is a draw, so a seed gives the same run and a failing run is made as short as Hypothesis can; what is
printed in the end needs neither Hypothesis nor a seed to be done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from hypothesis.strategies import DataObject, SearchStrategy

from workflow.bootstrap import Extensions
from workflow.engine import Engine
from workflow.states.definition import Property
from workflow.testing.acts import AnyAct
from workflow.testing.aiming import Wanted
from workflow.testing.coverage import Coverage
from workflow.testing.drawing import Acts
from workflow.testing.oracles import ORACLES, Oracle
from workflow.testing.planning import Planner
from workflow.testing.properties import Judge, PolicyViolationError, marks_broken
from workflow.testing.rig import House, MakeEngine
from workflow.testing.run import Rig
from workflow.testing.shortening import quiet, shortened
from workflow.testing.strategies import start_instants

EXAMPLES, STEPS = 100, 50
BATCH = 10
"""After so many examples Hypothesis turns to mutating old ones, which reaches less than new ones do; so each batch begins anew."""


class PolicyMachine(RuleBasedStateMachine):
    """One onboarding; subclasses made by `from_definition` know of which definition. Add rules of your own by subclassing."""

    house: ClassVar[House]
    planner: ClassVar[Planner]
    wanted: ClassVar[Wanted]
    """What runs go after; taken once, or again before each batch of runs, and never while one is under way."""
    coverage: ClassVar[Coverage]
    warnings: ClassVar[Counter[str]]
    properties: ClassVar[Sequence[Oracle]] = ()
    oracles: ClassVar[Sequence[Oracle]] = ORACLES
    overrides: ClassVar[Mapping[str, SearchStrategy[Any]]] = {}

    def __init__(self) -> None:
        """Begin with nothing; the first rule opens the engine."""
        super().__init__()
        self.rig: Rig | None = None
        self.judge: Judge | None = None
        self.acts: Acts | None = None
        self.is_broken = False

    @initialize(data=st.data())
    def begin(self, data: DataObject) -> None:
        """Open the engine at an interesting instant, and start the onboarding."""
        start_at = data.draw(start_instants(self.house.world.calendar), label="start_at")
        self.rig = Rig(self.house, start_at=start_at, coverage=self.coverage)
        self.coverage.runs += 1
        self.judge = Judge(self.rig, self.house.known, self.properties, self.oracles, warnings=self.warnings)
        self.acts = Acts(self.rig, self.planner, self.overrides, self.wanted)
        self.act(data)

    @rule(data=st.data())
    def act(self, data: DataObject) -> None:
        """Draw an act and do it."""
        if self.acts is not None:
            self.perform(self.acts.next(data.draw))

    def perform(self, act: AnyAct) -> None:
        """Do an act and let everybody judge it; for rules of a host's own as well."""
        if self.rig is None or self.judge is None:
            return
        self.coverage.steps += 1
        self.is_broken = True
        self.judge.do(act)
        self.is_broken = False

    def teardown(self) -> None:
        """Judge the run as a whole, and remove its database."""
        if self.rig is None or self.judge is None:
            return
        try:
            if not self.is_broken:
                self.judge.end()
        finally:
            self.rig.close()


def from_definition(
    definition: str | Path,
    *,
    extensions: Extensions | None = None,
    properties: Sequence[Oracle] = (),
    strategies: Mapping[str, SearchStrategy[Any]] | None = None,
    examples: int = EXAMPLES,
    steps: int = STEPS,
    postgres: str | None = None,
    engine: MakeEngine = Engine,
) -> type[PolicyMachine]:
    """Make the state machine of a definition; its ``TestCase`` is collected by pytest and unittest.

    Args:
        definition: path, or name of a shipped definition.
        extensions: the host's own kinds of checks and actions.
        properties: the host's own rules, asked after each act.
        strategies: the host's own values, by ``event.value`` or ``value``.
        examples: how many onboardings.
        steps: how many acts in each.
        postgres: URL of a database to run on instead of temporary SQLite files.
        engine: makes the engine under test.
    """
    house = House(definition, extensions=extensions, postgres=postgres, engine=engine)
    coverage = Coverage(world=house.world)
    made = {
        "__doc__": f"Onboardings by {house.definition.name}.",
        "house": house,
        "planner": Planner(house.world, house.known),
        "wanted": Wanted.of(coverage),
        "coverage": coverage,
        "warnings": Counter(),
        "properties": tuple(properties),
        "overrides": dict(strategies or {}),
    }
    machine: type[PolicyMachine] = type("PolicyMachineOf" + house.definition.name.title().replace("-", ""), (PolicyMachine,), made)
    machine.TestCase.settings = _settings(examples, steps)
    return machine


def machine_for(definition: str | Path, **more: Any) -> Any:  # noqa: ANN401  # passed on; Hypothesis makes the class
    """Give the test case of a definition, to be assigned in a module of tests; takes what `from_definition` takes."""
    return from_definition(definition, **more).TestCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What testing a definition came to; `failure` is None when every rule held."""

    definition: str
    seed: int | None
    coverage: Coverage
    seconds: float
    failure: PolicyViolationError | None = None
    warnings: Mapping[str, int] = field(default_factory=dict)
    marks: tuple[Property, ...] = ()
    """`field` properties that the definition itself breaks."""

    def is_passed(self, threshold: float = 0.0) -> bool:
        """Tell whether every rule held, and states, transitions and rungs were covered by `threshold` percent."""
        return self.failure is None and not any(rule.severity == "error" for rule in self.marks) and self.coverage.reached() >= threshold


def run_tests(machine: type[PolicyMachine], *, examples: int = EXAMPLES, steps: int = STEPS, with_seed: int | None = None) -> Outcome:
    """Run a machine and give what came of it; the same seed gives the same runs."""
    started = perf_counter()
    failure: PolicyViolationError | None = None
    with quiet():
        try:
            for batch, first in enumerate(range(0, examples, BATCH)):
                machine.wanted = Wanted.of(machine.coverage)
                chosen = seed(with_seed * 100_003 + batch)(machine) if with_seed is not None else machine
                run_state_machine_as_test(chosen, settings=_settings(min(BATCH, examples - first), steps, is_shrinking=False))
        except PolicyViolationError as error:
            failure = shortened(error, properties=machine.properties, oracles=machine.oracles)
    return Outcome(
        definition=machine.house.definition.name,
        seed=with_seed,
        coverage=machine.coverage,
        seconds=perf_counter() - started,
        failure=failure,
        warnings=dict(machine.warnings),
        marks=tuple(marks_broken(machine.house.definition)),
    )


def _settings(examples: int, steps: int, *, is_shrinking: bool = True) -> settings:
    """Give Hypothesis's settings: no clock of its own, no database, and one failure at a time."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink) if is_shrinking else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
