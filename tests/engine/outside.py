"""A workflow whose body runs in a process of its own."""

from __future__ import annotations

import os
import threading
from datetime import timedelta

from workflow_engine import END, START, State, function, workflow


class Place(State):
    n: int
    here: int = 0
    there: int = 0


@function(writes="there", process=True, timeout=timedelta(seconds=4))
def elsewhere(n: int) -> int:
    if n < 0:
        threading.Event().wait()
    return os.getpid() + 0 * (1 // n)


@function(writes="here")
def here(n: int) -> int:
    return os.getpid()


FLOW = workflow("outside", state=Place, edges=[START >> elsewhere >> here >> END])
