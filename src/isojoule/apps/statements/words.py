"""What sets a price, and what is full, as a household reads it."""

from __future__ import annotations

from functools import cached_property

from isojoule.market.price_reasons import Kind
from isojoule.microworld.devices import DeviceKind
from isojoule.microworld.scenario import Scenario


class Namer:
    """Names of people, devices and links of a scenario."""

    def __init__(self, scenario: Scenario, mechanism: str) -> None:
        self.scenario = scenario
        self.mechanism = mechanism

    @cached_property
    def short(self) -> tuple[str, ...]:
        """Labels without what stands in brackets, if nobody is confused by that."""
        labels = self.scenario.labels
        short = tuple(label.split(" (")[0].strip() for label in labels)
        return short if len(set(short)) == len(short) and all(short) else labels

    def setter(self, offer: int, sells: bool, member: int) -> str:
        """Who sets a price, as it is told to a member."""
        d = self.scenario.devices
        if offer >= d.count:
            return "the utility's selling price" if sells else "the utility's buying price"
        owner = int(d.participant[offer])
        mine = owner == member
        kind = int(d.kind[offer])
        if kind == DeviceKind.BATTERY:
            what, does = "battery", "discharging" if sells else "charging"
            who = f"your own {what}" if mine else f"the {what} of {self.short[owner]}"
            return f"{who}, {does}"
        if kind == DeviceKind.PV or sells:
            return "your own curtailed sun" if mine else f"curtailed sun of {self.short[owner]}"
        what = "need that is not fully met"
        return f"your own {what}" if mine else f"{what}, of {self.short[owner]}"

    def reason(self, kind: int, offer: int, sells: bool, member: int, *, paused: bool) -> str:
        """What sets a price: an offer, or what holds instead of one."""
        if kind == Kind.OFFER:
            return self.setter(offer, sells, member)
        if paused:
            return "the utility's tariff, while the market paused"
        return {
            Kind.NONE: "no price: nobody in reach could trade",
            Kind.BETWEEN: "between two offers, none of them partly filled",
            Kind.RULE: f"the rule of {self.mechanism}",
            Kind.TARIFF: "the utility's tariff",
            Kind.ALONE: "no trade: everybody lives alone",
        }[Kind(kind)]

    def wall(self, link: int, inward: bool) -> str:
        """What a full link does; nothing if there is none."""
        if link < 0:
            return ""
        beyond = (
            "no more of the cheaper energy beyond it can come"
            if inward
            else ("no more energy can go to the dearer demand beyond it")
        )
        return f"{self.link(link)} is full, {beyond}"

    def link(self, link: int) -> str:
        """A link by its kind and name."""
        grid = self.scenario.grid
        kind = (grid.kind[link] if len(grid.kind) else "") or "link"
        name = grid.link_ids[link]
        return name if name.lower().startswith(kind) else f"{kind} {name}"
