"""A workflow whose steps hand files on, one of them in a process of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from workflow_engine import END, START, File, State, Step, append, function, workflow


class Report(BaseModel):
    file: File
    pages: int = 1


class Papers(State):
    given: File
    archive: File | None = None
    parts: Annotated[list[File], append] = []
    report: Report | None = None


@function(writes=("archive", "parts"))
def pack(given: File, step: Step) -> tuple[File, list[File]]:
    path = given.copy_to(step.workspace)
    assert path.name == "given.txt"
    path.write_bytes(path.read_bytes() * 2)
    return File.of(path, name="doubled.txt"), [File.of(b"one")]


@function(writes=("archive", "report", "parts"), process=True)
def turn(archive: File, given: File) -> tuple[File, Report, list[File]]:
    made = File.of(archive.read_bytes()[::-1], name="packed.bin")
    return made, Report(file=made, pages=2), [made, given]


@function
async def look(archive: File, report: Report, parts: list[File]) -> None:
    assert report.file == archive
    assert [each.size for each in parts] == [3, archive.size, archive.size // 2]


papers = workflow("papers", state=Papers, edges=[START >> pack >> turn >> look >> END])
