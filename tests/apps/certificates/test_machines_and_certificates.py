"""What a machine draws from its battery is used by its owner. docs/spec/certificates.md, W19."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from isojoule.apps.certificates import COMMUNITY, certify_run, claimed_of, scores_of, source_of
from isojoule.apps.files.certificate_files import snapshot_of
from isojoule.apps.results import Run, run_scenario
from isojoule.settlement.certificates.check import check_registry
from isojoule.settlement.certificates.memory import MemoryRegistry
from isojoule.settlement.certificates.nouns import WH_UJ


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A day of machines on islands of sun and batteries."""
    return run_scenario("machines", out=tmp_path_factory.mktemp("machines") / "run")


def test_what_machines_draw_is_consumed(run: Run) -> None:
    """All that was used, at homes and by machines, is what scores are of; it is matched, too."""
    intervals = run.to_polars("intervals")
    computed = int(intervals["computed_uj"].sum())
    used = int(intervals["consumed_uj"].sum()) - int(intervals["unserved_uj"].sum()) + computed
    together = scores_of(claimed_of(source_of(run.folder)))[COMMUNITY]
    assert together.consumed_uj == used
    assert computed > 100 * WH_UJ
    # more is matched than homes used, so what machines drew is matched
    assert together.matched_wh * WH_UJ > used - computed


def test_storage_delivers_to_a_machine_what_it_would_to_the_meter(run: Run) -> None:
    """Never more than its efficiency leaves, so no certificate is made by leaving out a meter."""
    source = source_of(run.folder)
    certified = certify_run(run.folder)
    assert certified.same(claimed_of(source))
    registry: MemoryRegistry = certified.registry
    check_registry(snapshot_of(registry))
    drawn = np.zeros(len(source.scenario.participants))
    for _, parts in source.flows():
        for flows in parts:
            for at, device in enumerate(flows.devices):
                who = flows.members.index(device.account)
                drawn[who] += flows.drawn_uj[:, at].sum()
                assert (flows.drawn_uj[:, at] == 0).all() or device.is_storage
    devices = pl.read_parquet(run.folder / "market" / "devices" / "*.parquet")
    used = int(devices["used_uj"].sum())
    eta = source.scenario.devices.discharge_efficiency
    assert np.nanmin(eta) * used - 1e6 <= drawn.sum() < used
