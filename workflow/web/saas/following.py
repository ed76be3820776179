"""What becomes of a request: where it is, whose turn, until when; answering a question, withdrawing, asking again."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from workflow.errors import Reason
from workflow.states.may import earliest_due_at
from workflow.states.verdict import Refused
from workflow.web.eulogin.applicant import Applicant, Level, applicant
from workflow.web.saas.requesting import summary
from workflow.web.visit import Visit

WAYS = ("Request submitted", "Decision of the network", "Account in CPMS", "First login")
# State, longest first -> (place on the way, whose turn it is, what happens now).
TURNS: dict[str, tuple[int, str, str]] = {
    "requested.awaiting_endorsement": (2, "Your centre's lead", "The lead of your centre is asked first; then the network's team decides."),
    "requested.awaiting_approval": (2, "The network's team", "The team of your network decides, as a rule within two working days."),
    "requested.information_wanted": (2, "You", "The network's team has a question for you. The clock stands still until you answer."),
    "requested.held": (2, "The help desk", "No approver was found for your network. The help desk has been told."),
    "requested.awaiting_account": (3, "The CPMS help desk", "The network has approved. The help desk creates your account next."),
    "requested.creating_account": (3, "The CPMS help desk", "Your account is being created just now."),
    "requested.account_trouble": (3, "The CPMS help desk", "Creating your account did not work at once; it is tried again."),
    "approved": (4, "You", "Your access was approved and your account exists. Log in to CPMS and set your preferences."),
    "preferences_set": (5, "Nobody", "You have access to CPMS."),
    "rejected": (0, "You", "Your request was rejected. You may ask again."),
    "withdrawn": (0, "You", "You withdrew your request. You may ask again."),
    "closed": (0, "You", "Your guest account in CPMS has ended. You may ask again."),
    "abandoned": (0, "You", "Nothing was heard for a long time, so the request ended. You may go on or ask again."),
}
_AGAIN = frozenset({"rejected", "withdrawn", "closed", "abandoned"})


def status(visit: Visit) -> Response:
    """Show where the request is."""
    return _show(visit, applicant(visit))


def answer(visit: Visit) -> Response:
    """Take the applicant's answer to a question."""
    who = applicant(visit, level=Level.TWO_FACTORS)
    if not visit.is_post:
        return visit.go("saas.status")
    found = visit.fire(who.id, "give_information", actor=who.actor, answer=visit.form.text("answer"))
    if isinstance(found, Refused):
        return _show(visit, who, found.reasons)
    visit.flash(visit.say("Your answer is on its way to the network's team."))
    return visit.go("saas.status")


def withdraw(visit: Visit) -> Response:
    """Ask whether the request shall be withdrawn, or withdraw it."""
    who = applicant(visit, level=Level.TWO_FACTORS)
    if not visit.is_post:
        return visit.page("saas/withdraw.html", who=who)
    found = visit.fire(who.id, "withdraw", actor=who.actor)
    if isinstance(found, Refused):
        return _show(visit, who, found.reasons)
    visit.flash(visit.say("Your request is withdrawn."))
    return visit.go("saas.status")


def _show(visit: Visit, who: Applicant, reasons: tuple[Reason, ...] = ()) -> Response:
    state = who.instance.state
    place, turn, words = TURNS.get(state, (1, "You", "You have not asked for access yet."))
    values = visit.engine.values(who.id)
    shown: dict[str, Any] = {
        "ways": [visit.say(way) for way in WAYS],
        "place": place,
        "turn": visit.say(turn),
        "words": visit.say(words),
        "due_at": earliest_due_at(who.situation) if state.startswith("requested.") and state != "requested.information_wanted" else None,
        "question": values.get("question") if state == "requested.information_wanted" else None,
        "reason": values.get("reason") if state == "rejected" else None,
        "summary": summary(visit, who) if "profiles" in who.fields else [],
        "requested_at": values.get("requested_at"),
        "may_withdraw": state.startswith("requested.") and state != "requested.creating_account",
        "may_ask": state in _AGAIN,
        "is_begun": state.startswith("mfa_enrolled."),
        "may_log_in": state in {"approved", "preferences_set"},
        "who": who,
        "is_strong": who.level is Level.TWO_FACTORS,
    }
    return visit.page("saas/status.html", problems=visit.problems(reasons, {"answer": visit.say("Your answer")}), **shown)
