"""What the codes of refusals and reports mean, in words for whoever reads a history.

Entries keep the code of a reason, and not the sentence that the actor was shown: it may hold what the actor typed. The words of a
guard come from the definition in force; those of the engine and of the checks stand here. They are about what was recorded, so
they tell what the actor was not told: that a code was a used one, for example, where the actor read that it is not right.

Promises: every code that the engine and its checks give has words; a code of a host's own check has none, and is shown as it is.
"""

from __future__ import annotations

from typing import Any, Final

WORDS: Final[dict[str, str]] = {
    # The engine: who, where, with what.
    "wrong_state": "The event is not possible in this state.",
    "unknown_event": "The definition has no such event.",
    "engine_only": "The engine alone fires this event.",
    "engine_name": "Nobody acts in the name of the engine.",
    "role_missing": "The actor does not hold the role that the event needs, or not for this scope.",
    "own_request": "Nobody decides on their own request.",
    "deputy_of_subject": "A deputy of the applicant does not decide on the applicant's request.",
    "two_stages": "Who decided in one stage does not decide in another.",
    "counted_already": "This person, or the one represented, was counted for the quorum already.",
    "guard_false": "A condition of the definition was not met.",
    "guard_error": "A condition of the definition could not be judged, which is a refusal.",
    "set_error": "A value of the definition could not be computed.",
    "deadline_unknown": "A deadline would lie beyond what the calendar knows.",
    "invalid_value": "A value is not of the form or length that is asked for.",
    "unknown_value": "The event takes no such value.",
    "value_missing": "A required value was not given.",
    "values_differ": "Two values that must be the same are not.",
    "no_catalogue": "The catalogue that the value is taken from is not published.",
    "not_in_catalogue": "The value is not in the catalogue.",
    "choose_first": "The value depends on another that is not chosen.",
    "does_not_belong": "The value does not belong to what was chosen before.",
    "not_offered": "The value is not offered with what was chosen before.",
    "needs_more": "The value needs another one beside it.",
    # Links.
    "link_unknown": "The link is not valid.",
    "link_not_genuine": "The link was not made by this installation, or was changed.",
    "link_key_retired": "The link is of a key that is no longer in use.",
    "link_superseded": "A newer link was sent; this one is no longer valid.",
    "link_pending": "The mail with the link was not reported as sent yet.",
    "link_expired": "The link had expired.",
    # Passwords and codes.
    "wrong_password": "The password is not right.",
    "password_wrong": "The password is not right.",
    "too_short": "The password is too short.",
    "too_long": "The password is too long.",
    "groups_missing": "The password has too few groups of characters.",
    "contains_username": "The password contains the username.",
    "common_password": "The password is one of those that are guessed first.",
    "contains_context_word": "The password contains a word that belongs to the person or the service.",
    "wrong_code": "The code is not right.",
    "code_wrong": "The code is not right.",
    "code_used": "The code, or its challenge, was used before.",
    "code_replayed": "The code was used before.",
    "code_expired": "The code had expired.",
    "unknown_credential": "The person has no such password or sign-in method.",
    "locked": "Not judged: there were too many failures, and the waiting time was not over.",
    "disabled": "Not judged: after too many failures nothing is judged any more.",
    "pin_format": "The PIN code is not four digits.",
    "pin_wrong": "The PIN code is not right.",
    "device_name_format": "The name of the device is missing or too long.",
    "initialise_used": "The QR code for initialising was used before, or there is none.",
    "initialise_not_genuine": "The QR code is not the one for initialising this device.",
    "confirmation_used": "The confirmation was used before, or there is none.",
    "confirmation_not_genuine": "The confirmation did not come from the device.",
    "push_used": "The notification was used before, or there is none.",
    "push_not_genuine": "The answer to the notification did not come from the device.",
    "factor_missing": "The person has no such sign-in method.",
    "method_not_offered": "The sign-in method is not offered.",
    "phone_invalid": "The phone number cannot exist.",
    "phone_not_mobile": "The phone number receives no text messages.",
    "too_many_requests": "Too many codes or notifications were asked for.",
    "value_wrong": "The value is not what is known here.",
    "value_differs": "The value is not what is known here.",
    "nobody_to_decide": "Nobody was found who may decide.",
    # Messages, delegations, readers, erasures.
    "given_up": "The message was given up.",
    "superseded": "A newer message took its place.",
    "not_yours": "Only the people concerned, or an administrator, may do this.",
    "same_person": "Nobody is their own deputy.",
    "dates": "The dates of the delegation are not possible.",
    "engine": "The engine neither has nor is a deputy.",
    "basis_missing": "The ground for it was not given.",
    "basis_unreadable": "The ground for it cannot be read.",
    "under_way": "The onboarding is under way, and its definition does not say how to end it.",
}
"""Code of a reason -> what it means."""


def words_of(reason: dict[str, Any], guards: dict[str, str]) -> str:
    """Give the words of a recorded reason; empty for a code that nobody here knows.

    Args:
        reason: as the entry has it, ``code`` and perhaps ``field``; what follows a colon in a code is a detail of it.
        guards: what the guards of the definition in force say, by their codes.
    """
    code = str(reason["code"])
    if code in guards:
        return guards[code]
    words = WORDS.get(code.partition(":")[0], "") or guards.get(str(reason.get("public", "")), "")
    field = reason.get("field")
    return f"{words.removesuffix('.')}: {field}." if words and field else words
