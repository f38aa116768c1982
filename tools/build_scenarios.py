"""Make the bundled scenarios, by the importers and generators that users have.

    python tools/build_scenarios.py [FOLDER]

writes `rural` and `strained` (from SimBench, needs the extra `import`), `village` and `machines`
(by rule, from seed 1) into src/isojoule/scenarios (or FOLDER), replacing what is there. The same
versions give the same tables.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from isojoule.apps.files.scenario_files import read_scenario, write_scenario
from isojoule.apps.importers.machines import generate_machines
from isojoule.apps.importers.simbench_code import attribution_text, convert, load_net
from isojoule.apps.importers.village import generate_village

CODE = "1-LV-rural3--2-no_sw"
WEEKS = ("winter=2016-01-11", "spring=2016-04-11", "summer=2016-07-11", "autumn=2016-10-10")
"""The week of the second Monday of January, April, July and October."""

PV_KW = 12.0
PV_PROFILES = ("PV1", "PV3", "PV4", "PV7")
BATTERY_KWH = 10.0
CAR_KW = 11.0
CAR_PROFILES = ("HLS_A_3.7", "HLS_B_3.7", "HLS_C_3.7", "HLS_A_11.0", "HLS_A_22.0", "APLS_A_3.7")
TRANSFORMER = "0.25 MVA 20/0.4 kV Dyn5 ASEA"
OLD_LINE = "15-AL1/3-ST1A 0.4"

RURAL = {
    "name": "rural",
    "title": "A rural low-voltage feeder in Germany",
    "description": (
        "118 households on 128 buses behind one 400 kVA transformer, with heat pumps, electric "
        "cars, 43 solar roofs and 16 batteries: the SimBench grid 1-LV-rural3 of scenario 2, in "
        "four weeks of 2016, one of each season. Each week stands alone. Nothing is scarce here: "
        "no line and no transformer is ever near its limit."
    ),
}
STRAINED = {
    "name": "strained",
    "title": "The rural feeder with more sun, more cars and a smaller transformer",
    "description": (
        "The feeder of `rural`, loaded until links bind, by a rule and not by chance. Households "
        "are counted by bus number. Every second one without solar gets 12 kW of it (profiles PV1, "
        "PV3, PV4, PV7 in turn), and every second of those a battery of 10 kWh and 12 kW. Every "
        "third household gets another electric car of 11 kW (six charging profiles in turn). The "
        "transformer is one of 250 kVA (it was 400), and the branch with the most buses begins "
        "with an old overhead line of 105 A (it was a cable of 270 A)."
    ),
}


def strain(net: Any) -> None:
    """Load the feeder until links bind, by counting through its buses; changes `net`.

    Households are counted in the order of their bus numbers. Reads and writes pandapower's tables,
    so that the importer sees a net like any other.
    """
    homes = sorted(set(net.load.bus), key=lambda bus: int(net.bus.name[bus].split()[-1]))
    sunny = set(net.sgen.bus) | set(net.storage.bus)
    dark = [bus for bus in homes if bus not in sunny]
    for i, bus in enumerate(dark[1::2]):
        profile = PV_PROFILES[i % len(PV_PROFILES)]
        like = (net.storage if i % 2 else net.sgen).iloc[0].copy()
        like["bus"], like["name"] = bus, f"added PV {i + 1}"
        like["p_mw"], like["q_mvar"], like["scaling"] = PV_KW / 1e3, 0.0, 1.0
        like["profile"] = f"Storage_{profile}_added" if i % 2 else profile
        if i % 2:
            like["max_e_mwh"] = BATTERY_KWH / 1e3
        _append(net.storage if i % 2 else net.sgen, like)
    for i, bus in enumerate(homes[2::3]):
        like = net.load[net.load.profile == "HLS_A_3.7"].iloc[0].copy()
        like["bus"], like["name"] = bus, f"added car {i + 1}"
        like["p_mw"], like["q_mvar"] = CAR_KW / 1e3, 0.0
        like["profile"] = CAR_PROFILES[i % len(CAR_PROFILES)]
        _append(net.load, like)
    for column, value in net.std_types["trafo"][TRANSFORMER].items():
        if column in net.trafo.columns:
            net.trafo[column] = value
    for column in ("r_ohm_per_km", "x_ohm_per_km", "max_i_ka"):
        net.line.loc[_longest_branch(net), column] = net.std_types["line"][OLD_LINE][column]


def _longest_branch(net: Any) -> int:
    """The line at the transformer's busbar with the most buses behind it."""
    busbar = int(net.trafo.lv_bus.iloc[0])
    ends = [(int(i), int(a), int(b)) for i, a, b in zip(*_columns(net.line), strict=True)]

    def behind(start: int) -> int:
        seen, queue = {busbar, start}, [start]
        while queue:
            here = queue.pop()
            for _, a, b in ends:
                for there in {a, b} - seen if here in (a, b) else ():
                    seen.add(there)
                    queue.append(there)
        return len(seen) - 1

    first = {line: a + b - busbar for line, a, b in ends if busbar in (a, b)}
    return max(first, key=lambda line: (behind(first[line]), -line))


def _columns(lines: Any) -> tuple[Any, Any, Any]:
    return lines.index, lines.from_bus, lines.to_bus


def _append(table: Any, row: Any) -> None:
    table.loc[int(table.index.max()) + 1] = row


def build(folder: Path) -> None:
    """Write all scenarios."""
    generate(folder)
    from_simbench(folder)


def generate(folder: Path) -> None:
    """Write those that follow from a seed."""
    for name, make in (("village", generate_village), ("machines", generate_machines)):
        target = folder / name
        if target.exists():
            shutil.rmtree(target)
        _tell(make(target))


def from_simbench(folder: Path) -> None:
    """Write those that are made of SimBench."""
    for about, change in ((RURAL, None), (STRAINED, strain)):
        net = load_net(CODE)
        if change is not None:
            change(net)
        made = convert(net, CODE, weeks=WEEKS)
        target = folder / about["name"]
        if target.exists():
            shutil.rmtree(target)
        write_scenario(target, {**made.doc, **about}, made.tables)
        (target / "ATTRIBUTION.md").write_text(attribution_text(CODE), encoding="utf-8")
        _tell(target)
        for warning in made.warnings:
            print(f"  {warning}")


def _tell(folder: Path) -> None:
    scenario = read_scenario(folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {scenario.devices.count} devices, {size} bytes")


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1] / "src" / "isojoule" / "scenarios"
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else here)
