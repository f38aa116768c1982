"""A small commented scenario to start from: six homes on one street, one clear day in June.

Beside it stand rules of settlement.

The numbers come from rules stated in the file, not from measurements.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import cos, exp, pi
from pathlib import Path

from isojoule.apps.files.scenario_write import empty_folder
from isojoule.apps.files.settlement_rules import RULES_NAME

_DOC = """\
# A scenario of Isojoule. Edit it and the tables beside it, then:
#   isojoule check .     says what is wrong, with file and line
#   isojoule run .       runs it and writes a report
# Quantities carry units ('5 kW', '0.30 EUR/kWh'); a bare number is SI (W, J, s, EUR per J).
isojoule: 1
name: {name}
title: Six homes on a street
description: >-
  An invented street. Sun and use follow simple rules (see profiles.csv), so that a newcomer can
  follow every number.
attribution: invented numbers, no licence needed
currency: EUR
timezone: Europe/Berlin        # times without an offset are local times of this zone
interval: 15 min
network: transport             # the market sees the lines; or copperplate, lindistflow, dc
mechanism: equilibrium
utility: utility               # the node where the utility sells and buys
lost_load: 5 EUR/kWh           # what a kWh not served is worth, where a load says nothing
network_fee: 0 EUR/kWh         # on energy that neighbours trade with each other
# slack_voltage_pu: 1.02       # voltage at the utility's node, for the AC check
# periods:                     # stretches that stand alone; absent: one period, the whole table
#   - {{name: day, start: 2026-06-21T00:00, end: 2026-06-22T00:00}}
cyclic:                        # repeat until the batteries end the day as they began it
  tolerance: 0.001             # ... within this share of their capacity
  max_rounds: 30
"""

_NODES = """\
# One row a node: a home's connection, a junction, or where the utility sits.
# x and y are only for the drawing. Empty cells are allowed where a column is not required.
node,voltage [V],min_voltage_pu,max_voltage_pu,x,y
utility,400,0.9,1.1,0,0
street,400,0.9,1.1,1,0
n1,400,0.9,1.1,2,1
n2,400,0.9,1.1,3,1
n3,400,0.9,1.1,4,1
n4,400,0.9,1.1,2,-1
n5,400,0.9,1.1,3,-1
n6,400,0.9,1.1,4,-1
"""

_LINKS = """\
# Resistance makes a loss that grows with the square of the flow; `loss` would be a fixed share.
# Both refer to `voltage`. standing_loss is drawn at `from`, whatever flows (a transformer's iron).
link,from,to,kind,capacity [kW],resistance [ohm],reactance [ohm],voltage [V],standing_loss [W]
trafo,utility,street,transformer,50,0.016,0.05,400,150
a1,street,n1,line,40,0.03,0.01,400,
a2,n1,n2,line,40,0.03,0.01,400,
a3,n2,n3,line,40,0.03,0.01,400,
b1,street,n4,line,40,0.03,0.01,400,
b2,n4,n5,line,40,0.03,0.01,400,
b3,n5,n6,line,40,0.03,0.01,400,
"""

_PARTICIPANTS = """\
# Who takes part: one metered home or owner. The utility is there already.
participant,label
ada,Ada (solar and battery)
bo,Bo (solar)
cleo,Cleo
dan,Dan (electric car)
eve,Eve (solar and battery)
finn,Finn
"""

_DEVICES = """\
# kind is load, pv or battery. A load or pv follows power * its profile.
# A battery's values fit the tariffs, or it loses money. With 0.08 and 0.30 EUR/kWh and 95 %:
#   v_min above buys_at / charge_efficiency = 0.084: it takes surplus rather than let it go;
#   v_max below sells_at * discharge_efficiency = 0.285: it serves the street before the utility;
#   v_critical above sells_at / charge_efficiency = 0.316: it refills its reserve from the grid.
device,participant,node,kind,profile,power [kW],power_factor,capacity [kWh],energy [kWh],\
reserve [kWh],charge_power [kW],discharge_power [kW],charge_efficiency [%],\
discharge_efficiency [%],self_discharge_per_month [%],v_min [EUR/kWh],v_max [EUR/kWh],\
v_critical [EUR/kWh],k
ada-home,ada,n1,load,home,2.0,0.98,,,,,,,,,,,,
ada-pv,ada,n1,pv,sun,8,,,,,,,,,,,,,
ada-battery,ada,n1,battery,,,,10,5,0.5,5,5,95,95,3,0.09,0.27,0.34,1
bo-home,bo,n2,load,home,1.5,0.98,,,,,,,,,,,,
bo-pv,bo,n2,pv,sun,6,,,,,,,,,,,,,
cleo-home,cleo,n3,load,home,2.5,0.98,,,,,,,,,,,,
dan-home,dan,n4,load,home,1.8,0.98,,,,,,,,,,,,
dan-car,dan,n4,load,car,11,,,,,,,,,,,,,
eve-home,eve,n5,load,home,2.2,0.98,,,,,,,,,,,,
eve-pv,eve,n5,pv,sun,5,,,,,,,,,,,,,
eve-battery,eve,n5,battery,,,,7,3.5,0.35,3.5,3.5,95,95,3,0.09,0.27,0.34,1
finn-home,finn,n6,load,home,1.6,0.98,,,,,,,,,,,,
"""

_PRICES = """\
# The utility's prices. Each row holds until the next; one row is enough for a constant tariff.
# 0.38 kg/kWh is about the carbon intensity of German power (Umweltbundesamt, 2023).
time,sells_at [EUR/kWh],buys_at [EUR/kWh],carbon [kg/kWh]
2026-06-21T00:00,0.30,0.08,0.38
"""

_PROFILES = """\
# One row an interval, by its start; each column multiplies a device's power. No gaps.
# home: 0.10 + 0.25 around 7:30 + 0.45 around 19:00 (bell curves, 1.5 h and 2 h wide)
# sun: cos^2 of the way from noon (13:15) to dawn and dusk, 8 h each way, times 0.8
# car: charges at full power from 18:00 to 20:00
time,home,sun,car
"""

_SETTLEMENT = """\
# Who pays for what after the market has cleared: docs/settlement.md names every key.
isojoule: 1
currency: EUR
imbalance: {price: tie, payer: cause}   # what a kWh not cleared costs; or dual, fixed
losses: operator                        # who pays for losses beyond those cleared; or members
fees:                                   # in the order of the bill; on: what they are charged on
  - {name: network fee, on: local, rate: 0.05 EUR/kWh, to: network operator}
  - {name: membership, on: days, rate: 0.05 EUR/d, to: community}
  # - {name: VAT, on: bill, rate: 19 %, to: state}   # if the prices in prices.csv are without it
payees: [network operator, community, state]         # another name in `to` is a typo
surplus: equal                          # how what is left is shared; or keep, shapley, ...
netting: day                            # one transfer adds up a day; or interval
# payment:                              # bills, who pays late, what is cleared without cash
#   every: day                          # or week, month, period
#   due: 7 d
#   late: [{share: 30 %, by: 30 d}]     # drawn; or members: [ada]
#   credit: [{limit: 5 EUR}]            # mutual credit of each member
# pauses: [{from: 2026-06-21T12:00, to: 2026-06-21T13:00, reason: meters are replaced}]
# certificates: {expires_after: 730 d}  # whose sun was it, and when: docs/certificates.md
# day_ahead: {move: 0.05 EUR/kWh}       # contracts about tomorrow, with margins behind them
# collateral: {fine: 0.02 EUR/kWh}      # bonds behind what is cleared
"""

_READ_ME = ("nodes", _NODES), ("links", _LINKS), ("participants", _PARTICIPANTS)


def new_scenario(folder: Path) -> Path:
    """Write the starter scenario into a new or empty folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder is not empty.
    """
    empty_folder(folder)
    name = "".join(c for c in folder.resolve().name.lower() if c.isascii() and c.isalnum())
    texts = dict(_READ_ME, devices=_DEVICES, prices=_PRICES, profiles=_PROFILES + _day())
    (folder / "scenario.yaml").write_text(_DOC.format(name=name or "street"), encoding="utf-8")
    (folder / RULES_NAME).write_text(_SETTLEMENT, encoding="utf-8")
    for stem, text in texts.items():
        (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
    return folder


def _day() -> str:
    rows = []
    for quarter in range(96):
        hour = quarter / 4
        home = (
            0.10 + 0.25 * exp(-(((hour - 7.5) / 1.5) ** 2)) + 0.45 * exp(-(((hour - 19) / 2) ** 2))
        )
        from_noon = abs(hour - 13.25)
        sun = 0.8 * cos(pi / 2 * from_noon / 8) ** 2 if from_noon < 8 else 0.0
        car = 1 if 18 <= hour < 20 else 0
        # Local time: the scenario's own time zone reads it.
        start = datetime(2026, 6, 21) + timedelta(hours=hour)  # noqa: DTZ001
        rows.append(f"{start.isoformat(timespec='minutes')},{home:.4f},{sun:.4f},{car}\n")
    return "".join(rows)
