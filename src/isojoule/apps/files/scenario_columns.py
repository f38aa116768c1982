"""The tables of a scenario and their columns: the one list that reader, writer and docs use."""

from __future__ import annotations

from isojoule.apps.files.tables import Column

NODES = (
    Column("node", "text", True, "name, unique"),
    Column("voltage_v", "V", False, "rated, line to line"),
    Column("min_voltage_pu", "1", False, "lowest allowed, per unit of the rated voltage"),
    Column("max_voltage_pu", "1", False, "highest allowed"),
    Column("x", "1", False, "for drawing: any plane coordinates, longitude and latitude too"),
    Column("y", "1", False, "for drawing"),
)
LINKS = (
    Column("link", "text", True, "name, unique"),
    Column("from", "text", True, "node; positive flow runs from `from` to `to`"),
    Column("to", "text", True, "node"),
    Column("kind", "text", False, "line, transformer or link (the default); for reading"),
    Column("capacity_w", "W", False, "most power either way; empty: unlimited"),
    Column("loss", "1", False, "share lost of what is sent, 0 <= loss < 1"),
    Column("resistance_ohm", "ohm", False, "makes a loss that grows with the square of the flow"),
    Column("reactance_ohm", "ohm", False, "for the AC check, and needed on the network `dc`"),
    Column("voltage_v", "V", False, "voltage that resistance and reactance are referred to"),
    Column("standing_loss_w", "W", False, "drawn at `from` whatever flows"),
    Column("price_per_j", "money/J", False, "the owner's price per Joule sent"),
    Column("owner", "text", False, "a participant; empty: the operator"),
)
PARTICIPANTS = (
    Column("participant", "text", True, "name, unique; `utility` is reserved"),
    Column("label", "text", False, "what people read"),
)
DEVICES = (
    Column("device", "text", True, "name, unique"),
    Column("participant", "text", True, "its owner"),
    Column("node", "text", True, "where its meter is; one participant may have several"),
    Column("kind", "text", True, "load, pv or battery"),
    Column("profile", "text", False, "load, pv: a column of profiles; empty: constant"),
    Column("power_w", "W", False, "load, pv: multiplies the profile"),
    Column("power_factor", "1", False, "load, pv: for the AC check; 1 if empty"),
    Column("lost_load_per_j", "money/J", False, "load: worth of what is not served"),
    Column("spill_value_per_j", "money/J", False, "pv: worth of what is curtailed; 0 if empty"),
    Column("capacity_j", "J", False, "battery"),
    Column("energy_j", "J", False, "battery: stored at the start"),
    Column("reserve_j", "J", False, "battery: never sold; 0 if empty"),
    Column("charge_power_w", "W", False, "battery"),
    Column("discharge_power_w", "W", False, "battery"),
    Column("charge_efficiency", "1", False, "battery, in (0, 1]"),
    Column("discharge_efficiency", "1", False, "battery, in (0, 1]"),
    Column("self_discharge_per_month", "1", False, "battery: share in 30 days; 0 if empty"),
    Column("v_min_per_j", "money/J", False, "battery: worth of a Joule when full"),
    Column("v_max_per_j", "money/J", False, "battery: worth of a Joule when down to the reserve"),
    Column("v_critical_per_j", "money/J", False, "battery: below the reserve; v_max if empty"),
    Column("k", "1", False, "battery: shape of the curve, 1 is linear; 1 if empty"),
    Column("tau_s", "s", False, "battery: time in which idle energy perishes; empty: it does not"),
    Column("floor", "1", False, "battery: share of its worth that idle energy keeps; 0 if empty"),
)
PROFILES = (Column("time", "time", True, "start of the interval"),)
PRICES = (
    Column("time", "time", True, "holds from here until the next row"),
    Column("sells_at_per_j", "money/J", True, "the utility sells at"),
    Column("buys_at_per_j", "money/J", True, "the utility buys at"),
    Column("carbon_kg_per_j", "kg/J", False, "carbon dioxide of what it sells"),
)
MACHINES = (
    Column("machine", "text", True, "name, unique"),
    Column("device", "text", True, "the battery that feeds it, and no other machine"),
    Column("operations_per_s", "1/s", True, "what it computes"),
    Column("energy_per_operation_j", "J", True, "measured, above what it draws idle"),
    Column("memory_byte", "byte", False, "what it can hold for one step; 0 if empty"),
    Column("energy_per_byte_second_j", "J", False, "to hold a byte for a second; 0 if empty"),
    Column("energy_per_byte_j", "J", False, "to move a byte in or out; 0 if empty"),
    Column("idle_w", "W", False, "drawn while awake, whatever it does; 0 if empty"),
)
ORDERS = (
    Column("order", "text", True, "name, unique"),
    Column("time", "time", True, "when it arrives"),
    Column("deadline", "time", True, "when it must be done"),
    Column("participant", "text", True, "the customer, who pays"),
    Column("node", "text", True, "where it arrives"),
    Column("operations", "1", True, "in all, a whole number"),
    Column("memory_byte", "byte", False, "held while it computes; 0 if empty"),
    Column(
        "transfer_byte", "byte", False, "input and results, carried to another node; 0 if empty"
    ),
    Column("value", "money", True, "worth to the customer when all of it is done"),
    Column("critical", "text", False, "true or 1: taken by a machine short of energy, too"),
)
TABLES: dict[str, tuple[Column, ...]] = {
    "nodes": NODES,
    "links": LINKS,
    "participants": PARTICIPANTS,
    "devices": DEVICES,
    "profiles": PROFILES,
    "prices": PRICES,
    "machines": MACHINES,
    "orders": ORDERS,
}
"""All tables by name. `profiles` has further columns: one a profile, pure numbers."""

OPTIONAL = frozenset({"prices", "machines", "orders"})
"""Tables that may be missing: `prices` off the grid, the others where nobody computes."""

LOAD_COLUMNS = frozenset({"profile", "power_w", "power_factor", "lost_load_per_j"})
PV_COLUMNS = frozenset({"profile", "power_w", "power_factor", "spill_value_per_j"})
BATTERY_COLUMNS = frozenset(c.name for c in DEVICES[9:])
USED_BY = {"load": LOAD_COLUMNS, "pv": PV_COLUMNS, "battery": BATTERY_COLUMNS}
"""Which columns of devices mean something for a kind; the others must be empty there."""

NEEDED_BY = {
    "load": ("power_w",),
    "pv": ("power_w",),
    "battery": (
        "capacity_j",
        "energy_j",
        "charge_power_w",
        "discharge_power_w",
        "charge_efficiency",
        "discharge_efficiency",
        "v_min_per_j",
        "v_max_per_j",
    ),
}
