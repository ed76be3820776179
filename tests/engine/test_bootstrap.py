"""The parts of an installation put together: keys, documents, directory, a tree, and what is missing told with what to do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from tests.engine.conftest import House
from tests.support.workers import SITE, WAITING
from workflow import bootstrap
from workflow.actions.provision import SimulatedCpms
from workflow.actions.push import SimulatedPush
from workflow.actions.sms import ConsoleGateway
from workflow.actions.smtp import MailSettings
from workflow.engine import Parts
from workflow.errors import DefinitionError, NotFoundError, SettingsError, StoreError
from workflow.settings import Settings, development_keys, new_key
from workflow.states.definition import RoleName
from workflow.states.instance import Actor, Event
from workflow.testing.store import MemoryStore

VISITOR = Actor.of("visitor")


def settings_of(url: str, **more: str) -> Settings:
    return Settings.read({"WORKFLOW_ENVIRONMENT": "development", "WORKFLOW_DATABASE_URL": url, **more})


def test_keys_come_from_the_environment_when_nobody_gives_them(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """Without `keys=` and settings the keys of WORKFLOW_KEYS are used, newest first; without any there is no engine."""
    old, new = new_key("old"), new_key("new")
    monkeypatch.setenv("WORKFLOW_KEYS", f"{new.write()}, {old.write()}")
    with bootstrap.open_engine(sqlite_url) as engine:
        assert engine.parts.vault.kids == ("new", "old")
    monkeypatch.delenv("WORKFLOW_KEYS")
    with pytest.raises(SettingsError, match="workflow keys new"):
        bootstrap.open_engine(sqlite_url)


def test_role_holders_come_from_the_settings(sqlite_url: str, tmp_path: Path):
    """An installation without a host names its role holders in a file."""
    path = tmp_path / "directory.json"
    path.write_bytes(orjson.dumps({"roles": {"officer": ["ben"]}, "people": {}}))
    settings = settings_of(sqlite_url, WORKFLOW_DIRECTORY=str(path))
    with bootstrap.open_engine(sqlite_url, settings=settings) as engine:
        assert list(engine.parts.directory.holders(RoleName("officer"), None)) == ["ben"]


def test_an_asynchronous_engine_is_opened_by_url(sqlite_url: str, tmp_path: Path):
    """An asynchronous host without a transaction of its own gives a URL, and every call runs beside its loop."""
    path = tmp_path / "waiting-room.yaml"
    path.write_text(WAITING, encoding="utf-8")

    async def live() -> str:
        engine = bootstrap.open_async_engine(sqlite_url, keys=development_keys())
        try:
            await asyncio.to_thread(bootstrap.publish, engine.engine, path)
            answer = await engine.start("waiting-room", Event.of("register", VISITOR, email="ana@example.org"), subject="ana")
            return str((await engine.get(answer.instance.id)).state)
        finally:
            await engine.close()

    assert asyncio.run(live()) == "waiting"


def test_a_definition_is_found_by_path_or_by_name(tmp_path: Path):
    """A shipped definition is known by its name, a definition of one's own by its path; anything else is not there."""
    path = tmp_path / "own.yaml"
    path.write_text(WAITING, encoding="utf-8")
    assert bootstrap.find_definition(path) == path
    assert bootstrap.find_definition("cpms-access") == bootstrap.definitions_folder() / "cpms-access.yaml"
    with pytest.raises(NotFoundError, match="nothing-like-that"):
        bootstrap.find_definition("nothing-like-that")


def test_a_calendar_is_looked_for_beside_the_definition_first(tmp_path: Path):
    """A definition's own calendar goes before the shipped one of the same name; one that is nowhere is named."""
    path = tmp_path / "own.yaml"
    path.write_text(WAITING.replace("subject: applicant", "subject: applicant\ncalendar: ern-office"), encoding="utf-8")
    shipped = bootstrap.definitions_folder() / "calendars" / "ern-office.yaml"
    assert [one.name for one in bootstrap.documents_of(path)] == ["waiting-room", "ern-office"]
    (tmp_path / "calendars").mkdir()
    own = shipped.read_bytes() + b"\n# ours\n"
    (tmp_path / "calendars" / "ern-office.yaml").write_bytes(own)
    assert bootstrap.documents_of(path)[1].text == own
    path.write_text(path.read_text(encoding="utf-8").replace("ern-office", "moon-office"), encoding="utf-8")
    with pytest.raises(NotFoundError, match=r"calendar.*moon-office"):
        bootstrap.documents_of(path)


def test_a_faulty_definition_is_published_by_nobody(tmp_path: Path, sqlite_url: str):
    """What has findings stops before anything is written."""
    path = tmp_path / "own.yaml"
    path.write_text(WAITING.replace("target: done", "target: dune"), encoding="utf-8")
    with bootstrap.open_engine(sqlite_url, keys=development_keys()) as engine:
        with pytest.raises(DefinitionError):
            bootstrap.publish(engine, path)
        with engine.reads() as reads:
            assert reads.names("definition") == ()


def test_tables_follow_the_settings(tmp_path: Path):
    """Prefix and database of the settings are those that are upgraded, asked about, and written as SQL."""
    settings = settings_of(f"sqlite:///{tmp_path}/own.db", WORKFLOW_PREFIX="acme_")
    assert not bootstrap.is_current(settings)
    bootstrap.upgrade(settings)
    assert bootstrap.is_current(settings)
    assert "CREATE TABLE acme_entries" in bootstrap.upgrade_sql(settings)
    engine = sa.create_engine(settings.database_url)
    assert "acme_entries" in sa.inspect(engine).get_table_names()
    engine.dispose()
    with bootstrap.open_tree(settings) as tree:
        assert tree.sequencer().run() == 0


def test_a_hosts_transaction_has_no_tree(sqlite_url: str):
    """Only a connection of our own sees the whole store at one moment; inside a host's transaction that is told."""
    engine = sa.create_engine(sqlite_url)
    with engine.connect() as connection:
        joined = bootstrap.open_engine(connection, keys=development_keys())
        for ask in (bootstrap.tree_of, bootstrap.sessions_of):
            with pytest.raises(StoreError, match="open the engine by URL"):
                ask(joined)
    engine.dispose()
    with bootstrap.open_engine(sqlite_url, keys=development_keys()) as own:
        assert bootstrap.tree_of(own) is own.store


def test_a_vault_without_keys_to_show_notes_none():
    """A host's own vault that cannot tell its keys leaves no entry about them."""
    house = House(MemoryStore())
    parts = Parts(**{name: getattr(house.parts, name) for name in house.parts.__slots__} | {"vault": object()})
    assert bootstrap.note_keys(type(house.engine)(parts, house.store)) is None


def test_performers_are_joined_as_they_are_given():
    """Mail, alerts and text messages always have a performer; the app and other systems only when the host has them."""
    house = House(MemoryStore())
    mail = MailSettings(host="127.0.0.1", port=9, sender="no-reply@example.org", security="none", timeout_seconds=1)
    few = bootstrap.performers(house.engine, mail=mail, site=SITE, sms=ConsoleGateway())
    everything = bootstrap.performers(
        house.engine, mail=mail, site=SITE, sms=ConsoleGateway(), push=SimulatedPush(), targets={"cpms_account": SimulatedCpms()}
    )
    assert sorted(few.by_kind) == ["alert", "mail", "sms"]
    assert sorted(everything.by_kind) == ["alert", "mail", "provision", "push", "sms"]


def test_the_systems_clock_is_in_utc():
    """Without a clock of its own an engine takes the machine's, in UTC."""
    before = datetime.now(UTC)
    now = bootstrap.SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC
