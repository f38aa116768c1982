"""Isojoule: design, simulate and operate local energy markets.

    import isojoule
    cleared = isojoule.clear("book.yaml")
    cleared.prices, cleared.explain("home")
    result = isojoule.run("rural")

Everything here is loaded on first use: importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isojoule.apps.clearing import Cleared, clear
    from isojoule.apps.files.book_files import BookFile, read_book
    from isojoule.apps.results.run import run_scenario as run
    from isojoule.apps.sealing import Sealed, seal
    from isojoule.apps.session import Played, play_session
    from isojoule.core.errors import InputError, IsojouleError, VerificationError
    from isojoule.core.interval import Interval
    from isojoule.grid import Grid
    from isojoule.machine import Machine, Order
    from isojoule.market import Book, Clearing, Mechanism, Refusal
    from isojoule.valuation import Battery, Bundle, Load, Offer, Step, Steps, Utility

    __version__: str

_WHERE = {
    "Battery": "isojoule.valuation",
    "Book": "isojoule.market",
    "BookFile": "isojoule.apps.files.book_files",
    "Bundle": "isojoule.valuation",
    "Cleared": "isojoule.apps.clearing",
    "Clearing": "isojoule.market",
    "Grid": "isojoule.grid",
    "InputError": "isojoule.core.errors",
    "Interval": "isojoule.core.interval",
    "IsojouleError": "isojoule.core.errors",
    "Load": "isojoule.valuation",
    "Machine": "isojoule.machine",
    "Mechanism": "isojoule.market",
    "Offer": "isojoule.valuation",
    "Order": "isojoule.machine",
    "Played": "isojoule.apps.session",
    "Refusal": "isojoule.market",
    "Sealed": "isojoule.apps.sealing",
    "Step": "isojoule.valuation",
    "Steps": "isojoule.valuation",
    "Utility": "isojoule.valuation",
    "VerificationError": "isojoule.core.errors",
    "clear": "isojoule.apps.clearing",
    "play_session": "isojoule.apps.session",
    "read_book": "isojoule.apps.files.book_files",
    "run": "isojoule.apps.results.run:run_scenario",
    "seal": "isojoule.apps.sealing",
}

__all__ = [
    "Battery",
    "Book",
    "BookFile",
    "Bundle",
    "Cleared",
    "Clearing",
    "Grid",
    "InputError",
    "Interval",
    "IsojouleError",
    "Load",
    "Machine",
    "Mechanism",
    "Offer",
    "Order",
    "Played",
    "Refusal",
    "Sealed",
    "Step",
    "Steps",
    "Utility",
    "VerificationError",
    "__version__",
    "clear",
    "play_session",
    "read_book",
    "run",
    "seal",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("isojoule")
    elif name in _WHERE:
        from importlib import import_module

        module, _, attribute = _WHERE[name].partition(":")
        value = getattr(import_module(module), attribute or name)
    else:
        raise AttributeError(f"module 'isojoule' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
