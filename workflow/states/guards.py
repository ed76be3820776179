"""Guards: CEL expressions over qualified, typed leaves.

Promises: the only importer of `cel_expr_python`. Every leaf is declared by its full dotted name with its type, never as a
`dyn` map, so that a typo does not compile. An error while evaluating is a refusal, never True.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from cel_expr_python import cel

from workflow.states.definition import Definition, EventType, Field, FieldType
from workflow.states.known import Known

MAX_SOURCE_CHARACTERS = 2_000
"""A guard longer than this is a program, and belongs into a check."""

MAX_KNOWN, MAX_KNOWN_CHARACTERS = 128, 200
"""So many answers of a guard are remembered, for values of at most so many characters."""

Value = bool | int | str | datetime | list[str]


class CelType(StrEnum):
    """Types of leaves and of results."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"
    TIMESTAMP = "timestamp"
    STRINGS = "list of string"
    DURATION = "duration"
    OTHER = "other"


_DECLARED = {
    CelType.BOOL: cel.Type.BOOL,
    CelType.INT: cel.Type.INT,
    CelType.STRING: cel.Type.STRING,
    CelType.TIMESTAMP: cel.Type.TIMESTAMP,
    CelType.STRINGS: cel.Type.List(cel.Type.STRING),
}
_RESULTS = {
    "BOOL": CelType.BOOL,
    "INT": CelType.INT,
    "STRING": CelType.STRING,
    "TIMESTAMP": CelType.TIMESTAMP,
    "DURATION": CelType.DURATION,
    "LIST<STRING>": CelType.STRINGS,
}
_FIELD_TYPES = {FieldType.BOOLEAN: CelType.BOOL, FieldType.INTEGER: CelType.INT, FieldType.INSTANT: CelType.TIMESTAMP}
_FACT_TYPES = {"bool": CelType.BOOL, "int": CelType.INT, "string": CelType.STRING}

# CEL's lexis: raw strings first (a backslash ends nothing there), then triple quotes, then the usual ones, then comments.
_NOT_CODE = re.compile(
    r"(?<!\w)(?:[bB]?[rR]|[rR][bB])(?:'''.*?'''|\"{3}.*?\"{3}|'[^'\n]*'|\"[^\"\n]*\")"
    r"|'''(?:[^\\]|\\.)*?'''|\"{3}(?:[^\\]|\\.)*?\"{3}|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|//[^\n]*",
    re.DOTALL,
)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*")
_ERROR_PLACE = re.compile(r"<input>:(\d+):(-?\d+): (.*)")


class GuardError(Exception):
    """An expression does not compile; `line` and `column` are 1-based within the expression."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1) -> None:
        """Keep the place for the loader, which knows where the expression stands in its document."""
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class GuardFault(Exception):  # noqa: N818  # a fault while evaluating is an answer ("refused"), not an error of ours
    """An expression could not be evaluated, for example because an instant is not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A compiled expression. `reads` are the leaves it mentions, so that only those need be looked up."""

    source: str
    type: CelType
    reads: tuple[str, ...]
    program: cel.Expression
    known: dict[tuple[object, ...], bool] = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)
    """Answers that were given lately, by the values they were given for."""

    def evaluate(self, look_up: Callable[[str], Value | None]) -> Value:
        """Evaluate with values from `look_up`; raises `GuardFault` on any error, an unset leaf (None) included."""
        # An expression is a pure function of these values; mostly facts, few of which there are.
        key: tuple[object, ...] = tuple([look_up(leaf) for leaf in self.reads])
        try:
            found: Value | None = self.known.get(key)
        except TypeError:  # a list, which is no key
            key = tuple([tuple(value) if type(value) is list else value for value in key])
            found = self.known.get(key)
        if found is None:
            found = self._evaluated({leaf: value for leaf in self.reads if (value := look_up(leaf)) is not None})
            if type(found) is bool:
                self._remember(key, found)
        return found

    def _evaluated(self, data: dict[str, Value]) -> Value:
        result = self.program.eval(data=data)
        kind = result.type()
        if kind in (cel.Type.ERROR, cel.Type.UNKNOWN):
            raise GuardFault(str(result.value()))
        return result.plain_value()  # type: ignore[no-any-return]  # one of our declared types

    def _remember(self, key: tuple[object, ...], answer: bool) -> None:  # noqa: FBT001  # a value, no option
        if "now" in self.reads or any(isinstance(v, tuple) or (isinstance(v, str) and len(v) > MAX_KNOWN_CHARACTERS) for v in key):
            return  # never asked again, or too long to be kept
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        self.known[key] = answer

    def holds(self, look_up: Callable[[str], Value | None]) -> bool:
        """Evaluate a guard of type bool; raises `GuardFault` on any error."""
        return self.evaluate(look_up) is True


def compile_guard(source: str, leaves: Mapping[str, CelType]) -> Guard:
    """Compile and type-check an expression.

    Args:
        source: CEL, at most `MAX_SOURCE_CHARACTERS`.
        leaves: full dotted name -> type of everything that may be named.

    Raises:
        GuardError: it does not compile, with the place within the expression.
    """
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise GuardError(f"The expression has {len(source)} characters; at most {MAX_SOURCE_CHARACTERS} are allowed.")
    try:
        program = _environment(tuple(sorted(leaves.items()))).compile(source)
    except RuntimeError as error:
        raise _located(str(error)) from error
    result = _RESULTS.get(str(program.return_type()).upper(), CelType.OTHER)
    return Guard(source=source, type=result, reads=_mentioned(source, leaves), program=program)


@lru_cache(maxsize=256)
def _environment(leaves: tuple[tuple[str, CelType], ...]) -> cel.Env:
    return cel.NewEnv(variables={name: _DECLARED[type_] for name, type_ in leaves})


def _located(text: str) -> GuardError:
    found = _ERROR_PLACE.search(text)
    if found is None:
        return GuardError(text.splitlines()[0])
    line, column, message = found.groups()
    message = re.sub(r" \(in container ''\)", "", message).strip()
    return GuardError(message, line=int(line), column=max(int(column), 1))


def mentions(source: str, namespace: str) -> bool:
    """Tell whether an expression names anything of a namespace (``facts``, ``event``, ``instance``), outside its texts."""
    return any(dotted.split(".")[0].strip() == namespace for dotted in _DOTTED.findall(_NOT_CODE.sub("''", source)))


def _mentioned(source: str, leaves: Mapping[str, CelType]) -> tuple[str, ...]:
    """Name the leaves an expression mentions; a method call on a leaf (``instance.name.size()``) mentions the leaf."""
    found: dict[str, None] = {}
    for dotted in _DOTTED.findall(_NOT_CODE.sub("''", source)):
        parts = [part.strip() for part in dotted.split(".")]
        for length in range(len(parts), 0, -1):
            if (candidate := ".".join(parts[:length])) in leaves:
                found[candidate] = None
                break
    return tuple(found)


def type_of_field(field: Field) -> CelType:
    """Give the type under which a field's value is seen by CEL."""
    return CelType.STRINGS if field.is_many else _FIELD_TYPES.get(field.type, CelType.STRING)


def leaves_of(definition: Definition, known: Known, event: EventType | None) -> dict[str, CelType]:
    """Name every leaf that an expression on a transition of `event` may mention; without event, those of the instance only."""
    leaves = {"now": CelType.TIMESTAMP, "instance.state": CelType.STRING}
    for name, field in definition.fields.items():
        leaves[f"has.{name}"] = CelType.BOOL
        if not field.is_personal:
            leaves[f"instance.{name}"] = type_of_field(field)
    tallied = {name for state in definition.states.values() for name in state.tally}
    tallied |= {t.event for state in definition.states.values() for t in state.transitions if t.quorum is not None}
    for event_name in tallied:
        leaves[f"count.{event_name}"] = CelType.INT
        leaves[f"distinct_actors.{event_name}"] = CelType.INT
    return leaves if event is None else leaves | _leaves_of_event(definition, known, event)


def _leaves_of_event(definition: Definition, known: Known, event: EventType) -> dict[str, CelType]:
    leaves = {"event.name": CelType.STRING, "actor.is_subject": CelType.BOOL, "actor.is_deputy": CelType.BOOL}
    for name, field in event.payload.items():
        if not field.is_personal and not field.is_secret:
            leaves[f"event.{name}"] = type_of_field(field)
    for check in event.checks:
        use = definition.checks.get(check)
        spec = known.checks.get(use.use) if use else None
        for leaf, type_ in spec.facts.items() if spec else ():
            leaves[f"facts.{check}.{leaf}"] = _FACT_TYPES[type_]
    return leaves
