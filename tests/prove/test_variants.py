"""Variants of a proven definition: what is taken over from it is the same as worked out anew, and reasons are true."""

from __future__ import annotations

import os
from functools import cache

import pytest
import z3

from workflow.bootstrap import find_definition, known
from workflow.load import compose, load
from workflow.policy.mutants import Mutant, mutants
from workflow.policy.mutating import inspect_tree
from workflow.prove.alike import Alike
from workflow.prove.constants import Constants
from workflow.prove.limits import limit
from workflow.prove.model import Model
from workflow.prove.proving import COARSE, EXACT
from workflow.prove.spread import LostError, spread
from workflow.prove.system import Mentions, plain_arcs
from workflow.prove.variants import Baseline, Variant
from workflow.prove.walks import key_of
from workflow.states.definition import Definition, StatePath
from workflow.states.machine import Table

KNOWN = known()
DOOR = """
definition: door
language: 1
subject: guest
roles: {porter: {}, warden: {}}
fields: {note: {type: string, max_length: 20}, is_known: boolean, let_in_at: instant}
events:
  ring: {by: [guest], payload: {note: {field: true, required: true}}}
  let_in: {by: [porter]}
  shut: {by: [porter]}
  nod: {by: [warden]}
  knock: {by: [porter]}
  tire: {by: engine}
start: {event: ring, set: {note: event.note}}
states:
  waiting:
    timers: [{name: tired, after: PT1H, event: tire}]
    transitions:
      - {event: let_in, guard: has.note, set: {let_in_at: now}, target: inside}
      - {event: nod, set: {is_known: true}}
      - {event: knock, guard: "!has.let_in_at", actions: [{mail: request_received}]}
      - {event: tire, target: gone}
  inside:
    waits_forever: Guests stay.
    transitions: [{event: shut, target: gone}]
  gone: {outcome: neutral}
policy:
  - {name: whoever is inside was let in, cel: {state: inside, holds: has.let_in_at}}
  - {name: the porter lets in, requires: {event: let_in, actor: porter}}
"""


@cache
def _definition(text: str = DOOR) -> Definition:
    return load(text.encode(), name="door", known=KNOWN)


@cache
def _baseline() -> Baseline:
    baseline = Baseline(_definition(), KNOWN)
    assert len(list(baseline.prepare())) == 2
    assert baseline.unproven == ()
    return baseline


def _variant(old: str, new: str) -> Variant:
    assert DOOR.count(old) == 1
    return Variant(_definition(DOOR.replace(old, new)), _baseline())


def _read(mutant: Mutant) -> Definition | None:
    return inspect_tree(mutant.root, file="mutant", known=KNOWN)[0]


def _sample(name: str, every: int) -> list[Mutant]:
    path = find_definition(name)
    return list(mutants(compose(path.read_bytes(), file=path.name), load(path, known=KNOWN)))[::every]


@pytest.mark.parametrize(("name", "every"), [("cpms-access", 60), ("", 1)])
def test_what_is_taken_over_is_what_would_be_worked_out(name, every):
    """The steps of a mutant are the same whether its model was made anew or from the definition's own."""
    text = DOOR.encode()
    found = _sample(name, every) if name else list(mutants(compose(text, file="door"), _definition()))
    table = Table(load(find_definition(name), known=KNOWN) if name else _definition(), KNOWN)
    pattern = Model(table, KNOWN, EXACT)
    judged, taken = 0, 0
    for mutant in found:
        variant = _read(mutant)
        if variant is None:
            continue
        other = Table(variant, KNOWN)
        cheap, anew = Model(other, KNOWN, EXACT, pattern=pattern, alike=Alike(table, other)), Model(other, KNOWN, EXACT)
        assert list(map(key_of, cheap.rules)) == list(map(key_of, anew.rules)), mutant.sentence
        judged += 1
        taken += any(cheap.of_pattern(group) is not None for group in cheap.groups())
    assert judged >= 5
    assert taken > judged / 2, "most of a mutant is the definition's own"


def test_a_remembered_formula_is_kept_alive():
    """Parts of a guard are remembered by an id; another formula never gets the id of one that is gone."""
    mentions, model = Mentions(), Model(Table(_definition(), KNOWN), KNOWN, COARSE)
    list(plain_arcs(model.rules, mentions))
    kept = {formula.get_id() for formula in mentions.alive}
    assert kept >= mentions.parts.keys()


def test_a_variable_with_one_value_is_known_and_no_other():
    """Nobody has been let in while waiting, everybody has inside; whether somebody is known is open in both."""
    model = Model(Table(_definition(), KNOWN), KNOWN, COARSE)
    found = Constants(model, Mentions()).known
    assert found[StatePath("waiting")]["has.let_in_at"] is False
    assert found[StatePath("inside")]["has.let_in_at"] is True
    assert all("val.is_known" not in values for values in found.values())


def test_what_makes_no_difference_is_equivalent():
    """A guard that always holds where it stands may be left out."""
    variant = _variant('guard: "!has.let_in_at", ', "")
    assert _baseline().notice(variant) is None
    assert variant.difference.startswith("equivalent")


def test_a_working_time_is_never_called_the_same():
    """The model does not compute how long a timer runs in working time, nor look into schemas: nothing is said of such a change."""
    assert _variant("after: PT1H", "after: PT2H").difference == ""
    assert _variant("max_length: 20", "max_length: 30").difference == ""


def test_what_only_happens_less_is_told_apart():
    """A guard that keeps everybody out refuses more, and is not equivalent."""
    assert _variant("guard: has.note,", "guard: has.note && instance.is_known,").difference.startswith("it only refuses more")


def test_effects_too_many_are_named():
    """Where a guard kept a mail from being sent and nothing else, that mail is what is named."""
    variant = _variant('guard: "!has.let_in_at", actions', 'guard: "!has.let_in_at || instance.is_known", actions')
    assert variant.difference.startswith("equivalent")
    text = DOOR.replace('guard: "!has.let_in_at", actions', "guard: instance.is_known, actions")
    assert text != DOOR
    base = Baseline(_definition(text), KNOWN)
    list(base.prepare())
    further = Variant(_definition(text.replace("guard: instance.is_known, ", "")), base)
    assert further.difference == ""
    assert base.surplus(further) == ("mail.request_received",)


def test_a_broken_property_is_walked_to():
    """The run that breaks a property is told, event by event."""
    found = _baseline().notice(_variant("set: {let_in_at: now}, target: inside", "target: inside"))
    assert found is not None
    assert (found.rule.name, found.run) == ("whoever is inside was let in", ("ring", "let_in"))


def test_a_timer_is_not_early_in_the_state_that_is_named():
    """`earlier_than` beside a state looks at that state only, and needs no clock where its timer is long enough."""
    line = "  - {name: an hour, never: {event: tire, state: waiting, earlier_than: PT1H, since: waiting}}\n"
    base = Baseline(_definition(DOOR + line), KNOWN)
    list(base.prepare())
    assert base.unproven == ()
    found = base.notice(Variant(_definition((DOOR + line).replace("after: PT1H", "after: PT59M")), base))
    assert found is not None
    assert found.rule.name == "an hour"


def test_shares_are_answered_as_one_after_the_other():
    """Two processes give the answers of one; a process that ends without them is told, and so is what was raised in one."""
    assert dict(spread(lambda n: n * n, range(100), jobs=2)) == dict(spread(lambda n: n * n, range(100), jobs=1))
    with pytest.raises(ZeroDivisionError):
        list(spread(lambda n: 1 // n, [1, 0], jobs=2))
    with pytest.raises(LostError):
        list(spread(_end, [1, 2], jobs=2))


def _end(code: int) -> None:
    os._exit(code)


def test_the_work_of_a_question_is_counted_and_not_timed():
    """A question that is allowed no work is not decided, however fast the machine is."""
    x, y, z = z3.Ints("x y z")
    solver = z3.Solver()
    limit(solver, 1)
    solver.add(x * x * x + y * y * y == z * z * z, x > 1, y > 1, z > 1)
    assert solver.check() == z3.unknown
