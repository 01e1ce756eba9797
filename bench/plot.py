"""The picture: milliseconds a step of each work and subject. Run where matplotlib is: `plot.py JSON PNG`."""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from bench.roster import SUBJECTS
from bench.works import WORKS

OURS, SAVER, OTHERS, RAW = "#1f6f8b", "#6fb1a0", "#b9b4a9", "#dcd8cf"


def medians(values: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Milliseconds a step, by work and subject."""
    found: dict[tuple[str, str], list[float]] = {}
    for each in values["measurements"]:
        wall = each.get("figures", {}).get("wall")
        if wall and each.get("steps") and not each.get("audit") and each.get("disk") == "here":
            found.setdefault((each["work"], each["subject"]), []).append(wall * 1000 / each["steps"])
    return {place: median(times) for place, times in found.items()}


def colour(name: str) -> str:
    if name.startswith("ours"):
        return OURS
    return SAVER if name.startswith("saver") else RAW if name in ("raw", "none") else OTHERS


def draw(values: dict[str, Any], path: Path) -> None:
    times = medians(values)
    works = [each for each in WORKS if any(work == each.name for work, _ in times)]
    if not works:
        return
    across = min(len(works), 2)
    down = -(-len(works) // across)
    figure, axes = pyplot.subplots(down, across, figsize=(7 * across, 3.8 * down), squeeze=False)
    for axis in axes.flat[len(works) :]:
        axis.set_visible(False)
    for axis, work in zip(axes.flat, works, strict=False):
        rows = [(each, times[work.name, each.name]) for each in SUBJECTS if (work.name, each.name) in times]
        names = [each.title for each, _ in rows]
        bars = axis.barh(names, [time for _, time in rows], color=[colour(each.name) for each, _ in rows])
        axis.bar_label(bars, labels=[f" {time:.3g}" for _, time in rows], fontsize=8)
        axis.margins(x=0.12)
        axis.invert_yaxis()
        axis.set_title(work.title, fontsize=10, loc="left")
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel(f"ms a {'call' if work.kind == 'turn' else 'step'} (shorter is faster)", fontsize=8)
    figure.tight_layout()
    # No date and no version in the file: the same numbers make the same bytes.
    figure.savefig(path, dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))
