"""Signed notes: a text that people can read, and lines that say who signed it.

The format is the signed note of the C2SP (c2sp.org/signed-note, version 1.0), with Ed25519
signatures (RFC 8032) alone. The rules are docs/spec/log.md, L9 to L11.

- A note is a text that ends with a newline, an empty line, and one line for each signature: an em
  dash, the key's name, and in base64 the key's hash (4 bytes) and the signature.
- The key's hash is the first 4 bytes of SHA-256 of the name, a newline, a byte 1 and the public
  key. It finds a key among those known; it is no protection.
- The text of a key (`Key.text`) is its name, its hash in hexadecimal and, in base64, the byte 1
  and the public key, with `+` between them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from isojoule.core.errors import InputError, VerificationError

_ED25519 = b"\1"
_MOST_SIGNATURES = 100
_PRIME = 2**255 - 19
_LINE = "\u2014 "


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and its name: whom a reader of notes trusts.

    Parameters
    ----------
    name
        Best the address of what signs, without its scheme: `grid.example`. No spaces, no `+`.
    public_key
        32 bytes (RFC 8032).

    Raises
    ------
    InputError
        The name will not do, or the key is none under which only its owner can sign.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise InputError(
                f"{self.name!r} is no name of a key",
                place="key",
                remedy="one or more characters, without spaces and without +",
            )
        if len(self.public_key) != 32 or _is_weak(self.public_key):
            raise InputError(
                f"{self.public_key.hex()!r} is no public key of Ed25519",
                place=f"key {self.name}",
                remedy="make a new pair of keys",
            )

    @classmethod
    def from_text(cls, text: str) -> Key:
        """Read the one text of a key.

        Raises
        ------
        InputError
            It is none, or its hash is not its own.
        """
        place, remedy = "key", "copy the whole text, name+hash+key"
        name, _, rest = text.partition("+")
        typed = _decoded(rest[9:])
        if typed is None or typed[:1] != _ED25519:
            raise InputError(f"{text!r} is no text of an Ed25519 key", place=place, remedy=remedy)
        key = cls(name, typed[1:])
        if key.text != text:
            raise InputError(f"{text!r} has another hash than its key", place=place, remedy=remedy)
        return key

    @property
    def hash(self) -> bytes:
        """What stands for the key in a signature, 4 bytes."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return hashlib.sha256(named).digest()[:4]

    @property
    def text(self) -> str:
        """The key as one word: what others need to open notes."""
        return f"{self.name}+{self.hash.hex()}+{_encoded(_ED25519 + self.public_key)}"

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether a signature of a text is of this key; one of another length than 64 is not."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that can sign. The seed is the secret: it stands in no text and no `repr`."""

    key: Key
    seed: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Signer:
        """The signer of a name and a secret seed of 32 random bytes.

        Raises
        ------
        InputError
            The name or the seed will not do.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if len(seed) != 32:
            raise InputError(f"a seed has 32 bytes, not {len(seed)}", place=f"key {name}")
        public_key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        return cls(Key(name, public_key), seed)

    @property
    def vkey(self) -> str:
        """The text of the public key, to be given to those who read notes."""
        return self.key.text

    def signature(self, text: str) -> bytes:
        """The signature of a text, 64 bytes: always the same for the same text (RFC 8032)."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())


def sign_text(text: str, signer: Signer) -> str:
    """The note of a text, signed.

    Raises
    ------
    InputError
        The text does not end with a newline, or has other control characters.
    """
    if not text.endswith("\n") or not _is_plain(text):
        raise InputError(
            "a text to be signed ends with a newline and has no other control characters",
            place="note",
        )
    key = signer.key
    return f"{text}\n{_LINE}{key.name} {_encoded(key.hash + signer.signature(text))}\n"


def open_text(note: str | bytes, vkey: str | Key) -> str:
    """The text of a note, if a key has signed it.

    Signatures of other keys may stand beside it, of witnesses for example. They must be well
    formed, and are not checked.

    Parameters
    ----------
    note
        Bytes as they lie in a file are best: reading them as text may change the ends of lines.
    vkey
        The key, or its text.

    Raises
    ------
    VerificationError
        Names the part of the note that is malformed, or the signature that lacks or is wrong.
    InputError
        `vkey` is no text of a key.
    """
    key = Key.from_text(vkey) if isinstance(vkey, str) else vkey
    body, lines = _parts(note)
    found: list[tuple[str, bytes]] = []
    ours = 0
    for number, line in enumerate(lines, 1):
        place = f"signature {number}"
        name, blob = _signature(line, place)
        found.append((name, blob[:4]))
        if found[-1] != (key.name, key.hash):
            continue
        ours += 1
        if ours > 1:
            raise VerificationError(f"{key.name} has signed before", place=place)
        if not key.signed(body, blob[4:]):
            raise VerificationError(f"{key.name} has not signed this text", place=place)
    if not ours:
        raise VerificationError(_stranger(key, found), place="note")
    return body


def _parts(note: str | bytes) -> tuple[str, list[str]]:
    """The text, and the lines of signatures without their newlines."""
    try:
        text = note.decode() if isinstance(note, bytes) else note
    except UnicodeDecodeError:
        raise VerificationError("it is not UTF-8", place="note") from None
    if not _is_plain(text):
        raise VerificationError("it has control characters", place="note")
    head, gap, tail = text.rpartition("\n\n")
    if not gap:
        raise VerificationError("no empty line before the signatures", place="note")
    if not tail.endswith("\n"):
        raise VerificationError("it does not end with the newline of a signature", place="note")
    lines = tail[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise VerificationError(f"more than {_MOST_SIGNATURES} signatures", place="note")
    return head + "\n", lines


def _signature(line: str, place: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_LINE).partition(" ")
    blob = _decoded(encoded)
    if not line.startswith(_LINE) or not _is_name(name) or blob is None or len(blob) < 5:
        raise VerificationError("the line is malformed", place=place)
    return name, blob


def _stranger(key: Key, found: list[tuple[str, bytes]]) -> str:
    names = ", ".join(dict.fromkeys(name for name, _ in found))
    if any(name == key.name for name, _ in found):
        return f"signed by another key of the name {key.name}"
    if any(hash_ == key.hash for _, hash_ in found):
        return f"signed under the name {names}, not {key.name}"
    return f"not signed by {key.name}, but by {names}"


def _is_name(name: str) -> bool:
    return bool(name) and _is_plain(name) and not any(c.isspace() or c == "+" for c in name)


def _is_plain(text: str) -> bool:
    """Unicode (no half of a surrogate pair) without control characters but newlines."""
    return re.search("[\0-\x09\x0b-\x1f\ud800-\udfff]", text) is None


def _is_weak(public_key: bytes) -> bool:
    """Whether the key is of small order, or not in its one form.

    Under a key of small order anybody can sign, and one signature may fit several texts, so that
    its owner could deny what it signed. The orders 1, 2, 4 and 8 of the curve
    -x^2 + y^2 = 1 - (121665/121666) x^2 y^2 are where y = 1, y = -1, y = 0, and x^2 = -y^2.
    """
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    eighth = 121666 * (2 * y * y - 1) - 121665 * y**4
    return y >= _PRIME or y * (y * y - 1) * eighth % _PRIME == 0


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes | None:
    """What a base64 text stands for; None if it is not the one text of its bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _encoded(data) == text else None
