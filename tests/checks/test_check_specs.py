"""The list of checks, the checks and their document agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.checking import Desk, FewHolders, vault
from workflow.checks import SPECS, BuiltinChecks
from workflow.checks.factors import _CHECK_OF
from workflow.checks.profiles import PROFILES
from workflow.checks.specs import FACTORS, METHODS, PROFILE_NAMES
from workflow.errors import SettingsError
from workflow.ports import CheckResult

NEEDED = {
    "link": {"purpose": "password", "since": "mailed", "ttl": "PT5M"},
    "remove_factor": {"factors": ("phone",)},
    "role_holders": {"role": "helpdesk"},
    "matches_field": {"field": "username"},
}


@pytest.mark.parametrize("use", SPECS)
def test_facts_have_exactly_the_leaves_of_their_spec(use):
    """Without any payload or credential, every check answers with its leaves in their types, and refuses."""
    result = Desk().judge(use, **NEEDED.get(use, {}))
    types = {"bool": bool, "int": int, "string": str}
    assert {leaf: types[name] for leaf, name in SPECS[use].facts.items()} == {leaf: type(value) for leaf, value in result.facts.items()}
    assert result.reasons or use in {"totp_enrol", "factors", "remove_factor"}


def test_the_document_lists_every_kind():
    """docs/checks.md has one row per kind, with its parameters, readings and facts."""
    rows = [line.split("|")[1:6] for line in Path("docs/checks.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    names = [[re.findall(r"`(\w+)`", cell) for cell in row] for row in rows if row[0].strip(" `") in SPECS and len(row) == 5]
    listed = {use: (set(params), set(reads), set(facts)) for [use], params, reads, facts, _ in names}
    expected = {use: (set(spec.params), set(spec.reads), set(spec.facts)) for use, spec in SPECS.items()}
    assert expected == listed


def test_names_in_specs_are_the_ones_in_use():
    """Profiles and methods of the specs are those that the checks know."""
    assert set(PROFILE_NAMES) == set(PROFILES)
    assert set(METHODS) == set(_CHECK_OF)
    assert "email" not in FACTORS


def test_a_host_adds_its_own_checks():
    """A host's kind is run like the built-in ones; it may not replace one, and an unknown kind says what to do."""

    def on_the_list(seen, /):
        return CheckResult(facts={"ok": seen.payload["badge"] == "7"})

    checks = BuiltinChecks(vault(), FewHolders(), {"badge": on_the_list})
    assert checks.run(Desk().seen("badge", {"badge": "7"})).facts == {"ok": True}
    with pytest.raises(SettingsError, match="password"):
        BuiltinChecks(vault(), FewHolders(), {"password": on_the_list})
    with pytest.raises(SettingsError, match="extra"):
        checks.run(Desk().seen("nonsense"))


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"role": "network_team", "scope_field": "network"}, {"found": True, "count": 2}),
        ({"role": "network_team", "scope_field": "email"}, {"found": False, "count": 0}),
        ({"role": "network_team", "scope_field": "country"}, {"found": False, "count": 0}),
        ({"role": "helpdesk"}, {"found": False, "count": 0}),
    ],
)
def test_role_holders_never_count_the_subject(params, facts):
    """Only others than the subject count, for the value that the scope field has."""
    assert facts == Desk().judge("role_holders", **params).facts
