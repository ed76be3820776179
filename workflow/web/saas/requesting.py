"""The four pages of a request.

Promises: which page is shown is a matter of the onboarding's state and of nothing that a browser sends, so none can be skipped, repeated
out of order or forged. A page that was answered already, in another window or by a second click, is not taken again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from workflow.errors import Reason
from workflow.states.catalogue import Catalogue, choices
from workflow.states.definition import EventName, FieldName
from workflow.states.verdict import Refused
from workflow.web.eulogin.applicant import Applicant, Level, applicant
from workflow.web.language import collated
from workflow.web.visit import Visit
from workflow.web.words import title_in

PAGES = ("Application", "Organisation", "Access profile", "Recap and submission")
NUMBERS = {"application": 1, "organisation": 2, "profile": 3, "recap": 4}
_ENROLLED = "mfa_enrolled.enrolled"
_MOVED = frozenset({"wrong_state", "unknown_event"})


def request(visit: Visit) -> Response:
    """Show the page that is next, or take its answer."""
    who = applicant(visit, level=Level.TWO_FACTORS)
    if visit.is_post:
        return _take(visit, who)
    return _show(visit, who)


def _take(visit: Visit, who: Applicant) -> Response:
    event, payload = _answer(visit)
    if event is None:
        return _show(visit, who, (Reason(code="unknown_answer", message="This answer belongs to no page."),))
    answer = visit.fire(who.id, event, actor=who.actor, **payload)
    if isinstance(answer, Refused):
        codes = {reason.code for reason in answer.reasons}
        if codes & _MOVED:
            visit.flash(visit.say("That page was answered already; this is where your request is now."))
            return visit.go("saas.request") if _number(who) else visit.go("saas.status")
        if "request_under_way" in codes:  # the page of the request that is under way says where it is
            visit.flash(visit.say("A request is under way already."))
            return visit.go("saas.status")
        return _show(visit, who, answer.reasons)
    if event == "submit_request":
        visit.flash(visit.say("Your request is submitted. You get a mail as soon as somebody has decided."))
        return visit.go("saas.status")
    return visit.go("saas.status" if event == "cancel_request" else "saas.request")


def _answer(visit: Visit) -> tuple[str | None, dict[str, Any]]:
    """Read which page was answered and how."""
    form = visit.form
    match form.text("answer"):
        case "begin_request" | "request_again" | "resume" | "go_back" | "cancel_request" as event:
            return event, {}
        case "choose_application":
            return "choose_application", {"application": form.text("application")}
        case "choose_organisation":
            return "choose_organisation", {name: form.text(name) for name in ("network", "country", "centre")}
        case "choose_profiles":
            return "choose_profiles", {"profiles": list(form.texts("profiles"))}
        case "submit_request":
            return "submit_request", {"comments": form.text("comments")}
        case _:
            return None, {}


def _number(who: Applicant) -> int:
    """Give the number of the page that is next, 0 when none is."""
    parent, _, leaf = who.instance.state.rpartition(".")
    return NUMBERS.get(leaf, 0) if parent == "mfa_enrolled" else 0


def _show(visit: Visit, who: Applicant, reasons: tuple[Reason, ...] = ()) -> Response:
    number, state = _number(who), who.instance.state
    labels = {name: visit.say(text) for name, text in LABELS.items()}
    problems = visit.problems(reasons, labels)
    shown: dict[str, Any] = {"pages": [visit.say(title) for title in PAGES], "at": number, "who": who}
    match number:
        case 1:
            return visit.page("saas/application.html", problems=problems, **shown)
        case 2:
            return visit.page("saas/organisation.html", problems=problems, **shown, **_organisation(visit, who))
        case 3:
            return visit.page("saas/profiles.html", problems=problems, **shown, options=_profiles(visit, who), centre=_centre(visit, who))
        case 4:
            return visit.page("saas/recap.html", problems=problems, **shown, summary=summary(visit, who))
        case _ if state == _ENROLLED:
            return visit.page("saas/begin.html", problems=problems, **shown)
        case _:
            return visit.go("saas.status") if not problems else visit.page("saas/begin.html", problems=problems, **shown)


LABELS = {
    "application": "Application",
    "network": "Network",
    "country": "Country",
    "centre": "Centre",
    "profiles": "Access profile",
    "comments": "Comments",
}


def catalogue_of(visit: Visit, who: Applicant) -> Catalogue:
    """Give the catalogue in force for an onboarding."""
    catalogue = visit.engine.in_force(who.id).world.catalogue
    assert catalogue is not None  # noqa: S101  # the definition behind these pages names one
    return catalogue


def titles(visit: Visit, set_name: str, items: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    """Give keys with their titles in the reader's language, by title."""
    found = [(key, title_in(visit.reader, set_name, key, item)) for key, item in items.items()]
    return sorted(found, key=lambda pair: collated(pair[1]))


def options_of(visit: Visit, who: Applicant, event: str, field: str, others: Mapping[str, object]) -> list[tuple[str, str]]:
    """Give what a value of an event's payload may be, after the others that were chosen."""
    payload = visit.engine.in_force(who.id).world.definition.events[EventName(event)].payload
    rule = payload[FieldName(field)].catalogue
    return titles(visit, rule.set_name if rule else "", choices(payload[FieldName(field)], others, catalogue_of(visit, who)))


def _organisation(visit: Visit, who: Applicant) -> dict[str, Any]:
    """Give what can be chosen: networks, the countries that have a centre of the chosen one, and the centres there."""
    centres = catalogue_of(visit, who).sets["centres"]
    networks = catalogue_of(visit, who).sets["networks"]
    network = visit.form.text("network") or visit.query("network")
    country = visit.form.text("country") or visit.query("country")
    present = {str(item["country"]) for item in centres.values() if item["network"] == network}
    countries = [(key, title) for key, title in titles(visit, "countries", catalogue_of(visit, who).sets["countries"]) if key in present]
    country = country if country in present else ""
    found = options_of(visit, who, "choose_organisation", "centre", {"network": network, "country": country}) if network and country else []
    return {
        "networks": sorted(
            ((key, f"{key}: {title}") for key, title in titles(visit, "networks", networks)), key=lambda pair: collated(pair[0])
        ),
        "countries": countries,
        "centres": found,
        "network": network if network in networks else "",
        "country": country,
    }


def _profiles(visit: Visit, who: Applicant) -> list[tuple[str, str, str]]:
    items = catalogue_of(visit, who).sets["profiles"]
    found = options_of(visit, who, "choose_profiles", "profiles", who.fields)
    hints = []
    for key, _ in found:
        needs: Any = items[key].get("needs", ())
        others = ", ".join(title_in(visit.reader, "profiles", other, items[other]) for other in needs)
        hints.append(visit.say("Tick {others} too.", others=others) if others else "")
    return [(key, title, hint) for (key, title), hint in zip(found, hints, strict=True)]


def _centre(visit: Visit, who: Applicant) -> str:
    fields = who.fields
    return str(catalogue_of(visit, who).sets["centres"].get(str(fields.get("centre")), {}).get("title", fields.get("centre")))


def summary(visit: Visit, who: Applicant) -> list[tuple[str, str]]:
    """Give what was chosen, as pairs of label and words."""
    fields, sets = who.fields, catalogue_of(visit, who).sets

    def title(set_name: str, key: object) -> str:
        return title_in(visit.reader, set_name, str(key), sets[set_name].get(str(key), {}))

    chosen = fields.get("profiles") or ()
    profiles = ", ".join(title("profiles", key) for key in chosen) if isinstance(chosen, tuple | list) else ""
    return [
        (visit.say("Application"), str(fields.get("application", ""))),
        (visit.say("Network"), f"{fields.get('network', '')}: {title('networks', fields.get('network'))}"),
        (visit.say("Country"), title("countries", fields.get("country"))),
        (visit.say("Centre"), title("centres", fields.get("centre"))),
        (visit.say("Access profile"), profiles),
    ]
