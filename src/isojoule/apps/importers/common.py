"""What all importers share: tariffs and battery values by default, and a word on what is missing.

Battery values must fit the tariffs, or storage loses money. With efficiency eta each way, a battery
bids eta*v for energy and asks v/eta:

- v_min above buys_at/eta: it takes surplus rather than let it go to the utility;
- v_max below sells_at*eta: it serves the neighbourhood before the utility does, and never buys
  from the utility to store above its reserve;
- v_critical above sells_at/eta: below its reserve it does buy, so that the reserve is refilled.

The rule here (0.09, 0.27 and 0.337 EUR/kWh at 0.08 and 0.30 EUR/kWh and eta = 0.95) meets all
three for any two tariffs that are far enough apart.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH

CARBON_KG_PER_KWH = 0.38
"""Carbon dioxide of German power: 380 g/kWh, the Umweltbundesamt's estimate for 2023 (Icha and
Lauf, Climate Change 23/2024). A constant, and not of 2016: SimBench holds no series of it."""
LOST_LOAD = "5 EUR/kWh"


@dataclass(frozen=True, slots=True)
class Tariff:
    """What the utility asks and pays, EUR/kWh, and the carbon of what it sells, kg/kWh."""

    sells_at_per_kwh: float = 0.30
    buys_at_per_kwh: float = 0.08
    carbon_kg_per_kwh: float = CARBON_KG_PER_KWH

    def prices(self, start: Any) -> dict[str, Any]:
        """The table `prices`: one row, from `start` on."""
        return {
            "time": [start],
            "sells_at_per_j": [self.sells_at_per_kwh / J_PER_KWH],
            "buys_at_per_j": [self.buys_at_per_kwh / J_PER_KWH],
            "carbon_kg_per_j": [self.carbon_kg_per_kwh / J_PER_KWH],
        }


@dataclass(frozen=True, slots=True)
class BatteryDefaults:
    """What the data sets leave out of a battery.

    Parameters
    ----------
    efficiency
        Each way.
    reserve_share, energy_share
        Of the capacity: kept back, and stored at the start.
    self_discharge_per_month
        Where the data say nothing.
    k
        Shape of the valuation curve; 1 is linear, the choice without an opinion.
    """

    efficiency: float = 0.95
    reserve_share: float = 0.05
    energy_share: float = 0.5
    self_discharge_per_month: float = 0.03
    k: float = 1.0

    def values(self, tariff: Tariff) -> dict[str, float]:
        """`v_min_per_j`, `v_max_per_j`, `v_critical_per_j` and `k` that fit a tariff.

        Raises
        ------
        InputError
            The two prices lie so close that no battery can live between them.
        """
        sells, buys = tariff.sells_at_per_kwh, tariff.buys_at_per_kwh
        v_min, v_max = 1.125 * buys, 0.9 * sells
        if not 0 <= v_min < v_max:
            raise InputError(
                f"the utility's prices {sells} and {buys} per kWh leave batteries nothing to earn",
                remedy="let sells_at be at least 1.3 times buys_at",
            )
        return {
            "v_min_per_j": v_min / J_PER_KWH,
            "v_max_per_j": v_max / J_PER_KWH,
            "v_critical_per_j": sells * 16 / 15 / self.efficiency / J_PER_KWH,
            "k": self.k,
        }

    def row(
        self, capacity_j: float, power_w: float, tariff: Tariff, **given: float
    ) -> dict[str, float]:
        """The columns of a battery in the table `devices`; `given` overrides."""
        return {
            "capacity_j": capacity_j,
            "energy_j": self.energy_share * capacity_j,
            "reserve_j": self.reserve_share * capacity_j,
            "charge_power_w": power_w,
            "discharge_power_w": power_w,
            "charge_efficiency": self.efficiency,
            "discharge_efficiency": self.efficiency,
            "self_discharge_per_month": self.self_discharge_per_month,
            **self.values(tariff),
            **given,
        }


@dataclass(frozen=True, slots=True)
class Imported:
    """What an importer made: the folder, and what it left out or guessed, one sentence each."""

    folder: Path
    warnings: tuple[str, ...]


def heavy(module: str) -> Any:
    """Import a module of the extra `import`, which a plain installation lacks.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"importing needs the package {module.partition('.')[0]!r}, which is not installed",
            remedy="pip install 'isojoule[import]'",
        ) from error


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows to columns, None where a row lacks one; columns in order of first appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}
