"""Stores with real histories, whole, each in four parts: under an old checkpoint, under a newer one, in the tree, and still waiting."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import workflow_store

from tests.support.onboarding import HAL, TESS, House, deputy_of
from tests.support.tampering import Forger
from workflow.audit.checkpoint import VerifierKey
from workflow.auditing import Given, Report, drain, make_checkpoint, read_given, signers_of, verify, write_tiles
from workflow.checks import KeyVault
from workflow.settings import development_keys

ORIGIN = "access.example.org/workflow"
VAULT = KeyVault(development_keys())
KEY = VerifierKey(name=ORIGIN, public_key=VAULT.public_key())


@dataclass(frozen=True)
class Sound:
    """Where a sound store can be copied from, and what somebody outside has kept of it."""

    place: str
    ids: dict[str, str]
    old: Given
    new: Given
    tiles: Path


def fill(house: House, outside: Path) -> Sound:
    """Let things happen, and let somebody keep two checkpoints."""
    tree = house.engine.store
    ann = house.person().finished()
    ann.refused("approve", HAL, rationale="Long over.")
    bob = house.person().registered()
    house.wait("PT6M")  # the link is dead by then
    signers = signers_of(VAULT, ORIGIN)
    old = make_checkpoint(tree, origin=ORIGIN, signers=signers, now=house.clock.now())
    cid = house.person().requested()
    cid.refused("approve", HAL, rationale="Not mine to approve.")
    house.engine.delegate(deputy_of("tess", "tom", now=house.clock.now()), actor=TESS)
    house.wait("P1D")
    new = make_checkpoint(tree, origin=ORIGIN, signers=signers, now=house.clock.now())
    with tree.snapshot() as snapshot:
        write_tiles(snapshot, new, outside)
    dan = house.person().with_password()
    drain(tree)
    eve = house.person().registered()
    cid.approve()
    people = {"ann": ann, "bob": bob, "cid": cid, "dan": dan, "eve": eve}
    return Sound(
        place="",
        ids={name: person.id for name, person in people.items()},
        old=Given(source="kept.old", note=old.note),
        new=Given(source="kept.new", note=new.note),
        tiles=outside,
    )


@pytest.fixture(scope="session")
def sound_sqlite(sqlite_template, tmp_path_factory, mail_trap) -> Sound:
    """A SQLite file with histories, to be copied."""
    folder = tmp_path_factory.mktemp("sound")
    path = folder / "sound.db"
    shutil.copyfile(sqlite_template, path)
    with closing(House(f"sqlite:///{path}", mail_trap)) as house:
        made = fill(house, folder / "outside")
    return Sound(**{**made.__dict__, "place": str(path)})


@pytest.fixture(scope="session")
def sound_postgres(postgres_server, postgres_template, tmp_path_factory, mail_trap) -> Sound:
    """A PostgreSQL database with histories, to be copied."""
    from tests.support.postgres import database_name, new_database  # noqa: PLC0415  # most runs need no server

    url = new_database(postgres_server, template=postgres_template)
    with closing(House(url, mail_trap)) as house:
        made = fill(house, tmp_path_factory.mktemp("outside") / "outside")
    return Sound(**{**made.__dict__, "place": database_name(url)})


class Store:
    """A copy of a sound store, to be tampered with."""

    def __init__(self, url: str, sound: Sound) -> None:
        self.url, self.sound, self.ids = url, sound, sound.ids
        self.tree = workflow_store.connect(url)
        self.forger = Forger(url)

    def verify(self, *given: Given) -> Report:
        """Verify, with checkpoints that were kept outside."""
        return verify(self.tree, keys=lambda _origin: [KEY], given=given)

    def found(self, *given: Given) -> set[str]:
        """Verify, and name the kinds of flaws."""
        return {flaw.what.value for flaw in self.verify(*given).flaws}

    @property
    def old(self) -> Given:
        return self.sound.old

    @property
    def new(self) -> Given:
        return self.sound.new

    @property
    def with_tiles(self) -> Given:
        return read_given(self.sound.tiles)

    def close(self) -> None:
        self.tree.close()
        self.forger.close()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path) -> Iterator[Store]:
    """A copy of a sound store on each database."""
    sound: Sound = request.getfixturevalue(f"sound_{request.param}")
    if request.param == "sqlite":
        shutil.copyfile(sound.place, tmp_path / "copy.db")
        with closing(Store(f"sqlite:///{tmp_path}/copy.db", sound)) as opened:
            yield opened
        return
    from tests.support.postgres import drop_database, new_database  # noqa: PLC0415  # most runs need no server

    server = request.getfixturevalue("postgres_server")
    url = new_database(server, template=sound.place)
    with closing(Store(url, sound)) as opened:
        yield opened
    drop_database(server, url)
