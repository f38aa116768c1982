"""Valuation curves, and the devices that make offers of them."""
