"""Properties in plain English, for people who own a policy and do not write it.

Promises: pure; one sentence for each kind of property, from its names alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workflow.states.definition import Property, listed


def sentence_of(rule: Property) -> str:
    """Say what a property demands, in one sentence; the author's own words come first where there are any."""
    body = rule.body
    match rule.kind:
        case "never":
            said = _never(body)
        case "always":
            said = _always(body)
        case "requires":
            said = _requires(body)
        case "field":
            said = f"The value {_name(body['name'], 'and')} is {body['is']}."
        case _:
            where = f"While an onboarding rests in {_name(body['state'])}" if "state" in body else "In every state"
            where = f"Whenever {_name(body['event'])} happens{_there(body)}" if "event" in body else where
            said = f"{where}, this holds: {body['holds']}"
    return f"{rule.sentence} ({said})" if rule.sentence else said


def _never(body: Mapping[str, object]) -> str:
    event = _name(body.get("event", ""))
    if "before" in body:
        return f"Nobody gets to {_name(body['state'])} before {_name(body['before'])}."
    if "same_actor_as" in body:
        return f"Nobody does {event} who did {_name(body['same_actor_as'])} before."
    if "later_than" in body:
        return f"{event} is never accepted {body['later_than']} or more after {_name(body['since'])}."
    if "earlier_than" in body:
        return f"{event} never happens{_there(body)} sooner than {body['earlier_than']} after {_name(body['since'])}."
    if "more_than" in body:
        return f"{event} is never accepted more than {body['more_than']} times."
    if "actor" in body:
        who = "the person being onboarded, nor by a deputy for them" if body["actor"] == "subject" else f"the role {_name(body['actor'])}"
        return f"{event} is never done by {who}."
    return f"{event} never happens{_there(body)}." if event else f"Nobody gets to {_name(body['state'])}."


def _requires(body: Mapping[str, object]) -> str:
    if "event" in body:
        when = f" and this holds: {body['when']}" if "when" in body else ""
        asked = f"Whenever {_name(body['event'])} happens{_there(body)}{when}"
    else:
        asked = f"Whenever {_name(body['state'])} is entered"
    if "actor" in body:
        return f"{asked}, it comes from the role {_name(body['actor'])}."
    if "leads_to" in body:
        return f"{asked}, it leads at once to {_name(body['leads_to'])}."
    return f"{asked}, {_name(body['effect'], 'and')} follows."


def _there(body: Mapping[str, object]) -> str:
    return f" in {_name(body['state'])}" if "state" in body else ""


def _always(body: Mapping[str, object]) -> str:
    since = f"Whenever {_name(body['state'])} is entered" if "state" in body else f"Whenever {_name(body['event'])} happens"
    wanted = body.get("leads_to", ())
    listed = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, Sequence) else []
    within = f" within {body['within']}" if "within" in body else ""
    clock = f", measured by the clock {_name(body['clock'])}" if "clock" in body else ""
    return f"{since}, {' or '.join(_name(one) for one in listed)} follows{within}{clock}."


def _name(value: object, joined: str = "or") -> str:
    return f" {joined} ".join(listed(value))
