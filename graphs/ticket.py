"""A release ticket: an agent reads it, checks the version, and deploys, but only with a person's word.

Try it: workflow run graphs/ticket.py --model offline number=7, then what its last line says
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from workflow_engine import END, START, State, Step, agent, tool, workflow

TICKETS = {7: "Deploy api 1.2. The tests of 1.2 are green.", 8: "Deploy api 1.3. Nobody has tested it."}


@dataclass
class Yard:
    """Where deployments go: a file with a line for each, which anybody can count."""

    path: Path

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def add(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())


@asynccontextmanager
async def open_yard() -> AsyncIterator[Yard]:
    yield Yard(Path("deployments/log"))


class Ticket(State):
    number: int
    report: str = ""


def read_ticket(number: int) -> str:
    """Read a ticket."""
    return TICKETS.get(number, f"there is no ticket {number}")


def deployed(service: str, version: str, step: Step, yard: Yard) -> str | None:
    """The probe: a deployment that was broken off is there if its line is."""
    return f"{service} {version} is up" if f"{step.key} {service} {version}" in yard.lines() else None


@tool(effect=True, approval="always", risk="danger", in_doubt=deployed)
def deploy(service: str, version: str, step: Step, yard: Yard) -> str:
    """Deploy a version of a service."""
    yard.add(f"{step.key} {service} {version}")
    return f"{service} {version} is up"


@agent(
    writes="report",
    instructions="Read the ticket. Deploy what it says if it was tested; then say what was done.",
    tools=[read_ticket, deploy],
)
def work(number: int) -> str:
    return f"Work on ticket {number}."


ticket = workflow("ticket", state=Ticket, edges=[START >> work >> END], resources={Yard: open_yard})
