"""Seeded simulated worlds: scenario, run, savings audit."""
