"""What is wrong in a book is refused with line and remedy."""

from __future__ import annotations

import pytest

from isojoule.apps.files.book_files import book_from_text
from isojoule.core.errors import InputError

GOOD = """\
isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 15 min}
network: transport
nodes: [roof, {id: home, voltage: 400 V}]
links:
  - {id: l1, from: roof, to: home, capacity: 5 kW, loss: 0.02}
offers:
  - {participant: solar, node: roof, sell: [{energy: 1 kWh, price: 0.05 EUR/kWh}]}
  - {participant: ada, id: a1, node: home, load: {energy: 1 kWh, lost_load: 5 EUR/kWh}}
  - participant: pack
    node: home
    battery:
      energy: 4 kWh
      capacity: 10 kWh
      v_min: 0.09 EUR/kWh
      v_max: 0.27 EUR/kWh
  - {participant: b, legs: [{node: roof, buy: 1 kWh}, {node: home, sell: 1 kWh}], price: 0.5 EUR}
  - {participant: u, node: home, utility: {sells_at: 0.3 EUR/kWh, buys_at: 0.08 EUR/kWh}}
"""

CASES = [  # (text, replaced by, line, message, remedy)
    ("isojoule: 1", "isojoule: 2", 1, "unknown version '2'", "isojoule: 1"),
    ("currency: EUR", "currency: euro", 2, "not a currency code", "EUR"),
    ("currency: EUR\n", "", 1, "lacks 'currency'", "add the key"),
    ("12:00:00Z", "12:00:00", 3, "has no offset", "add Z for UTC"),
    ("12:00:00Z", "12:00:00.5Z", 3, "within a second", "whole second"),
    ("15 min", "0 min", 3, "duration must be above 0", "more than 0"),
    ("15 min", "15 kW", 3, "not a unit of s", "15 min"),
    ("start: 2026", "begin: 2026", 3, "unknown key 'begin'", "start, duration"),
    ("network: transport", "network: transprot", 4, "network is", "did you mean 'transport'"),
    ("nodes: [roof,", "nodes: [roof, roof,", 5, "'roof' stands twice, first at book:5", "own"),
    ("nodes: [roof,", "nodes: [[roof],", 5, "must be a name, not a list", "printable"),
    ("voltage: 400 V}", "voltage: -400 V}", 5, "voltage must be above 0", "more than 0"),
    ("voltage: 400 V}", "min_voltage_pu: 2, max_voltage_pu: 1}", 5, "above max", "exchange"),
    ("from: roof", "from: rof", 7, "unknown node 'rof'", "did you mean 'roof'?"),
    ("from: roof", "from: home", 7, "both ends are one node", "two nodes"),
    ("capacity: 5 kW", "capacity: -5 kW", 7, "capacity is negative: -5 kW", "0 or more"),
    ("capacity: 5 kW", "capacity: 5 kWh", 7, "'kWh' is not a unit of W", "5 kW"),
    ("capacity: 5 kW", "capacity: 5 kilo", 7, "not a known unit", "5 kW"),
    ("capacity: 5 kW", "capcity: 5 kW", 7, "unknown key 'capcity'", "did you mean 'capacity'?"),
    ("capacity: 5 kW", "capacity: [5]", 7, "not a list", "a number and a unit"),
    ("capacity: 5 kW", "capacity: 5 kW, capacity: 6 kW", 7, "'capacity' stands twice", "one"),
    ("loss: 0.02", "loss: 1.02", 7, "loss is outside", "as 0.02"),
    ("loss: 0.02", "loss: -0.1", 7, "loss is outside", "as 0.02"),
    ("loss: 0.02", "loss: 0.0200000001", 7, "finer than 1e-9", "nine digits"),
    ("loss: 0.02", "resistance: 0.1", 7, "a resistance without a voltage", "voltage: 400 V"),
    ("loss: 0.02", "price: 0.01 USD/kWh", 7, "the currency USD is not EUR", "convert"),
    ("loss: 0.02", "price: -0.01 EUR/kWh", 7, "price is negative", "0 or more"),
    ("loss: 0.02", "kind: cable", 7, "kind is 'cable'", "line, transformer, link"),
    ("loss: 0.02}", "}\n  - {id: l1, from: home, to: roof}", 8, "'l1' stands twice", "own"),
    ("price: 0.05 EUR/kWh", "price: 0.30 USD/kWh", 9, "the currency USD is not EUR", "one"),
    ("price: 0.05 EUR/kWh", "price: cheap", 9, "not a quantity", "0.30 EUR/kWh"),
    ("price: 0.05 EUR/kWh", "price: .nan", 9, "not a quantity", "0.30 EUR/kWh"),
    ("price: 0.05 EUR/kWh", "price: 0.05 EUR", 9, "not a unit of money/J", "EUR/kWh"),
    ("price: 0.05 EUR/kWh", "price: [1, 2, 3]", 9, "two prices, not 3", "start and its end"),
    ("price: 0.05 EUR/kWh", "price: [2, 1]", 9, "asks must rise", "order the steps"),
    ("energy: 1 kWh, price: 0.05", "energy: -1 kWh, price: 0.05", 9, "energy is negative", "0"),
    ("[{energy: 1 kWh, price: 0.05 EUR/kWh}]", "[]", 9, "sell has no steps", "add one"),
    ("sell: [", "spill_value: 1, sell: [", 9, "ask is below the spill value", "ask at least"),
    ("sell: [", "sells: [", 9, "unknown key 'sells'", "did you mean 'sell'?"),
    ("sell: [", "load: {energy: 1, lost_load: 1}, sell: [", 9, "does not go with", "two offers"),
    ("sell: [", "at: 2026-06-21T12:00:00, sell: [", 9, "has no offset", "add Z"),
    ("sell: [", "all_or_nothing: yes, sell: [", 9, "must be true or false", "true or false"),
    ("home, utility", "home, all_or_nothing: true, utility", 19, "one whole size", "steps to sell"),
    ("sell: [", "power_factor: 1.5, sell: [", 9, "power_factor is above 1", "at most 1"),
    ("participant: solar, ", "", 9, "lacks 'participant'", "add the key"),
    ("node: roof, sell", "sell", 9, "lacks 'node'", "add the key"),
    ("node: roof, sell", "node: hose, sell", 9, "unknown node 'hose'", "did you mean 'home'?"),
    ("participant: solar", "id: a1, participant: solar", 10, "'a1' stands twice", "an id"),
    ("lost_load: 5", "lost_load: -5", 10, "lost_load is negative", "0 or more"),
    ("load: {energy: 1 kWh, lost_load: 5 EUR/kWh}", "power_factor: 1", 10, "without", "sell and"),
    ("energy: 4 kWh", "energy: 14 kWh", 14, "energy 14 kWh is above the capacity 10", "inflow"),
    ("capacity: 10 kWh", "capacity: -10 kWh", 15, "capacity is negative", "0 or more"),
    ("capacity: 10 kWh", "reserve: 1 kWh", 13, "battery lacks 'capacity'", "add the key"),
    ("v_min: 0.09", "v_min: 0.9", 13, "v_min <= v_max", "exchange"),
    ("v_min: 0.09", "k: 0\n      v_min: 0.09", 16, "k must be above 0", "more than 0"),
    ("v_min: 0.09", "reserve: 11 kWh\n      v_min: 0.09", 13, "fit into the capacity", "lower"),
    ("v_min: 0.09", "charge_efficiency: 95\n      v_min: 0.09", 16, "is above 1", "at most 1"),
    (", price: 0.5 EUR}", "}", 18, "bundle lacks 'price'", "0.50 EUR"),
    ("sell: 1 kWh}]", "}]", 18, "either buys or sells", "one of the two"),
    ("{node: home, sell", "{node: roof, sell", 18, "twice in the bundle", "one leg"),
    ("legs: [", "node: home, legs: [", 18, "names its nodes in its legs", "remove 'node'"),
    ("price: 0.5 EUR", "price: 0.5 EUR/kWh", 18, "not a unit of money", "0.50 EUR"),
    ("buys_at: 0.08", "buys_at: 0.8", 19, "buys dearer than it sells", "at or below"),
    ("{sells_at: 0.3 EUR/kWh, buys_at: 0.08 EUR/kWh}", "{}", 19, "without a price", "sells_at"),
    ("sells_at: 0.3 EUR/kWh, buys_at", "sell_at: 0.3 EUR/kWh, buys_at", 19, "key 'sell_at'", "did"),
]


def test_the_good_book_is_good() -> None:
    assert book_from_text(GOOD).book.offer_count == 5


@pytest.mark.parametrize(("old", "new", "line", "message", "remedy"), CASES)
def test_refusal(old: str, new: str, line: int, message: str, remedy: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        book_from_text(GOOD.replace(old, new, 1))
    assert message in caught.value.message
    assert caught.value.place == f"book:{line}"
    assert remedy in caught.value.remedy


LINK = "link 'l1' from 'roof' to 'home': "
ADA = "offer 'a1' of 'ada' at node 'home': "
NAMED = [  # (text, replaced by, message)
    ("voltage: 400 V}", "voltage: .nan}", "node 'home': '.nan' is not a quantity"),
    ("voltage: 400 V}", "volts: 400 V}", "node 'home': unknown key 'volts' in a node"),
    ("loss: 0.02", "loss: -0.1", LINK + "loss is outside 0 <= loss < 1: -0.1"),
    ("loss: 0.02", "loss: nan", LINK + "'nan' is not a quantity"),
    ("loss: 0.02", "losses: 0.1", LINK + "unknown key 'losses' in a link"),
    ("capacity: 5 kW", "capacity: -5 kW", LINK + "capacity is negative: -5 kW"),
    ("from: roof, ", "", "link 'l1' to 'home': a link lacks 'from'"),
    (", lost_load: 5 EUR/kWh", "", ADA + "load lacks 'lost_load'"),
    ("lost_load: 5", "lost_load: inf", ADA + "'inf EUR/kWh' is not a quantity"),
    ("load: {energy: 1 kWh", "load: {energy: -1 kWh", ADA + "load is negative: -1 kWh"),
    ("load: {energy: 1 kWh", "load: {energy: 9e9 kWh", ADA + "load is beyond"),
    ("v_min: 0.09", "v_min: 0.9", "offer of 'pack' at node 'home': the curve needs 0 <= v_min"),
    ("participant: solar, ", "", "offer at node 'roof': an offer lacks 'participant'"),
    ("node: roof, sell", "node: hose, sell", "offer of 'solar' at node 'hose': unknown node"),
    ("sell: 1 kWh}]", "}]", "offer of 'b': leg at node 'home': a leg either buys or sells"),
    ("buy: 1 kWh", "buy: -1 kWh", "offer of 'b': leg at node 'roof': buy is negative"),
]


@pytest.mark.parametrize(("old", "new", "message"), NAMED)
def test_the_fault_names_offer_node_or_link(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        book_from_text(GOOD.replace(old, new, 1))
    assert caught.value.message.startswith(message)


def test_the_offer_that_makes_the_book_too_large_is_named() -> None:
    most = "{participant: p%d, node: home, load: {energy: 600000 kWh, lost_load: 1}}"
    text = "\n".join("  - " + most % i for i in range(3))
    with pytest.raises(InputError) as caught:
        book_from_text(GOOD + text)
    assert caught.value.message.startswith("offer of 'p2' at node 'home': up to here the energies")
    assert caught.value.place == "book:22"
