"""docs/spec/machine.md, X11 to X13: a checkpoint is verified in O(1), altered bytes are found."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.core.hashlog import Line, Tip, append, start, verify_tip
from isojoule.machine import MachineState, Stage, Work, revive
from isojoule.machine.state import check_work, work_root

WORK = (Work("b", 10**17, 3), Work("a", 0, 0))


def logged(length: int) -> Line:
    line = append(start("shed"), 0)
    for i in range(1, length):
        line = append(line.tip, i)
    return line


def state(**changes: Any) -> MachineState:
    base = MachineState(
        "shed", 2, 1_780_000_000, 10**15, 5, Stage.SHUTDOWN, work_root(WORK), start("shed")
    )
    return replace(base, **changes)


@given(
    st.text(max_size=5), st.integers(0, 2**53 - 1), st.integers(0, 2**62), st.integers(0, 2**62),
    st.sampled_from(Stage),
)  # fmt: skip
def test_what_was_written_is_revived(
    name: str, number: int, energy: int, committed: int, stage: Stage
) -> None:
    """X11."""
    saved = MachineState(
        name, number, number, energy, committed, stage, work_root([]), Tip(number, "ab" * 32)
    )
    assert revive(saved.text()) == saved
    assert revive(saved.text(), root=saved.root) == saved


def test_the_root_by_hand() -> None:
    """X11: SHA-256 of the record's canonical JSON without the root, with any JSON writer."""
    record = json.loads(state().text())
    root = record.pop("root")
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == root == state().root


def test_any_altered_byte_is_found() -> None:
    """X12: every bit of every byte, every byte dropped, every byte doubled."""
    good = state().text().encode()
    bad = [
        good[:i] + bytes([good[i] ^ (1 << b)]) + good[i + 1 :]
        for i in range(len(good))
        for b in range(8)
    ]
    bad += [good[:i] + good[i + 1 :] for i in range(len(good))]
    bad += [good[: i + 1] + good[i:] for i in range(len(good))]
    for altered in bad:
        if altered == good:
            continue  # one of two equal letters dropped and doubled
        with pytest.raises(VerificationError):
            revive(altered.decode("latin-1"))


@pytest.mark.parametrize(
    "text", ["", "{}\n", "[]\n", "null\n", "3\n", '"a"\n', '{"isojoule":"machine-state/1"}\n']
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """X12."""
    with pytest.raises(VerificationError):
        revive(text)


@pytest.mark.parametrize(
    "change",
    [{"machine": "x"}, {"sequence": 3}, {"time_s": 0}, {"energy_uj": 1}, {"committed_uj": 6},
     {"stage": Stage.DEAD}, {"work_root": "0" * 64}, {"log": start("x")}],
)  # fmt: skip
def test_every_field_is_under_the_root(change: dict[str, Any]) -> None:
    """X11, X12: a consistent record of another state has another root, which neighbours tell."""
    other = state(**change)
    assert other.root != state().root
    assert revive(other.text()) == other
    with pytest.raises(VerificationError, match="another than the root"):
        revive(other.text(), root=state().root)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of every hash computed from here on."""
    real, sizes = hashlib.sha256, []

    def sha256(data: bytes = b"") -> Any:
        sizes.append(len(data))
        return real(data)

    monkeypatch.setattr(hashlib, "sha256", sha256)
    return sizes


def test_revival_costs_the_same_whatever_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """X12: hashes and bytes after 10 and after 100,000 entries, the log's tip included."""
    costs = []
    for length in (10, 100_000):
        last = logged(length)
        text = state(log=last.tip).text()
        with monkeypatch.context() as patch:
            sizes = counted(patch)
            verify_tip(revive(text).log, last)
        costs.append((len(sizes), sum(sizes)))
    assert costs[0][0] == costs[1][0] == 2
    assert abs(costs[1][1] - costs[0][1]) <= 10  # digits of the count
    assert costs[1][1] < 1000


def test_the_work_is_checked_beside_it() -> None:
    """X13: in any order, but each number as it was."""
    check_work(state(), WORK)
    check_work(state(), WORK[::-1])
    for other in ([], WORK[:1], [*WORK, Work("c", 0, 0)], [WORK[1], Work("b", 10**17, 4)],
                  [WORK[1], Work("b", 10**17 + 1, 3)]):  # fmt: skip
        with pytest.raises(VerificationError):
            check_work(state(), other)
