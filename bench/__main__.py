"""The bench's command: `python -m bench` measures everything and writes bench/RESULTS.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.disk import compiled
from bench.driver import CACHE, HOUSE, SECONDS, Driver, folder
from bench.environments import Environments
from bench.goals import to_profile
from bench.machine import described
from bench.measurement import Results
from bench.report import PICTURE, summary, write
from bench.roster import BY_NAME as SUBJECTS
from bench.roster import OUR_AGENTS, OURS, chosen
from bench.works import BY_NAME, WORKS, Work, quick


def main(arguments: list[str] | None = None) -> None:
    """Measure us and our peers side by side, and write RESULTS.md, results.json and results.png.

    A part of it, or a quick look, is written beneath .cache and printed, and leaves bench/ alone; --add takes such a
    part in, in place of what there was of the same works and subjects.
    """
    asked = _parsed(arguments)
    works = [quick(each) if asked.quick else each for each in _works(asked.only)]
    whole = not (asked.quick or asked.only or asked.subjects or asked.rounds or asked.profile)
    out = Path(asked.out).resolve() if asked.out else HOUSE / "bench" if whole or asked.report else CACHE / "part"
    homes = Environments(CACHE, _tell)
    if asked.add:
        home = HOUSE / "bench"
        results = Results.kept(home / "results.json")
        results.add(Results.kept(out / "results.json"))
        results.keep(home / "results.json")
        _reported(results, home, homes)
        return
    if asked.report:
        _reported(Results.kept(out / "results.json"), out, homes)
        return
    began = time.monotonic()
    shim = compiled(CACHE)
    results = Results({"quick": asked.quick, "shim": shim.reason}, described(HOUSE))

    def keep() -> None:
        results.settings["minutes"] = round((time.monotonic() - began) / 60, 1)
        results.keep(out / "results.json")

    with folder() as stores:
        driver = Driver(results, keep, shim, homes, _tell, stores, asked.timeout)
        try:
            if asked.profile:
                _look(
                    driver, [(name, each) for name in asked.profile.split(",") for each in _ours(asked.subjects)], works
                )
            else:
                driver.measure(works, chosen(asked.subjects), rounds=asked.rounds, slow=asked.slow or not asked.quick)
                _look(driver, to_profile(results), works)
        except KeyboardInterrupt:
            _tell("interrupted: what was measured by now is reported")
    keep()
    page = _reported(results, out, homes)
    if not whole:
        print(page)


def _look(driver: Driver, places: list[tuple[str, str]], works: list[Work]) -> None:
    """Profile what missed a goal, or what was asked for."""
    fitting = {each.name: each for each in works}
    for name, subject in places:
        work = fitting.get(name) or BY_NAME.get(name)
        if work is None:
            raise SystemExit(f"no work is called {name!r}\n  there are: {', '.join(BY_NAME)}")
        _tell(f"{name} {subject}: looking where its time goes")
        found = driver.look(work, SUBJECTS[subject])
        if found:
            driver.results.profiles.append(found)
            driver.keep()


def _ours(names: str) -> list[str]:
    return [each.name for each in chosen(names) if each.module in (OURS, OUR_AGENTS)] if names else ["ours"]


def _reported(results: Results, out: Path, homes: Environments) -> str:
    """Draw and write; the page. Without matplotlib there is no picture, and that is all."""
    out.mkdir(parents=True, exist_ok=True)
    python = homes("plot")
    picture = out / PICTURE
    picture.unlink(missing_ok=True)
    if isinstance(python, str):
        _tell(f"no picture: {python}")
    else:
        order = [str(python), "-m", "bench.plot", str(out / "results.json"), str(picture)]
        drawn = subprocess.run(order, cwd=HOUSE, capture_output=True, text=True, check=False)
        if drawn.returncode:
            _tell(f"no picture: {(drawn.stderr.strip().splitlines() or ['?'])[-1]}")
    page = write(results, out)
    _tell(f"wrote RESULTS.md and results.json to {os.path.relpath(out)}; {summary(results)}")
    return page


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")), help="a fifth of it")
    parser.add_argument("--only", default="", metavar="WORKS", help=", ".join(each.name for each in WORKS))
    parser.add_argument("--subjects", default="", metavar="NAMES", help="how names begin; ours= is only ours")
    parser.add_argument("--rounds", type=int, default=None, help="how often each work is done")
    parser.add_argument("--slow", action="store_true", help="the slow disk as well, with --quick")
    parser.add_argument("--timeout", type=float, default=SECONDS, help="seconds for one measurement")
    parser.add_argument("--profile", default="", metavar="WORKS", help="only show where the time of ours goes")
    parser.add_argument("--out", default="", metavar="FOLDER", help="where results are written")
    parser.add_argument("--add", action="store_true", help="only take in the part that was measured last, or --out's")
    parser.add_argument("--report", action="store_true", help="only write the report anew from results.json")
    return parser.parse_args(arguments)


def _works(only: str) -> list[Work]:
    names = only.split(",") if only else list(BY_NAME)
    for name in names:
        if name not in BY_NAME:
            raise SystemExit(f"no work is called {name!r}\n  there are: {', '.join(BY_NAME)}")
    return [BY_NAME[name] for name in names]


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
