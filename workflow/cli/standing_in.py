"""What stands in for the world while developing: a mail server in this process, phones, text messages, and people to be.

Promises: for development only; nothing of it is made in production. All of it is kept in memory, and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from workflow.actions.push import SimulatedPush
from workflow.engine import Engine
from workflow.engine.directory import FixedDirectory
from workflow.errors import NotFoundError
from workflow.states.instance import Actor
from workflow.testing.mailbox import Mailbox, Received
from workflow.testing.phone import PhoneSimulator
from workflow.web.parts import Notice

PEOPLE: Final[Mapping[str, Mapping[str, str]]] = {
    "tess": {"email": "tess@erknet.example", "name": "Tess", "language": "en"},
    "tom": {"email": "tom@erknet.example", "name": "Tom", "language": "fr"},
    "eve": {"email": "eve@eye.example", "name": "Eve", "language": "en"},
    "lea": {"email": "lea@lindenau.example", "name": "Lea", "language": "de"},
    "hal": {"email": "hal@helpdesk.example", "name": "Hal", "language": "en"},
    "ada": {"email": "ada@office.example", "name": "Ada", "language": "en"},
}
ROLES: Final[Mapping[str, Sequence[str]]] = {
    "network_team:ERKNet": ("tess", "tom"),
    "network_team:EYE": ("eve",),
    "centre_lead:erknet-de-sample": ("lea",),
    "helpdesk": ("hal",),
    "administrator": ("ada",),
}
SAMPLE_DIRECTORY: Final = FixedDirectory(roles=ROLES, people=PEOPLE)


@dataclass(slots=True)
class KeptTexts:
    """A gateway for text messages that keeps them."""

    engine: Engine | None = None
    sent: list[Notice] = field(default_factory=list)
    _references: set[str] = field(default_factory=set)

    def send(self, number: str, text: str, *, reference: str) -> None:
        """Keep one; the same reference arrives once."""
        if reference not in self._references and self.engine is not None:
            self._references.add(reference)
            self.sent.append(Notice(at=self.engine.now(), kind="text", text=text, to=number))


@dataclass(slots=True)
class StandIns:
    """`web.parts.Development`: everything that is simulated."""

    mailbox: Mailbox
    directory: FixedDirectory
    kept_texts: KeptTexts = field(default_factory=KeptTexts)
    push: SimulatedPush = field(default_factory=SimulatedPush)
    _phones: dict[str, PhoneSimulator] = field(default_factory=dict)

    def mails(self) -> tuple[Received, ...]:
        """Give all mails, oldest first."""
        return self.mailbox.received

    def texts(self) -> tuple[Notice, ...]:
        """Give all text messages, oldest first."""
        return tuple(self.kept_texts.sent)

    def pushes(self, subject: str) -> tuple[Notice, ...]:
        """Give the notifications to a subject's phone, oldest first."""
        return tuple(Notice(at=one.sent_at, kind=one.name, text=one.text) for one in self.push.received(subject))

    def phone(self, name: str) -> PhoneSimulator:
        """Give the simulated phone of a name; a new one when there is none."""
        return self._phones.setdefault(name, PhoneSimulator())

    def people(self) -> tuple[Actor, ...]:
        """Name who may be chosen at the back office, with the roles held now."""
        names = {who for holders in self.directory.roles.values() for who in holders}
        return tuple(actor_of(self.directory, who) for who in sorted(names))


def actor_of(directory: FixedDirectory, who: str) -> Actor:
    """Give an actor with the roles that a directory says it holds now.

    Raises:
        NotFoundError: it holds none.
    """
    held = [role for role, holders in directory.roles.items() if who in holders]
    if not held:
        raise NotFoundError("person", who)
    return Actor.of(who, *held)
