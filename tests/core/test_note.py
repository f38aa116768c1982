"""A note says who signed it, and opens for nobody else (docs/spec/log.md, L9 to L11).

Known answers: the key and note of the reference implementation's tests, golang.org/x/mod,
`sumdb/note/note_test.go`; keys of RFC 8032, section 7.1.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.note import Key, Signer, open_text, sign_text
from tests.core import ed25519

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETERS_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""  # noqa: E501
TEXT = PETERS_NOTE.partition("\n\n")[0] + "\n"
RFC_8032 = [  # seed, public key, message, signature
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     ("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     ("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")),
]  # fmt: skip
EVE = Signer.from_seed("eve.example", bytes(31) + b"\1")


def line(name: str, blob: bytes) -> str:
    return f"\u2014 {name} {base64.b64encode(blob).decode()}\n"


def test_the_published_note() -> None:
    """L9, L10: signed anew it is the same to the byte, and it opens."""
    peter = Signer.from_seed("PeterNeumann", PETERS_SEED)
    assert peter.vkey == PETER
    assert sign_text(TEXT, peter) == PETERS_NOTE
    assert open_text(PETERS_NOTE, PETER) == TEXT
    assert open_text(PETERS_NOTE.encode(), Key.from_text(PETER)) == TEXT


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_the_naive_signature(seed: str, public: str, message: str, signature: str) -> None:
    """What the next test compares with gives the answers of RFC 8032."""
    assert ed25519.public_key(bytes.fromhex(seed)).hex() == public
    assert ed25519.signature(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature


@pytest.mark.parametrize("seed", [bytes.fromhex(case[0]) for case in RFC_8032])
def test_a_note_by_hand(seed: bytes) -> None:
    """L9, L10, written out byte for byte."""
    public = ed25519.public_key(seed)
    text = "Grüße\n\nan alle\n"
    hash_ = hashlib.sha256(b"shed.example\n\1" + public).digest()[:4]
    note = (
        f"{text}\n\u2014 shed.example "
        f"{base64.b64encode(hash_ + ed25519.signature(seed, text.encode())).decode()}\n"
    )
    signer = Signer.from_seed("shed.example", seed)
    assert sign_text(text, signer) == note
    vkey = f"shed.example+{hash_.hex()}+{base64.b64encode(bytes([1]) + public).decode()}"
    assert signer.vkey == vkey
    assert Key.from_text(vkey) == signer.key == Key("shed.example", public)
    assert open_text(note, vkey) == text


lines_of_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, range(32)))),
    max_size=8,
)


@given(st.lists(lines_of_text, min_size=1, max_size=4), st.binary(min_size=32, max_size=32))
def test_what_is_signed_opens(lines: list[str], seed: bytes) -> None:
    """Empty lines within the text, and lines that look like signatures, stay what they are."""
    text = "".join(each + "\n" for each in lines)
    signer = Signer.from_seed("a/b", seed)
    assert open_text(sign_text(text, signer).encode(), signer.vkey) == text
    nested = sign_text(text, signer)
    assert open_text(sign_text(nested, EVE), EVE.key) == nested


def test_any_byte_matters() -> None:
    """Changed to whatever else, dropped, or doubled: the note does not open (L11)."""
    note, key = PETERS_NOTE.encode(), Key.from_text(PETER)
    for at in range(len(note)):
        before, after = note[:at], note[at + 1 :]
        for other in {note[at] ^ 1, note[at] ^ 2, note[at] ^ 32, note[at] ^ 128, 10, 32, 65}:
            if other != note[at]:
                with pytest.raises(VerificationError):
                    open_text(before + bytes([other]) + after, key)
        with pytest.raises(VerificationError):
            open_text(before + after, key)
        with pytest.raises(VerificationError):
            open_text(before + note[at : at + 1] * 2 + after, key)
    for at in range(len(note)):
        with pytest.raises(VerificationError):
            open_text(note[:at], key)


SIGNED = line("PeterNeumann", base64.b64decode(PETERS_NOTE.rpartition(" ")[2]))


@pytest.mark.parametrize(
    ("note", "says"),
    [
        (b"\xff\n\n" + SIGNED.encode(), "note: it is not UTF-8"),
        (TEXT + "\0\n\n" + SIGNED, "note: it has control characters"),
        (TEXT.replace("\n", "\r\n") + "\n" + SIGNED, "note: it has control characters"),
        (TEXT + "\ud800\n\n" + SIGNED, "note: it has control characters"),
        (TEXT + SIGNED, "note: no empty line"),
        ("", "note: no empty line"),
        (TEXT + "\n", "note: it does not end"),
        (PETERS_NOTE + "\n", "note: it does not end"),
        (PETERS_NOTE[:-1], "note: it does not end"),
        (PETERS_NOTE + "more\n", "signature 2: the line is malformed"),
        (TEXT + "\n" + SIGNED.replace("\u2014", "-"), "signature 1: the line is malformed"),
        (TEXT + "\n" + SIGNED[2:], "signature 1: the line is malformed"),
        (TEXT + "\n" + SIGNED.replace(" ", "  ", 1), "signature 1: the line is malformed"),
        (TEXT + "\n" + SIGNED.replace("=", ""), "signature 1: the line is malformed"),
        (TEXT + "\n" + SIGNED.replace("M=", "N="), "signature 1: the line is malformed"),
        (TEXT + "\n" + SIGNED.replace("=", "= "), "signature 1: the line is malformed"),
        (TEXT + "\n" + SIGNED.replace("Peter", "P+er"), "signature 1: the line is malformed"),
        (TEXT + "\n" + SIGNED.replace("Peter", "P\u2003er"), "signature 1: the line is malformed"),
        (PETERS_NOTE + line("eve.example", b"1234"), "signature 2: the line is malformed"),
        (PETERS_NOTE + SIGNED, "signature 2: PeterNeumann has signed before"),
        (PETERS_NOTE.replace("crypto", "krypto"), "signature 1: PeterNeumann has not signed this"),
        (TEXT + "\n" + line("PeterNeumann", bytes.fromhex("c74f20a3") + bytes(63)),
         "signature 1: PeterNeumann has not signed this"),
        (TEXT + "\n" + SIGNED.replace("PeterN", "PaterN"),
         "note: signed under the name PaterNeumann, not PeterNeumann"),
        (TEXT + "\n" + line("PeterNeumann", bytes(68)), "note: signed by another key of the name"),
        (sign_text(TEXT, EVE), "note: not signed by PeterNeumann, but by eve.example"),
        (PETERS_NOTE + SIGNED.replace("PeterN", "PaterN") * 100, "note: more than 100"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(note: str | bytes, says: str) -> None:
    """L11."""
    with pytest.raises(VerificationError) as error:
        open_text(note, PETER)
    assert str(error.value).startswith(says)


def test_the_order_of_a_group_is_no_second_signature() -> None:
    """A signature plus the order of the group would fit in exact arithmetic; it is refused."""
    blob = base64.b64decode(PETERS_NOTE.rpartition(" ")[2])
    once, rest = blob[:36], int.from_bytes(blob[36:], "little") + ed25519.ORDER
    forged = TEXT + "\n" + line("PeterNeumann", once + rest.to_bytes(32, "little"))
    with pytest.raises(VerificationError, match="has not signed"):
        open_text(forged, PETER)


def test_other_signatures_stand_beside() -> None:
    """Before or after, even with the name or the hash of the key, but not both (L11)."""
    for other in (
        line("eve.example", EVE.key.hash + bytes(64)),
        line("witness.example", b"12345"),
        line("PeterNeumann", bytes(68)),
        line("eve.example", bytes.fromhex("c74f20a3") + bytes(64)),
    ):
        assert open_text(PETERS_NOTE + other, PETER) == TEXT
        assert open_text(TEXT + "\n" + other + SIGNED, PETER) == TEXT
    assert open_text(PETERS_NOTE + line("eve.example", bytes(68)) * 99, PETER) == TEXT


def test_mangled_texts_of_keys() -> None:
    """Every part of a text, and every text with one other letter, is refused (L10)."""
    for low in range(len(PETER)):
        for high in range(low, len(PETER) + 1):
            if (low, high) != (0, len(PETER)):
                with pytest.raises(InputError):
                    Key.from_text(PETER[low:high])
    for at in range(len(PETER)):
        for other in {chr(ord(PETER[at]) + 1), chr(ord(PETER[at]) ^ 32), "+", "=", "\ud800"}:
            if other != PETER[at]:
                with pytest.raises(InputError):
                    Key.from_text(PETER[:at] + other + PETER[at + 1 :])
    for text in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # too long
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # another type
        PETER.replace("a3", "A3"),
    ):
        with pytest.raises(InputError):
            Key.from_text(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b", "\ud800", "\0"])
def test_names_that_no_key_has(name: str) -> None:
    """L10."""
    with pytest.raises(InputError, match="no name"):
        Signer.from_seed(name, bytes(32))


def test_seeds_and_texts_that_will_not_do() -> None:
    for length in (0, 31, 33, 64):
        with pytest.raises(InputError, match="32 bytes"):
            Signer.from_seed("a", bytes(length))
    for text in ("", "no newline", "tab\t\n", "\ud800\n", "a\r\n"):
        with pytest.raises(InputError, match="note"):
            sign_text(text, EVE)


def small_order() -> list[bytes]:
    """The eight points whose eightfold is zero: what ORDER times any point of the curve gives."""
    found = {ed25519.packed(ed25519.ZERO)}
    y = 2
    while len(found) < 8:
        y += 1
        try:
            point = (ed25519.x_of(y, 0), y)
        except AssertionError:
            continue  # no point of the curve has this y
        small = ed25519.times(ed25519.ORDER, point)
        for n in range(8):
            found.add(ed25519.packed(ed25519.times(n, small)))
    return sorted(found)


def test_keys_under_which_anybody_can_sign() -> None:
    """The library takes a forged signature of each; the key is refused here (L10)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    forged = ed25519.packed(ed25519.ZERO) + bytes(32)  # made without any secret

    def fits(public: bytes, text: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(forged, text)
        except InvalidSignature:
            return False
        return True

    weak = small_order()
    assert len(weak) == 8
    for public in weak:
        assert any(fits(public, b"%d" % n) for n in range(200))
        with pytest.raises(InputError, match="no public key"):
            Key("eve", public)


@pytest.mark.parametrize("excess", [0, 1, 2, 18])
@pytest.mark.parametrize("sign", [0, 1])
def test_keys_in_another_form(excess: int, sign: int) -> None:
    """A coordinate of the prime or more is a second form of a smaller one (L10)."""
    with pytest.raises(InputError, match="no public key"):
        Key("eve", (ed25519.P + excess | sign << 255).to_bytes(32, "little"))


def test_the_seed_is_not_shown() -> None:
    seed = b"a secret that must not be shown."
    signer = Signer.from_seed("shed", seed)
    shown = f"{signer!r} {signer} {signer.vkey} {sign_text('a' + chr(10), signer)}"
    assert "secret" not in shown and seed.hex() not in shown


def test_importing_it_is_light() -> None:
    """The cryptography is loaded when something is signed or opened, not before."""
    code = (
        "import sys, isojoule.core.checkpoint;"
        "print([m for m in ('cryptography', 'numpy', 'numba', 'polars') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
