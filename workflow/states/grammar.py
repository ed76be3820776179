"""The keys of the definition language, version 1: one table for the parser, the digest and the editors' schema.

Promises: what is not in this table cannot be written in a definition. `docs/language.md` describes the meaning.
"""

from __future__ import annotations

from typing import Literal

from workflow.states.definition import FieldType
from workflow.states.shapes import NAME, Either, Empty, Flag, Key, ListOf, Named, Record, Ref, Shape, Text, Whole

LANGUAGE = 1
POLICY_KINDS: tuple[Literal["never", "always", "requires", "field", "cel"], ...] = ("never", "always", "requires", "field", "cel")
PROSE = frozenset({"title", "description", "because"})
"""Keys that mean nothing to the engine, wherever the language defines them; the semantic digest leaves them out."""
MAX_GUARD_CHARACTERS = 2_000

FIELD_TYPES = tuple(type_.value for type_ in FieldType)
_ELAPSED = r"P(?=.)(?:\d+W)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?"

PLAIN_TEXT = Text(what="a text")
NAMING = Text(what="a name", max_length=256)
IDENTIFIER = Text(pattern=NAME, what="a name of lower-case letters, digits and _", max_length=64)
# The length is judged by the check, with its own words.
EXPRESSION = Text(what="an expression (CEL)", max_length=100_000)
ELAPSED = Text(pattern=_ELAPSED, what="a duration like PT5M or P90D", max_length=64)
DURATION = Text(pattern=_ELAPSED + r"|\d+bd|\d+bh", what="a duration like PT5M, P1DT2H, 2bd or 16bh", max_length=64)
HYPHENATED = Text(pattern=r"[a-z][a-z0-9_-]*", what="a name of lower-case letters, digits, _ and -", max_length=64)
VALUE = Either(options=(PLAIN_TEXT, Whole(), Flag()), what="a text, a whole number, true or false")
VALUES = Either(
    options=(PLAIN_TEXT, Whole(), Flag(), ListOf(item=PLAIN_TEXT)), what="a text, a whole number, true, false or a list of texts"
)

_PROSE = {
    "title": Key(shape=PLAIN_TEXT, description="For people; means nothing to the engine."),
    "description": Key(shape=PLAIN_TEXT, description="For people; means nothing to the engine."),
}


def _optional(shape: Shape, description: str) -> Key:
    return Key(shape=shape, description=description)


def _required(shape: Shape, description: str) -> Key:
    return Key(shape=shape, description=description, is_required=True)


ROLE = Record(
    what="a role",
    keys={
        "scope": _optional(NAMING, "The field for whose value an actor holds this role; not a personal field."),
        "anyone": _optional(Flag(only=True), "This role needs no identity; its events must have checks or be the start."),
        "because": _optional(PLAIN_TEXT, "Why nobody needs to be known for this role."),
        **_PROSE,
    },
)

_VALUE_KEYS = {
    "many": _optional(Flag(), "A list without repetition instead of one value."),
    "min": _optional(Whole(), "The least integer."),
    "max": _optional(Whole(), "The greatest integer."),
    "max_length": _optional(Whole(least=1), "The most characters of a text or secret."),
    "values": _optional(ListOf(item=PLAIN_TEXT, least=1), "What can be chosen; for the type choice."),
    "default": _optional(VALUE, "The value when none is given."),
    "personal": _optional(
        Flag(), "Whether the value can be erased and is hidden from guards; text-like types are personal unless this is false."
    ),
    "because": _optional(PLAIN_TEXT, "Why a text-like value is not personal."),
    "catalogue": _optional(NAMING, "The set of the catalogue whose keys can be chosen."),
    "matches": _optional(
        Named(item=NAMING, what="an attribute", may_be_reserved=True),
        "Attribute of the chosen item -> field that must have the same value.",
    ),
    "listed_in": _optional(
        Record(
            what="a listed_in rule",
            keys={
                "field": _required(NAMING, "The field whose chosen item has the list."),
                "attribute": _required(NAMING, "The attribute of that item which lists what can be chosen."),
            },
        ),
        "The value must be listed by the item chosen in another field.",
    ),
    **_PROSE,
}
_TYPE = Text(choices=FIELD_TYPES, what="a type", max_length=64)

FIELD = Record(
    what="a field",
    keys={
        "type": _required(_TYPE, "What the value may be."),
        **_VALUE_KEYS,
        "unique": _optional(
            Record(
                what="a unique rule",
                keys={"on_conflict": _required(NAMING, "Engine event that is fired on the instance which has the value already.")},
            ),
            "No two instances of this definition have the same value.",
        ),
    },
)
PAYLOAD_VALUE = Record(
    what="a payload value",
    keys={
        "type": _optional(_TYPE, "What the value may be."),
        "field": _optional(
            Either(options=(NAMING, Flag(only=True)), what="the name of a field, or true for the field of the same name"),
            "Takes the whole specification of that field.",
        ),
        "required": _optional(Flag(), "Whether the event is refused without it."),
        "must_be": _optional(Flag(), "The only boolean that is accepted, such as an accepted privacy statement."),
        "same_as": _optional(NAMING, "Another value of this payload that must be equal (typed twice)."),
        **_VALUE_KEYS,
    },
    one_of=("type", "field"),
)

CHECK = Record(
    what="a check",
    keys={"use": _optional(NAMING, "The kind of check; the check's own name when left out."), **_PROSE},
    others=VALUES,
)

EVENT = Record(
    what="an event",
    keys={
        "by": _required(
            Either(options=(ListOf(item=NAMING, least=1), Text(choices=("engine",), what="engine")), what="a list of roles, or engine"),
            "The roles that may fire it, or `engine` for timers and reports.",
        ),
        "payload": _optional(
            Named(item=Either(options=(_TYPE, PAYLOAD_VALUE), what="a type or a mapping"), what="a payload value", is_ordered=True),
            "The values that come with it.",
        ),
        "checks": _optional(ListOf(item=NAMING), "Names of checks that derive facts for the guards."),
        "decision": _optional(IDENTIFIER, "The stage that it decides; the subject and their deputies are refused."),
        "may_also_decide": _optional(ListOf(item=NAMING), "Other stages in which the same person may decide too."),
        "auto": _optional(Flag(), "The engine may decide something here that a person would; entries are marked automatic."),
        **_PROSE,
    },
)

ACTION_KINDS = {
    "mail": "Template of a mail.",
    "sms": "Template of a text message.",
    "push": "Name of a notification to the app.",
    "provision": "Target in which something is provisioned.",
    "alert": "Name of an alert to the operators.",
}
ACTION = Record(
    what="an action",
    keys={
        "to": _optional(NAMING, "`subject` (the default) or a role."),
        "done": _optional(NAMING, "Engine event that reports that it was done."),
        "failed": _optional(NAMING, "Engine event that reports that it will not be done."),
        "link": _optional(NAMING, "Purpose of the link it carries; an older link of that purpose dies."),
        "with": _optional(Named(item=VALUE, what="a parameter", may_be_reserved=True), "Plain values for the template or target."),
        **_PROSE,
    },
    others=NAMING,
    usual=ACTION_KINDS,
)
_ACTIONS = ListOf(item=ACTION)

RULE = Record(
    what="a guard",
    keys={
        "when": _required(EXPRESSION, "The condition: CEL of type bool."),
        "code": _optional(IDENTIFIER, "Stable name of the reason when it does not hold."),
        "message": _optional(PLAIN_TEXT, "What to say when it does not hold."),
        "needed": _optional(PLAIN_TEXT, "What would be needed."),
        **_PROSE,
    },
)
_GUARD = Either(
    options=(EXPRESSION, ListOf(item=Either(options=(EXPRESSION, RULE), what="an expression or {when: ...}"), least=1), RULE),
    what="an expression, {when: ...} or a list of these",
)
_SET = Named(
    item=Either(options=(EXPRESSION, Whole(), Flag(), Empty()), what="an expression, a number, true, false or null"), what="a field"
)
_WRITES = {
    "guard": _optional(_GUARD, "Conditions that must all hold."),
    "set": _optional(_SET, "Field -> `event.NAME` (a copy), CEL, or null to clear it."),
    "actions": _optional(_ACTIONS, "What is done when it is taken."),
}

START = Record(
    what="the start",
    keys={
        "event": _required(NAMING, "The event that starts an instance."),
        "target": _optional(NAMING, "The state entered first; `initial` when left out."),
        **_WRITES,
        **_PROSE,
    },
)
TRANSITION = Record(
    what="a transition",
    keys={
        "event": _required(NAMING, "The event that takes it."),
        "target": _optional(NAMING, "The state that follows; without it nothing is left."),
        **_WRITES,
        "quorum": _optional(
            Record(
                what="a quorum",
                keys={
                    "need": _required(Whole(least=1), "How many accepted events it takes."),
                    "distinct": _optional(Flag(), "Whether they must come from different actors; true when left out."),
                    "role": _optional(NAMING, "The role whose events count."),
                    **_PROSE,
                },
            ),
            "Taken at the n-th accepted event; the ones before are counted.",
        ),
        "reenter": _optional(Flag(), "Leaves and enters the source too, so its timers start again."),
        **_PROSE,
    },
)
TIMER = Record(
    what="a timer",
    keys={
        "name": _required(IDENTIFIER, "Unique within its state."),
        "after": _required(DURATION, "Elapsed (PT5M, P1DT2H), working days (2bd) or working time (16bh)."),
        "event": _required(NAMING, "The engine event that it fires."),
        "since": _optional(NAMING, "Engine event whose report starts it; the entry of the state when left out."),
        **_PROSE,
    },
)

_STATES: Named = Named(item=Ref(lambda: STATE), what="a state", is_ordered=True, least=1)
_HOLDS = {
    "transitions": _optional(ListOf(item=TRANSITION), "What events do here; tried in this order."),
    "timers": _optional(ListOf(item=TIMER), "Deadlines that run while this is active."),
    "entry": _optional(_ACTIONS, "What is done when this is entered."),
    "tally": _optional(ListOf(item=NAMING), "Events counted since this was entered."),
    "paused_in": _optional(ListOf(item=NAMING), "Inner states in which the timers listed here stand still."),
}
STATE: Record = Record(
    what="a state",
    keys={
        "initial": _optional(NAMING, "The inner state entered first; the first one when left out."),
        "states": _optional(_STATES, "Inner states."),
        **_HOLDS,
        "exit": _optional(_ACTIONS, "What is done when this is left."),
        "outcome": _optional(Text(choices=("success", "failure", "neutral"), what="an outcome"), "Ends the onboarding, and how."),
        "waits_forever": _optional(PLAIN_TEXT, "The reason why nothing needs to happen here by itself."),
        **_PROSE,
    },
)

_PLACES = ListOf(item=NAMING, least=1)
_ONE_OR_MANY = Either(options=(NAMING, _PLACES), what="a name, or a list of names")
_POLICY_BODIES: dict[str, Record] = {
    "never": Record(
        what="a never rule",
        keys={
            "state": _optional(
                NAMING, "A state that must not be entered; beside `event` alone or `earlier_than`, where it must not happen."
            ),
            "before": _optional(NAMING, "... before this state was entered or this event accepted."),
            "event": _optional(_ONE_OR_MANY, "An event, or one of several, that must not be accepted."),
            "actor": _optional(NAMING, "... from the subject."),
            "same_actor_as": _optional(NAMING, "... from whom this event came."),
            "later_than": _optional(DURATION, "... later than this."),
            "earlier_than": _optional(DURATION, "... earlier than this."),
            "since": _optional(NAMING, "... since this event; `earlier_than` also since this state was entered."),
            "more_than": _optional(Whole(least=0), "... more often than this."),
        },
    ),
    "always": Record(
        what="an always rule",
        keys={
            "state": _optional(NAMING, "After this state is entered ..."),
            "event": _optional(NAMING, "After this event is accepted ..."),
            "leads_to": _required(_PLACES, "... one of these states or events follows"),
            "within": _optional(DURATION, "... within this time"),
            "clock": _optional(NAMING, "... as this timer measures it."),
        },
        one_of=("state", "event"),
    ),
    "requires": Record(
        what="a requires rule",
        keys={
            "event": _optional(_ONE_OR_MANY, "Whenever this event, or one of several, is accepted ..."),
            "state": _optional(NAMING, "... in this state; without an event: whenever it is entered ..."),
            "when": _optional(EXPRESSION, "... and this expression holds for the event ..."),
            "effect": _optional(_ONE_OR_MANY, "... it has this effect, or each of several."),
            "leads_to": _optional(_ONE_OR_MANY, "... it leads at once into this state, or into one of several."),
            "actor": _optional(_ONE_OR_MANY, "... it comes from this role, or from one of several."),
        },
        one_of=("effect", "leads_to", "actor"),
    ),
    "field": Record(
        what="a field rule",
        keys={
            "name": _required(_ONE_OR_MANY, "A field or payload value, or each of several, that ..."),
            "is": _required(Text(choices=("personal", "secret", "unique", "required", "repeated"), what="a class"), "... has this class."),
        },
    ),
    "cel": Record(
        what="a cel rule",
        keys={
            "state": _optional(NAMING, "In this state, or everywhere, ..."),
            "event": _optional(_ONE_OR_MANY, "... whenever this event, or one of several, is accepted there, before the step, ..."),
            "holds": _required(EXPRESSION, "... this expression is true."),
        },
    ),
}
POLICY = Record(
    what="a property",
    keys={
        "name": _required(PLAIN_TEXT, "A sentence that names it; unique."),
        **{kind: _optional(body, f"The rule: {body.what}.") for kind, body in _POLICY_BODIES.items()},
        "severity": _optional(Text(choices=("error", "warning"), what="a severity"), "What a violation is."),
        "because": _optional(PLAIN_TEXT, "Why it is wanted."),
        **_PROSE,
    },
    one_of=POLICY_KINDS,
)

RETENTION = Record(
    what="a retention rule",
    keys={
        "success": _optional(ELAPSED, "... after a success; for ever when left out, because the account lives on."),
        "failure": _optional(ELAPSED, "... after a failure; for ever when left out."),
        "neutral": _optional(ELAPSED, "... after any other end; for ever when left out."),
    },
)

DEFINITION = Record(
    what="a definition",
    keys={
        "definition": _required(HYPHENATED, "The definition's name."),
        "language": _required(Whole(least=1), "Version of the language: 1."),
        **_PROSE,
        "calendar": _optional(HYPHENATED, "Name of the published calendar that bd and bh durations use."),
        "catalogue": _optional(HYPHENATED, "Name of the published catalogue that fields choose from."),
        "subject": _required(IDENTIFIER, "The role of the person being onboarded."),
        "retention": _optional(
            Either(options=(ELAPSED, RETENTION), what="a duration, or a mapping of outcomes to durations"),
            "How long an ended instance keeps its personal values.",
        ),
        "erasure": _optional(NAMING, "Engine event that closes an onboarding under way when its subject is erased."),
        "roles": _required(Named(item=Either(options=(ROLE, Empty()), what="a mapping"), what="a role"), "Who may fire events."),
        "fields": _optional(
            Named(item=Either(options=(_TYPE, FIELD), what="a type or a mapping"), what="a field"), "What an instance keeps."
        ),
        "checks": _optional(Named(item=Either(options=(CHECK, Empty()), what="a mapping"), what="a check"), "Named uses of checks."),
        "events": _required(Named(item=EVENT, what="an event", least=1), "What may happen, by whom, with what."),
        "start": _required(START, "The transition out of nothing."),
        "initial": _optional(NAMING, "The state entered first; the first one when left out."),
        "states": _required(_STATES, "Where an onboarding can be."),
        **_HOLDS,
        "policy": _optional(ListOf(item=POLICY), "Properties that every run must have."),
        "order": _optional(
            Record(what="an order", keys={}, others=ListOf(item=PLAIN_TEXT)),
            "Order of states and payloads in stored documents, which sort their keys; not written by hand.",
        ),
    },
)
