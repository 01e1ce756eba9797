"""The bench's command: `python -m bench` measures everything and writes bench/RESULTS.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from bench.disk import compiled
from bench.driver import CACHE, HOUSE, SECONDS, Driver, folder
from bench.environments import Environments
from bench.machine import described
from bench.measurement import Results
from bench.report import write
from bench.roster import chosen
from bench.works import WORKS, Work, quick


def main(arguments: list[str] | None = None) -> None:
    """Measure and report. A part of it, or a quick look, is written beneath .cache and leaves bench/ alone."""
    asked = _parsed(arguments)
    works = _works(asked.only)
    subjects = chosen(asked.subjects)
    whole = not (asked.quick or asked.only or asked.subjects or asked.rounds)
    out = Path(asked.out) if asked.out else HOUSE / "bench" if whole else CACHE / "part"
    if asked.report:
        print(write(Results.kept(out / "results.json"), out))
        return
    if asked.quick:
        works = [quick(each) for each in works]
    began = time.monotonic()
    shim = compiled(CACHE)
    results = Results({"quick": asked.quick, "shim": shim.reason, "works": {}}, described(HOUSE))
    homes = Environments(CACHE, _tell)
    try:
        with folder() as stores:
            driver = Driver(
                results, lambda: results.keep(out / "results.json"), shim, homes, _tell, stores, asked.timeout
            )
            driver.measure(works, subjects, rounds=asked.rounds, slow=not asked.quick or asked.slow)
    except KeyboardInterrupt:
        print("interrupted: what was measured by now is reported", file=sys.stderr)
    finally:
        results.settings["minutes"] = round((time.monotonic() - began) / 60, 1)
        results.keep(out / "results.json")
    page = write(results, out)
    print(page if not whole else f"wrote {out.relative_to(HOUSE)}/RESULTS.md and results.json")


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")), help="a fifth of it")
    parser.add_argument("--only", default="", metavar="WORKS", help=", ".join(each.name for each in WORKS))
    parser.add_argument("--subjects", default="", metavar="NAMES", help="ours, plain, ...: how their names begin")
    parser.add_argument("--rounds", type=int, default=None, help="how often each work is done")
    parser.add_argument("--slow", action="store_true", help="the slow disk as well, with --quick")
    parser.add_argument("--timeout", type=float, default=SECONDS, help="seconds for one measurement")
    parser.add_argument("--out", default="", metavar="FOLDER", help="where results are written")
    parser.add_argument("--report", action="store_true", help="only write the report anew from results.json")
    return parser.parse_args(arguments)


def _works(only: str) -> list[Work]:
    names = only.split(",") if only else [each.name for each in WORKS]
    known = {each.name: each for each in WORKS}
    for name in names:
        if name not in known:
            raise SystemExit(f"no work is called {name!r}\n  there are: {', '.join(known)}")
    return [known[name] for name in names]


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
