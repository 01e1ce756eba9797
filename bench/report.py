"""The report: bench/RESULTS.md, made from the raw numbers and from nothing else."""

from __future__ import annotations

from pathlib import Path

from bench.measurement import Results
from bench.tables import of_loop
from bench.works import WORKS


def write(results: Results, out: Path) -> str:
    """Write RESULTS.md; its text."""
    page = "\n".join(_parts(results)) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "RESULTS.md").write_text(page, encoding="utf-8")
    return page


def _parts(results: Results) -> list[str]:
    parts = ["# Results", ""]
    parts += [f"- {name}: {value}" for name, value in results.machine.items()]
    for work in WORKS:
        if work.kind == "loop" and any(each.work == work.name for each in results.measurements):
            parts += ["", f"## {work.name}: {work.title}", "", of_loop(results, work)]
    return parts
