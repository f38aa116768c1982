"""The key `certificates` of `settlement.yaml`.

Spec: docs/spec/certificates.md, W25.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pydantic import Field

from isojoule.apps.files.places import located
from isojoule.apps.files.quantities import parse_with_unit
from isojoule.apps.files.strict_doc import Quantity, Strict
from isojoule.apps.files.times import epoch_s
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.settlement.certificates.asked import CertificateRules, Withdrawal


class WithdrawalDoc(Strict):
    """What the issuing body takes back of certificates that nobody claimed."""

    device: str = Field(description="the PV that produced, as its meter turned out to be wrong")
    start: str = Field(
        alias="from",
        description="ISO 8601; without an offset: local time of the scenario's `timezone`",
    )
    end: str = Field(alias="to", description="the moment after the last interval")
    at: str | None = Field(
        default=None,
        description="when it is done, with the next hour that is metered; absent: at its end",
    )


class CertificatesDoc(Strict):
    """How certificates live."""

    expires_after: Quantity = Field(
        default="730 d",
        description="how long they last after the interval of production, or the discharge",
    )
    withdraw: list[WithdrawalDoc] = Field(
        default=[], description="what the issuing body takes back; absent: nothing"
    )


def certificate_rules(
    doc: CertificatesDoc | None, lines: Lines, tz: ZoneInfo
) -> CertificateRules | None:
    """What the key asks for; None: nothing.

    Raises
    ------
    InputError
        With line and remedy.
    """
    if doc is None:
        return None
    place = lines.place("certificates", "expires_after")
    lasts = parse_with_unit(doc.expires_after, "s", example="730 d", place=place)
    withdrawals = []
    for at, given in enumerate(doc.withdraw):
        times = {"from": given.start, "to": given.end, "at": given.at or given.end}
        start, end, done = (
            epoch_s(text, tz, place=lines.place("certificates", "withdraw", at, key))
            for key, text in times.items()
        )
        withdrawals.append(Withdrawal(given.device, start, end, done))
    places = {
        f"withdraw[{at}]": lines.place("certificates", "withdraw", at, "from")
        for at in range(len(withdrawals))
    }
    with located({**places, "expires_after": place}.get):
        if lasts != round(lasts):
            raise InputError(
                f"{doc.expires_after} are no whole seconds", place="expires_after",
                remedy="give days or hours",
            )  # fmt: skip
        return CertificateRules(round(lasts), tuple(withdrawals))
