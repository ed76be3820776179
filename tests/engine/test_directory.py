"""A directory in a file: role holders for an installation without a host."""

from __future__ import annotations

import json

import pytest

import workflow
from workflow.engine.directory import FixedDirectory
from workflow.errors import SettingsError
from workflow.settings import Settings


def test_a_file_names_holders_and_addresses(tmp_path):
    """Roles with and without scope, and what is known of people."""
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"roles": {"team:ERKNet": ["tom"], "helpdesk": ["hal"]}, "people": {"tom": {"email": "tom@example.org"}}}))
    found = FixedDirectory.read(path)
    assert ("tom",) == found.holders("team", "ERKNet")
    assert ("hal",) == found.holders("helpdesk", None)
    assert () == found.holders("team", "VASCERN")
    assert {"email": "tom@example.org"} == found.address("tom")
    assert {} == found.address("hal")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"roles": []}',
        '{"roles": {"team": "tom"}}',
        '{"people": {"tom": "x"}}',
        '{"people": {"tom": {"email": 1}}}',
        '{"role": {}}',
    ],
)
def test_a_faulty_file_is_told_with_its_name(tmp_path, text):
    """Whatever is wrong, the file is named and the form said."""
    path = tmp_path / "people.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"people\.json"):
        FixedDirectory.read(path)


def test_a_missing_file_is_told(tmp_path):
    """A file that is not there is a fault of the settings."""
    with pytest.raises(SettingsError, match="cannot be read"):
        FixedDirectory.read(tmp_path / "nothing.json")


def test_the_settings_name_the_file(tmp_path, sqlite_url):
    """An engine opened by settings knows the holders of the file."""
    path = tmp_path / "people.json"
    path.write_text('{"roles": {"helpdesk": ["hal"]}}')
    environ = {"WORKFLOW_ENVIRONMENT": "development", "WORKFLOW_DATABASE_URL": sqlite_url, "WORKFLOW_DIRECTORY": str(path)}
    settings = Settings.read(environ)
    with workflow.open(settings.database_url, settings=settings) as engine:
        assert ("hal",) == engine.parts.directory.holders("helpdesk", None)
