"""A run's certificates: from its tables, into a folder, checked again; forgeries are found.

docs/spec/certificates.md, W17 to W22.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from isojoule.apps.certificates import COMMUNITY, CertifiedRun, certify_run, scores_of
from isojoule.apps.certificates.write import verify_certificates, write_certificates
from isojoule.apps.cli import app
from isojoule.apps.files.certificate_files import NAME, read_registry, snapshot_of, write_registry
from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.results import run_scenario
from isojoule.core.canonical import digest
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.certificates.nouns import WH_UJ


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of the street that `isojoule new` makes."""
    folder = tmp_path_factory.mktemp("certified")
    scenario = new_scenario(folder / "street")
    return run_scenario(scenario, days=1, out=folder / "run", workers=1).folder


@pytest.fixture(scope="module")
def certified(run: Path) -> CertifiedRun:
    return certify_run(run)


@pytest.fixture
def written(run: Path, tmp_path: Path) -> Path:
    (tmp_path / "run").symlink_to(run)
    return write_certificates(run, tmp_path / "run-certificates").folder


def test_what_is_issued_is_what_the_meters_show(certified: CertifiedRun, run: Path) -> None:
    """Within a Watt-hour an interval that stands alone, every PV has its certificates."""
    table = pl.read_parquet(run / "market" / "devices" / "*.parquet")
    some = 0
    for device, at in certified.registry.devices():
        mine = table.filter(pl.col("device") == device.id)["energy_uj"]
        produced = int((-mine.clip(upper_bound=0)).sum())
        assert at.metered_uj == produced
        assert (at.next - 1) * WH_UJ <= produced
        if not device.is_storage:
            some += at.next - 1
            assert (at.next - 1) * WH_UJ >= produced - 3 * WH_UJ
    assert some > 0


def test_scores_add_up(certified: CertifiedRun, run: Path) -> None:
    """W21: the community's score is that of the sums, over what the loads were served."""
    scores = scores_of(certified)
    together = scores.pop(COMMUNITY)
    for field in ("consumed_uj", "self_wh", "local_wh", "storage_wh"):
        assert getattr(together, field) == sum(getattr(s, field) for s in scores.values())
    assert all(s.share is None or 0 <= s.share <= 1 for s in scores.values())
    assert together.self_wh and together.local_wh and together.storage_wh
    intervals = pl.read_parquet(run / "market" / "intervals" / "*.parquet")
    served = int(intervals["consumed_uj"].sum() - intervals["unserved_uj"].sum())
    assert together.consumed_uj == served
    name = certified.periods[0][0]
    assert scores_of(certified, name)[COMMUNITY] == together
    assert scores_of(certified, "none")[COMMUNITY].share is None


@pytest.mark.parametrize("large", [0, 10**9])
def test_a_registry_is_read_as_it_was_written(
    certified: CertifiedRun, tmp_path: Path, large: int
) -> None:
    """W22: as JSON, and as a table."""
    snapshot = snapshot_of(certified.registry)
    files = write_registry(tmp_path, snapshot, large)
    assert len(files) == (4 if large == 0 else 1)
    assert read_registry(tmp_path) == snapshot


def test_the_folder_verifies_with_its_run(written: Path, run: Path) -> None:
    found = verify_certificates(written)
    assert found.run is not None and found.run.resolve() == run.resolve()
    assert found.certificates > 0
    with (written / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["member"] for row in rows} >= {"community", "member/ada"}
    (written.parent / "run").unlink()
    assert verify_certificates(written).run is None
    assert verify_certificates(written, run).run == run


def test_what_was_altered_is_found(written: Path) -> None:
    """A byte; a claim that the run does not bear out; another run's digest."""
    scores = written / "scores.csv"
    scores.write_text(scores.read_text().replace("0.", "1.", 1))
    with pytest.raises(VerificationError, match="was changed afterwards"):
        verify_certificates(written)
    reseal(written)
    with pytest.raises(VerificationError, match="does not follow from the run"):
        verify_certificates(written)


def test_a_claim_that_was_never_made_is_found(written: Path) -> None:
    """The registry holds together, and is another one than the run's."""
    file = written / NAME
    told = json.loads(file.read_text())
    rows = told["certificate_bundles"]
    row = next(row for row in rows if row["certificate_bundle_status"] == "Active")
    row.update(certificate_bundle_status="Claimed", beneficiary="mallory")
    file.write_text(json.dumps(told))
    reseal(written)
    with pytest.raises(VerificationError, match="does not follow from the run"):
        verify_certificates(written)


@pytest.mark.parametrize("text", ["{", "[]", '{"isojoule": 1}', '{"files": [], "run": "x"}'])
def test_a_document_that_is_none(written: Path, text: str) -> None:
    """Also where a forger has given it its own digest."""
    path = written / "certificates.json"
    path.write_text(text)
    with pytest.raises(VerificationError):
        verify_certificates(written)
    if text.startswith('{"'):
        told = json.loads(text)
        path.write_text(json.dumps({**told, "digest": digest(told)}))
        with pytest.raises(VerificationError, match="names no run"):
            verify_certificates(written)


def reseal(folder: Path) -> None:
    """What a forger would do: hash all files again."""
    from isojoule.apps.results.manifest import file_hash

    path = folder / "certificates.json"
    told = json.loads(path.read_text())
    told["files"] = {name: file_hash(folder / name) for name in told["files"]}
    told.pop("digest")
    told["digest"] = digest(told)
    path.write_text(json.dumps(told))


def test_nothing_else_is_written_over(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="holds no certificates"):
        write_certificates(run, tmp_path / "mine")


def test_the_commands(run: Path, tmp_path: Path) -> None:
    """`certificates RUN`, `certificates verify`, and the one `verify` for all."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    cli = CliRunner()
    shown = cli.invoke(app, ["certificates", str(copy)])
    assert shown.exit_code == 0, shown.output
    assert "community" in shown.output and "kWh Claimed" in shown.output
    folder = tmp_path / "run-certificates"
    told = json.loads(cli.invoke(app, ["certificates", str(copy), "--json"]).stdout)
    assert told["folder"] == str(folder)
    assert 0 < told["community"]["score"] < 1
    for words in (["verify", str(folder)], ["certificates", "verify", str(folder)]):
        done = cli.invoke(app, [*words, "--json"])
        assert done.exit_code == 0, done.output
        assert "the same" in json.loads(done.stdout)["checked"][-1]
    assert cli.invoke(app, ["certificates", "verify"]).exit_code == 2
    assert cli.invoke(app, ["certificates", str(copy), "--run", "x"]).exit_code == 2
