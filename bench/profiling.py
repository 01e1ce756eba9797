"""A profile: where a child's CPU time goes, of the loop's thread and of the store's, while it is measured."""

from __future__ import annotations

import cProfile
import pstats
import threading
import time
from typing import Any

MOST = 15


class Profiler:
    """Begins and ends with the meter. Counts CPU, not waiting: what remains of the wall time is the disk."""

    def __init__(self) -> None:
        self._mine = cProfile.Profile(time.thread_time)
        self._others: list[tuple[threading.Thread, cProfile.Profile]] = []
        self._began = False
        self._patch()

    def _patch(self) -> None:
        run = threading.Thread.run
        others = self._others

        def watched(thread: threading.Thread) -> None:
            profile = cProfile.Profile(time.thread_time)
            others.append((thread, profile))
            try:
                profile.enable()
            except ValueError:  # from Python 3.12 on there is one profiler a process: that of the loop's thread
                others.remove((thread, profile))
            try:
                run(thread)
            finally:
                profile.disable()

        vars(threading)["Thread"].run = watched

    def begin(self) -> None:
        if not self._began:
            self._began = True
            self._others[:] = self._others[-2:]  # the store that is measured was opened last: a writer and a reader
            self._mine.enable()

    def end(self) -> None:
        self._mine.disable()
        self._others = list(self._others)  # a store that is opened from now on is for looking what came of it

    def top(self, steps: int) -> list[dict[str, Any]]:
        """What costs most, in microseconds of CPU a step, its own and with all it calls."""
        self.end()
        stats: Any = pstats.Stats(self._mine)
        for thread, profile in self._others:
            thread.join(5)  # it has been told to end; its clock must not be read from here before it has
            profile.create_stats()
            if profile.stats and not thread.is_alive():
                stats.add(profile)
        rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])
        return [
            {
                "what": _named(*place),
                "calls": round(calls / steps, 2),
                "own": round(own * 1e6 / steps, 1),
                "all": round(total * 1e6 / steps, 1),
            }
            for place, (_, calls, own, total, _) in rows[:MOST]
        ]


def _named(file: str, line: int, function: str) -> str:
    """A place without the machine it is on."""
    if file.startswith(("~", "<")):
        return function
    for root in ("/site-packages/", "/workflow_engine/", "/bench/"):
        if root in file:
            kept = file.rpartition(root)[2]
            file = kept if root == "/site-packages/" else root.strip("/") + "/" + kept
            break
    else:
        file = file.rpartition("/")[2]
    return f"{file}:{line} {function}"
