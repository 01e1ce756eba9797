"""The report: bench/RESULTS.md, made from the raw numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.environments import pinned
from bench.goals import GOALS
from bench.measurement import Profile, Results
from bench.roster import BY_NAME as SUBJECT_NAMED
from bench.roster import SUBJECTS
from bench.tables import Row, grid, of_figures, of_loop, of_turns, shown
from bench.works import BY_NAME, WORKS, Work

PICTURE = "results.png"
HOW = """\
Made by `make bench` from `results.json`, which holds every single number. Every measurement is a process of its own;
the subjects take turns, round after round, on the same disk. A time is the median over the rounds; a ratio is computed
within each round, between neighbours of the same minute, and its median is shown. A store is opened, warmed up on
another file, and empty when the clock starts.

- **plain** is the same loop written by hand as LangGraph's users write it: an async node, a router that is a plain
  function, AsyncSqliteSaver, nothing set. Such a saver runs with WAL and the `synchronous` level that the table shows,
  asked of its connection. By default LangGraph does not wait for a checkpoint before it begins the next step, so plain
  promises less than we do at the same level; `durability="sync"` is the row that promises the same.
- **Burr** writes the whole state each step, **DBOS** each step's output. As they come both use SQLite's rollback
  journal, which flushes four times a commit; "with WAL" is their faster and fairer row. Burr's async persister has one
  connection for all runs, which therefore share commits as ours do; it keeps no journal and no owner, and checks no
  value. DBOS's resume includes its launch, at which it recovers what is unfinished.
- **level** is the journal and the `synchronous` that the store really runs with: `full` waits for the disk at each
  commit, `normal` does not, and may lose the last commits with the power.
- **bytes/step** is by how much the files grew; **written/step** is what was handed to write calls. **commits/step** are
  the transactions found in the file, **fsyncs/step** counted by a preloaded shim, both in a run of its own, untimed.
  **steps in file** were read back from the file after it was closed.
- **slow disk**: 2 ms more for each fsync and fdatasync, in fewer rounds.
- What is read from the state: nobody's step reads the constant field, but in *read1mb*, where each step is handed it.
"""


def write(results: Results, out: Path) -> str:
    """Write RESULTS.md; its text."""
    picture = (out / PICTURE).exists()
    page = "\n".join(_parts(results, picture=picture)) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "RESULTS.md").write_text(page, encoding="utf-8")
    return page


def _parts(results: Results, *, picture: bool) -> list[str]:
    done = {each.work for each in results.measurements}
    parts = ["# Results", "", *_scope(results), HOW]
    parts += ["## The goals", "", goals(results), ""]
    parts += [f"![Milliseconds a step, by work and subject]({PICTURE})", ""] if picture else []
    for work in WORKS:
        if work.name in done:
            parts += [f"## {work.name}: {work.title}", "", *ABOUT.get(work.name, ()), _table(results, work), ""]
    if results.profiles:
        parts += ["## What bounds the goals that were missed", "", PROFILED, ""]
        parts += [line for each in results.profiles for line in _profile(results, each)]
    parts += ["## The machine", "", grid(("", ""), _machine(results))]
    return parts


def _table(results: Results, work: Work) -> str:
    if work.kind == "turn":
        return of_turns(results, work)
    return of_loop(results, work) if work.kind in ("loop", "spread") else of_figures(results, work, NOTES[work.kind])


TURN = """\
What the engine itself takes for an agent's call, beside the same agent with no engine: on openai-agents (`Runner.run`)
and as a loop written by hand on the openai client. Five turns one after another; in each the model asks for one use of
a small tool twenty times and then answers. The model is a loopback server in a process of its own, the same for
everybody, which answers at once and counts its requests: whoever asks more often or less has no figures. A *call* is a
model call with the use of the tool it asks for; the last answer, and what a run begins and ends with, are spread over
the twenty.

The bare ones keep nothing: killed, they ask, pay and act again from the beginning. Ours makes two durable commits for
each model call and two for each use of a tool, one before and one after, so that nothing is paid or done again; each
answer and each result is in its journal. It opens a new connection for each call to a server on this machine, where
the bare clients keep one. A real model takes seconds where this one takes none. Figures *over* a bare one are
differences within a round, their median; where the machine had other work (its load stands at the end), CPU time says
more than wall time."""
ABOUT = {"turn": (TURN, "")}
NOTES = {
    "resume": {
        "resume_ms": "resume, ms",
        "repeated": "steps done again",
        "read_ms": "read the finished run, ms",
    },
    "many": {"list_ms": "first page of 50, ms", "resume_ms": "resume one, ms"},
    "takeover": {
        "kills": "kills",
        "p50_ms": "p50, ms",
        "p99_ms": "p99, ms",
        "most_ms": "longest, ms",
        "ended_p50_ms": "until the run has ended, p50, ms",
    },
}
PROFILED = """\
The functions that take most CPU time, in microseconds a step (for stores of many runs and takeover: of the whole
work), as cProfile sees them on the loop's thread and on the store's. Being watched makes them slower, so the shares
count. What wall time there is beyond CPU time is spent waiting for the disk and for other threads."""


def goals(results: Results) -> str:
    """Each goal beside what was measured."""
    rows: list[Row] = [
        [BY_NAME[each.work].title, each.what, each.asked(), each.measured(results), each.verdict(results)]
        for each in GOALS
    ]
    return grid(("work", "what", "goal (aim)", "measured", ""), rows)


def summary(results: Results) -> str:
    """How many goals were met, in one line."""
    verdicts = [each.verdict(results) for each in GOALS if each.wanted is not None]
    counts = [f"{verdicts.count(word)} {word.strip('*')}" for word in ("met", "**missed**", "not measured")]
    return "goals: " + ", ".join(counts)


def _scope(results: Results) -> list[str]:
    if results.settings.get("quick"):
        return ["**A quick look: a fraction of the work, few rounds. Not what the goals are judged by.**", ""]
    return []


def _profile(results: Results, profile: Profile) -> list[str]:
    wall = results.figure(profile.work, profile.subject, "wall_step")
    cpu = results.figure(profile.work, profile.subject, "cpu_step")
    spent = f": {shown(wall)} ms a step, {shown(cpu)} ms of it CPU" if wall is not None else ""
    rows: Sequence[Row] = [
        [f"`{row['what']}`", f"{row['calls']:g}", f"{row['own']:g}", f"{row['all']:g}"] for row in profile.rows
    ]
    title = f"### {profile.work}, {SUBJECT_NAMED[profile.subject].title}{spent}"
    return [title, "", grid(("function", "calls", "own µs", "with what it calls"), rows), ""]


def _machine(results: Results) -> list[Row]:
    rows: list[Row] = [[name, value] for name, value in results.machine.items()]
    homes = {"burr": "apache-burr", "dbos": "dbos"}
    measured = {each.subject for each in results.measurements if not each.problem}
    there = {each.home for each in SUBJECTS if each.name in measured}
    rows += [[package, pinned(package)] for home, package in homes.items() if home in there]
    if minutes := results.settings.get("minutes"):
        rows.append(["took", f"{minutes} minutes"])
    if reason := results.settings.get("shim"):
        rows.append(["no slow disk", str(reason)])
    return rows
