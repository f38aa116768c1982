"""What all tests share."""

from __future__ import annotations

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # one process for each core: none needs more for its linear algebra, before numpy is imported
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


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
