"""A run that carries its certificates, since its rules of settlement ask for them.

docs/spec/certificates.md, W23 to W25.
"""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from isojoule.apps.certificates import COMMUNITY, certify_run, claimed_of, scores_of, source_of
from isojoule.apps.certificates.run import certify
from isojoule.apps.certificates.write import write_certificates
from isojoule.apps.files.certificate_check import check_registry_folder
from isojoule.apps.files.certificate_files import read_registry, snapshot_of, write_registry
from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.report import build_report
from isojoule.apps.results import Run, run_scenario
from isojoule.apps.results.manifest import write_manifest
from isojoule.apps.results.show import print_run
from isojoule.apps.results.verify import verify_run
from isojoule.core.canonical import digest
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.certificates.check import check_registry
from isojoule.settlement.certificates.nouns import State

RULES = """isojoule: 1
currency: EUR
certificates:
  expires_after: 6 h
  withdraw:
    - {device: %s, from: 2026-06-21T12:00, to: 2026-06-21T15:00, at: 2026-06-21T16:30}
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_scenario(tmp_path_factory.mktemp("carried") / "street")


@pytest.fixture(scope="module")
def run(scenario: Path) -> Run:
    """A day of the street that `isojoule new` makes."""
    rules = scenario.parent / "rules.yaml"
    rules.write_text(RULES % "ada-pv")
    return run_scenario(scenario, days=1, rules=rules, out=scenario.parent / "run")


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.folder, tmp_path / "run"))


def test_the_run_verifies(run: Run) -> None:
    assert verify_run(run.folder)["files"] > 0
    told = run.summary["settlement"]["certificates"]
    assert 0 < told["community"]["score"] < 1
    assert told["members"].keys() == set(source_of(run.folder).scenario.participants)
    assert len(told["hours_of_day"]) == 24


def test_the_command_line_tells_the_score(run: Run) -> None:
    out = StringIO()
    print_run(run, Console(file=out, width=100))
    score = run.summary["settlement"]["certificates"]["community"]["score"]
    assert f"matched {100 * score:.1f} % of what was used" in " ".join(out.getvalue().split())


def test_the_report_shows_the_score(run: Run, copy: Path) -> None:
    page = (run.folder / "report.html").read_text()
    start = page.index('<section id="certificates">')
    part = page[start : page.index("</section>", start)]
    told = run.summary["settlement"]["certificates"]
    assert f"{100 * told['community']['score']:.1f}" in part
    assert part.count("<rect") > 2 * (6 + 24)
    assert "expired" in part and "taken back by the issuing body" in part
    summary = json.loads((copy / "summary.json").read_text())
    del summary["settlement"]["certificates"]
    (copy / "summary.json").write_text(json.dumps(summary))
    assert 'id="certificates"' not in build_report(copy)


def test_the_summary_is_what_the_registry_holds(run: Run) -> None:
    """W23, W25: on a bundled day, to the Watt-hour; and by state."""
    certified = certify_run(run.folder)
    assert certified.same(claimed_of(source_of(run.folder)))
    told = run.summary["settlement"]["certificates"]
    assert told["community"] == scores_of(certified)[COMMUNITY].document()
    bundles = list(certified.registry.bundles())
    wh = {
        state: sum(b.quantity for b in bundles if b.state is state and not b.charge)
        for state in State
    }
    part = told["periods"][0]
    assert wh[State.CLAIMED] == part["claimed_wh"]
    stored = sum(b.quantity for b in bundles if b.charge)
    assert stored == part["stored_wh"] > 0
    left = wh[State.ACTIVE] + wh[State.EXPIRED] + wh[State.WITHDRAWN]
    assert left == part["left_wh"]
    carried = json.loads((run.folder / "certificates" / "certificates.json").read_text())
    assert carried["certificates_wh"]["Claimed"] == part["claimed_wh"]
    assert carried["root"] == certified.registry.head.root.hex()


def test_what_nobody_claims_expires_and_may_be_withdrawn(run: Run) -> None:
    """W6, W25: six hours after its interval; what the issuing body took back before stays so."""
    snapshot = read_registry(run.folder / "certificates")
    check_registry(snapshot)
    source = source_of(run.folder)
    (asked,) = source.rules.withdrawals
    withdrawn = [b for b in snapshot.bundles if b.state is State.WITHDRAWN]
    assert withdrawn
    for bundle in withdrawn:
        assert bundle.origin == asked.device
        assert asked.start_s <= bundle.start_s < asked.end_s
    end_s = source.scenario.periods[-1].end_s
    expired = [b for b in snapshot.bundles if b.state is State.EXPIRED]
    active = [b for b in snapshot.bundles if b.state is State.ACTIVE]
    assert expired and all(b.expires_s <= end_s for b in expired)
    assert all(b.expires_s > end_s for b in active)


def test_streaming_is_the_same_as_all_at_once(run: Run, tmp_path: Path) -> None:
    """W24: the same root, and the same bundles and records, however soon what has ended leaves."""
    whole = certify_run(run.folder)
    for batch in (1, 200):
        written = write_certificates(run.folder, tmp_path / f"of-{batch}", batch=batch)
        assert written.told["root"] == whole.registry.head.root.hex()
        assert written.certified.registry.size < whole.registry.size / 2
        assert written.certified.same(whole)
        found, true = read_registry(written.folder), snapshot_of(whole.registry)
        counts = check_registry(found)
        for at_once in (1, 1000, 10**9):
            assert check_registry_folder(written.folder, at_once) == counts
        assert found.devices == true.devices
        for one, other in zip(found[1:], true[1:], strict=True):
            assert set(one) == set(other) and len(one) == len(other)


FORGED: list[tuple[str, str, dict[str, object], str]] = [
    (
        "bundles",
        "Claimed",
        {"bundle_quantity": 1, "certificate_bundle_id_range_end": None},
        "missing",
    ),
    ("bundles", "Cancelled", {"certificate_bundle_status": "Claimed"}, "went into storage"),
    ("bundles", "Claimed", {"beneficiary": None}, "in nobody's name"),
    ("charges", "", {"deliverable_energy_uj": "9" * 15}, "more than its efficiency leaves"),
    ("charges", "", {"device_id": "nobody"}, "no device|is not of a storage"),
    ("discharges", "", {"discharge_energy_uj": "9" * 15}, "more came out"),
    ("discharges", "", {"discharge_energy_uj": "1"}, "more was certified|has not the certificates"),
]


@pytest.mark.parametrize(("table", "state", "change", "message"), FORGED)
def test_forged_tables_are_found_device_by_device(
    tables: Path, table: str, state: str, change: dict[str, object], message: str
) -> None:
    """W17: as in a registry that is read whole."""
    path, rows, row = next(
        (path, rows, row)
        for path in sorted((tables / table).iterdir())
        for rows in [pl.read_parquet(path).to_dicts()]
        for row in rows
        if (row.get("gc_device_id") or row.get("bundle_id_range_start"))
        or (row.get("certificate_bundle_status") == state and row["bundle_quantity"] > 1)
    )
    if state == "Cancelled":
        assert row["beneficiary"] != row["account_id"]
    row.update(change)
    if "bundle_quantity" in change:  # the others of its range are nowhere
        row["certificate_bundle_id_range_end"] = row["certificate_bundle_id_range_start"]
    pl.DataFrame(rows, schema=pl.read_parquet_schema(path)).write_parquet(path)
    for check in (check_registry_folder, lambda f: check_registry(read_registry(f))):
        with pytest.raises((VerificationError, InputError), match=message):
            check(tables)


@pytest.fixture(scope="module")
def written_tables(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables") / "certificates"
    return write_certificates(run.folder, folder, batch=300).folder


@pytest.fixture
def tables(written_tables: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written_tables, tmp_path / "tables"))


@pytest.mark.parametrize("at_once", [10**6, 50])
def test_the_same_record_twice_is_found(
    tables: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many names are looked at together: both of a pair have the same hash."""
    monkeypatch.setattr("isojoule.apps.files.certificate_check.NAMES_AT_ONCE", at_once)
    for name, message in (("charges", "a charge record"), ("bundles", "a bundle")):
        path = sorted((tables / name).iterdir())[0]
        before = path.read_bytes()
        frame = pl.read_parquet(path)
        pl.concat([frame, frame.head(1)]).write_parquet(path)
        with pytest.raises(VerificationError, match=f"{message} stands there twice"):
            check_registry_folder(tables)
        path.write_bytes(before)
    check_registry_folder(tables)


def test_a_row_is_named_wherever_it_stands(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are made some at a time; their places go on."""
    monkeypatch.setattr("isojoule.apps.files.certificate_check.ROWS_AT_ONCE", 7)
    check_registry_folder(tables)
    path = sorted((tables / "charges").iterdir())[0]
    frame = pl.read_parquet(path)
    mine = frame.filter(pl.col("device_id") == frame["device_id"][0])
    wrong = mine["scr_allocation_id"][9]
    frame.with_columns(
        pl.when(pl.col("scr_allocation_id") == wrong)
        .then(pl.lit("never"))
        .otherwise("charging_start_datetime")
        .alias("charging_start_datetime")
    ).write_parquet(path)
    with pytest.raises(InputError, match=r"storage_charge_records\[9\]"):
        check_registry_folder(tables, at_once=1)


def test_a_registry_is_written_again_as_it_was_read(run: Run, tables: Path, tmp_path: Path) -> None:
    """W22: out of JSON into JSON the same bytes; out of tables the same registry."""
    first = run.folder / "certificates"
    write_registry(tmp_path, read_registry(first))
    assert (tmp_path / "registry.json").read_bytes() == (first / "registry.json").read_bytes()
    (tmp_path / "again").mkdir()
    write_registry(tmp_path / "again", read_registry(tables))
    again = read_registry(tmp_path / "again")
    assert [set(part) for part in again] == [set(part) for part in read_registry(tables)]
    assert set(again.bundles) == set(read_registry(first).bundles)


def test_what_left_the_registry_is_not_there_twice(run: Run) -> None:
    shelves: list[set[tuple[str, int, int]]] = []
    certified = certify(
        source_of(run.folder), batch=50, shelf=lambda r: shelves.append({b.key for b in r.bundles})
    )
    rest = {b.key for b in certified.registry.bundles()}
    together = set().union(*shelves, rest)
    assert len(shelves) > 3
    assert len(together) == sum(map(len, shelves)) + len(rest)


def reseal(folder: Path) -> None:
    """What a forger would do: hash all files again."""
    from isojoule.apps.results.manifest import file_hash

    path = folder / "certificates" / "certificates.json"
    if path.exists():
        told = json.loads(path.read_text())
        told["files"] = {name: file_hash(path.parent / name) for name in told["files"]}
        told.pop("digest")
        path.write_text(json.dumps({**told, "digest": digest(told)}))
    manifest = json.loads((folder / "manifest.json").read_text())
    run = manifest.pop("run")
    for key in ("isojoule", "outputs", "digest"):
        manifest.pop(key)
    write_manifest(folder, manifest, run)


def test_an_altered_score_is_found(copy: Path) -> None:
    """In the summary, though every hash is right."""
    path = copy / "summary.json"
    told = json.loads(path.read_text())
    told["settlement"]["certificates"]["members"]["ada"]["score"] += 0.01
    path.write_text(json.dumps(told))
    reseal(copy)
    with pytest.raises(VerificationError, match="the tables give") as caught:
        verify_run(copy)
    assert "members: ada: score" in caught.value.place


def test_altered_certificates_are_found(copy: Path) -> None:
    """A claim that was never made; a file more; the folder gone."""
    path = copy / "certificates" / "registry.json"
    told = json.loads(path.read_text())
    row = next(
        r for r in told["certificate_bundles"] if r["certificate_bundle_status"] == "Expired"
    )
    row.update(certificate_bundle_status="Claimed", beneficiary="mallory")
    path.write_text(json.dumps(told))
    reseal(copy)
    with pytest.raises(VerificationError, match="does not follow from the run"):
        verify_run(copy)
    shutil.rmtree(copy / "certificates")
    reseal(copy)
    with pytest.raises(VerificationError, match="cannot be read"):
        verify_run(copy)


def test_certificates_that_were_not_asked_for_are_found(scenario: Path, tmp_path: Path) -> None:
    run = run_scenario(scenario, days=0.25, out=tmp_path / "plain")
    assert "certificates" not in run.summary["settlement"]
    assert "certificates" not in run.summary["settlement"]["rules"]
    verify_run(run.folder)
    (run.folder / "certificates").mkdir()
    (run.folder / "certificates" / "x").write_text("x")
    reseal(run.folder)
    with pytest.raises(VerificationError, match="not asked for"):
        verify_run(run.folder)


@pytest.mark.parametrize(
    ("line", "message", "remedy"),
    [
        ("expires_after: 30 min", "last for 1800 s", "an hour at least"),
        ("expires_after: 3600.5 s", "no whole seconds", "days or hours"),
        ("expires_after: 730", "has no unit", "730 d"),
        ("expires: 30 d", "unknown key 'expires'", "expires_after"),
        ("withdraw: [{device: ada-pv, from: 2026-06-21, to: 2026-06-20}]", "ends before", "order"),
        (
            "withdraw: [{device: ada-pv, from: 2026-06-20, to: 2026-06-21, at: 2026-06-20T12:00}]",
            "done before it ends",
            "in the order of time",
        ),
        ("withdraw: [{device: x, from: 2026-06-21, to: 2026-06-22}]", "no PV 'x'", "use one of"),
        (
            "withdraw: [{device: ada-pv, from: 2026-06-21, to: 2036-06-22}]",
            "after the end",
            "earlier",
        ),
    ],
)
def test_rules_that_do_not_fit(
    scenario: Path, tmp_path: Path, line: str, message: str, remedy: str
) -> None:
    rules = tmp_path / "settlement.yaml"
    rules.write_text(f"isojoule: 1\ncurrency: EUR\ncertificates:\n  {line}\n")
    with pytest.raises(InputError) as caught:
        run_scenario(scenario, days=1, rules=rules, out=tmp_path / "run")
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert not (tmp_path / "run").exists()
