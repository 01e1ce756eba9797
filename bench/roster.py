"""The roster of who is measured, in the order of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OURS = "bench.subjects.ours"
PLAIN = "bench.subjects.plain"
RAW = "bench.subjects.raw"
BURR = "bench.subjects.on_burr"
DBOS = "bench.subjects.on_dbos"
OUR_AGENTS = "bench.subjects.our_agents"
BARE = "bench.subjects.bare"
STEP_BYTES = 500
"""What a raw commit inserts: about as many bytes as a small step of ours leaves in the file."""
LOOPS = ("small", "100kb", "1mb", "read1mb", "list", "c100", "c1000")
LEVELS = ("small", "1mb", "list", "c100")
SPREAD = ("each100", "each1000", "each5000")
"""Where the weaker level is shown as well."""


@dataclass(frozen=True)
class Subject:
    """`home` is the environment it is installed in: ours, or one the bench makes. `works` empty: it does them all.

    `slow`: whether it is put on the slow disk as well.
    """

    name: str
    title: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    home: str = "ours"
    works: tuple[str, ...] = ()
    slow: bool = True


SUBJECTS = (
    Subject("ours", "ours, FULL", OURS, {"executor": "native", "level": "full"}),
    Subject("raw", "a raw commit, FULL", RAW, {"level": "full", "bytes": STEP_BYTES}, works=("small", "list")),
    Subject(
        "ours-normal",
        "ours, NORMAL",
        OURS,
        {"executor": "native", "level": "normal"},
        works=(*LEVELS, *SPREAD, "takeover"),
    ),
    Subject(
        "ours-100",
        "ours, FULL, 100 items at once",
        OURS,
        {"executor": "native", "level": "full", "at_once": 100},
        works=SPREAD,
        slow=False,
    ),
    Subject("ours-lg", "ours on LangGraph, FULL", OURS, {"executor": "langgraph", "level": "full"}),
    Subject(
        "ours-lg-normal",
        "ours on LangGraph, NORMAL",
        OURS,
        {"executor": "langgraph", "level": "normal"},
        works=LEVELS,
        slow=False,
    ),
    Subject("saver", "plain + LedgerSaver, FULL", PLAIN, {"saver": "ledger", "level": "full"}),
    Subject(
        "saver-normal",
        "plain + LedgerSaver, NORMAL",
        PLAIN,
        {"saver": "ledger", "level": "normal"},
        works=LEVELS,
        slow=False,
    ),
    Subject("plain", "plain + AsyncSqliteSaver, as it comes", PLAIN, {"saver": "sqlite"}),
    Subject(
        "plain-normal",
        "plain + AsyncSqliteSaver, NORMAL",
        PLAIN,
        {"saver": "sqlite", "level": "normal"},
        works=LEVELS,
        slow=False,
    ),
    Subject(
        "plain-sync",
        'plain + AsyncSqliteSaver, FULL, durability="sync"',
        PLAIN,
        {"saver": "sqlite", "level": "full", "durability": "sync"},
        works=("small", "1mb", "c100", *SPREAD, "resume"),
    ),
    Subject("none", "plain, no checkpointer", PLAIN, {"saver": "none"}, works=(*LOOPS, *SPREAD), slow=False),
    Subject(
        "burr-sync",
        "Burr, sync persister, as it comes",
        BURR,
        {"async": False, "wal": False},
        "burr",
        works=("small", "100kb", "1mb"),
    ),
    Subject(
        "burr-sync-wal",
        "Burr, sync persister, with WAL",
        BURR,
        {"async": False, "wal": True},
        "burr",
        works=("small", "100kb", "1mb", "list", "resume"),
    ),
    Subject(
        "burr-async",
        "Burr, async persister, as it comes",
        BURR,
        {"async": True, "wal": False},
        "burr",
        works=("c100", "c1000"),
    ),
    Subject(
        "burr-async-wal",
        "Burr, async persister, with WAL",
        BURR,
        {"async": True, "wal": True},
        "burr",
        works=("small", "c100", "c1000", "resume", "few", "many"),
    ),
    Subject(
        "dbos",
        "DBOS on SQLite, as it comes",
        DBOS,
        {"wal": False},
        "dbos",
        works=("small", "1mb", "list", "c100", *SPREAD, "resume", "few"),
    ),
    Subject(
        "dbos-wal", "DBOS on SQLite, with WAL", DBOS, {"wal": True}, "dbos", works=("small", "1mb", "c100", *SPREAD)
    ),
    *(
        Subject(
            name,
            f"ours on {title}, {level.upper()}",
            OUR_AGENTS,
            {"executor": "native", "level": level, "runner": runner},
            works=("turn",),
            slow=False,
        )
        for runner, title in (("agents", "openai-agents"), ("openai", "plain openai"))
        for level, name in (("full", f"ours-{runner}"), ("normal", f"ours-{runner}-normal"))
    ),
    Subject("agents", "bare openai-agents", BARE, {"client": "agents"}, works=("turn",), slow=False),
    Subject("openai", "bare openai", BARE, {"client": "openai"}, works=("turn",), slow=False),
)
BY_NAME = {each.name: each for each in SUBJECTS}


def chosen(names: str) -> tuple[Subject, ...]:
    """The subjects whose names begin with one of the words: "ours" means all of ours, "plain=" only plain itself."""
    if not names:
        return SUBJECTS
    words = names.split(",")
    found = tuple(
        each
        for each in SUBJECTS
        if any(each.name == word.rstrip("=") if word.endswith("=") else each.name.startswith(word) for word in words)
    )
    for word in words:
        if not any(each.name.startswith(word.rstrip("=")) for each in SUBJECTS):
            raise SystemExit(f"nobody is called {word!r}\n  there are: {', '.join(BY_NAME)}")
    return found
