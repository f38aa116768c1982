"""Certificates that a run carries in its own folder, because its rules of settlement ask for them.

Spec: docs/spec/certificates.md, W25.
"""

from __future__ import annotations

from pathlib import Path

from isojoule.apps.certificates.run import Report, claimed_of
from isojoule.apps.certificates.write import check_folder, compare, write_folder
from isojoule.apps.results.chapters import Settling
from isojoule.apps.results.chapters.certificates import FOLDER, source_of_settling
from isojoule.core.errors import InvariantError, VerificationError


def write_inside(settling: Settling, report: Report | None = None) -> None:
    """Certify a run into its folder, if its rules ask for it.

    Raises
    ------
    InvariantError
        The registry and the count of it differ. A bug.
    """
    if settling.rules.certificates is None:
        return
    source = source_of_settling(settling)
    written = write_folder(source, settling.folder / FOLDER, {}, report)
    if not written.certified.same(claimed_of(source)):
        raise InvariantError("the registry of a run says something else than the count of it")


def verify_inside(settling: Settling, report: Report | None = None) -> None:
    """Certify a run once more, and hold it against the certificates in its folder.

    Raises
    ------
    VerificationError
        Names the file that does not follow from the run, or that should not be there.
    """
    folder: Path = settling.folder / FOLDER
    if settling.rules.certificates is None:
        if folder.exists():
            raise VerificationError("was not asked for by the rules", place=str(folder))
        return
    source = source_of_settling(settling)
    again = compare(folder, source, {}, settling.folder, report)
    check_folder(folder)
    if not again.certified.same(claimed_of(source)):
        raise VerificationError("does not count what the summary counts", place=str(folder))
