"""Books for tests: one with every form that `equilibrium` clears, and one with all forms."""

from __future__ import annotations

EVERY_KIND = """\
isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 15 min}
network: transport
nodes: [roof, home, {id: shed, x: 1.5, y: -2}, {id: grid, voltage: 400 V}, attic, lone]
links:
  - {id: l1, from: roof, to: home, capacity: 2 kW, loss: 0.02}
  - {id: l2, kind: transformer, from: grid, to: home, resistance: 0.05 ohm, voltage: 400 V,
     standing_loss: 10 W, capacity: 20 kW}
  - {id: l3, from: home, to: shed, price: 0.01 EUR/kWh, owner: carl}
  - {id: l4, from: home, to: attic}
offers:
  - {participant: solar, node: roof, sell: [{energy: 1 kWh, price: 0.05 EUR/kWh}], spill_value: 0}
  - participant: ada
    node: home
    buy: [{energy: 0.5 kWh, price: 0.32 EUR/kWh}, {energy: 0.5 kWh, price: 0.2 EUR/kWh}]
  - {participant: bo, node: home, sell: [{energy: 0.1 kWh, price: [0.05 EUR/kWh, 0.09 EUR/kWh]}]}
  - {participant: bo, at: 2026-06-21T11:00:00.5Z, node: attic,
     sell: [{energy: 0.1 kWh, price: 0.31 EUR/kWh}], buy: [{energy: 0.3 kWh, price: 0.29 EUR/kWh}]}
  - {participant: ada, id: ada-must, node: home, power_factor: 0.9,
     load: {energy: 1 kWh, lost_load: 5 EUR/kWh}}
  - {participant: ada, node: lone, load: {energy: 0.1 kWh, lost_load: 5 EUR/kWh}}
  - participant: pack
    node: shed
    battery: {energy: 4 kWh, capacity: 10 kWh, reserve: 1 kWh, v_min: 0.09 EUR/kWh,
      v_max: 0.27 EUR/kWh, k: 2, charge_efficiency: 0.95, discharge_efficiency: 0.95,
      charge_power: 3 kW, discharge_power: 3 kW}
  - participant: pack
    node: attic
    battery: {energy: 9 kWh, capacity: 10 kWh, inflow: 1.5 kWh, v_min: 0.09 EUR/kWh,
      v_max: 0.27 EUR/kWh, discharge_power: 400 W}
  - {participant: utility, node: grid, utility: {sells_at: 0.30 EUR/kWh, buys_at: 0.08 EUR/kWh}}
"""

ALL_FORMS = (
    EVERY_KIND
    + """\
  - {participant: dora, node: home, all_or_nothing: true, group: g,
     buy: [{energy: 1 kWh, price: 0.3 EUR/kWh}]}
  - {participant: dora, node: home, group: g, buy: [{energy: 1 kWh, price: 0.3 EUR/kWh}]}
  - {participant: dora, node: home, buy: [{energy: 1 kWh, price: 0.3 EUR/kWh}]}
  - {participant: dora, legs: [{node: shed, sell: 1 kWh}, {node: home, buy: 2 kWh}],
     price: -0.1 EUR}
  - participant: old
    node: shed
    battery: {energy: 1 kWh, capacity: 2 kWh, committed: 0.1 kWh, v_min: 1e-8, v_max: 2e-8,
      v_critical: 3e-8, lost_load: 4e-8, spill_value: -1e-9, idle: 2 h, tau: 1 h, floor: 0.5}
"""
)
