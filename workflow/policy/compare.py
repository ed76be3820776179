"""What changed from one version of a definition to another, in meaning and not in text.

Promises: pure. Order, comments, layout, titles and descriptions do not show, unless an order decides something (transitions of
one event are tried in theirs). Each difference is one sentence with the places of both versions, and says whether more is
allowed, less, or neither of both can be said: a longer deadline, a wider role and a dropped guard loosen; their opposites
tighten; another target or another effect does neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from workflow.policy.changes import Change, Comparison, Side, Way, spoken
from workflow.policy.compare_states import compare_start, compare_states
from workflow.policy.renames import Rename, certain_renames, renamed
from workflow.policy.sentences import sentence_of
from workflow.states.definition import CheckUse, EventName, EventType, Field, FieldName, Property, Role, RoleName
from workflow.states.durations import read_duration
from workflow.states.findings import Findings
from workflow.states.known import Known
from workflow.states.parse import parse


def compare(old: Side, new: Side, known: Known) -> Comparison:
    """Compare two versions.

    Args:
        old: the version before.
        new: the version after.
        known: kinds of checks and actions, as for reading them.
    """
    if old.definition.digest == new.definition.digest:
        return Comparison(old=old.definition, new=new.definition, changes=(), renamed={})
    renames = certain_renames(old.parsed.root, new.parsed.root)
    before = _with_names(old, renames, known)
    changes = [*_told_renames(old, new, renames), *_compared(before, new)]
    names: dict[str, dict[str, str]] = {}
    for one in renames:
        names.setdefault(one.kind, {})[one.new] = one.old
    return Comparison(old=old.definition, new=new.definition, changes=tuple(changes), renamed=names)


def _with_names(old: Side, renames: Iterable[Rename], known: Known) -> Side:
    """Give the old version under the new names; as it is when it cannot be read so."""
    renames = tuple(renames)
    if not renames:
        return old
    findings = Findings(file=old.file)
    parsed = parse(renamed(old.parsed.root, renames), known=known, findings=findings)
    return old if parsed is None or findings.has_errors else replace(old, parsed=parsed)


_ONE = {"states": "state", "events": "event", "roles": "role", "fields": "field", "checks": "check"}


def _told_renames(old: Side, new: Side, renames: Iterable[Rename]) -> Iterator[Change]:
    for one in renames:
        places = [_place_of(side, one.kind, name) for side, name in ((old, one.old), (new, one.new))]
        sentence = f"The {_ONE[one.kind]} {one.old} is called {one.new} now."
        yield Change(way=Way.OTHER, part=_ONE[one.kind], name=one.new, sentence=sentence, old=places[0], new=places[1])


def _place_of(side: Side, kind: str, name: str) -> str:
    if kind != "states":
        return side.named(kind, name)
    path = side.definition.resolve(name)
    return side.at(side.parsed.place_of_state(path)) if path is not None else side.key("states")


def _compared(old: Side, new: Side) -> Iterator[Change]:
    yield from _top(old, new)
    yield from _Named(old, new, "roles", "role").compare(old.definition.roles, new.definition.roles, _role)
    yield from _Named(old, new, "fields", "field").compare(old.definition.fields, new.definition.fields, _field)
    yield from _Named(old, new, "checks", "check").compare(old.definition.checks, new.definition.checks, _check)
    yield from _Named(old, new, "events", "event").compare(old.definition.events, new.definition.events, _event)
    yield from compare_start(old, new)
    yield from compare_states(old, new)
    yield from _properties(old, new)


def _top(old: Side, new: Side) -> Iterator[Change]:
    """Compare what is said of the definition as a whole."""
    for key in ("name", "language", "subject", "calendar", "catalogue", "erasure"):
        before, after = getattr(old.definition, key), getattr(new.definition, key)
        if before != after:
            written = "definition" if key == "name" else key
            sentence = f"{written.capitalize()}: {after or 'none'}, it was {before or 'none'}."
            yield Change(way=Way.OTHER, part="definition", name=written, sentence=sentence, old=old.key(written), new=new.key(written))
    for outcome in sorted({*old.definition.retention, *new.definition.retention}):
        said = [spoken(unit) if (unit := side.definition.retention.get(outcome)) else "for ever" for side in (old, new)]
        if said[0] != said[1]:
            sentence = f"After the outcome {outcome} personal values are kept {said[1]}, it was {said[0]}."
            places = {"old": old.key("retention"), "new": new.key("retention")}
            yield Change(way=Way.OTHER, part="retention", name=outcome, sentence=sentence, **places)


_Said = tuple[Way, str, str]
"""Way, part, sentence."""


@dataclass(frozen=True, slots=True)
class _Named:
    """Compares what is named in one section of both versions."""

    old: Side
    new: Side
    section: str
    part: str

    def compare(self, before: Mapping, after: Mapping, judge: Callable[..., Iterator[_Said]]) -> Iterator[Change]:  # type: ignore[type-arg]  # values of one kind, by name
        """Give what is gone, what is new, and what is different."""
        for name in before:
            if name not in after:
                sentence = f"There is no {self.part} {name} any more."
                yield Change(way=Way.OTHER, part=self.part, name=name, sentence=sentence, old=self.old.named(self.section, name))
        for name in after:
            if name not in before:
                sentence = f"The {self.part} {name} is new."
                yield Change(way=Way.OTHER, part=self.part, name=name, sentence=sentence, new=self.new.named(self.section, name))
                continue
            places = {"old": self.old.named(self.section, name), "new": self.new.named(self.section, name)}
            for way, part, sentence in judge(before[name], after[name]):
                yield Change(way=way, part=part, name=name, sentence=sentence, **places)


def _role(old: Role, new: Role) -> Iterator[_Said]:
    if old.is_anyone != new.is_anyone:
        way = Way.LOOSENED if new.is_anyone else Way.TIGHTENED
        yield way, "who", f"The role {new.name} {'needs no identity any more' if new.is_anyone else 'needs an identity now'}."
    if old.is_subject != new.is_subject:
        yield Way.OTHER, "who", f"The role {new.name} {'is' if new.is_subject else 'is no longer'} that of the person being onboarded."
    if old.scope != new.scope:
        way = Way.TIGHTENED if old.scope is None else Way.LOOSENED if new.scope is None else Way.OTHER
        said = f"is held for one {new.scope}" if new.scope else "is held for everything"
        yield way, "who", f"The role {new.name} {said}, it was {f'for one {old.scope}' if old.scope else 'for everything'}."


def _marks(old: Field, new: Field, what: str) -> Iterator[_Said]:
    """Compare how a value is protected, and what it may be; `what` names it in a sentence."""
    if old.is_personal != new.is_personal:
        way = Way.TIGHTENED if new.is_personal else Way.LOOSENED
        yield way, "mark", f"{what} is {'personal now' if new.is_personal else 'no longer personal: it is kept in plain and never erased'}."
    if old.type != new.type:
        way = Way.LOOSENED if old.is_secret else Way.TIGHTENED if new.is_secret else Way.OTHER
        yield way, "mark" if old.is_secret or new.is_secret else "value", f"{what} is of type {new.type.value}, it was {old.type.value}."
    if old.is_required != new.is_required:
        yield (Way.TIGHTENED if new.is_required else Way.LOOSENED), "value", f"{what} {'must' if new.is_required else 'need not'} be given."
    for names, more in ((set(new.values) - set(old.values), True), (set(old.values) - set(new.values), False)):
        if names and (old.values and new.values):
            said = f"may {'' if more else 'no longer '}be {_listed(names)}{' too' if more else ''}"
            yield (Way.LOOSENED if more else Way.TIGHTENED), "value", f"{what} {said}."
    yield from _limits(old, new, what)
    for key, said in (
        ("is_many", "many"),
        ("must_be", "must_be"),
        ("same_as", "same_as"),
        ("default", "default"),
        ("catalogue", "catalogue"),
    ):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            way = (
                Way.OTHER
                if key in {"is_many", "default"}
                else Way.TIGHTENED
                if before is None
                else Way.LOOSENED
                if after is None
                else Way.OTHER
            )
            shown = "" if key == "catalogue" else f": {_shown(after)}, it was {_shown(before)}"
            yield way, "value", f"{what} has another `{said}`{shown}."


def _limits(old: Field, new: Field, what: str) -> Iterator[_Said]:
    for key, sign in (("min", -1), ("max", 1), ("max_length", 1)):
        before, after = getattr(old, key), getattr(new, key)
        if before == after:
            continue
        way = Way.LOOSENED if after is None else Way.TIGHTENED if before is None else _way_of(sign * (after - before))
        yield way, "value", f"{what} has the `{key}` {_shown(after)}, it was {_shown(before)}."


def _field(old: Field, new: Field) -> Iterator[_Said]:
    yield from _marks(old, new, f"The field {new.name}")
    if old.unique_on_conflict != new.unique_on_conflict:
        before, after = old.unique_on_conflict, new.unique_on_conflict
        way = Way.TIGHTENED if before is None else Way.LOOSENED if after is None else Way.OTHER
        said = "need not be unique any more" if after is None else f"is unique: a second one fires {after}"
        yield way, "value", f"The field {new.name} {said}."


def _check(old: CheckUse, new: CheckUse) -> Iterator[_Said]:
    if old.use != new.use:
        yield Way.OTHER, "check", f"The check {new.name} is of the kind {new.use}, it was {old.use}."
    for key in sorted({*old.params, *new.params}):
        before, after = old.params.get(key), new.params.get(key)
        if before == after:
            continue
        units = [read_duration(value) if isinstance(value, str) else None for value in (before, after)]
        if units[0] and units[1] and units[0].kind == units[1].kind:
            if units[0].amount == units[1].amount:
                continue
            way = _way_of(units[1].amount - units[0].amount)
            yield way, "deadline", f"What the check {new.name} judges lives {spoken(units[1])} (`{key}`), it was {spoken(units[0])}."
        else:
            yield Way.OTHER, "check", f"The check {new.name} has `{key}` {_shown(after)}, it was {_shown(before)}."


def _event(old: EventType, new: EventType) -> Iterator[_Said]:
    name = new.name
    if old.is_engine != new.is_engine:
        way = Way.TIGHTENED if new.is_engine else Way.LOOSENED
        yield way, "who", f"{name} is fired by {'the engine alone' if new.is_engine else _listed(new.by)} now."
    else:
        yield from _who(name, set(old.by), set(new.by))
    yield from _payload(name, old.payload, new.payload)
    yield from _checks(name, old.checks, new.checks)
    if old.decision != new.decision:
        way = Way.TIGHTENED if old.decision is None else Way.LOOSENED if new.decision is None else Way.OTHER
        said = f"decides the stage {new.decision}: neither the subject nor who decided elsewhere may do it"
        gone = (
            f"is no decision any more (it decided {old.decision}): the subject and who decided elsewhere may do it where they have the role"
        )
        yield way, "four eyes", f"{name} {said if new.decision else gone}."
    for stage in sorted({*new.may_also_decide} ^ {*old.may_also_decide}):
        is_more = stage in new.may_also_decide
        yield (
            (Way.LOOSENED if is_more else Way.TIGHTENED),
            "four eyes",
            f"Who did {stage} may {'also' if is_more else 'no longer also'} do {name}.",
        )
    if old.is_automatic != new.is_automatic:
        way = Way.LOOSENED if new.is_automatic else Way.TIGHTENED
        yield way, "who", f"{name} {'is decided by the engine' if new.is_automatic else 'is no decision of the engine any more'}."


def _who(name: EventName, before: set[RoleName], after: set[RoleName]) -> Iterator[_Said]:
    for role in sorted(after - before):
        yield Way.LOOSENED, "who", f"{name} may be done by {role} now."
    for role in sorted(before - after):
        yield Way.TIGHTENED, "who", f"{name} may no longer be done by {role}."


def _payload(name: EventName, before: Mapping[FieldName, Field], after: Mapping[FieldName, Field]) -> Iterator[_Said]:
    for value in before:
        if value not in after:
            yield Way.OTHER, "payload", f"{name} takes no {value} any more."
    for value, spec in after.items():
        if value not in before:
            way = Way.TIGHTENED if spec.is_required or spec.must_be is not None else Way.OTHER
            yield way, "payload", f"{name} {'needs' if spec.is_required else 'takes'} {value} now."
        else:
            yield from _marks(before[value], spec, f"{value} of {name}")


def _checks(name: EventName, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[_Said]:
    for check in (one for one in after if one not in before):
        yield Way.OTHER, "check", f"{name} is checked by {check} now."
    for check in (one for one in before if one not in after):
        yield Way.OTHER, "check", f"{name} is no longer checked by {check}."
    kept = [[one for one in side if one in before and one in after] for side in (before, after)]
    if kept[0] != kept[1]:
        yield Way.OTHER, "check", f"{name} is checked in another order ({', '.join(kept[1])}): the first that fails gives the reason."


def _properties(old: Side, new: Side) -> Iterator[Change]:
    before, after = ({rule.name: (rule, index) for index, rule in enumerate(side.definition.policy)} for side in (old, new))

    def at(side: Side, index: int) -> str:
        listed = side.parsed.root.get("policy")
        return side.at(listed.items[index]) if listed else side.key("policy")

    for name, (rule, index) in before.items():
        if name not in after:
            sentence = f"The policy no longer demands “{name}”: {sentence_of(rule)}"
            yield Change(way=Way.LOOSENED, part="property", name=name, sentence=sentence, old=at(old, index))
    for name, (rule, index) in after.items():
        if name not in before:
            sentence = f"The policy demands “{name}”: {sentence_of(rule)}"
            yield Change(way=Way.TIGHTENED, part="property", name=name, sentence=sentence, new=at(new, index))
            continue
        places = {"old": at(old, before[name][1]), "new": at(new, index)}
        for way, sentence in _property(before[name][0], rule):
            yield Change(way=way, part="property", name=name, sentence=sentence, **places)


def _property(old: Property, new: Property) -> Iterator[tuple[Way, str]]:
    if (old.kind, dict(old.body)) != (new.kind, dict(new.body)):
        bare = [replace(one, sentence="") for one in (old, new)]
        yield _demanding(old.body, new.body), f"“{new.name}” says now: {sentence_of(bare[1])} It said: {sentence_of(bare[0])}"
    if old.severity != new.severity:
        way = Way.TIGHTENED if new.severity == "error" else Way.LOOSENED
        yield way, f"A violation of “{new.name}” is {'an error' if new.severity == 'error' else 'a warning only'} now."


def _demanding(old: Mapping[str, object], new: Mapping[str, object]) -> Way:
    """Say whether a property demands less or more, where only one of its numbers moved: each of them limits what is allowed."""
    differing = [key for key in {*old, *new} if old.get(key) != new.get(key)]
    if len(differing) != 1 or differing[0] not in {"later_than", "within", "more_than"}:
        return Way.OTHER
    before, after = (read_duration(str(one.get(differing[0]))) for one in (old, new))
    if differing[0] == "more_than":
        return _way_of(int(str(new["more_than"])) - int(str(old["more_than"])))
    if before is None or after is None or before.kind != after.kind:
        return Way.OTHER
    return _way_of(after.amount - before.amount)


def _way_of(more: int) -> Way:
    return Way.LOOSENED if more > 0 else Way.TIGHTENED


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
