"""A population's count is proven by a checkpoint: who leaves out, adds or changes anything is found, whatever else they make fit."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import workflow_store

from tests.engine.conftest import House
from tests.support.approvals import TEXT, VISITOR, fire
from workflow.auditing import keys_of, make_checkpoint, signers_of
from workflow.checks import KeyVault
from workflow.engine.archive import Archive
from workflow.errors import AuditError
from workflow.export.completeness import MOST_BYTES, check_export
from workflow.export.files import FORMATS
from workflow.export.population import Wanted
from workflow.export.proven import export_proven, proof_path
from workflow.settings import new_key
from workflow.states.instance import Actor, Event

ORIGIN = "log.example.org/workflow"
AUDITOR = Actor.of("aud")
OTHER = TEXT.replace("definition: access", "definition: other").replace("level: integer", "level: {type: integer, title: Another}")


@dataclass
class Log:
    """A store with a house on it, and what an auditor has of it."""

    house: House
    folder: Path

    def sign(self) -> str:
        signers = signers_of(self.house.vault, ORIGIN)
        return make_checkpoint(self.house.store, origin=ORIGIN, signers=signers, now=self.house.clock.now()).note

    def start(self, subject: str, definition: str = "access") -> str:
        event = Event.of("register", VISITOR, email=f"{subject}@example.org", network="ERKNet")
        return self.house.engine.start(definition, event, subject=subject).instance.id

    def export(self, form: str = "jsonl", wanted: Wanted | None = None) -> Path:
        path = self.folder / f"out.{form}"
        with self.house.store.snapshot() as snapshot:
            export_proven(Archive(self.house.engine), snapshot, wanted or Wanted(), path=path, form=form, actor=AUDITOR)
        return path

    def check(self, path: Path, **given):
        keys = keys_of(self.house.vault, ORIGIN)
        return check_export(path, proof_path(path), keys=lambda _origin: keys, **given)


@pytest.fixture
def log(tmp_path) -> Iterator[Log]:
    """A log with two definitions and four onboardings, one of them ended, under a checkpoint."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/log.db")
    store.upgrade()
    with closing(store):
        house = House(store)
        house.publish(TEXT)
        house.publish(OTHER)
        made = Log(house, tmp_path)
        for subject, definition in (("ana", "access"), ("bea", "access"), ("cid", "access"), ("dan", "other")):
            id_ = made.start(subject, definition)
            fire(house, id_, "rate 3")
            fire(house, id_, "nonsense")
        house.clock.wait(days=3)
        house.engine.tick()
        made.sign()
        yield made


class Liar:
    """An operator who changes an export, and makes everything fit that can be made to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(proof_path(path)) as bundle:
            self.files = {name: bundle.read(name) for name in bundle.namelist()}

    @property
    def accounts(self) -> list[dict]:
        return [json.loads(line) for line in self.files["histories.jsonl"].splitlines()]

    def write_accounts(self, accounts: list[dict]) -> None:
        self.files["histories.jsonl"] = b"".join(json.dumps(one).encode() + b"\n" for one in accounts)

    def keep_lines(self, is_kept: Callable[[str], bool]) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        self.path.write_text("".join(line for line in lines if is_kept(line)), encoding="utf-8", newline="")

    def done(self) -> None:
        """Make digest and counts fit, and write the proof anew."""
        manifest = json.loads(self.files["manifest.json"])
        manifest["sha256"] = hashlib.sha256(self.path.read_bytes()).hexdigest()
        self.files["manifest.json"] = json.dumps(manifest).encode()
        with zipfile.ZipFile(proof_path(self.path), "w") as bundle:
            for name, data in self.files.items():
                bundle.writestr(name, data)


@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_population_is_proven(log, form):
    """In every format: the count is shown, with what is outside; the tree's size is their sum."""
    path = log.export(form)
    found = log.check(path)
    instances = log.house.engine.instances().rows
    assert found.histories == len(instances) == 4
    assert found.entries == sum(one.instance.head for one in instances)
    assert found.entries + found.outside_entries == found.checkpoint.size
    assert any("Nothing was left out: 4 histories" in said for said in found.proved)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(definition="access"), 3),
        (Wanted(definition="other"), 1),
        (Wanted(state="requested"), 4),
        (Wanted(state="requested.open"), 4),
        (Wanted(outcome="success"), 0),
        (Wanted(outcome="open", definition="other"), 1),
    ],
)
def test_what_is_outside_is_shown_to_be(log, wanted, count):
    """Histories outside the population are accounted for, and shown to be outside by what they say themselves."""
    found = log.check(log.export(wanted=wanted), wanted=wanted)
    assert (found.histories, found.outside_histories) == (count, 4 - count + 1)
    assert found.entries + found.outside_entries == found.checkpoint.size


def test_a_period_is_judged_by_the_first_entry(log):
    """Who started later is outside, and was under no checkpoint before."""
    since = log.house.clock.now()
    log.start("eve")
    log.sign()
    assert log.check(log.export(wanted=Wanted(since=since))).histories == 1
    assert log.check(log.export(wanted=Wanted(until=since))).histories == 4


def test_what_happened_after_the_checkpoint_is_not_in_it(log):
    """The population is as it was under the checkpoint: later entries, onboardings and outcomes are left out, and that is said."""
    ids = [one.instance.id for one in log.house.engine.instances().rows]
    before = {id_: log.house.engine.get(id_).head for id_ in ids}
    log.house.engine.erase("ana", basis="GDPR 17", actor=Actor.of("dpo", "administrator"))
    log.start("eve")
    found = log.check(log.export(wanted=Wanted(outcome="open")))
    assert (found.histories, found.entries) == (4, sum(before.values()))
    assert log.check(log.export(wanted=Wanted(outcome="neutral"))).histories == 0
    log.sign()
    assert log.check(log.export(wanted=Wanted(outcome="neutral"))).histories == 1


def lied(log: Log, form: str, lie: Callable[[Liar, list[dict]], None]) -> str:
    """Export, lie, and give what the check says."""
    path = log.export(form)
    liar = Liar(path)
    lie(liar, liar.accounts)
    liar.done()
    with pytest.raises(AuditError) as refused:
        log.check(path)
    return str(refused.value)


def victim(accounts: list[dict]) -> dict:
    """The history that is to disappear: the second of the population."""
    return [one for one in accounts if one["account"]["is_in"]][1]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_leaving_out_an_onboarding_is_found(log, form):
    """Whether it is only left out of the file, declared outside, not mentioned, or its leaves are given to another history."""

    def from_the_file(liar, accounts):
        gone = victim(accounts)["account"]["instance"]
        liar.keep_lines(lambda line: gone not in line)

    def declared_outside(liar, accounts):
        from_the_file(liar, accounts)
        victim(accounts)["account"]["is_in"] = False
        liar.write_accounts(accounts)

    def not_mentioned(liar, accounts):
        from_the_file(liar, accounts)
        liar.write_accounts([one for one in accounts if one is not victim(accounts)])

    def given_to_another(liar, accounts):
        from_the_file(liar, accounts)
        gone, heir = victim(accounts), accounts[-1]
        heir["account"]["leaves"] = sorted(heir["account"]["leaves"] + gone["account"]["leaves"])
        liar.write_accounts([one for one in accounts if one is not gone])

    assert "the export does not have it" in lied(log, form, from_the_file)
    assert "is of the population, unlike the proof says" in lied(log, form, declared_outside)
    assert "something was left out" in lied(log, form, not_mentioned)
    assert "is not the one in the log" in lied(log, form, given_to_another)


@pytest.mark.parametrize("form", ["jsonl", "csv", "xes-all", "ocel"])
def test_leaving_out_an_entry_is_found(log, form):
    """One entry less, in any format that has all of them, is found and named."""

    def one_less(liar, accounts):
        account = victim(accounts)["account"]
        name, hashed = account["instance"], leaf_hash(liar, account["leaves"][1])
        text = liar.path.read_text(encoding="utf-8")
        if form == "xes-all":
            before, _, rest = text.partition(hashed)
            start, end = before.rindex("    <event>"), rest.index("</event>") + len("</event>\n")
            liar.path.write_text(before[:start] + rest[end:], encoding="utf-8", newline="")
        elif form == "ocel":
            data = json.loads(text)
            data["events"] = [event for event in data["events"] if event["id"] != f"{name}/2"]
            liar.path.write_text(json.dumps(data), encoding="utf-8")
        else:
            liar.keep_lines(lambda line: hashed not in line)

    assert "is not in the export" in lied(log, form, one_less)


def leaf_hash(liar: Liar, position: int) -> str:
    return liar.files["leaves.bin"][position * 32 : position * 32 + 32].hex()


def test_cutting_a_history_short_is_found(log):
    """The newest entry left out of file and account alike: its leaf has no owner."""

    def cut(liar, accounts):
        account = victim(accounts)
        hashed = leaf_hash(liar, account["account"]["leaves"].pop())
        kept = [json.loads(line) for line in liar.path.read_text().splitlines() if account["account"]["instance"] in line]
        account["newest"] = kept[-2]["entry"]
        liar.keep_lines(lambda line: hashed not in line)
        liar.write_accounts(accounts)

    assert "something was left out" in lied(log, "jsonl", cut)


def test_changing_or_adding_an_entry_is_found(log):
    """JSON Lines is compared word for word; what is not in the log cannot be in the export."""

    def changed(liar, _accounts):
        liar.path.write_text(liar.path.read_text().replace('"level":3', '"level":4', 1))

    def doubled(liar, _accounts):
        liar.path.write_text(liar.path.read_text() + liar.path.read_text().splitlines(keepends=True)[-1])

    assert "in the export is not the one in the log" in lied(log, "jsonl", changed)
    assert "not in the export" in lied(log, "jsonl", doubled)


def test_another_log_is_found(log, tmp_path):
    """Hashes that do not lead to the signed root, a signature by nobody known, and a log that does not go on from the kept one."""

    def other_hash(liar, _accounts):
        liar.files["leaves.bin"] = bytes(32) + liar.files["leaves.bin"][32:]

    def own_signature(liar, _accounts):
        stranger = KeyVault((new_key("stranger"),))
        text = liar.files["checkpoint.txt"].decode().partition("\n\n")[0] + "\n"
        key = keys_of(stranger, ORIGIN)[0]
        signature = base64.b64encode(key.id + stranger.sign(text.encode())).decode()
        liar.files["checkpoint.txt"] = f"{text}\n— {ORIGIN} {signature}\n".encode()

    assert "do not lead to the signed root" in lied(log, "jsonl", other_hash)
    assert "key" in lied(log, "jsonl", own_signature)
    older = log.sign()
    log.start("eve")
    log.sign()
    path = log.export()
    assert any("goes on from mine" in said for said in log.check(path, kept=[("mine", older)]).proved)
    foreign = workflow_store.connect(f"sqlite:///{tmp_path}/foreign.db")
    foreign.upgrade()
    with closing(foreign):
        house = House(foreign)
        house.publish(TEXT)
        kept = Log(house, tmp_path).sign()
        with pytest.raises(AuditError, match="does not go on from theirs"):
            log.check(path, kept=[("theirs", kept)])


def test_a_narrower_population_than_was_asked_for_is_found(log):
    """Who was asked for everything and exports a part, with a proof of that part, is found when the auditor says what was asked for."""
    path = log.export(wanted=Wanted(definition="access"))
    assert log.check(path).histories == 3
    with pytest.raises(AuditError, match="of the population"):
        log.check(path, wanted=Wanted())


def test_what_is_not_shown_is_said(log):
    """Without a key and a kept checkpoint the check says that it has not shown who signed, nor that others have seen the log."""
    path = log.export("csv")
    said = check_export(path, proof_path(path), keys=None).not_proved
    assert [any(word in one for one in said) for word in ("Who signed", "others have seen", "JSON Lines", "after the checkpoint")] == [
        True
    ] * 4


def test_there_must_be_a_checkpoint(tmp_path):
    """Without one there is nothing to prove under: no file is written."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/new.db")
    store.upgrade()
    with closing(store):
        house = House(store)
        house.publish(TEXT)
        with pytest.raises(AuditError, match="audit checkpoint"):
            Log(house, tmp_path).export()
    assert not list(tmp_path.glob("out*"))


def test_a_proof_that_is_none_is_refused(log):
    """A zip with anything else in it, or no zip, is refused in words."""

    def swollen(liar, _accounts):
        liar.files["checkpoint.txt"] += b" " * MOST_BYTES

    assert "larger than anything of ours" in lied(log, "jsonl", swollen)
    path = log.export()
    proof_path(path).write_bytes(b"no zip")
    with pytest.raises(AuditError, match="cannot be read as a proof"):
        log.check(path)
