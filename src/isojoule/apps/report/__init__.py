"""The report of a run: one HTML file that opens without a network, and figures for notebooks.

Theory of operation: `read` takes the stored files of a run and nothing else. `windows` chooses the
intervals that the slider walks through. `payload` packs them into small tables inside the page,
`layout` places the nodes, and `build` puts all of it into `template.html`: the head (`sections`,
`cards`), what was saved and by whom (`saving`, `people`), the network (`powerflow`, off the grid
`links`), who went without (`offgrid`) and what machines did (`machines`, from `work`), each only
where the run has it. Still pictures are SVG (`figures`, `machine_figures`, drawn with `plot` and
`svg`). The scripts in `assets` draw what moves. The same run folder gives the same bytes: no clock,
no chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isojoule.apps.report.build import build_report, write_report

__all__ = ["build_report", "write_report"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from isojoule.apps.report import build

        return getattr(build, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
