"""A checkpoint has one text, one log and one signer (docs/spec/log.md, L7 to L12).

Known answers: checkpoints of the Go checksum database, sum.golang.org. The first is also the
example of c2sp.org/tlog-checkpoint, there under another origin, for which it was not signed.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.checkpoint import (
    Checkpoint,
    Signer,
    checkpoint_text,
    open_note,
    parse_checkpoint,
    sign,
)
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    leaf_hash,
    root_of,
    verify_consistency,
)
from isojoule.core.note import sign_text
from tests.core import ed25519

GO = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_ORIGIN = "go.sum database tree"
C2SP = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""  # noqa: E501
WITNESSED = """\
go.sum database tree
15081221
BoMMe1wd25Tco0mYGROkyqxHZWx+hcSCtMV315Lu6Lg=

— sum.golang.org Az3grilD7vQqTrv66jRgKM84Y80KTprrSt4bKmiOPxgmS5ZVBTeCl6dUvjYnN13R+C8j0jGY1WnUADGMkok3U0m2Zgo=
— test.example.com qTGhC3917mAr6hGh+T55tNjxaej/D/GQivJZRIj7XGdAcQOTqfMWIPgp/v/904LEduN/h2sSRtHUJXUL4b9Gm7Bz4Qc=
— test.example.com /Pa7Y/dUvWMAAAAAQVwkQVi81ArPV7BIaQYrMIxyzY0m8a4BdeeBhSKd3PviPK4/3Sd+NKSc5N7PDTCfAkUSVniN+R2oKIggA4iiDQ==
"""  # noqa: E501
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032
SHED = Signer.from_seed("shed.example", SEED)
ROOT = root_of([b"one", b"two"])
TWO = Checkpoint("shed.example", 2, ROOT)

line = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, range(32)))),
    min_size=1,
    max_size=9,
)
checkpoints = st.builds(
    Checkpoint,
    line,
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(line, max_size=2).map(tuple),
) | st.builds(Checkpoint, line, st.just(0), st.just(EMPTY_ROOT))


def test_the_example_of_the_specification() -> None:
    """Its text parses; its signature holds for the log that it was taken from (L7, L9)."""
    text = C2SP.partition("\n\n")[0] + "\n"
    read = parse_checkpoint(text)
    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20852163)
    assert base64.b64encode(read.root) == b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    assert checkpoint_text(read) == text
    real = C2SP.replace(read.origin, GO_ORIGIN, 1).replace(read.origin, "sum.golang.org")
    assert open_note(real, GO, origin=GO_ORIGIN) == replace(read, origin=GO_ORIGIN)
    with pytest.raises(VerificationError, match=r"under the name example.com/behind-the-sofa"):
        open_note(C2SP, GO, origin=read.origin)
    with pytest.raises(VerificationError, match="has not signed"):
        open_note(C2SP.replace("— " + read.origin, "— sum.golang.org"), GO, origin=read.origin)


def test_a_checkpoint_with_witnesses() -> None:
    """L11."""
    assert open_note(WITNESSED.encode(), GO, origin=GO_ORIGIN).size == 15081221


def test_a_checkpoint_by_hand() -> None:
    """L7, L9: the fixed note of a fixed seed, and the same without any library."""
    public = ed25519.public_key(SEED)
    root = hashlib.sha256(
        b"\1" + hashlib.sha256(b"\0one").digest() + hashlib.sha256(b"\0two").digest()
    ).digest()
    body = "shed.example\n2\n" + base64.b64encode(root).decode() + "\n"
    hash_ = hashlib.sha256(b"shed.example\n\1" + public).digest()[:4]
    signed = base64.b64encode(hash_ + ed25519.signature(SEED, body.encode())).decode()
    assert checkpoint_text(TWO) == body
    assert sign(TWO, SHED) == f"{body}\n\u2014 shed.example {signed}\n"
    assert sign(TWO, SHED) == FIXED
    assert SHED.vkey == FIXED_KEY
    assert open_note(FIXED, FIXED_KEY) == TWO


FIXED = """\
shed.example
2
T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=

— shed.example A561+LWOqzzgQruICVtVXOAfjB0JdXy7xK2qQMRwDZdbMKYav8SHKTCp3tpQ5W6IHBLZduJlnQObL+VGV3xm2ECrjg0=
"""  # noqa: E501
FIXED_KEY = "shed.example+039eb5f8+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"


@given(checkpoints)
def test_one_text_for_each(checkpoint: Checkpoint) -> None:
    """L7."""
    text = checkpoint_text(checkpoint)
    assert parse_checkpoint(text) == checkpoint
    note = sign(checkpoint, SHED)
    assert open_note(note.encode(), SHED.vkey, origin=checkpoint.origin) == checkpoint
    assert sign(checkpoint, SHED) == note


def test_any_byte_matters() -> None:
    """Each byte, changed to every other value, keeps the note from being opened (L11)."""
    note, key = sign(TWO, SHED).encode(), SHED.key
    for at in range(len(note)):
        for other in range(256):
            if other != note[at]:
                changed = note[:at] + bytes([other]) + note[at + 1 :]
                with pytest.raises(VerificationError):
                    open_note(changed, key)
        with pytest.raises(VerificationError):
            open_note(note[:at] + note[at + 1 :], key)
        with pytest.raises(VerificationError):
            open_note(note[:at], key)
    for more in (b"\n", b" ", b"\0", b"x\n", note):
        with pytest.raises(VerificationError):
            open_note(note + more, key)
        with pytest.raises(VerificationError):
            open_note(more + note, key)


ENCODED = base64.b64encode(ROOT).decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "fewer than three whole lines"),
        (f"a\n2\n{ENCODED}", "fewer than three whole lines"),
        (f"a\n2\n{ENCODED}\nmore", "fewer than three whole lines"),
        ("a\n2\n", "fewer than three whole lines"),
        *[(f"a\n{size}\n{ENCODED}\n", "line 2: .* is no size")
          for size in ("02", "00", "+2", "-2", "-0", " 2", "2 ", "", "2.0", "2_0", "\u0662", "0x2",
                       "1" * 20)],
        (f"a\n{2**63}\n{ENCODED}\n", "is no size"),
        *[(f"a\n2\n{root}\n", "line 3: .* is no root")
          for root in ("", ENCODED[:-1], ENCODED + "=", " " + ENCODED, ENCODED[:-2] + "==",
                       ENCODED.replace(ENCODED[0], "_"), ENCODED.replace(ENCODED[0], "-"),
                       base64.b64encode(ROOT[:31]).decode(), base64.b64encode(ROOT * 2).decode())],
        (f"a\n2\n{ENCODED[:-2]}{chr(ord(ENCODED[-2]) + 1)}=\n", "the root has another text"),
        (f"\n2\n{ENCODED}\n", "none is empty"),
        (f"a\n2\n{ENCODED}\n\n", "none is empty"),
        (f"a\n2\n{ENCODED}\nb\n\nc\n", "none is empty"),
        (f"a\tb\n2\n{ENCODED}\n", "plain text"),
        (f"a\n2\n{ENCODED}\nb\r\n", "plain text"),
        (f"\ud800\n2\n{ENCODED}\n", "plain text"),
        (f"a\n0\n{ENCODED}\n", "empty log has another root"),
    ],
)  # fmt: skip
def test_no_other_text(text: str, says: str) -> None:
    """L7: refused even where the key has signed it, as far as a note can hold it."""
    with pytest.raises(VerificationError, match=says):
        parse_checkpoint(text)
    try:
        note = sign_text(text, SHED)
    except InputError:
        return
    with pytest.raises(VerificationError, match=says):
        open_note(note, SHED.vkey, origin="a")


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions"),
    [("", 1, ROOT, ()), ("a\nb", 1, ROOT, ()), ("a\r", 1, ROOT, ()), ("\ud800", 1, ROOT, ()),
     ("a", -1, ROOT, ()), ("a", 2**63, ROOT, ()), ("a", 1, ROOT[:31], ()), ("a", 1, b"", ()),
     ("a", 0, ROOT, ()), ("a", 1, ROOT, ("",)), ("a", 1, ROOT, ("b", "c\nd"))],
)  # fmt: skip
def test_what_is_no_checkpoint(
    origin: str, size: int, root: bytes, extensions: tuple[str, ...]
) -> None:
    """L7: what could not be read again cannot be made."""
    with pytest.raises(InputError, match="checkpoint"):
        Checkpoint(origin, size, root, extensions)


def test_a_log_does_not_pass_for_another() -> None:
    """One key, two logs (L8)."""
    ledger = sign(Checkpoint("shed.example/ledger", 2, ROOT), SHED)
    session = sign(Checkpoint("shed.example/session", 2, ROOT), SHED)
    assert open_note(ledger, SHED.vkey, origin="shed.example/ledger").size == 2
    for note in (ledger, session):
        with pytest.raises(VerificationError, match=r"is of the log 'shed\.example/"):
            open_note(note, SHED.vkey)
    with pytest.raises(VerificationError, match=r"not of 'shed\.example/ledger'"):
        open_note(session, SHED.vkey, origin="shed.example/ledger")


def test_a_bad_key_is_the_readers_fault() -> None:
    with pytest.raises(InputError, match="no text of an Ed25519 key"):
        open_note(sign(TWO, SHED), "shed.example")


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_log_and_its_checkpoints(first: int, second: int) -> None:
    """What a reader does who has seen a log before: two notes and a proof (L5, L12)."""
    old_size, new_size = sorted((first, second))
    leaves = [leaf_hash(bytes([i])) for i in range(new_size)]
    old_log = Frontier().extend(leaves[:old_size])
    new_log = old_log.extend(leaves[old_size:])
    notes = [sign(Checkpoint("shed.example", log.size, log.root()), SHED)
             for log in (old_log, new_log)]  # fmt: skip
    old, new = (open_note(note, SHED.vkey) for note in notes)
    proof = consistency_proof(leaves, old_size)
    verify_consistency(old.size, old.root, new.size, new.root, proof)
    if old_size:
        other = Frontier().extend([leaf_hash(b"other"), *leaves[1:]])
        told = open_note(sign(Checkpoint("shed.example", other.size, other.root()), SHED), SHED.key)
        for attempt in (proof, consistency_proof([leaf_hash(b"other"), *leaves[1:]], old_size)):
            with pytest.raises(VerificationError):
                verify_consistency(old.size, old.root, told.size, told.root, attempt)
