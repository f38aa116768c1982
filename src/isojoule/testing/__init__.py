"""For authors of mechanisms: the conformance suite, and random books and lies to try.

Needs the extra `testing`: `pip install 'isojoule[testing]'`. Nothing else of Isojoule imports this.
"""

try:
    import hypothesis  # noqa: F401
    import pytest
except ModuleNotFoundError as error:
    raise ImportError(
        f"isojoule.testing needs {error.name}: pip install 'isojoule[testing]'"
    ) from None

# Asserts in the suite tell what they compare; that has to be asked for before it is imported.
pytest.register_assert_rewrite("isojoule.testing.attacks", "isojoule.testing.conformance")

from isojoule.testing.books import KINDS, Sample, sample, samples  # noqa: E402
from isojoule.testing.conformance import MechanismConformance  # noqa: E402
from isojoule.testing.draws import Draw, Drawn, Seeded, drawn_by  # noqa: E402

__all__ = [
    "KINDS",
    "Draw",
    "Drawn",
    "MechanismConformance",
    "Sample",
    "Seeded",
    "drawn_by",
    "sample",
    "samples",
]
