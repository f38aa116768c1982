"""Nodes, links, losses, limits, and the power flow that checks them."""

from isojoule.grid.network import Grid, LinkLimits

__all__ = ["Grid", "LinkLimits"]
