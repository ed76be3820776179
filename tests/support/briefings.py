"""Briefings for tests of performers, built by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from workflow.ports import Briefing, Credential, Message, Recipient
from workflow.states.definition import (
    ROOT,
    Definition,
    Digest,
    EventName,
    RoleName,
    State,
    StatePath,
    TimerKey,
    TimerType,
    Transition,
    Unit,
)
from workflow.states.effects import Effect
from workflow.states.instance import ActorId, Instance, InstanceId

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
SUBJECT = ActorId("subject-7f3a")
INSTANCE = InstanceId("inst-4b1d0a9c")
LINK = "https://access.example.org/password/k1.password.inst-4b1d0a9c.1.9c2d7f4e5a6b8c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b"
JANE = Recipient(actor=SUBJECT, email="jane@clinic.example", name="Jane Doe", language="en")


class SetClock:
    """A clock that says what it is told."""

    def __init__(self, now: datetime = NOW) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant


def five_minutes() -> Definition:
    """Give a definition with one state, in which a link dies five minutes after the report of its mail."""
    timer = TimerType(
        key=TimerKey("registered.password_link"),
        name="password_link",
        state=StatePath("registered"),
        after=Unit(kind="elapsed", amount=300, text="PT5M"),
        event=EventName("link_expired"),
        since=EventName("password_link_mailed"),
    )
    registered = State(path=StatePath("registered"), name="registered", parent=ROOT, timers=(timer,))
    return Definition(
        name="cpms-access",
        language=1,
        title="Access to CPMS",
        description="",
        calendar=None,
        catalogue=None,
        subject=RoleName("applicant"),
        roles={},
        fields={},
        checks={},
        events={},
        start=Transition(event=EventName("register"), source=ROOT, index=0, target=StatePath("registered")),
        states={ROOT: State(path=ROOT, name="", parent=None, children=(StatePath("registered"),)), StatePath("registered"): registered},
        policy=(),
        digest=Digest("0" * 64),
        text_digest=Digest("0" * 64),
        data={},
    )


def briefing(
    kind: str,
    name: str,
    *,
    recipients: Sequence[Recipient] = (JANE,),
    values: Mapping[str, object] | None = None,
    link: str | None = None,
    to: str = "subject",
    done: str | None = None,
    params: Mapping[str, str | int | bool] | None = None,
    message_id: str = "msg-01HV9",
    attempts: int = 1,
    due_at: datetime | None = None,
    credentials: Sequence[Credential] = (),
) -> Briefing:
    """Make a briefing; a link makes it the password link's."""
    effect = Effect(
        kind=kind,
        name=name,
        to=to,
        link="password" if link else None,
        serial=1 if link else 0,
        done=EventName(done) if done else None,
        params=params or {},
    )
    instance = Instance(
        id=INSTANCE,
        definition="cpms-access",
        digest=Digest("0" * 64),
        state=StatePath("registered"),
        subject=SUBJECT,
        started_at=NOW,
        recorded_at=NOW,
    )
    message = Message(
        id=message_id, instance_id=INSTANCE, sequence=1, effect=effect, queued_at=NOW, available_at=NOW, attempts=attempts, token=attempts
    )
    return Briefing(
        message=message,
        definition=five_minutes(),
        instance=instance,
        recipients=tuple(recipients),
        values={} if values is None else values,
        link=link,
        credentials=credentials,
        due_at=due_at,
    )
