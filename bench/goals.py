"""The goals, each with the figure that is held against it. Met or missed is computed, never typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.measurement import Results, difference, quotient
from bench.tables import shown, times
from bench.works import BY_NAME

Figure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Goal:
    """`wanted` is a floor, or, where less is better, a ceiling; None is a comparison nobody set a goal for.

    `of` is the work and the subject whose profile tells what bounds it.
    """

    work: str
    what: str
    figure: Figure
    wanted: float | None
    of: tuple[str, str]
    ceiling: bool = False
    strict: bool = False
    unit: str = "×"
    aim: float | None = None

    def verdict(self, results: Results) -> str:
        """Empty where there is no goal."""
        found = self.figure(results)
        if self.wanted is None:
            return ""
        if found is None:
            return "not measured"
        within = found <= self.wanted if self.ceiling else found >= self.wanted
        return "met" if within and not (self.strict and found == self.wanted) else "**missed**"

    def missed(self, results: Results) -> bool:
        return "missed" in self.verdict(results)

    def measured(self, results: Results) -> str:
        found = self.figure(results)
        return times(found) if self.unit == "×" else shown(found, 3, self.unit)

    def asked(self) -> str:
        if self.wanted is None:
            return "–"
        sign = ("<" if self.strict else "≤") if self.ceiling else "≥"
        aim = f" ({self.aim:g})" if self.aim is not None else ""
        return f"{sign} {self.wanted:,g}{self.unit}{aim}"


def ratio(work: str, subject: str, other: str) -> Figure:
    """How many times faster, in wall time: the median of the ratios of each round."""
    return lambda results: results.ratio(work, subject, other)


def figure(work: str, subject: str, name: str, *, audit: bool = False) -> Figure:
    return lambda results: results.figure(work, subject, name, audit=audit)


def beyond_payload(work: str) -> Figure:
    """Bytes a step, less the one copy of the constant field that a run begins with."""

    def found(results: Results) -> float | None:
        steps = results.steps(work, "ours")
        total = results.figure(work, "ours", "bytes")
        rest = difference(total, float(BY_NAME[work].payload))
        return None if not steps or rest is None else rest / steps

    return found


def beyond_journal(results: Results) -> float | None:
    """Bytes a step of the growing list without the journal's own."""
    return difference(
        results.figure("list", "ours", "bytes_step"), quotient(_journal(results), results.steps("list", "ours"))
    )


def _journal(results: Results) -> float | None:
    return results.figure("list", "ours", "journal_bytes")


def over_raw(results: Results) -> float | None:
    """Milliseconds a step costs over a raw commit: the median of the differences of each round."""
    return results.more("small", "ours", "raw", "wall_step")


def over_bare(subject: str, bare: str, name: str) -> Figure:
    """Milliseconds an agent's call costs over the same agent with no engine: the median of the differences."""
    return lambda results: results.more("turn", subject, bare, name)


def grown(name: str) -> Figure:
    """How many times more a store of 10,000 runs costs than one of 100."""
    return lambda results: quotient(results.figure("many", "ours", name), results.figure("few", "ours", name))


def _faster(work: str, what: str, subject: str, other: str, wanted: float | None, aim: float | None = None) -> Goal:
    return Goal(work, what, ratio(work, subject, other), wanted, (work, subject), aim=aim)


ROWS = ("small", "100kb", "1mb", "list", "c100", "c1000")
TENFOLD = 10.0
"""Milliseconds: what "milliseconds" is taken to mean at most."""
FLAT = 1.5
"""What "independent of the number of runs" is taken to mean at most, for a hundred times the runs."""

GOALS = (
    _faster("small", "FULL against plain", "ours", "plain", 2.5, 3.9),
    _faster("small", "NORMAL against plain", "ours-normal", "plain", 5, 9),
    _faster("small", "NORMAL against plain at NORMAL", "ours-normal", "plain-normal", None),
    _faster("small", 'FULL against plain with durability="sync", which promises the same', "ours", "plain-sync", None),
    _faster("small", "FULL against Burr's sync persister", "ours", "burr-sync", 1.5, 2.2),
    _faster("small", "FULL against Burr's sync persister with WAL", "ours", "burr-sync-wal", None),
    _faster("small", "FULL against DBOS", "ours", "dbos", 3, 4.4),
    _faster("small", "FULL against DBOS with WAL", "ours", "dbos-wal", None),
    _faster("100kb", "FULL against plain", "ours", "plain", 3, 4.7),
    _faster("100kb", "FULL against Burr's sync persister", "ours", "burr-sync", 2),
    _faster("100kb", "FULL against Burr's sync persister with WAL", "ours", "burr-sync-wal", None),
    _faster("1mb", "FULL against plain", "ours", "plain", 8, 12.5),
    _faster("1mb", "FULL against Burr's sync persister", "ours", "burr-sync", 6),
    _faster("1mb", "FULL against Burr's sync persister with WAL", "ours", "burr-sync-wal", None),
    _faster("list", "FULL against plain", "ours", "plain", 6, 9.8),
    Goal(
        "list", "speed of the last 100 steps against the first", figure("list", "ours", "steady"), 0.9, ("list", "ours")
    ),
    Goal("small", "bytes a step", figure("small", "ours", "bytes_step"), 700, ("small", "ours"), True, unit=" B"),
    Goal("1mb", "bytes a step, beyond one copy", beyond_payload("1mb"), 700, ("1mb", "ours"), True, unit=" B"),
    Goal("list", "bytes a step, beyond the journal", beyond_journal, 1700, ("list", "ours"), True, unit=" B"),
    Goal(
        "small", "commits a step", figure("small", "ours", "commits_step", audit=True), 1.05, ("small", "ours"), True,
        unit="",
    ),
    Goal(
        "c100", "commits a step", figure("c100", "ours", "commits_step", audit=True), 0.05, ("c100", "ours"), True,
        strict=True, unit="",
    ),
    Goal("small", "a step over a raw commit", over_raw, 0.4, ("small", "ours"), True, unit=" ms", aim=0.2),
    _faster("c100", "FULL against plain", "ours", "plain", 20, 63),
    _faster("c1000", "FULL against plain", "ours", "plain", 20, 71),
    _faster("c100", "FULL against Burr's async persister", "ours", "burr-async", 3, 9),
    _faster("c1000", "FULL against Burr's async persister", "ours", "burr-async", 3, 9),
    _faster("c100", "FULL against Burr's async persister with WAL", "ours", "burr-async-wal", None),
    _faster("each100", "each item durable, FULL against plain", "ours", "plain", None),
    _faster("each1000", "each item durable, FULL against plain", "ours", "plain", 20),
    _faster("each5000", "each item durable, FULL against plain", "ours", "plain", 20),
    _faster("each5000", "the same with 100 items at once", "ours-100", "plain", None),
    *(_faster(row, "the LangGraph executor, FULL, against plain", "ours-lg", "plain", 1.5) for row in ROWS),
    _faster("small", "LedgerSaver against AsyncSqliteSaver", "saver", "plain", 1.3),
    _faster("1mb", "LedgerSaver against AsyncSqliteSaver", "saver", "plain", 3),
    Goal(
        "list", "LedgerSaver: the last 100 steps against the first", figure("list", "saver", "steady"), 0.9,
        ("list", "saver"),
    ),
    Goal("many", "the first page", figure("many", "ours", "list_ms"), TENFOLD, ("many", "ours"), True, unit=" ms"),
    Goal("many", "the first page, against a store of 100", grown("list_ms"), FLAT, ("many", "ours"), True),
    Goal("many", "resuming one run", figure("many", "ours", "resume_ms"), TENFOLD, ("many", "ours"), True, unit=" ms"),
    Goal("many", "resuming one run, against a store of 100", grown("resume_ms"), FLAT, ("many", "ours"), True),
    Goal(
        "takeover", "from the kill to the first line of the body, p99", figure("takeover", "ours", "p99_ms"), 100,
        ("takeover", "ours"), True, strict=True, unit=" ms",
    ),
    *(
        Goal(
            "turn", f"{time} an agent's call, {level} over bare {title}", over_bare(f"ours-{bare}{end}", bare, name),
            None, ("turn", f"ours-{bare}{end}"), unit=" ms",
        )
        for bare, title in (("agents", "openai-agents"), ("openai", "openai"))
        for level, end in (("FULL", ""), ("NORMAL", "-normal"))
        for time, name in (("wall time of", "wall_step"), ("CPU time of", "cpu_step"))
    ),
)  # fmt: skip


def to_profile(results: Results) -> list[tuple[str, str]]:
    """The works and subjects whose goals were missed, each once."""
    return list(dict.fromkeys(each.of for each in GOALS if each.missed(results)))
