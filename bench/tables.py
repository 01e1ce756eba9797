"""Tables: what was measured of each work, a row a subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.measurement import Results
from bench.roster import SUBJECTS, Subject
from bench.works import Work

Row = Sequence[str]


def grid(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(each) + " |" for each in lines)


def shown(value: float | None, digits: int = 3, unit: str = "") -> str:
    """A figure with so many digits that count; a dash where there is none."""
    if value is None:
        return "–"
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}{unit}"
    return f"{value:.{digits}g}{unit}" if value else f"0{unit}"


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}×" if value >= 10 else f"{value:.2f}×"


HEAD = (
    "subject", "ms/step", "× plain", "CPU ms/step", "bytes/step", "written/step", "commits/step", "fsyncs/step",
    "peak MB", "steps in file", "level",
)  # fmt: skip


def of_loop(results: Results, work: Work, subjects: Sequence[Subject] = SUBJECTS) -> str:
    """One work's table. A subject that did not do it is a row that says why."""
    slow = any(each.disk == "slow" and each.work == work.name for each in results.measurements)
    steady = bool(work.item)
    head = [*HEAD, *(["last 100 / first 100"] if steady else []), *(["slow disk ms/step", "× plain"] if slow else [])]
    rows: list[Row] = []
    for subject in subjects:
        if not results.of(work.name, subject.name):
            continue
        if problem := results.problem(work.name, subject.name):
            rows.append([subject.title, problem, *[""] * (len(head) - 2)])
            continue
        row = _row(results, work.name, subject)
        row += [times(results.figure(work.name, subject.name, "steady"))] if steady else []
        if slow:
            problem = results.problem(work.name, subject.name, disk="slow")
            figure = results.figure(work.name, subject.name, "wall_step", disk="slow")
            row += [problem or shown(figure), times(results.ratio(work.name, subject.name, "plain", disk="slow"))]
        rows.append(row)
    return grid(head, rows)


def _row(results: Results, work: str, subject: Subject) -> list[str]:
    def figure(name: str, *, audit: bool = False) -> float | None:
        return results.figure(work, subject.name, name, audit=audit)

    one = next(each for each in results.of(work, subject.name) if not each.problem)
    level = f"{one.figures.get('journal', '?')}, {one.figures.get('synchronous', '?')}"
    return [
        subject.title,
        shown(figure("wall_step")),
        times(results.ratio(work, subject.name, "plain")),
        shown(figure("cpu_step")),
        shown(figure("bytes_step")),
        shown(figure("written_step")),
        shown(figure("commits_step", audit=True)),
        shown(figure("fsyncs_step", audit=True)),
        shown(figure("peak_mb")),
        shown(figure("durable"), 9),
        level if one.figures.get("journal") != "none" else "nothing is kept",
    ]


def of_figures(results: Results, work: Work, names: Mapping[str, str]) -> str:
    """The table of a work that has figures of its own, by their names and the words that head them."""
    rows: list[Row] = []
    for subject in SUBJECTS:
        if not results.of(work.name, subject.name):
            continue
        if problem := results.problem(work.name, subject.name):
            rows.append([subject.title, problem, *[""] * (len(names) - 1)])
        else:
            rows.append([subject.title, *(shown(results.figure(work.name, subject.name, each)) for each in names)])
    return grid(["subject", *names.values()], rows)


TURNS = (
    "subject", "ms/call", "over openai-agents, ms", "over openai, ms", "CPU ms/call", "CPU over openai-agents, ms",
    "CPU over openai, ms", "bytes/call", "commits/call", "fsyncs/call", "requests", "connections", "steps in file",
    "level",
)  # fmt: skip


def of_turns(results: Results, work: Work) -> str:
    """The table of agent turns: what a call takes, and by how much more than it takes those without an engine."""
    rows: list[Row] = []
    for subject in SUBJECTS:
        name = subject.name
        if not results.of(work.name, name):
            continue
        if problem := results.problem(work.name, name):
            rows.append([subject.title, problem, *[""] * (len(TURNS) - 2)])
            continue
        over = {
            (bare, figure): "–" if bare == name else shown(results.more(work.name, name, bare, figure))
            for bare in ("agents", "openai")
            for figure in ("wall_step", "cpu_step")
        }
        row = _row(results, work.name, subject)
        counts = [shown(results.figure(work.name, name, each), 9) for each in ("requests", "connections")]
        wall = [row[1], over["agents", "wall_step"], over["openai", "wall_step"]]
        cpu = [row[3], over["agents", "cpu_step"], over["openai", "cpu_step"]]
        rows.append([row[0], *wall, *cpu, row[4], *row[6:8], *counts, *row[9:]])
    return grid(TURNS, rows)
