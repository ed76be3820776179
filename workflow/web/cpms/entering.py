"""The way into CPMS.

Promises: nobody sees more than the login page without a sign-in by two factors, and nobody sees more than the preferences before they
are saved.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from workflow.states.verdict import Refused
from workflow.web.eulogin.applicant import Applicant, Level, applicant
from workflow.web.saas.requesting import catalogue_of, options_of
from workflow.web.visit import Visit
from workflow.web.words import title_in


def login(visit: Visit) -> Response:
    """Show the login page."""
    return visit.page("cpms/login.html")


def home(visit: Visit) -> Response:
    """Show what the signed-in person finds: the preferences at first, the patients' panels later, or the way to the request."""
    who = applicant(visit, level=Level.TWO_FACTORS)
    match who.instance.state:
        case "approved":
            return visit.go("cpms.preferences")
        case "preferences_set":
            return visit.page("cpms/home.html", **_chosen(visit, who))
        case _:
            return visit.page("cpms/no_access.html", code=403)


def preferences(visit: Visit) -> Response:
    """Show the preferences, or save them."""
    who = applicant(visit, level=Level.TWO_FACTORS)
    if who.instance.state not in {"approved", "preferences_set"}:
        return visit.go("cpms.home")
    if not visit.is_post:
        return _form(visit, who)
    form = visit.form
    answer = visit.fire(
        who.id, "update_preferences", actor=who.actor, cpms_role=form.text("cpms_role"), thematic_area=form.text("thematic_area")
    )
    if isinstance(answer, Refused):
        return _form(visit, who, answer)
    visit.flash(visit.say("Your ERN preferences are saved."))
    return visit.go("cpms.home")


def _form(visit: Visit, who: Applicant, refused: Refused | None = None) -> Response:
    labels = {"cpms_role": visit.say("Role"), "thematic_area": visit.say("Thematic area")}
    fields = who.fields
    return visit.page(
        "cpms/preferences.html",
        problems=visit.problems(refused.reasons if refused else (), labels),
        is_first=who.instance.state == "approved",
        network=fields.get("network"),
        roles=options_of(visit, who, "update_preferences", "cpms_role", fields),
        areas=options_of(visit, who, "update_preferences", "thematic_area", fields),
        chosen_role=fields.get("cpms_role"),
        chosen_area=fields.get("thematic_area"),
    )


def _chosen(visit: Visit, who: Applicant) -> dict[str, Any]:
    fields, sets = who.fields, catalogue_of(visit, who).sets
    signed_in_at = fields.get("last_two_factor_at")

    def title(set_name: str, key: object) -> str:
        item = sets[set_name].get(str(key))
        return title_in(visit.reader, set_name, str(key), item) if item else ""

    return {
        "who": who,
        "name": visit.engine.values(who.id).get("first_name", ""),
        "network": fields.get("network"),
        "role": title("cpms_roles", fields.get("cpms_role")),
        "area": title("thematic_areas", fields.get("thematic_area")),
        "signed_in_at": datetime.fromisoformat(str(signed_in_at)) if signed_in_at else None,
    }


def help_page(visit: Visit) -> Response:
    """Show where help is to be had."""
    return visit.page("cpms/help.html")


def privacy(visit: Visit) -> Response:
    """Show the privacy statement."""
    return visit.page("cpms/privacy.html")
