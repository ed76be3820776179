"""Checkpoints and proofs as text: read strictly, verified by known keys only."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.audit import merkle
from workflow.audit.checkpoint import Checkpoint, CheckpointError, Signer, VerifierKey, read_note, sign, verify
from workflow.audit.proofs import Proof, inclusion_path
from workflow.audit.tiles import Growth, Nodes
from workflow.auditing import keys_of, signers_of
from workflow.checks import KeyVault
from workflow.checks.vault import is_signed
from workflow.errors import AuditError
from workflow.settings import MasterKey

ORIGIN = "access.example.org/workflow"
OLD, NEW = (MasterKey(kid=kid, secret=kid.encode() * 16) for kid in ("k1", "k2"))
HEAD = Checkpoint(origin=ORIGIN, size=20852163, root=bytes(range(32)))


def checked(note, keys):
    return verify(read_note(note), keys, is_signed=lambda key, text, by: is_signed(public_key=key, message=text, signature=by))


@pytest.fixture
def vault():
    return KeyVault([NEW])


def test_a_checkpoint_is_written_as_specified(vault):
    """Origin, size, root in base64, an empty line, a signature line; nothing else."""
    note = sign(HEAD, signers_of(vault, ORIGIN))
    lines = note.split("\n")
    assert [ORIGIN, "20852163", base64.b64encode(bytes(range(32))).decode(), ""] == lines[:4]
    assert lines[4].startswith(f"\u2014 {ORIGIN} ")
    assert lines[5:] == [""]
    assert 4 + 64 == len(base64.b64decode(lines[4].split()[2]))
    assert Checkpoint.read(read_note(note).text) == HEAD


def test_a_published_note_is_read():
    """The example of the specification can be taken apart, and its key id is where it must be."""
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\u2014 example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    taken = read_note(note)
    assert Checkpoint.read(taken.text).size == 20852163
    assert ["033de0ae"] == [one.key_id.hex() for one in taken.signatures]


def test_a_known_verifier_key_is_read():
    """A key in the form in which Go's checksum database publishes its own has the id that it says."""
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    key = VerifierKey.read(text)
    assert ("sum.golang.org", "033de0ae", text) == (key.name, key.id.hex(), key.write())


@pytest.mark.parametrize("text", ["", "a+b", "a b+033de0ae+AQ==", "sum.golang.org+033de0ad+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"])
def test_a_wrong_verifier_key_is_refused(text):
    """A key that was cut, or whose id is another's, is no key."""
    with pytest.raises(CheckpointError):
        VerifierKey.read(text)


def test_the_signature_is_verified_by_a_known_key(vault):
    """Whoever has the public key can verify; the answer names the key."""
    keys = keys_of(vault, ORIGIN)
    assert keys == checked(sign(HEAD, signers_of(vault, ORIGIN)), keys)


def test_an_unknown_key_says_nothing(vault):
    """A note that only an unknown key has signed is refused, and the reason says so."""
    note = sign(HEAD, signers_of(vault, ORIGIN))
    with pytest.raises(CheckpointError, match="No known key") as caught:
        checked(note, keys_of(KeyVault([OLD]), ORIGIN))
    assert caught.value.is_key_unknown
    with pytest.raises(CheckpointError, match="No known key"):
        checked(note, keys_of(vault, "another.example.org/log"))


def test_both_keys_sign_while_they_are_rotated():
    """During a rotation holders of the old and of the new key can verify, and each is told which key signed."""
    note = sign(HEAD, signers_of(KeyVault([NEW, OLD]), ORIGIN))
    assert 2 == len(read_note(note).signatures)
    for key in (OLD, NEW):
        keys = keys_of(KeyVault([key]), ORIGIN)
        assert keys == checked(note, keys)


def test_a_wrong_signature_of_a_known_key_condemns_the_note():
    """One right signature does not save a note on which a known key's signature is wrong."""
    both = KeyVault([NEW, OLD])
    signers = signers_of(both, ORIGIN)
    lying = Signer(key=signers[1].key, sign=lambda _text: bytes(64))
    with pytest.raises(CheckpointError, match="wrong") as caught:
        checked(sign(HEAD, [signers[0], lying]), keys_of(both, ORIGIN))
    assert not caught.value.is_key_unknown


@given(st.integers(min_value=0, max_value=400), st.integers(min_value=0, max_value=255))
def test_no_byte_can_be_changed(place, byte):
    """Whatever byte of a note is changed, it no longer verifies."""
    vault = KeyVault([NEW])
    note = sign(HEAD, signers_of(vault, ORIGIN)).encode()
    place %= len(note)
    changed = note[:place] + bytes([byte]) + note[place + 1 :]
    if changed == note:
        return
    with pytest.raises((AuditError, UnicodeDecodeError)):
        checked(changed.decode(), keys_of(vault, ORIGIN))


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n5\nAAAA\n",  # no 32 bytes
        f"{ORIGIN}\n05\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n-5\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n\u0665\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n5\n{base64.b64encode(bytes(32)).decode()}",
        f"{ORIGIN}\n5\n{base64.b64encode(bytes(32)).decode()}\nextension\n",
        f"{ORIGIN}\n99999999999999999999\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n5\n{base64.b64encode(bytes(32)).decode()[:-2]}B=\n",  # bits behind the end
        f"\n5\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n5\n{'!' * 44}\n",  # no base64
        f"{ORIGIN}\n5\n{'A' * 43}\n",  # cut
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text):
    """There is one way to write a checkpoint, and every other is refused."""
    with pytest.raises(CheckpointError):
        Checkpoint.read(text)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n\u2014 na+me AAAAAAA=\n",
        "text\n\n\u2014  AAAAAAA=\n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\n\u2014 name AAAAAAA=",
        "text\r\n\n\u2014 name AAAAAAA=\n",
        "te\tx\n\n\u2014 name AAAAAAA=\n",
        "text\n\n" + "\u2014 name AAAAAAA=\n" * 101,
    ],
)
def test_a_text_that_is_no_note_is_refused(note):
    """A note has text, an empty line and signature lines, no control characters, and an end."""
    with pytest.raises(CheckpointError):
        read_note(note)


def test_a_name_that_cannot_sign_is_refused():
    """A key's name has no blank and no plus sign: it must stand in a signature line."""
    with pytest.raises(CheckpointError, match="cannot sign"):
        VerifierKey(name="a b", public_key=bytes(32))
    with pytest.raises(CheckpointError, match="31 bytes"):
        VerifierKey(name="a", public_key=bytes(31))


def proof_of(index: int, size: int) -> tuple[Proof, list[bytes]]:
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(size)]
    tiles = {(tile.level, tile.number): tile.hashes for tile in Growth().extend(leaves)}
    path = inclusion_path(Nodes(lambda level, number: tiles.get((level, number)), size), index=index, size=size)
    head = Checkpoint(origin=ORIGIN, size=size, root=merkle.root_of(leaves))
    return Proof(index=index, path=path, note=sign(head, signers_of(KeyVault([NEW]), ORIGIN))), leaves


@given(st.integers(1, 300), st.data())
def test_a_proof_survives_being_written(size, data):
    """A proof read from its text proves the same leaf, and no other."""
    index = data.draw(st.integers(0, size - 1))
    made, leaves = proof_of(index, size)
    read = Proof.read(made.write())
    assert made == read
    assert read.holds_for(leaves[index])
    assert not read.holds_for(bytes(32))


def test_a_written_proof_is_one_text_that_proves_one_leaf():
    """The header, the index, the path and the checkpoint; who reads it can tell the leaf from any other, also where the path is empty."""
    for index, size in ((3, 9), (8, 9), (0, 1)):
        made, leaves = proof_of(index, size)
        text = made.write()
        assert text.startswith(f"c2sp.org/tlog-proof@v1\nindex {index}\n")
        assert len(made.path) + 2 == len(text.partition("\n\n")[0].split("\n"))
        read = Proof.read(text)
        assert (made, size) == (read, read.checkpoint.size)
        assert [read.holds_for(leaf) for leaf in leaves] == [at == index for at in range(size)]


def test_a_proof_that_is_written_otherwise_is_refused():
    """A proof has its header, a plain index, whole hashes, and a checkpoint behind an empty line."""
    text = proof_of(3, 9)[0].write()
    for wrong in (
        text.replace("tlog-proof@v1", "tlog-proof@v2"),
        text.replace("index 3", "index 03"),
        text.replace("index 3", "index three"),
        text.replace("index 3\n", "index 3\nAAAA\n"),
        text.replace("index 3\n", "index 3\n!!!!\n"),
        text.replace("index 3\n", "index 3\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 64),
        text.partition("\n\n")[0],
        "",
    ):
        with pytest.raises(AuditError):
            assert Proof.read(wrong).checkpoint
