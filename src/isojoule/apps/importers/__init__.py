"""Grids of other programs become scenarios."""
