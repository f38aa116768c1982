"""The grid of a pandapower net: buses to nodes, lines and transformers to links.

Rules:

- Buses joined by a closed bus-to-bus switch are one node. Lines and transformers with an open
  switch, and whatever is out of service, are left out; so is what hangs on no supply.
- The bus of the external grid becomes the node `utility`.
- Links point away from the utility, so that a positive flow is a delivery.
- A line's limit is sqrt(3) * V * I_max * derating * parallel lines; R and X are those of one phase,
  which with V line to line gives the loss of all three.
- A transformer's limit is its rated power; R and X come from its short-circuit voltages and are
  referred to the low-voltage side; its iron loss is drawn on the utility's side.
- The tap of the utility's own transformers is folded into the voltage at the utility's node, and
  that node is seen from the low-voltage side. Taps elsewhere are not modelled, which is said.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from isojoule.core.errors import InputError

UTILITY = "utility"
_SUPPORTED = frozenset({"bus", "line", "trafo", "ext_grid", "load", "sgen", "storage", "switch"})


@dataclass
class Feeder:
    """What became of a net's wires.

    Attributes
    ----------
    nodes, links
        Rows of the tables.
    node_of
        Node name of each bus that is supplied, by bus index.
    tag_of
        The node's short name ("023"), to name a household after.
    slack_voltage_pu
        Voltage at the utility's node, tap folded in.
    warnings
        What was left out or simplified.
    """

    nodes: list[dict[str, Any]]
    links: list[dict[str, Any]]
    node_of: dict[int, str]
    tag_of: dict[str, str]
    slack_voltage_pu: float
    warnings: list[str] = field(default_factory=list)


def read_feeder(net: Any) -> Feeder:
    """Take the wires of a pandapower net.

    Parameters
    ----------
    net
        A `pandapowerNet`.

    Raises
    ------
    InputError
        No or several external grids, or an element that carries energy in a way not modelled.
    """
    warnings = _check_elements(net)
    fused = _fuse(net)
    slack = _slack(net)
    root = fused[int(slack.bus)]
    edges = _edges(net, fused, warnings)
    depth = _depths(root, edges)
    buses = [int(i) for i in net.bus.index if net.bus.in_service[i] and fused[int(i)] in depth]
    lost = [int(i) for i in net.bus.index if net.bus.in_service[i] and fused[int(i)] not in depth]
    if lost:
        warnings.append(f"{len(lost)} buses are not connected to the external grid: left out")
    kept = [b for b in buses if fused[b] == b]
    tags = short_tags({b: str(net.bus.name[b]) for b in kept if b != root})
    name_of = {b: UTILITY if b == root else f"n{tags[b]}" for b in kept}
    slack_pu, utility_v = _utility_voltage(net, slack, root, edges, warnings)
    nodes = [_node(net, b, name_of[b], utility_v if b == root else None) for b in kept]
    nodes.sort(key=lambda row: (row["node"] != UTILITY, row["node"]))
    links = [_link(edge, depth, name_of) for edge in edges if edge["a"] in depth]
    _name_links(links)
    return Feeder(
        nodes,
        links,
        {b: name_of[fused[b]] for b in buses},
        {name_of[b]: tag for b, tag in tags.items()},
        slack_pu,
        warnings,
    )


def short_tags(names: dict[int, str]) -> dict[int, str]:
    """Short, unique and stable names: the number at the end, else the name, else the index.

    >>> short_tags({4: "LV3.101 Bus 7", 5: "LV3.101 Bus 12"})
    {4: '007', 5: '012'}
    >>> short_tags({4: "Bus R1", 5: "Bus C1"})
    {4: '-r1', 5: '-c1'}
    >>> short_tags({4: "same", 5: "same"})
    {4: '004', 5: '005'}
    """
    found = {i: re.search(r"(?<![A-Za-z0-9])(\d+)\s*$", name) for i, name in names.items()}
    numbers = {i: int(match[1]) for i, match in found.items() if match}
    if len(set(numbers.values())) == len(names):
        return {i: f"{number:03d}" for i, number in numbers.items()}
    words = {i: re.sub(r"^bus\s+", "", name.strip().lower()) for i, name in names.items()}
    slugs = {i: "-" + re.sub(r"[^a-z0-9]+", "-", word).strip("-") for i, word in words.items()}
    if len(set(slugs.values())) == len(names) and all(1 < len(s) <= 16 for s in slugs.values()):
        return slugs
    return {i: f"{i:03d}" for i in names}


def _check_elements(net: Any) -> list[str]:
    """Refuse what carries energy in ways not modelled; list what else is left out."""
    warnings = []
    for element in net:
        table = net[element]
        if (
            element in _SUPPORTED
            or not hasattr(table, "columns")
            or element.startswith(("_", "res_"))
        ):
            continue
        if "in_service" not in table.columns or not table.in_service.any():
            continue
        count = int(table.in_service.sum())
        if {"from_bus", "hv_bus", "bus_dc", "from_bus_dc"} & set(table.columns):
            raise InputError(
                f"the net has {count} elements of the kind {element!r}, which are not modelled",
                place=f"net.{element}",
                remedy="put them out of service, or replace them by lines and two-winding "
                "transformers",
            )
        warnings.append(f"{count} elements of the kind {element!r} are not modelled: left out")
    for table in (net.load,):
        for column in (
            "const_z_percent",
            "const_i_percent",
            "const_z_p_percent",
            "const_i_p_percent",
        ):
            if column in table.columns and (table[column] != 0).any():
                warnings.append("loads that depend on the voltage are taken as constant power")
                break
    return warnings


def _slack(net: Any) -> Any:
    slacks = net.ext_grid[net.ext_grid.in_service]
    if len(slacks) != 1:
        raise InputError(
            f"the net has {len(slacks)} external grids in service, not one",
            place="net.ext_grid",
            remedy="keep one in service: it becomes the utility",
        )
    return slacks.iloc[0]


def _fuse(net: Any) -> dict[int, int]:
    """Representative bus of each bus; the external grid's bus represents its own."""
    parent = {int(i): int(i) for i in net.bus.index}

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for switch in net.switch.itertuples():
        if switch.et == "b" and switch.closed:
            a, b = sorted((root(int(switch.bus)), root(int(switch.element))))
            parent[b] = a
    fused = {i: root(i) for i in parent}
    slack = int(_slack(net).bus)
    return {i: slack if r == fused[slack] else r for i, r in fused.items()}


def _edges(net: Any, fused: dict[int, int], warnings: list[str]) -> list[dict[str, Any]]:
    """Lines and transformers that are in service, in table order."""
    open_at = {(s.et, int(s.element)) for s in net.switch.itertuples() if not s.closed}
    live = set(net.bus.index[net.bus.in_service])
    edges: list[dict[str, Any]] = []
    for line in net.line.itertuples():
        if not line.in_service or ("l", line.Index) in open_at:
            continue
        if not {line.from_bus, line.to_bus} <= live:
            continue
        volt = float(net.bus.vn_kv[line.from_bus]) * 1e3
        limit = math.sqrt(3) * volt * line.max_i_ka * 1e3 * line.df * line.parallel
        if not math.isfinite(limit):
            warnings.append(f"line {line.name!r} has no thermal current: unlimited")
        edges.append(
            {
                "a": fused[int(line.from_bus)],
                "b": fused[int(line.to_bus)],
                "kind": "line",
                "name": str(line.name),
                "capacity_w": limit if math.isfinite(limit) else None,
                "resistance_ohm": line.r_ohm_per_km * line.length_km / line.parallel,
                "reactance_ohm": line.x_ohm_per_km * line.length_km / line.parallel,
                "voltage_v": volt,
                "standing_loss_w": 0.0,
            }
        )
    for trafo in net.trafo.itertuples():
        if not trafo.in_service or ("t", trafo.Index) in open_at:
            continue
        if not {trafo.hv_bus, trafo.lv_bus} <= live:
            continue
        volt = trafo.vn_lv_kv * 1e3
        base_ohm = volt**2 / (trafo.sn_mva * 1e6) / trafo.parallel
        r, z = trafo.vkr_percent / 100, trafo.vk_percent / 100
        edges.append(
            {
                "a": fused[int(trafo.hv_bus)],
                "b": fused[int(trafo.lv_bus)],
                "kind": "transformer",
                "name": str(trafo.name),
                "capacity_w": trafo.sn_mva * 1e6 * trafo.parallel * trafo.df,
                "resistance_ohm": r * base_ohm,
                "reactance_ohm": math.sqrt(max(z * z - r * r, 0.0)) * base_ohm,
                "voltage_v": volt,
                "standing_loss_w": trafo.pfe_kw * 1e3 * trafo.parallel,
                "row": trafo,
            }
        )
    return [edge for edge in edges if edge["a"] != edge["b"]]


def _depths(root: int, edges: list[dict[str, Any]]) -> dict[int, int]:
    """Hops from the utility of every supplied bus."""
    near: dict[int, list[int]] = {}
    for edge in edges:
        near.setdefault(edge["a"], []).append(edge["b"])
        near.setdefault(edge["b"], []).append(edge["a"])
    depth, queue = {root: 0}, deque([root])
    while queue:
        here = queue.popleft()
        for there in near.get(here, ()):
            if there not in depth:
                depth[there] = depth[here] + 1
                queue.append(there)
    return depth


def _tap(trafo: Any) -> float:
    """Voltage on the low side, per unit of its rating, at 1 per unit of the high side's bus."""
    steps = trafo.tap_pos - trafo.tap_neutral
    shift = 1 + steps * trafo.tap_step_percent / 100
    if not math.isfinite(shift):
        return 1.0
    return float(1 / shift if trafo.tap_side == "hv" else shift)


def _utility_voltage(
    net: Any, slack: Any, root: int, edges: list[dict[str, Any]], warnings: list[str]
) -> tuple[float, float | None]:
    """Voltage at the utility's node per unit, and its rating seen from the low side."""
    nominal_v = float(net.bus.vn_kv[root]) * 1e3
    at_root = [edge for edge in edges if root in (edge["a"], edge["b"])]
    ratios, ratings = set(), set()
    for edge in edges:
        if edge["kind"] != "transformer":
            continue
        trafo = edge["row"]
        ratio = _tap(trafo) * nominal_v / (trafo.vn_hv_kv * 1e3)
        if edge["a"] == root and all(other["kind"] == "transformer" for other in at_root):
            ratios.add(round(ratio, 9))
            ratings.add(edge["voltage_v"])
        elif abs(_tap(trafo) - 1) > 1e-9:
            warnings.append(f"the tap of transformer {trafo.name!r} is not modelled")
    if len(ratios) == 1 and len(ratings) == 1:
        return round(float(slack.vm_pu) * ratios.pop(), 6), ratings.pop()
    if ratios:
        warnings.append("the taps of the utility's transformers differ: not modelled")
    return round(float(slack.vm_pu), 6), None


def _node(net: Any, bus: int, name: str, volt: float | None) -> dict[str, Any]:
    row = net.bus.loc[bus]
    x, y = _coordinates(net, bus)
    low, high = row.get("min_vm_pu", math.nan), row.get("max_vm_pu", math.nan)
    return {
        "node": name,
        "voltage_v": volt or float(row.vn_kv) * 1e3,
        "min_voltage_pu": None if math.isnan(low) else float(low),
        "max_voltage_pu": None if math.isnan(high) else float(high),
        "x": x,
        "y": y,
    }


def _coordinates(net: Any, bus: int) -> tuple[float | None, float | None]:
    geo = net.bus.geo[bus] if "geo" in net.bus.columns else None
    if isinstance(geo, str) and geo:
        x, y = json.loads(geo)["coordinates"][:2]
        return float(x), float(y)
    return None, None


def _link(edge: dict[str, Any], depth: dict[int, int], name_of: dict[int, str]) -> dict[str, Any]:
    a, b = edge["a"], edge["b"]
    if depth[a] > depth[b]:
        a, b = b, a
    kept = {key: value for key, value in edge.items() if key not in ("a", "b", "name", "row")}
    return {"link": edge["name"], "from": name_of[a], "to": name_of[b], **kept}


def _name_links(links: list[dict[str, Any]]) -> None:
    """Name lines l001, l002, ... and transformers t1, t2, ... by their numbers, in place."""
    for kind, prefix, digits in (("line", "l", 3), ("transformer", "t", 1)):
        own = [link for link in links if link["kind"] == kind]
        tags = short_tags({i: link["link"] for i, link in enumerate(own)})
        plain = all(tag.isdigit() for tag in tags.values())
        for i, link in enumerate(own):
            numbered = plain and kind == "line"
            link["link"] = f"{prefix}{tags[i]}" if numbered else f"{prefix}{i + 1:0{digits}d}"
    links.sort(key=lambda link: (link["kind"] != "transformer", link["link"]))
