"""One subject with credentials, and checks run on them as the engine does: read, judge, then save with versions compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from workflow.checks import BuiltinChecks, HashCost, KeyVault
from workflow.checks.credentials import opened
from workflow.errors import ConflictError
from workflow.ports import CheckInput, CheckResult, Credential, CredentialChange
from workflow.settings import MasterKey
from workflow.states.definition import (
    ROOT,
    CheckUse,
    Definition,
    Digest,
    EventName,
    Field,
    FieldName,
    FieldType,
    Role,
    RoleName,
    State,
    StatePath,
    Transition,
)
from workflow.states.instance import ActorId, Instance, InstanceId, Situation

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SUBJECT = ActorId("person-1")
CHEAP = HashCost(passes=1, memory_kib=8, lanes=1)


def key(kid: str = "k1") -> MasterKey:
    return MasterKey(kid=kid, secret=kid.encode().ljust(32, b"."))


def vault(*kids: str) -> KeyVault:
    return KeyVault([key(kid) for kid in kids or ("k1",)])


class FewHolders:
    """A directory of two people and the subject, for ERKNet only."""

    def holders(self, role: RoleName, scope: str | None) -> Sequence[ActorId]:
        if (role, scope) == ("network_team", "ERKNet"):
            return (ActorId("a"), ActorId("b"), SUBJECT)
        return (SUBJECT,) if role == "helpdesk" else ()

    def address(self, actor: ActorId) -> Mapping[str, str]:
        return {}


def definition() -> Definition:
    fields = [
        Field(name=FieldName("email"), type=FieldType.EMAIL, is_personal=True),
        Field(name=FieldName("last_name"), type=FieldType.STRING, is_personal=True),
        Field(name=FieldName("username"), type=FieldType.STRING, because="assigned"),
        Field(name=FieldName("network"), type=FieldType.STRING, because="an office"),
    ]
    return Definition(
        name="cpms-access",
        language=1,
        title="",
        description="",
        calendar=None,
        catalogue=None,
        subject=RoleName("applicant"),
        roles={RoleName("applicant"): Role(name=RoleName("applicant"), is_subject=True)},
        fields={each.name: each for each in fields},
        checks={},
        events={},
        start=Transition(event=EventName("register"), source=ROOT, index=0),
        states={ROOT: State(path=ROOT, name="", parent=None)},
        policy=(),
        digest=Digest("0" * 64),
        text_digest=Digest("0" * 64),
        data={},
    )


def instance(id_: str = "request-1", subject: ActorId = SUBJECT, **more: object) -> Instance:
    plain = Instance(
        id=InstanceId(id_),
        definition="cpms-access",
        digest=Digest("0" * 64),
        state=StatePath("registered"),
        subject=subject,
        fields={FieldName("username"): "n00ccgbd", FieldName("network"): "ERKNet"},
        started_at=MONDAY,
        recorded_at=MONDAY,
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # names are the test's own


@dataclass
class Desk:
    """Runs checks for one subject; `credentials` are what a store would hold."""

    vault: KeyVault = field(default_factory=vault)
    now: datetime = MONDAY
    instance: Instance = field(default_factory=instance)
    credentials: dict[tuple[str, str], Credential] = field(default_factory=dict)
    personal: Mapping[str, object] = field(default_factory=lambda: {"email": "cgabard@clinic.example", "last_name": "Gabardini"})
    cost: HashCost = CHEAP

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def seen(self, use: str, payload: Mapping[str, object] | None = None, **params: object) -> CheckInput:
        return CheckInput(
            use=CheckUse(name="the_check", use=use, params=params),  # type: ignore[arg-type]  # names are the test's own
            payload=payload or {},
            situation=Situation(instance=self.instance),
            definition=definition(),
            subject=SUBJECT,
            actor=SUBJECT,
            credentials=tuple(self.credentials.values()),
            personal=self.personal.get,
            now=self.now,
        )

    def judge(self, use: str, payload: Mapping[str, object] | None = None, **params: object) -> CheckResult:
        """Run a check and save nothing."""
        return BuiltinChecks(self.vault, FewHolders(), cost=self.cost).run(self.seen(use, payload, **params))

    def run(self, use: str, payload: Mapping[str, object] | None = None, **params: object) -> CheckResult:
        """Run a check and save what follows, as if its guard were the leaf `ok`, `valid` or `found`."""
        result = self.judge(use, payload, **params)
        verdict = next(bool(result.facts[leaf]) for leaf in ("ok", "mobile", "valid", "found") if leaf in result.facts)
        self.save(result.on_accept if verdict else result.on_refuse)
        return result

    def save(self, changes: Sequence[CredentialChange]) -> None:
        """Write all changes or none: a version that moved is a conflict."""
        for change in changes:
            held = self.credentials.get((change.credential.kind, change.credential.name))
            if change.credential.version != (held.version if held else 0):
                raise ConflictError("somebody was faster")
        for change in changes:
            slot = (change.credential.kind, change.credential.name)
            if change.is_removed:
                del self.credentials[slot]
            else:
                self.credentials[slot] = replace(change.credential, version=change.credential.version + 1)

    def text_code(self, name: str = "") -> str:
        """Read the code that the text message would carry."""
        return str(opened(self.vault, self.credentials["phone", name])["challenge"]["code"])


def codes_of(result: CheckResult) -> list[str]:
    return [reason.code for reason in result.reasons]


def private_of(result: CheckResult) -> list[str]:
    return [reason.private for reason in result.reasons]
