"""Who is signed in at the applicant's pages, how strongly, and the onboarding behind the account.

Promises: a sign-in by the password alone opens nothing that asks for two factors, however recently the owner of the account used
both in another browser: how strong a sign-in was is a matter of the session and not of the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from workflow.errors import NotFoundError
from workflow.ports import Credential
from workflow.states.instance import Actor, Instance, InstanceId, Situation
from workflow.web.parts import NotSignedInError
from workflow.web.visit import Visit


class Level(IntEnum):
    """How somebody signed in."""

    PASSWORD = 1
    TWO_FACTORS = 2


FRESH_FOR = timedelta(minutes=15)
"""So long after a sign-in the account can be changed; the definition says the same of the account."""
SIGNED_IN_AT = "signed_in_at"
FACTORS = {"phone": "Mobile phone number", "app_device": "Mobile device with the app", "totp": "Authenticator app"}
"""Kinds of credentials that are second factors, with their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """A signed-in person with the onboarding; `situation` has its running deadlines."""

    actor: Actor
    situation: Situation
    level: Level

    @property
    def instance(self) -> Instance:
        """Give the onboarding."""
        return self.situation.instance

    @property
    def id(self) -> InstanceId:
        """Give the onboarding's id."""
        return self.instance.id

    @property
    def fields(self) -> Mapping[str, object]:
        """Give what the onboarding keeps and everybody concerned may see, by name."""
        return {str(name): value for name, value in self.instance.fields.items()}


def applicant(visit: Visit, *, level: Level = Level.PASSWORD, is_fresh: bool = False) -> Applicant:
    """Give who is signed in.

    Args:
        visit: the request.
        level: how strongly at least.
        is_fresh: whether this very session must have been opened lately. The definition asks it too, but of the account: a sign-in
            of the owner elsewhere would open what changes the account to an old session that somebody else has got hold of.

    Raises:
        NotSignedInError: nobody, less strongly than `level`, or too long ago.
    """
    actor, found = visit.signed_in(), Level(visit.kept("level") or Level.PASSWORD)
    if found < level:
        raise NotSignedInError("Sign in with two factors first.")
    if is_fresh and visit.now >= _signed_in_at(visit) + FRESH_FOR:
        raise NotSignedInError("Sign in with two factors first.")
    try:
        situation = visit.engine.situation(str(visit.kept("instance")))
    except NotFoundError:
        visit.sign_out()
        raise NotSignedInError("Sign in again.") from None
    if situation.instance.subject != actor.id:  # erased, or not the one it was
        visit.sign_out()
        raise NotSignedInError("Sign in again.")
    if found is Level.TWO_FACTORS and "last_sign_in_at" not in situation.instance.fields:  # a lost phone: no sign-in counts any more
        visit.sign_out()
        raise NotSignedInError("Sign in again.")
    return Applicant(actor=actor, situation=situation, level=found)


def _signed_in_at(visit: Visit) -> datetime:
    """Tell when this browser signed in; a session that was opened anew without one says it."""
    assert visit.session is not None  # noqa: S101  # whoever is signed in has one
    said = visit.kept(SIGNED_IN_AT)
    return datetime.fromisoformat(said) if said else visit.session.created_at


def credentials(visit: Visit, instance: InstanceId) -> tuple[Credential, ...]:
    """Read what the subject of an onboarding has enrolled, sealed."""
    with visit.engine.store.unit() as uow:
        return uow.load(instance).credentials


def enrolled(found: tuple[Credential, ...]) -> dict[str, Credential]:
    """Give the active second factors by kind."""
    return {credential.kind: credential for credential in found if credential.kind in FACTORS and credential.is_active}


def under_enrolment(found: tuple[Credential, ...], kind: str) -> Credential | None:
    """Give what of a kind waits for its first code or confirmation."""
    return next((credential for credential in found if credential.kind == kind and not credential.is_active), None)
