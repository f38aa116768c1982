"""Mechanisms side by side, on one book or on one scenario: `isojoule compare`.

    document = compare_book(Path("book.yaml"), asked)
    document = compare_scenario("rural", asked, out)

Both give plain data of one form (docs/compare.md), which is a table, JSON or a page. A mechanism
that refuses, or is too slow, is a row with its reason.
"""

from isojoule.apps.compare.asked import Asked
from isojoule.apps.compare.books import compare_book
from isojoule.apps.compare.page import write_page
from isojoule.apps.compare.scenarios import compare_scenario
from isojoule.apps.compare.table import show_comparison

__all__ = ["Asked", "compare_book", "compare_scenario", "show_comparison", "write_page"]
