"""What all tests share."""

from __future__ import annotations

import os

import pytest

ONE_OF_MANY = "PYTEST_XDIST_WORKER" in os.environ
"""Whether this process runs a part of the tests, beside others on other cores."""
COMPILING = "tests/market/solvers/test_conformance.py"
WITHOUT_KERNELS = ("tests/apps/ledger/", "tests/core/", "tests/settlement/", "tests/valuation/")

if ONE_OF_MANY:  # each has one thread for linear algebra; said before numpy is imported
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where kernels are not compiled yet, one process compiles most of them, and not each.

    It begins with the set of all solvers; the others begin with what needs no kernel.
    """
    if ONE_OF_MANY:
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.nodeid.startswith(COMPILING):
        return 0
    return 1 if item.nodeid.startswith(WITHOUT_KERNELS) else 2


def need(what: object, name: str) -> None:
    """Skip a test, visibly, on a machine that lacks something; fail where all is required.

    Parameters
    ----------
    what
        The thing found, or something false where it is not there.
    name
        What is missing, as a reader would say it.
    """
    if what:
        return
    message = f"this machine has no {name}"
    if os.environ.get("ISOJOULE_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(name="need")
def need_fixture() -> object:
    """`need` as a fixture."""
    return need
