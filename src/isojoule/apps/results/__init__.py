"""A run on disk: simulate a scenario in both worlds, store it, sum it up, read it again."""

from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.store import Run

__all__ = ["Run", "run_scenario"]
