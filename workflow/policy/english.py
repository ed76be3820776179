"""Words for people who do not read definitions: titles for names, "2 working days" for ``2bd``, and sentences for expressions.

Promises: pure; an expression that has no words of its own is given as it is written, never half translated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from workflow.policy.sentences import sentence_of
from workflow.states.cel_tree import Apply, Items, Literal, Name, Node, UnreadError, read
from workflow.states.definition import Definition, EventName, Property, RoleName, Unit, listed
from workflow.states.durations import read_duration

SUBJECT = "subject"
_PERSON = "the person being onboarded"
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_COMPARED = {
    "==": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
}
_EARLIER = {"<": "is before", "<=": "is at or before", ">": "is after", ">=": "is at or after"}
_NOW = Name("now")
_LENGTH = re.compile(r"(\d+)(h|m|s)")
_KINDS = {"sms": "text message", "push": "notification", "provision": "order to provision"}
_DURATIONS = frozenset({"within", "later_than", "earlier_than"})
_EXPRESSIONS = frozenset({"holds", "when"})


def in_words(unit: Unit) -> str:
    """Say how long a duration is: ``5 minutes``, ``2 working days``, ``16 working hours``."""
    if unit.kind == "working_days":
        return _counted(unit.amount, "working day")
    if unit.kind == "working_time":
        return _counted(unit.amount // 3_600, "working hour")
    left, parts = unit.amount, []
    for size, name in _UNITS:
        count, left = divmod(left, size)
        parts += [_counted(count, name)] if count else []
    return " and ".join(parts)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one definition."""

    definition: Definition

    def sentence(self, rule: Property) -> str:
        """Say what a property demands, with titles for names."""
        body = {key: self._value(key, value) for key, value in rule.body.items()}
        said = sentence_of(replace(rule, body=body, sentence="")).replace(f"the role {_PERSON}", _PERSON)
        return f"{said.rstrip('.')}."

    def state(self, name: str) -> str:
        """Give the title of a state, in quotes; the whole onboarding for the root."""
        path = self.definition.resolve(name)
        if path is None:
            return _plain(name)
        return _quoted(self.definition.states[path].title or _plain(self.definition.states[path].name)) if path else "the whole onboarding"

    def event(self, name: str) -> str:
        """Give the title of an event, in quotes."""
        event = self.definition.events.get(EventName(name))
        return _quoted((event.title if event else "") or _plain(name))

    def role(self, name: str) -> str:
        """Give the words for a role."""
        return _PERSON if name in {SUBJECT, self.definition.subject} else _plain(RoleName(name))

    def expression(self, source: str) -> str:
        """Say an expression in English; as it is written when there are no words for it."""
        try:
            return self._said(read(source))
        except UnreadError:
            return source

    def _value(self, key: str, value: object) -> object:
        if key == "is" or (key == "actor" and value == SUBJECT):
            return value
        if key in _DURATIONS:
            unit = read_duration(str(value))
            return in_words(unit) if unit else value
        if key in _EXPRESSIONS:
            return self.expression(str(value))
        if isinstance(value, str | list | tuple):
            return [self._named(key, one) for one in listed(value)]
        return value

    def _named(self, key: str, name: str) -> str:
        match key:
            case "clock":
                holder, _, timer = name.rpartition(".")
                return f'"{_plain(timer)}" of {self.state(holder)}'
            case "effect":
                kind, _, what = name.replace(":", ".").partition(".")
                return f'the {_KINDS.get(kind, kind)} "{_plain(what)}"' if what else _quoted(_plain(kind))
            case "actor":
                return self.role(name)
            case "name":
                return _quoted(_plain(name))
            case _:
                return self.state(name) if self.definition.resolve(name) is not None else self.event(name)

    def _said(self, node: Node) -> str:
        match node:
            case Literal(value=bool() as value):
                return "always" if value else "never"
            case Name(path=path):
                return _stated(path, is_so=True)
            case Apply(op="!", parts=(Name(path=path),)):
                return _stated(path, is_so=False)
            case Apply(op="!", parts=(part,)):
                return f"it is not so that {self._said(part)}"
            case Apply(op="&&" | "||" as op, parts=parts):
                return self._joined(op, parts)
            case Apply(op="in", parts=(Literal(value=str() as text), Name(path=path))):
                return f'"{text}" is among {_leaf(path)}'
            case Apply(op="in", parts=(Name(path=path), Items(items=items))):
                return f"{_leaf(path)} is one of {', '.join(map(self._term, items))}"
            case Apply(op=op, parts=(left, right)) if op in _COMPARED:
                said = _EARLIER.get(op) if _NOW in (left, right) else None
                return f"{self._term(left)} {said or _COMPARED[op]} {self._term(right)}"
            case _:
                raise UnreadError

    def _joined(self, op: str, parts: tuple[Node, ...]) -> str:
        other = "||" if op == "&&" else "&&"
        said = [f"({self._said(one)})" if isinstance(one, Apply) and one.op == other else self._said(one) for one in parts]
        return (" and " if op == "&&" else " or ").join(said)

    def _term(self, node: Node) -> str:
        match node:
            case Literal(value=str() as text):
                place = self.definition.resolve(text) if text else None
                return self.state(text) if place else _quoted(text)
            case Literal(value=value):
                return str(value).lower()
            case Name(path=path):
                return _leaf(path)
            case Apply(op="duration", parts=(Literal(value=str() as text),)):
                return _length(text)
            case Apply(op="-", parts=(Name(path="now"), Name(path=path))):
                return f"the time since {_leaf(path)}"
            case Apply(op="+" | "-" as op, parts=(left, right)):
                return f"{self._term(left)} {'plus' if op == '+' else 'minus'} {self._term(right)}"
            case _:
                raise UnreadError


def _length(text: str) -> str:
    """Say a duration of CEL in words; as it is written when it has fractions."""
    found = _LENGTH.findall(text)
    unit = read_duration(f"PT{''.join(amount + sign.upper() for amount, sign in found)}")
    return in_words(unit) if unit and "".join(amount + sign for amount, sign in found) == text else text


def _leaf(path: str) -> str:
    prefix, _, name = path.partition(".")
    match prefix:
        case "count":
            return f"the number of times {_plain(name)} happened"
        case "distinct_actors":
            return f"the number of people who did {_plain(name)}"
        case "facts":
            return f'the finding "{_plain(name)}"'
        case "instance" if name == "state":
            return "the state"
        case "now":
            return "now"
        case _:
            return f'"{_plain(name)}"'


def _stated(path: str, *, is_so: bool) -> str:
    """Say that a leaf of type bool is true, or that it is not."""
    prefix, _, name = path.partition(".")
    if prefix == "actor":
        return f"the actor is {'' if is_so else 'not '}{_PERSON if name == 'is_subject' else 'a deputy'}"
    if prefix == "has":
        return f"{_leaf(path)} is {'' if is_so else 'not '}set"
    return f"{_leaf(path)} is {'' if is_so else 'not '}true"


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _quoted(text: str) -> str:
    return f'"{text}"'
