"""The Python of the pages runs, and gives what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRINTS = {
    "certificates.md": "first=1, last=2), Key(device='roof', first=3, last=5",
    "collateral.md": "800000000\n100000000 700000000\n2100000.0\n1400000\n",
}


@pytest.mark.parametrize("page", PRINTS)
def test_the_code_runs(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(block, {})
    assert PRINTS[page] in capsys.readouterr().out
