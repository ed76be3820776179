"""The check of mailed links."""

from __future__ import annotations

import pytest

from tests.support.checking import MONDAY, Desk, codes_of, instance, private_of, vault
from workflow.errors import SettingsError
from workflow.states.instance import ActorId, InstanceId

PARAMS = {"purpose": "password", "since": "mailed", "ttl": "PT5M"}


def link(**other: object) -> str:
    made = {
        "purpose": "password",
        "definition": "cpms-access",
        "instance": InstanceId("request-1"),
        "subject": ActorId("person-1"),
        "serial": 2,
    }
    return vault().link_token(**{**made, **other})


def desk(**more: object) -> Desk:
    return Desk(instance=instance(**{"serials": {"password": 2}, "marks": {"mailed": MONDAY}, **more}))


def test_valid():
    """The newest link, sent a minute ago, is valid."""
    at = desk()
    at.wait(seconds=60)
    result = at.judge("link", {"token": link()}, **PARAMS)
    assert result.facts == {"valid": True, "genuine": True, "current": True, "sent": True, "expired": False}
    assert not result.reasons
    assert not result.on_accept


def test_pending_until_the_report_is_recorded():
    """Before the sending is recorded a genuine link says "one moment", and nothing is consumed."""
    result = desk(marks={}).judge("link", {"token": link()}, **PARAMS)
    assert result.facts == {"valid": False, "genuine": True, "current": True, "sent": False, "expired": False}
    assert result.reasons[0].message == "One moment, please: the message is still being sent."


def test_a_newer_link_kills_the_older():
    """An older serial is superseded."""
    result = desk(serials={"password": 3}).judge("link", {"token": link()}, **PARAMS)
    assert tuple(result.facts[leaf] for leaf in ("valid", "genuine", "current")) == (False, True, False)
    assert codes_of(result) == ["link_superseded"]


@pytest.mark.parametrize(
    "token", ["", "x", "k1.password.request-1.2." + "A" * 43, link(instance=InstanceId("request-2")), link(purpose="reset")]
)
def test_not_genuine_reads_as_unknown(token):
    """Whatever is wrong with a token, the answer is the same text."""
    result = desk().judge("link", {"token": token}, **PARAMS)
    assert not any(result.facts.values())
    assert [(reason.code, reason.message) for reason in result.reasons] == [("link_unknown", "This link is not valid.")]
    assert private_of(result) == ["link_not_genuine"]


def test_a_retired_key_reads_as_expired():
    """A link whose key is no longer there leads to the page for a new one."""
    at = Desk(vault=vault("k9"), instance=desk().instance)
    result = at.judge("link", {"token": link()}, **PARAMS)
    assert (codes_of(result), private_of(result)) == (["link_expired"], ["link_key_retired"])


def test_the_payload_name_is_a_parameter():
    """A definition may call the token otherwise."""
    assert desk().judge("link", {"ticket": link()}, token="ticket", **PARAMS).facts["valid"]


def test_a_wrong_duration_is_the_operators_fault():
    """A `ttl` that the loader should have refused is named."""
    with pytest.raises(SettingsError, match="ttl"):
        desk().judge("link", {"token": link()}, **{**PARAMS, "ttl": "five minutes"})
