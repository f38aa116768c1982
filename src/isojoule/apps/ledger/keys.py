"""The key that signs a ledger's checkpoints, in a file that only its owner reads.

The file is one line, `PRIVATE+KEY+NAME+HASH+DATA`: the form in which other programs for signed
notes keep theirs. HASH is that of the public key (see `isojoule.core.note`), DATA the byte 1 and
the secret seed in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from isojoule.apps.ledger.urls import Place
from isojoule.core.checkpoint import Signer
from isojoule.core.errors import InputError

KEY_VARIABLE = "ISOJOULE_LEDGER_KEY"
"""Environment variable that names the key file of a ledger on PostgreSQL."""
_HEAD = "PRIVATE+KEY+"
_REMEDY = "put the key file of this ledger back, or name it with --key"


def key_path(place: Place, given: str | Path | None = None) -> Path:
    """Where the key file of a ledger is.

    As given; else beside a file of SQLite; else as the environment says; else `isojoule/ledger.key`
    in the user's folder of settings.
    """
    if given is not None:
        return Path(given).expanduser()
    if place.file is not None:
        return place.file.with_name(place.file.name + ".key")
    named = os.environ.get(KEY_VARIABLE, "")
    if named:
        return Path(named).expanduser()
    settings = os.environ.get("XDG_CONFIG_HOME", "") or "~/.config"
    return Path(settings).expanduser() / "isojoule" / "ledger.key"


def read_key(path: Path) -> Signer:
    """Read a key file.

    Raises
    ------
    InputError
        There is none, or it is broken.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise InputError("the key file is missing", place=str(path), remedy=_REMEDY) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the key file cannot be read ({error})", place=str(path), remedy=_REMEDY
        ) from None
    parts = text.removeprefix(_HEAD).split("+", 2)
    broken = InputError("is no key file", place=str(path), remedy=_REMEDY)
    if not text.startswith(_HEAD) or len(parts) != 3:
        raise broken
    try:
        data = base64.b64decode(parts[2], validate=True)
        signer = Signer.from_seed(parts[0], data[1:])
    except (binascii.Error, InputError):
        raise broken from None
    if key_text(signer) != text:
        raise broken
    return signer


def make_key(path: Path) -> Signer:
    """Make a key, and its file, which only its owner can read (mode 0600).

    Raises
    ------
    InputError
        The file cannot be written.
    """
    seed = os.urandom(32)
    public = Signer.from_seed("new", seed).key.public_key
    signer = Signer.from_seed(f"isojoule-{hashlib.sha256(public).hexdigest()[:8]}", seed)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(key_text(signer) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, path)  # never over a key that is there
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            aside.unlink()
    except OSError as error:
        raise InputError(
            f"the key file cannot be written ({error.strerror or error})",
            place=str(path),
            remedy="make its folder writable, or name another file with --key",
        ) from None
    return signer


def key_text(signer: Signer) -> str:
    """The line that stands in a key file."""
    data = base64.b64encode(b"\1" + signer.seed).decode()
    return f"{_HEAD}{signer.key.name}+{signer.key.hash.hex()}+{data}"
