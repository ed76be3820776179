"""Why no property notices a mutant, where that can be told from the definition and its model.

Promises: each reason is worked out for this mutant, and says what was looked at; where none fits nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.policy.mutants import Mutant
from workflow.prove.variants import Baseline, Variant
from workflow.states.definition import Definition, Property, TimerType


def wordless(baseline: Baseline, variant: Variant, mutant: Mutant, kept: Property | None) -> str:
    """Say why the words of a policy do not reach a mutant; `kept` is a property that was tried and holds of both."""
    return next((reason for reason in _reasons(baseline, variant, mutant, kept) if reason), "")


def _reasons(baseline: Baseline, variant: Variant, mutant: Mutant, kept: Property | None) -> Iterator[str]:
    yield _rung(baseline.definition, variant.definition)
    yield _namesake(baseline.definition, mutant)
    surplus = baseline.surplus(variant)
    if surplus:
        yield f"it does more, and nothing else: {', '.join(surplus)}. No kind of property says that an effect must stay away"
    noted = [t.event for s in baseline.definition.states.values() for t in s.transitions if baseline.is_noted(t.event)]
    event = mutant.event
    if event and event in noted:
        yield (
            f"{event} reports a failure, and one of an older message is kept as a note that does nothing; "
            "so no property of this event holds of the definition itself"
        )
    if kept is not None:
        yield f"something else sees to it: {kept.name!r} is proven of the mutant as well"


def _rung(old: Definition, new: Definition) -> str:
    """Tell whether the timer that differs only repeats what a shorter one of its ladder has done."""
    for timer in _timers(old):
        other = next((one for one in _timers(new) if one.key == timer.key), None)
        if other is not None and other.after == timer.after:
            continue
        amounts = [timer.after.amount, *([other.after.amount] if other is not None else [])]
        before = [one for one in old.states[timer.state].timers if one.key != timer.key and one.event == timer.event]
        first = next((one for one in before if one.after.kind == timer.after.kind and one.after.amount < min(amounts)), None)
        if first is not None:
            return (
                f"{timer.event} has come by the timer {first.name} ({first.after.text}) before: "
                "a property says whether and when something follows, and has no word for a second time"
            )
    return ""


def _namesake(definition: Definition, mutant: Mutant) -> str:
    """Tell whether a value has lost a mark that another value of the same name never had."""
    if mutant.kind != "drop mark" or not mutant.value:
        return ""
    fields = [one for name, one in definition.fields.items() if name == mutant.value]
    typed = [(name, one) for name, type_ in definition.events.items() for one in type_.payload.values() if one.name == mutant.value]
    secret = [name for name, one in typed if one.is_secret]
    if not secret or not (fields or len(secret) < len(typed)):
        return ""
    said = f"a property names values by their name, and {mutant.value!r} is another value too, which is not secret"
    return f"{said}; give one of them another name"


def _timers(definition: Definition) -> Iterator[TimerType]:
    return (timer for state in definition.states.values() for timer in state.timers)
