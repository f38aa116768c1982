"""Central dispatch: one hand that knows everything switches all devices; the tariff stays.

Spec: docs/spec/community.md, N9 to N12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import UJ_PER_J, price_text
from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.book import BOOK_NETWORKS, Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.mechanisms.utility_only import Tariff, meters_of, tariff_of
from isojoule.market.outcome import clearing_of
from isojoule.market.settle import MOST_MONEY, Flows, Paid, owned_links
from isojoule.valuation import KINDS

Ints = NDArray[np.int64]
BUNDLE = KINDS.index("bundle")
NANO_PER_UJ = 1000


@dataclass(frozen=True)
class Central:
    """The best for all, by an operator that knows every curve and switches every device.

    Nobody offers and nobody decides: the operator takes the curves for the truth. Each home then
    pays for what crossed its meter what it pays the utility today, so what the whole community
    gains in cash by acting together is one line of the operator's account, `margin`: what homes
    had for each other, times the distance of the utility's two prices. To whom it goes is left
    open; the rules that share a surplus are made for that.

    The price of a node is what one Joule more would be worth there; nobody pays it.

    Other names: direct control, centralised dispatch, social planner.

    Ties: as in `equilibrium`; among indivisible offers by a hash of seed and id.

    Source: Charbonnier, Morstyn, McCulloch 2022 (Applied Energy 318:119188), direct control.
    """

    name: ClassVar[str] = "central"
    sample: ClassVar[str] = "utility"
    traits: ClassVar[Traits] = Traits(
        summary="One hand switches all devices as is best for all; homes pay the old tariff.",
        efficient=Claim(True, "if the operator knows everybody's curve, within the certified gap"),
        incentive_compatible=Claim(False, "who is switched on for more than it is worth says less"),
        individually_rational=Claim(
            False, "the utility's price is paid for what is worth less than that"
        ),
        budget=Claim(False, "the operator pays for the losses"),
        budget_class="deficit",
        false_name_proof=Claim(False, "what gains under the own name gains under another"),
        coalition_proof=Claim(False, "what one of the two gains by a lie the other does not lose"),
        credible=Claim(
            False, "the operator plants a bid, so that more is switched on for which it earns"
        ),
        networks=BOOK_NETWORKS,
        agency="direct",
        information="mediated",
        game="cooperation",
        how="An operator knows what energy is worth to everybody, at every moment, and switches "
        "all devices on all networks so that the sum of it is as great as it can be. Each home "
        "goes on paying the utility's prices for what crosses its meter. What the community gains "
        "by that is left with the operator, in one line.",
        good_for="The yardstick: how much can be gained at all, if nobody has a will or a secret "
        "of the own. And planners, who want to see the whole cake before it is cut.",
        not_for="A market: nobody would agree to it as it stands. People pay for energy that is "
        "worth less to them, and what they say is believed.",
        other_names=("direct control", "centralised dispatch", "social planner"),
        sources=("Charbonnier, Morstyn, McCulloch 2022, Applied Energy 318:119188",),
    )

    def refuses(self, book: Book) -> Refusal | None:
        """Why no such book is cleared, or None; the check asks, too."""
        tariff = tariff_of(book)
        if isinstance(tariff, str):
            text = tariff.replace("the baseline needs", "the bills need")
            return Refusal(
                self.name, text, "give the book one utility with both prices, or use equilibrium"
            )
        who = book.offer_participant
        if np.count_nonzero(who == who[tariff.offer]) > 1:
            return Refusal(
                self.name,
                f"the utility {book.participants[int(who[tariff.offer])]!r} has other offers",
                "give them to another participant",
            )
        bundles = np.flatnonzero(book.offer_kind == BUNDLE)
        if bundles.size:
            return Refusal(
                self.name,
                f"offer {book.offer_ids[int(bundles[0])]!r} is a bundle, which has no meter",
                "offer each leg by itself",
            )
        return None

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        refusal = self.refuses(book)
        if refusal is not None:
            return refusal
        found = best(book, grid, seed=seed)
        if isinstance(found, NotSolved):
            return Refusal(self.name, found.reason, found.remedy)
        tariff = _tariff(book)
        dearest = max(abs(tariff.sells_at), abs(tariff.buys_at))
        moved = dearest * float(np.abs(found.energy_uj.astype(np.float64)).sum())
        moved += float(np.sum(np.abs(grid.price_per_j * found.flow_uj)))
        if not moved / UJ_PER_J < MOST_MONEY:
            return Refusal(
                self.name,
                f"the payments pass {MOST_MONEY:.0e} units of money",
                "use a larger unit of money, or correct the prices",
            )
        return clearing_of(self, state, seed, found, bills(book, grid, found))

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """The bills once more, naively: home by home. Raises VerificationError."""
        check_bills(book, grid, clearing)

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """What the price at a node means here."""
        price = float(clearing.price_per_j[node])
        if math.isnan(price):
            return ""
        return (
            f"At {grid.node_ids[node]} one Joule more would be worth "
            f"{price_text(price, book.currency)}. Nobody pays that: homes pay and get the "
            "utility's two prices."
        )


def _tariff(book: Book) -> Tariff:
    tariff = tariff_of(book)
    if isinstance(tariff, str):
        raise VerificationError(tariff, place="book")
    return tariff


def bills(book: Book, grid: Grid, flows: Flows) -> Paid:
    """Everybody pays the utility's tariff on the own meter; owners of links get their price."""
    tariff = _tariff(book)
    energy, u = flows.energy_uj, tariff.offer
    meter, count = meters_of(book)
    net = np.zeros(count, np.int64)
    np.add.at(net, meter, energy)
    imports = (net > 0)[meter]
    imports[u] = energy[u] < 0  # it sells, at its selling price
    offers = payments(np.where(imports, tariff.sells_at, tariff.buys_at), energy)
    links = np.zeros(grid.link_count, np.int64)
    owned = owned_links(grid)
    links[owned] = payments(-grid.price_per_j[owned], np.abs(flows.flow_uj[owned]))
    home = np.ones(count, bool)
    home[meter[u]] = False
    taken = int(net[home & (net > 0)].sum())
    given = -int(net[home & (net < 0)].sum())
    sells, buys = Fraction(tariff.sells_at), Fraction(tariff.buys_at)
    rest, drawn = taken - given, -int(energy[u])

    def cost(energy_uj: int) -> Fraction:
        return energy_uj * (sells if energy_uj > 0 else buys) * NANO_PER_UJ

    lines = {
        "margin": math.floor(min(taken, given) * (sells - buys) * NANO_PER_UJ),
        "losses": -math.ceil(cost(drawn) - cost(rest)),
        "carriage": int(links.sum()),
    }
    lines["rounding"] = int(offers.sum()) + int(links.sum()) - sum(lines.values())
    return Paid(offers, links, lines)


def check_bills(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check payments and lines by going from home to home, in fractions."""
    c, tariff = clearing, _tariff(book)
    sells, buys = Fraction(tariff.sells_at), Fraction(tariff.buys_at)
    homes: dict[tuple[int, int], list[int]] = {}
    for i in range(book.offer_count):
        if i != tariff.offer:
            home = (int(book.offer_participant[i]), int(book.offer_node[i]))
            homes.setdefault(home, []).append(i)
    at = {tariff.offer: sells if c.energy_uj[tariff.offer] < 0 else buys}
    taken = given = 0
    for rows in homes.values():
        net = sum(int(c.energy_uj[i]) for i in rows)
        taken, given = taken + max(net, 0), given + max(-net, 0)
        at |= dict.fromkeys(rows, sells if net > 0 else buys)
    total = 0
    for i, name in enumerate(book.offer_ids):
        owed = math.ceil(at[i] * int(c.energy_uj[i]) * NANO_PER_UJ)
        total += owed
        if int(c.payment_nano[i]) != owed:
            raise VerificationError(
                f"pays {c.payment_nano[i]}, not {owed} nano-units", place=f"offer {name!r}"
            )
    carried = 0
    for i, name in enumerate(grid.link_ids):
        price = Fraction(float(grid.price_per_j[i])) if grid.owner[i] else Fraction(0)
        owed = -math.floor(price * abs(int(c.flow_uj[i])) * NANO_PER_UJ)
        carried += owed
        if int(c.link_payment_nano[i]) != owed:
            raise VerificationError(
                f"is paid {-c.link_payment_nano[i]}, not {-owed} nano-units", place=f"link {name!r}"
            )
    # what homes had for each other went between them at two prices
    margin = math.floor(min(taken, given) * (sells - buys) * NANO_PER_UJ)
    lost = -int(c.energy_uj[tariff.offer]) - (taken - given)
    bought = max(0, -int(c.energy_uj[tariff.offer])) - max(0, taken - given)
    losses = -math.ceil((bought * sells + (lost - bought) * buys) * NANO_PER_UJ)
    true = {"margin": margin, "losses": losses, "carriage": carried}
    true["rounding"] = total + carried - sum(true.values())
    if c.operator != true:
        raise VerificationError("has other lines than the bills leave", place="operator")
