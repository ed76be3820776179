"""A case bundle verifies without us, and one that was touched anywhere does not."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import workflow_store

import verify_bundle
from tests.support.approvals import whole
from tests.support.commands import workflow

ROOT = Path(__file__).parents[2]
OF_READING = {"timeline.html", "log.xes", "README.txt"}
"""Files that prove nothing, and are said to prove nothing."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A bundle, its log's key, and the checkpoint that somebody kept."""
    folder = tmp_path_factory.mktemp("case")
    url = f"sqlite:///{folder}/kept.db"
    store = workflow_store.connect(url)
    store.upgrade()
    _, id_ = whole(store)
    store.close()
    early = workflow("audit", "bundle", id_, "-o", folder / "case.zip", "--actor", "aud", database=url)
    assert (early.code, (folder / "case.zip").exists()) == (1, False)
    assert "audit checkpoint" in early.err
    assert workflow("audit", "checkpoint", "-o", folder / "kept.txt", database=url).code == 0
    made = workflow("audit", "bundle", id_, "-o", folder / "case.zip", "--actor", "aud", "--open", "field:email", database=url)
    assert made.code == 0, made.err
    key = workflow("audit", "keys", database=url).out.split()[0]
    recorded = workflow("trace", "system", "--json", database=url).data["lines"][-1]["entry"]
    return folder / "case.zip", key, (folder / "kept.txt").read_text(encoding="utf-8"), recorded


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def written(path: Path, files: dict[str, bytes], *, is_manifest_kept: bool = False) -> Path:
    """Write a bundle; a forger makes the manifest fit, too."""
    manifest = json.loads(files["manifest.json"])
    if not is_manifest_kept:
        manifest["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"}
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in (files | {"manifest.json": json.dumps(manifest).encode()}).items():
            bundle.writestr(name, data)
    return path


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def refused(path: Path, key: str, kept: str | None = None) -> bool:
    try:
        verify_bundle.verify(path, keys=[key], kept=kept)
    except (verify_bundle.RefusedError, KeyError, TypeError, ValueError):
        return True
    return False


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """An empty environment: an interpreter of its own, the one package, and the one file; gives how to run a file there."""
    place = tmp_path_factory.mktemp("alone")
    venv.create(place / "env", with_pip=False)
    packages = next((place / "env" / "lib").glob("python*/site-packages"))
    for name in ("cryptography", "cffi", "_cffi_backend"):  # cffi is what `cryptography` needs
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        real = Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)
        (packages / real.name).symlink_to(real)
    (place / "verify_bundle.py").write_bytes((ROOT / "verify_bundle.py").read_bytes())
    (place / "inside.py").write_text(
        "import pkgutil, sys\nprint(*sorted(m.name for m in pkgutil.iter_modules() if 'site-packages' in m.module_finder.path))"
    )

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        program = [str(place / "env" / "bin" / "python"), "-I", *map(str, arguments)]
        return subprocess.run(program, capture_output=True, text=True, cwd=place, timeout=60, check=False)

    assert run("inside.py").stdout.split() == ["_cffi_backend", "cffi", "cryptography"]
    assert "ModuleNotFoundError" in run("-c", "import workflow").stderr
    return run


def test_it_verifies_alone(case, alone):
    """In an environment that has `cryptography` and nothing else the bundle is proved in words, and what is not proved is said too."""
    path, key, kept, _ = case
    (path.parent / "kept.txt").write_text(kept, encoding="utf-8")
    done = alone("verify_bundle.py", path, "--key", key, "--checkpoint", path.parent / "kept.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    proved, _, rest = done.stdout.partition("NOT PROVED")
    for word in ("chain without a gap", "in the tree", "by the key that you gave", "that you have kept", "published ones", "1 opened"):
        assert word in proved
    assert "withheld or erased" in rest


def test_it_needs_nothing_of_ours():
    """One file of at most 300 lines that imports the standard library and `cryptography`."""
    source = (ROOT / "verify_bundle.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 300
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module).partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names - set(sys.stdlib_module_names) == {"cryptography"}


def test_making_it_is_recorded(case):
    """Who took a case out, and which personal values were opened for it, is an entry; what they are is not."""
    path, _, _, entry = case
    assert (entry["kind"], entry["actor"]) == ("data:exported", "aud")
    assert (entry["payload"]["format"], entry["payload"]["opened"]) == ("bundle", ["field:email"])
    assert entry["payload"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "ana@example.org" not in json.dumps(entry)


def test_a_changed_byte_is_refused_in_every_file(case, tmp_path):
    """A byte that is changed in any file is seen by the manifest, and the reason names the file."""
    path, key, _, _ = case
    files = files_of(path)
    for name in sorted(set(files) - {"manifest.json"}):
        touched = written(tmp_path / "touched.zip", files | {name: flipped(files[name])}, is_manifest_kept=True)
        with pytest.raises(verify_bundle.RefusedError, match=f"^{re.escape(name)} is not the file that the manifest names"):
            verify_bundle.verify(touched, keys=[key])


def test_a_changed_manifest_is_refused(case, tmp_path):
    """Whatever the manifest says otherwise, of the case or of a file, is refused with a reason."""
    path, key, _, _ = case
    files = files_of(path)
    said = json.loads(files["manifest.json"])
    others = {"form": 2, "instance": "another", "entries": said["entries"] - 1, "head": "0" * 64, "files": {}}
    assert set(others) == set(said)
    for name, value in others.items():
        touched = tmp_path / "touched.zip"
        with zipfile.ZipFile(touched, "w") as bundle:
            for other, data in (files | {"manifest.json": json.dumps(said | {name: value}).encode()}).items():
                bundle.writestr(other, data)
        with pytest.raises(verify_bundle.RefusedError):
            verify_bundle.verify(touched, keys=[key])


def test_a_changed_byte_of_the_zip_is_refused_alone(case, alone, tmp_path):
    """In the empty environment, too, a byte that is changed in the zip itself is refused with a reason, and never with a traceback."""
    path, key, _, _ = case
    raw = path.read_bytes()
    for at in (0, len(raw) // 3, len(raw) // 2, len(raw) - 20):
        (tmp_path / "touched.zip").write_bytes(raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :])
        done = alone("verify_bundle.py", tmp_path / "touched.zip", "--key", key)
        assert (done.returncode, done.stderr) == (1, ""), done.stdout
        assert done.stdout.startswith("REFUSED: ")


def test_no_byte_of_the_zip_changes_what_is_proved(case, tmp_path):
    """A byte changed anywhere in the zip is refused, or changes nothing of what is in it (dates and the like of the container)."""
    path, key, _, _ = case
    raw, files, touched = path.read_bytes(), files_of(path), tmp_path / "touched.zip"
    for at in range(0, len(raw), 173):
        touched.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
        try:
            verify_bundle.verify(touched, keys=[key])
        except (verify_bundle.RefusedError, *verify_bundle.UNREADABLE):
            continue
        assert files_of(touched) == files, at


def test_a_forger_who_makes_the_manifest_fit_is_refused(case, tmp_path):
    """Entries, proofs, documents, values and checkpoint prove one another; only what is for reading can be exchanged."""
    path, key, _, _ = case
    files = files_of(path)
    for name in sorted(set(files) - {"manifest.json"}):
        forged = written(tmp_path / "forged.zip", files | {name: flipped(files[name])})
        assert refused(forged, key) == (name not in OF_READING), name


def test_a_missing_or_added_entry_is_refused(case, tmp_path):
    """An entry less, at the end or in the middle, is a gap; one more follows nothing."""
    path, key, _, _ = case
    files = files_of(path)
    last = max(name for name in files if name.startswith("entries/"))
    for gone in ("entries/000003.json", last):
        assert refused(written(tmp_path / "less.zip", {name: data for name, data in files.items() if name != gone}), key)
    assert refused(written(tmp_path / "more.zip", files | {"entries/000999.json": files[last]}), key)


def test_another_key_and_another_checkpoint(case):
    """A signature by somebody else proves nothing; a kept checkpoint that contradicts condemns the bundle."""
    path, key, kept, _ = case
    name, id_, public = key.split("+", 2)
    other = f"{name}+{id_}+{public[:-6]}AAAA{public[-2:]}"
    assert "none of the keys that you gave" in " ".join(verify_bundle.verify(path, keys=[other]).not_proved)
    lines = kept.split("\n")
    rewritten = "\n".join([lines[0], lines[1], "A" * 43 + "=", *lines[3:]])
    with pytest.raises(verify_bundle.RefusedError, match="rewritten"):
        verify_bundle.verify(path, keys=[key], kept=rewritten)
    with pytest.raises(verify_bundle.RefusedError, match="another log"):
        verify_bundle.verify(path, keys=[key], kept="\n".join(["other", *lines[1:]]))
    newer = "\n".join([lines[0], "999999", *lines[2:]])
    assert "consistency proof" in " ".join(verify_bundle.verify(path, keys=[key], kept=newer).not_proved)
