"""Pushes, provisioning, and the registry of kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.briefings import NOW, SUBJECT, SetClock, briefing
from workflow.actions import SPECS, Performers, specs
from workflow.actions.faults import GatewayError
from workflow.actions.provision import ProvisionPerformer, SimulatedCpms
from workflow.actions.push import Notification, PushPerformer, SimulatedPush, waiting_text
from workflow.errors import ActionError, NotFoundError
from workflow.ports import Briefing, Credential, Performed
from workflow.states.instance import ActorId

DEVICE = Credential(subject=SUBJECT, kind="app_device", sealed=b"waiting")


def order(message_id: str = "msg-1", operation: str | None = None, target: str = "cpms_account") -> Briefing:
    params = {"operation": operation} if operation else {}
    return briefing("provision", target, message_id=message_id, params=params, values={"email": "jane@clinic.example"})


def failure(performer: object, told: Briefing) -> ActionError:
    with pytest.raises(ActionError) as caught:
        performer(told)  # type: ignore[operator]  # a performer
    return caught.value


# Push -----------------------------------------------------------------------------------------------------------------


def read(credential: Credential) -> str:
    """Open a device as the checks would: an empty one has nothing waiting."""
    if not credential.sealed:
        raise NotFoundError("push", "")
    return credential.sealed.decode()


def pushes(gateway: object) -> PushPerformer:
    return PushPerformer(gateway, read_push=waiting_text(read), clock=SetClock())  # type: ignore[arg-type]  # gateways of tests


def test_a_push_carries_the_waiting_text() -> None:
    """The device gets what it answers; the text has no repr."""
    gateway = SimulatedPush()
    done = pushes(gateway)(briefing("push", "sign_in", credentials=[DEVICE]))
    expected = Notification(subject=SUBJECT, name="sign_in", text="waiting", reference="msg-01HV9", sent_at=NOW)
    assert gateway.received(SUBJECT) == (expected,)
    assert "waiting" not in repr(expected)
    assert done.performed_at == NOW


def test_a_confirmation_goes_to_the_device_under_enrolment() -> None:
    """Signing in asks the enrolled device, confirming the one that is being enrolled."""
    gateway = SimulatedPush()
    both = [DEVICE, Credential(subject=SUBJECT, kind="app_device", name="pending", is_active=False, sealed=b"new")]
    for name in ("sign_in", "confirm_device"):
        pushes(gateway)(briefing("push", name, credentials=both, message_id=name))
    assert [kept.text for kept in gateway.received(SUBJECT)] == ["waiting", "new"]


def test_a_repeated_push_shows_once() -> None:
    """The reference makes a repetition recognisable."""
    gateway = SimulatedPush()
    for attempts in (1, 2):
        pushes(gateway)(briefing("push", "sign_in", credentials=[DEVICE], attempts=attempts))
    assert len(gateway.received(SUBJECT)) == 1


def test_a_push_without_a_device_is_refused_for_good() -> None:
    """No app, nothing waiting, or somebody else's: nobody is notified."""
    stranger = Credential(subject=ActorId("stranger"), kind="app_device", sealed=b"x")
    for credentials in (
        [],
        [stranger],
        [Credential(subject=SUBJECT, kind="totp", sealed=b"x")],
        [Credential(subject=SUBJECT, kind="app_device")],
    ):
        assert not failure(pushes(SimulatedPush()), briefing("push", "sign_in", credentials=credentials)).will_retry


def test_a_push_gateways_trouble_may_pass() -> None:
    """The gateway says whether another attempt can help."""

    class Down:
        def send(self, notification: Notification, /) -> None:
            raise GatewayError("the push service is down", will_retry=True)

    assert failure(pushes(Down()), briefing("push", "sign_in", credentials=[DEVICE])).will_retry


# Provisioning ---------------------------------------------------------------------------------------------------------


def test_one_message_makes_one_account_however_often_it_is_tried() -> None:
    """Orders are idempotent by the message's id; a subject has one account."""
    cpms = SimulatedCpms()
    perform = ProvisionPerformer({"cpms_account": cpms}, clock=SetClock())
    assert [perform(order()).detail, perform(order()).detail, perform(order("msg-2")).detail] == ["account cpms-00001"] * 3
    assert cpms.account_count() == 1


def test_passing_trouble_is_tried_again() -> None:
    """Two failures, then the account; nothing is left half done."""
    cpms = SimulatedCpms()
    cpms.fail_next(2)
    perform = ProvisionPerformer({"cpms_account": cpms}, clock=SetClock())
    assert [failure(perform, order()).will_retry for _ in range(2)] == [True, True]
    assert cpms.account(SUBJECT) is None
    assert perform(order()).performed_at == NOW


def test_a_refusal_for_good_is_not_tried_again() -> None:
    """A system that says no is not asked again until an operator did something."""
    cpms = SimulatedCpms()
    cpms.refuse_all()
    assert not failure(ProvisionPerformer({"cpms_account": cpms}, clock=SetClock()), order()).will_retry
    cpms.refuse_all(is_refusing=False)
    assert cpms.account_count() == 0


def test_an_account_can_be_extended_once_for_each_message() -> None:
    """A guest's extension needs an account, and a repetition does not extend twice."""
    cpms = SimulatedCpms()
    perform = ProvisionPerformer({"cpms_account": cpms}, clock=SetClock())
    assert not failure(perform, order("msg-0", "extend")).will_retry
    perform(order("msg-1"))
    for _ in range(2):
        perform(order("msg-2", "extend"))
    account = cpms.account(SUBJECT)
    assert account is not None
    assert account.extended_count == 1


@pytest.mark.parametrize(("operation", "target"), [("explode", "cpms_account"), (None, "elsewhere")])
def test_what_nobody_knows_is_refused_for_good(operation: str | None, target: str) -> None:
    """An unknown operation or target is the author's or the operator's fault, and both are told what is known."""
    error = failure(ProvisionPerformer({"cpms_account": SimulatedCpms()}, clock=SetClock()), order("m", operation, target))
    assert not error.will_retry
    assert "known" in str(error)


def test_simulated_accounts_live_in_a_file(tmp_path: Path) -> None:
    """Another process sees the account, and does not make a second one."""
    path = tmp_path / "cpms.json"
    ProvisionPerformer({"cpms_account": SimulatedCpms(path)}, clock=SetClock())(order())
    again = SimulatedCpms(path)
    ProvisionPerformer({"cpms_account": again}, clock=SetClock())(order())
    assert again.account_count() == 1
    assert "jane" not in path.read_text()


# The registry ---------------------------------------------------------------------------------------------------------


def test_the_shipped_kinds_are_described() -> None:
    """A definition may name these kinds and, where they are known, these names."""
    assert set(SPECS) == {"mail", "sms", "push", "provision", "alert"}
    assert SPECS["sms"].names == {"challenge", "sign_in_code"}
    assert SPECS["provision"].names == {"cpms_account"}
    assert specs(targets=frozenset({"badge"}))["provision"].names == {"cpms_account", "badge"}
    assert all(spec.description and spec.kind == kind for kind, spec in SPECS.items())


def test_a_message_goes_to_the_performer_of_its_kind() -> None:
    """Hosts add kinds of their own and may replace ours."""
    seen: list[str] = []

    def note(kind: str) -> object:
        def perform(told: Briefing, /) -> Performed:
            seen.append(f"{kind}:{told.message.effect.name}")
            return Performed(performed_at=NOW)

        return perform

    performers = Performers.build(mail=note("mail"), others={"badge": note("badge")})  # type: ignore[arg-type, dict-item]  # performers of tests
    performers.perform(briefing("mail", "approved"))
    performers(briefing("badge", "print"))
    assert seen == ["mail:approved", "badge:print"]


def test_an_unknown_kind_names_the_known_ones() -> None:
    """Nobody performs it, so it is not tried again, and the operator reads what there is."""
    error = failure(Performers.build(push=pushes(SimulatedPush())), briefing("fax", "letter"))
    assert not error.will_retry
    assert "known kinds: push" in str(error)
    assert error.effect == "fax:letter"
