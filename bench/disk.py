"""The slow disk: a shim compiled with gcc when it is first needed, which lengthens and counts every fsync."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("slow.c")
EXTRA_US = 2000


@dataclass(frozen=True)
class Shim:
    """A library to preload, or why there is none."""

    library: Path | None
    reason: str = ""

    def environment(self, extra_us: int = 0) -> dict[str, str]:
        if self.library is None:
            return {}
        return {"LD_PRELOAD": str(self.library), "BENCH_FSYNC_US": str(extra_us)}


def compiled(cache: Path) -> Shim:
    """The shim, compiled if its source is newer."""
    library = cache / "slow.so"
    if library.exists() and library.stat().st_mtime >= SOURCE.stat().st_mtime:
        return Shim(library)
    gcc = shutil.which("gcc") or shutil.which("cc")
    if gcc is None:
        return Shim(None, "no C compiler was found: a slower disk cannot be imitated, and fsyncs are not counted")
    cache.mkdir(parents=True, exist_ok=True)
    order = [gcc, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    if done.returncode:
        return Shim(None, f"gcc could not compile slow.c: {done.stderr.strip()[-200:]}")
    return Shim(library)
