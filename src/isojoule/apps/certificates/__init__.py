"""Certificates of a run: issued from its meters, matched by the hour, written, checked again.

certified = certify_run("runs/<id>")
scores_of(certified)["ada"].share
"""

from isojoule.apps.certificates.run import CertifiedRun, Claimed, certify_run, claimed_of, source_of
from isojoule.apps.certificates.scores import COMMUNITY, Score, scores_of

__all__ = [
    "COMMUNITY",
    "CertifiedRun",
    "Claimed",
    "Score",
    "certify_run",
    "claimed_of",
    "scores_of",
    "source_of",
]
