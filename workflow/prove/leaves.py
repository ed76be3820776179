"""What an expression sees, as terms: the fields, counts, facts and payloads of the model.

Promises: the same reading as `states.view`: an unset text, number or truth value is the zero of its type, an unset instant an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import z3

from workflow.prove.terms import FALSE, TRUE, Codes, Formula, Many, Number, Opaque, Term, Translator, Truth
from workflow.prove.words import Mode, Sort, Words
from workflow.states.cel_tree import UnreadError, read, texts_of
from workflow.states.definition import Assignment, Definition, EventType, Field, FieldName, FieldType, StatePath
from workflow.states.known import Known

_ZERO_OF: Mapping[Sort, Formula] = {bool: FALSE, int: z3.IntVal(0), float: z3.RealVal(0)}
_FACT_SORTS: Mapping[str, Sort] = {"bool": bool, "int": int, "string": int}


def sort_of(type_: FieldType) -> Sort:
    """Give the sort in which a single value is kept; texts are kept by their codes."""
    return bool if type_ is FieldType.BOOLEAN else float if type_ is FieldType.INSTANT else int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where and when an expression is judged; `event` None outside of any event, `now` None without instants."""

    leaf: StatePath
    event: EventType | None
    now: Formula | None
    is_engine: bool = False


@dataclass(slots=True)
class Reading:
    """Reads expressions of one definition over one model's words."""

    definition: Definition
    known: Known
    words: Words
    mode: Mode
    codes: Codes = field(default_factory=Codes)
    texts: frozenset[str] = frozenset()
    translator: Translator = field(init=False)
    _seen: dict[tuple[object, ...], Truth] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Note every text that is written somewhere, and declare the variables of the fields."""
        self.translator = Translator(self.codes, lambda name: self.words.input(name, bool))
        self.texts = frozenset().union(*map(_texts, sources(self.definition)))
        for leaf in self.definition.leaves():
            self.codes.of(leaf.path)
        for one in self.definition.fields.values():
            self._declare(one)

    def truth(self, source: str, scene: Scene) -> Truth:
        """Translate a guard; the same guard in the same scene is translated once."""
        where = scene.leaf if "state" in source else ""  # not "instance.state": CEL allows blanks around the dot
        key = (source, where, scene.event and scene.event.name, str(scene.now), scene.is_engine)
        if key not in self._seen:
            self._seen[key] = self.translator.truth(source, lambda path: self.leaf(path, scene))
        return self._seen[key]

    def leaf(self, path: str, scene: Scene) -> Term:  # noqa: PLR0911  # one answer for each kind of leaf
        """Give the term of a leaf."""
        prefix, _, name = path.partition(".")
        match prefix:
            case "now":
                return Opaque() if scene.now is None else Number(scene.now, TRUE, "time")
            case "instance" if name == "state":
                return Number(z3.IntVal(self.codes.of(scene.leaf)), TRUE, "text")
            case "instance":
                return self._field(self.definition.fields.get(FieldName(name)))
            case "has":
                return Truth(self.words.var(path), z3.Not(self.words.var(path))) if self.words.has(path) else Opaque()
            case "count" | "distinct_actors":
                return Number(self.words.var(path), TRUE, "int") if self.words.has(path) else Opaque()
            case "event" if scene.event is not None:
                return self._payload(name, scene.event)
            case "actor":
                is_so = FALSE if scene.is_engine else self.words.input(path, bool)
                return Truth(is_so, z3.Not(is_so))
            case "facts" if scene.event is not None:
                return self._fact(name)
            case _:
                return Opaque()

    def assigned(self, assignment: Assignment, scene: Scene) -> tuple[dict[str, Formula], Formula]:
        """Give what an assignment writes, and when it can be computed."""
        field_ = self.definition.fields[assignment.field]
        if assignment.is_cleared:
            return self._written(field_, FALSE, {}), TRUE
        if assignment.copy_of is not None and scene.event is not None:
            return self._copied(field_, scene.event.payload[assignment.copy_of]), TRUE
        term = self.translator.value(str(assignment.source), lambda path: self.leaf(path, scene))
        return self._computed(field_, term, str(assignment.source))

    def payload_rules(self, type_: EventType) -> Iterator[Formula]:
        """Give what the schema of a payload says of the values that expressions read."""
        for name, one in type_.payload.items():
            if one.must_be is not None:
                yield self.words.input(f"event.{name}", bool) == one.must_be
            if one.type is FieldType.INTEGER and not one.is_many and (one.min is not None or one.max is not None):
                value = self.words.input(f"event.{name}", int)
                bounds = [] if one.min is None else [value >= one.min]
                bounds += [] if one.max is None else [value <= one.max]
                yield z3.And(bounds) if _is_given(one) else z3.Or(z3.And(bounds), z3.And(value == 0, z3.Not(self._given(one))))
            if one.type is FieldType.CHOICE and not one.is_many:
                value = self.words.input(f"event.{name}", int)
                given = [value == self.codes.of(text) for text in one.values]
                yield z3.Or(*given, *([] if _is_given(one) else [value == 0]))

    def _given(self, one: Field) -> Formula:
        return TRUE if _is_given(one) else self.words.input(f"given.{one.name}", bool)

    def _declare(self, one: Field) -> None:
        is_set = one.default is not None
        self.words.declare(f"has.{one.name}", bool, z3.BoolVal(is_set))
        if one.is_personal:
            return
        if one.is_many:
            for text in sorted(self.texts):
                self.words.declare(f"in.{one.name}.{text}", bool)
            return
        sort = sort_of(one.type)
        initial = None
        if one.default is not None and sort is not float:
            initial = z3.BoolVal(one.default) if sort is bool else z3.IntVal(self._coded(one.default))
        self.words.declare(f"val.{one.name}", sort, initial)

    def _coded(self, value: str | int) -> int:
        return self.codes.of(value) if isinstance(value, str) else int(value)

    def _field(self, one: Field | None) -> Term:
        if one is None or one.is_personal:
            return Opaque()
        if one.is_many:
            return Many(lambda text: self.words.var(f"in.{one.name}.{text}") if text in self.texts else None)
        value, has = self.words.var(f"val.{one.name}"), self.words.var(f"has.{one.name}")
        return self._seen_as(value, one.type, has)

    def _seen_as(self, value: Formula, type_: FieldType, has: Formula) -> Term:
        match type_:
            case FieldType.BOOLEAN:
                return Truth(value, z3.Not(value))
            case FieldType.INSTANT:
                return Number(value, has, "time") if self.mode.has_instants else Opaque()
            case FieldType.INTEGER:
                return Number(value, TRUE, "int")
            case _:
                return Number(value, TRUE, "text")

    def _payload(self, name: str, event: EventType) -> Term:
        if name == "name":
            return Number(z3.IntVal(self.codes.of(event.name)), TRUE, "text")
        one = event.payload.get(FieldName(name))
        if one is None or one.is_personal or one.is_secret:
            return Opaque()
        if one.is_many:
            return Many(lambda text: self.words.input(f"event.{name}|{text}", bool) if text in self.texts else None)
        has = self._given(one)
        return self._seen_as(self.words.input(f"event.{name}", sort_of(one.type)), one.type, has)

    def _fact(self, name: str) -> Term:
        check, _, leaf = name.partition(".")
        use = self.definition.checks.get(check)
        spec = self.known.checks.get(use.use) if use else None
        type_ = spec.facts.get(leaf) if spec else None
        if type_ is None:
            return Opaque()
        value = self.words.input(f"facts.{name}", _FACT_SORTS[type_])
        return Truth(value, z3.Not(value)) if type_ == "bool" else Number(value, TRUE, "int" if type_ == "int" else "text")

    def _copied(self, field_: Field, one: Field) -> dict[str, Formula]:
        given = self._given(one)
        if field_.is_personal:
            return {f"has.{field_.name}": given}
        if field_.is_many:
            among = {text: self.words.input(f"event.{one.name}|{text}", bool) for text in sorted(self.texts)}
            return self._written(field_, given, {f"in.{field_.name}.{text}": z3.And(given, has) for text, has in among.items()})
        sort = sort_of(field_.type)
        value = self.words.input(f"event.{one.name}", sort)
        return self._written(field_, given, {f"val.{field_.name}": value if given is TRUE else z3.If(given, value, _ZERO_OF[sort])})

    def _computed(self, field_: Field, term: Term, source: str) -> tuple[dict[str, Formula], Formula]:
        name, sort = f"val.{field_.name}", sort_of(field_.type)
        match term:
            case Truth():
                return self._written(field_, TRUE, {name: term.yes}), z3.Or(term.yes, term.no)
            case Number():
                return self._written(field_, TRUE, {name: term.value}), term.ok
            case _:
                if _is_instant(source):  # which a model without instants leaves open on purpose
                    return self._written(field_, TRUE, {name: self.words.input(f"instant:{source}", sort)}), TRUE
                self.translator.opaque.add(source)
                ok = self.words.input(f"computed:{source}", bool)
                return self._written(field_, TRUE, {} if field_.is_many else {name: self.words.input(f"value:{source}", sort)}), ok

    def _written(self, field_: Field, has: Formula, values: dict[str, Formula]) -> dict[str, Formula]:
        written = {f"has.{field_.name}": has}
        if field_.is_personal:
            return written
        if field_.is_many:
            among = [f"in.{field_.name}.{text}" for text in sorted(self.texts)]
            free = FALSE if has is FALSE else None
            return written | {n: values.get(n, self.words.input(f"any:{n}", bool) if free is None else free) for n in among}
        name = f"val.{field_.name}"
        return written | {name: values.get(name, _ZERO_OF[sort_of(field_.type)])}


def sources(definition: Definition) -> Iterator[str]:
    """Give every expression that a definition writes, those of its policy included."""
    transitions = [definition.start, *(t for state in definition.states.values() for t in state.transitions)]
    for transition in transitions:
        yield from (rule.source for rule in transition.guards)
        yield from (one.source for one in transition.assignments if one.source is not None)
    yield from (str(rule.body["holds"]) for rule in definition.policy if "holds" in rule.body)


def _is_given(one: Field) -> bool:
    return one.is_required or one.default is not None


def _is_instant(source: str) -> bool:
    """Tell whether an expression computes an instant from nothing but the present one; that never fails."""
    now = Number(z3.RealVal(0), TRUE, "time")
    return isinstance(Translator(Codes(), z3.Bool).value(source, lambda path: now if path == "now" else Opaque()), Number)


def _texts(source: str) -> frozenset[str]:
    try:
        return texts_of(read(source))
    except UnreadError:
        return frozenset()
