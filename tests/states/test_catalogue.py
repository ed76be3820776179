"""Values chosen from a catalogue must be there, and must fit one another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workflow.states.catalogue import Catalogue, choices, faults
from workflow.states.definition import CatalogueRule, Digest, Field, FieldName, FieldType

CATALOGUE = Catalogue(
    name="ern",
    title="Networks",
    sets={
        "networks": {"ERKNet": {"title": "Kidney"}, "EYE": {"title": "Eye"}},
        "centres": {
            "oudenveld": {"title": "Oudenveld", "network": "ERKNet", "country": "BE", "profiles": ("HP", "COORDINATOR")},
            "blickfeld": {"title": "Blickfeld", "network": "EYE", "country": "DE", "profiles": ("HP",)},
        },
        "profiles": {"HP": {"title": "Health professional"}, "COORDINATOR": {"title": "Coordinator", "needs": ("HP",)}, "GUEST": {}},
    },
    digest=Digest("0" * 64),
    data={},
)
NETWORK = Field(name=FieldName("network"), type=FieldType.STRING, catalogue=CatalogueRule(set_name="networks"))
CENTRE = Field(
    name=FieldName("centre"),
    type=FieldType.STRING,
    catalogue=CatalogueRule(set_name="centres", matches={"network": FieldName("network"), "country": FieldName("country")}),
)
PROFILES = Field(
    name=FieldName("profiles"),
    type=FieldType.STRING,
    is_many=True,
    catalogue=CatalogueRule(set_name="profiles", listed_in=(FieldName("centre"), "profiles"), field_sets={FieldName("centre"): "centres"}),
)


def codes(field, value, payload=None, instance_fields=None, catalogue=CATALOGUE):
    return [reason.code for reason in faults(field, value, payload or {}, instance_fields or {}, catalogue)]


def test_a_key_of_the_set_is_accepted():
    """What is in the set has no fault."""
    assert codes(NETWORK, "ERKNet") == []


def test_a_key_that_is_not_in_the_set_is_refused_with_what_was_meant():
    """A mistyped key is answered by the nearest one."""
    (reason,) = faults(NETWORK, "ERKnet", {}, {}, CATALOGUE)
    assert reason.code == "not_in_catalogue"
    assert reason.field == "network"
    assert "Did you mean 'ERKNet'?" in reason.message


def test_a_reason_does_not_repeat_a_flood():
    """A hostile value of any length is shortened in the reason."""
    (reason,) = faults(NETWORK, "x" * 10_000, {}, {}, CATALOGUE)
    assert len(reason.message) < 200


def test_network_country_and_centre_must_belong_together():
    """Each relation that does not hold is a reason of its own."""
    assert codes(CENTRE, "oudenveld", {"network": "ERKNet", "country": "BE"}) == []
    assert codes(CENTRE, "oudenveld", {"network": "EYE", "country": "BE"}) == ["does_not_belong"]
    assert codes(CENTRE, "oudenveld", {"network": "EYE", "country": "DE"}) == ["does_not_belong", "does_not_belong"]


def test_the_payload_comes_before_the_instance():
    """A value given now counts, and only without one that of the instance."""
    before = {"network": "ERKNet", "country": "BE"}
    assert codes(CENTRE, "oudenveld", {}, before) == []
    assert codes(CENTRE, "blickfeld", {"network": "EYE", "country": "DE"}, before) == []
    assert codes(CENTRE, "oudenveld", {"network": "EYE"}, before) == ["does_not_belong"]


@pytest.mark.parametrize("unset", [{}, {"network": "", "country": None}])
def test_a_choice_that_depends_on_another_needs_it(unset):
    """Without the value it must match, a choice is refused with what to choose first."""
    reasons = faults(CENTRE, "oudenveld", unset, {}, CATALOGUE)
    assert [(reason.code, reason.needed) for reason in reasons] == [
        ("choose_first", "a value for network"),
        ("choose_first", "a value for country"),
    ]


def test_a_centre_offers_only_its_profiles():
    """A profile that the chosen centre does not list is refused."""
    assert codes(PROFILES, ("HP", "COORDINATOR"), {"centre": "oudenveld"}) == []
    assert codes(PROFILES, ("HP", "COORDINATOR"), {}, {"centre": "blickfeld"}) == ["not_offered"]
    assert codes(PROFILES, ("HP",)) == ["choose_first"]
    assert codes(PROFILES, ("HP",), {"centre": "nowhere"}) == ["choose_first"]


def test_a_coordinator_needs_the_professionals_box_too():
    """An item's `needs` must be chosen with it."""
    (reason,) = faults(PROFILES, ("COORDINATOR",), {"centre": "oudenveld"}, {}, CATALOGUE)
    assert (reason.code, reason.needed) == ("needs_more", "HP")
    assert reason.message == "profiles: Coordinator can only be chosen together with Health professional."


def test_every_reason_is_named_at_once():
    """An unknown key, one that is not offered and one that needs another are three reasons."""
    assert codes(PROFILES, ("COORDINATOR", "XX"), {"centre": "blickfeld"}) == ["not_in_catalogue", "not_offered", "needs_more"]


def test_without_a_catalogue_nothing_can_be_chosen():
    """A missing catalogue or set refuses; it never lets a value through."""
    assert codes(NETWORK, "ERKNet", catalogue=None) == ["no_catalogue"]
    assert codes(NETWORK, "ERKNet", catalogue=replace(CATALOGUE, sets={})) == ["no_catalogue"]


def test_a_field_without_a_rule_has_no_faults():
    """Only fields with a catalogue are judged."""
    plain = Field(name=FieldName("comment"), type=FieldType.TEXT)
    assert codes(plain, "anything", catalogue=None) == []
    assert choices(plain, {}, CATALOGUE) == {}


def test_choices_are_what_faults_would_accept():
    """A page offers exactly the values that would not be refused."""
    assert list(choices(CENTRE, {"network": "EYE", "country": "DE"}, CATALOGUE)) == ["blickfeld"]
    assert list(choices(CENTRE, {}, CATALOGUE)) == ["oudenveld", "blickfeld"]
    assert list(choices(PROFILES, {"centre": "blickfeld"}, CATALOGUE)) == ["HP"]
    assert list(choices(PROFILES, {}, CATALOGUE)) == ["HP", "COORDINATOR", "GUEST"]
    one = replace(CATALOGUE, sets={**CATALOGUE.sets, "centres": {"a": {"profiles": "HP"}, "b": {"profiles": ("GUEST",)}}})
    assert list(choices(PROFILES, {"centre": "a"}, one)) == ["HP"]
