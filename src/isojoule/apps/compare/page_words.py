"""What the measures of a comparison mean, in plain words."""

from __future__ import annotations

from typing import Any

from isojoule.apps.compare.table import left_out_lines
from isojoule.apps.report.words import text

POINTS = (
    "A point is a hundredth of what the criterion names. The scales are fixed: neither the best"
    " nor the worst of those compared sets them, nothing is stretched, and one more mechanism "
    "in the list never changes the order of the others. A weight says how many points of one "
    "criterion a point of another is worth. The score is the weighted mean, told to a tenth of a "
    "point: who has the same is level and shares a place."
)
GINI = (
    "The mean difference between two participants over the most that it can be, for gains of "
    "either sign (Raffinetti, Siletti, Vernizzi 2015, Stat. Methods Appl. 24:507). It is of "
    "amounts: who uses ten times as much and saves ten times as much counts as uneven. It says "
    "nothing on whether all gain or all lose alike, so points for fairness are for gains alone: 1 "
    "less the coefficient, times what is gained over all that is gained and lost. Gains and losses "
    "that are no more than rounding, on a scenario half a cent, are none."
)
SAVED = (
    "The cost of the community without a market less that with it. The cost is the cash across its "
    "boundary and fees, less the worth of what batteries hold more at the end, and with need that "
    "is not served at its stated cost. In % it is a share of the cost without a market. The "
    "utility is paid its tariff for what its meter shows under every rule."
)
UNSERVED = (
    "Points for self-sufficiency, peak and carbon count need that is not served as if it had been "
    "bought from outside at that moment: else a rule would win by serving nobody. The numbers in "
    "the table are of what was bought, as in the report of each run; how much was served stands "
    "beside them."
)
LINE = (
    "What the rule collects beyond what it pays. Unless the settlement rules say otherwise it "
    "is shared among the members by the energy of their meters, a deficit is levied alike; so "
    "it is without a market, whose operator buys the losses."
)
GAINS = "What all receive is worth to them by their own curves, less what moving it costs."
TRADERS = (
    "The same for each, less what it pays, and less its share, by energy, of the operator's "
    "deficit. The utility is not among them."
)


def defined(document: dict[str, Any]) -> str:
    """A list of terms with what they mean."""
    terms = [(c["label"], c["says"]) for c in document["ranking"]["criteria"]]
    terms += [("Points", POINTS), ("Gini coefficient", GINI)]
    if document["kind"] == "scenario":
        terms += [("Saved", SAVED), ("Operator's line", LINE)]
        if (document["baseline"] or {}).get("as_if_bought"):
            terms.append(("Not served", UNSERVED))
    else:
        terms += [("Gains from trade", GAINS), ("Traders gain", TRADERS)]
    terms += [("Left out", line) for line in left_out_lines(document["ranking"])]
    rows = [f"<div><dt>{text(name)}</dt><dd>{text(says)}</dd></div>" for name, says in terms]
    return f"<dl>{''.join(rows)}</dl>"
