"""A workflow whose state names a file that is out to be run by a browser."""

from __future__ import annotations

import io

from workflow_engine import END, START, File, State, function, workflow


def page_of_a_stranger() -> File:
    """Made anew each time: what no run holds is forgotten when a test clears what was made outside of any."""
    return File.of(io.BytesIO(b"<script>alert(1)</script>"), name='evil".html', media_type="text/html")


class Paged(State):
    page: File
    size: int = 0


@function(writes="size")
def measure(page: File) -> int:
    return page.size


paged = workflow("paged", state=Paged, edges=[START >> measure >> END])
