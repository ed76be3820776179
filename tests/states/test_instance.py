"""Instances, actors and events as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from workflow.states.instance import MAX_ACTOR_CHARACTERS, Actor, Event, Grant


def test_an_actor_is_made_of_an_id_and_roles():
    """Roles are written as `role` or `role:scope`; twice the same is once."""
    actor = Actor.of("ben", "boss", "team:north", "boss")
    assert {str(grant) for grant in actor.grants} == {"boss", "team:north"}
    assert actor == Actor(id="ben", grants=frozenset({Grant(role="boss"), Grant(role="team", scope="north")}))


@pytest.mark.parametrize(
    "id_", ["", "a\nb", "a\x00", "\ud800", "a\u202eb", "x" * (MAX_ACTOR_CHARACTERS + 1)], ids=lambda id_: ascii(id_)[:10]
)
def test_an_id_can_be_written_down(id_):
    """What could not be written into an entry, or not be read by a person, is no id."""
    with pytest.raises(ValueError, match="printable"):
        Actor.of(id_)


def test_an_id_has_a_longest_form():
    """Up to the limit every printable id is fine, in any script."""
    assert Actor.of("\u00e4" * MAX_ACTOR_CHARACTERS).id


def test_an_event_takes_values_as_mapping_and_by_name():
    """For hosts with dynamic names, for those who write them down, and for both."""
    ben = Actor.of("ben")
    by_name = Event.of("approve", ben, rationale="good", key="k")
    assert by_name == Event(name="approve", actor=ben, payload={"rationale": "good"}, key="k")
    assert Event.of("approve", ben, {"rationale": "good"}, key="k") == by_name
    assert Event.of("approve", ben, {"key": "value", "name": "x"}).payload == {"key": "value", "name": "x"}
    assert Event.of("approve", ben, {"a": 1}, a=2, b=3).payload == {"a": 2, "b": 3}
    assert Event.of("approve", ben).payload == {}


def test_values_are_frozen():
    """Nobody changes what was decided."""
    with pytest.raises(FrozenInstanceError):
        Actor.of("ben").id = "eve"  # type: ignore[misc]  # that it cannot be assigned is the point
