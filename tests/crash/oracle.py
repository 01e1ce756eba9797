"""What must be so however often the processes died, judged by what they told the world and what the store says.

The rules are those of the promises: what was acknowledged is there; a committed step never runs again; a step that was
in flight runs again with the same key; nothing begins before the commit that made it due is on disk; an answer counts
once; an effect in doubt is not silently repeated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.crash.flows import REPEATABLE
from tests.crash.outside import Line, those

Visit = tuple[str, str, int]


@dataclass
class Oracle:
    """Reads the lines in order. `wrongs` are the promises that were broken, in words."""

    wrongs: list[str] = field(default_factory=list)
    committed: set[Visit] = field(default_factory=set)
    acknowledged: set[Visit] = field(default_factory=set)
    begun: set[Visit] = field(default_factory=set)
    keys: dict[Visit, str] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    asked: dict[str, str] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    taken: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)

    def read(self, told: list[Line]) -> list[str]:
        """The wrongs in a whole world."""
        for line in told:
            match line["what"]:
                case "body":
                    self._body(line)
                case "heard":
                    self._heard(line)
                case "answered":
                    if line["question"] in self.given:
                        self._wrong(f"{line['question']} was answered twice")
                    self.given[line["question"]] = line["value"]
                    self.asked[line["question"]] = line["run"]
                case "returned":
                    self.statuses[line["run"]] = line["status"]
                    self.runs.add(line["run"])
                case "found":
                    self._found(line["runs"])
                case "error":
                    self._wrong(f"a process failed: {line['kind']}: {line['text']}")
                case _:
                    pass
        self._effects(told)
        return self.wrongs

    def _body(self, line: Line) -> None:
        visit = (line["run"], line["node"], line["visit"])
        if visit in self.committed:
            self._wrong(f"{named(visit)} ran again, and is committed")
        elif visit in self.acknowledged:
            self._wrong(f"{named(visit)} ran again, and was acknowledged")
        if self.keys.setdefault(visit, line["key"]) != line["key"]:
            self._wrong(f"{named(visit)} ran under two keys")
        self.begun.add(visit)

    def _heard(self, line: Line) -> None:
        run = line["run"]
        self.runs.add(run)
        match line["event"]:
            case "StepFinished" | "StepFailed" | "ItemFinished" | "ItemFailed":
                self.acknowledged.add((run, line["node"], line["visit"]))
            case "QuestionAsked":
                self.asked[line["question"]] = run
            case "QuestionAnswered":
                if line["question"] in self.taken:
                    self._wrong(f"the answer to {line['question']} was taken twice")
                self.taken[line["question"]] = line["value"]
            case _:
                pass

    def _found(self, runs: dict[str, Any]) -> None:
        for run in self.runs - set(runs):
            self._wrong(f"run {run} was acknowledged and is not there")
        for run, kept in runs.items():
            self._kept(run, kept)
        left = {(run, node, visit) for run, kept in runs.items() for node, visit in kept["left"]}
        due = {(run, node, visit) for run, kept in runs.items() for node, visit in kept["due"].items()}
        for visit in sorted((self.acknowledged | self.committed) - left):
            self._wrong(f"{named(visit)} was acknowledged as committed and is not there")
        for visit in sorted(self.begun - left):
            run, place, number = visit
            if (run, place.partition("[")[0], number) in due:  # an item is due with its node
                continue
            self._wrong(f"{named(visit)} began before what makes it due was on disk")
        for visit in sorted(left & due):
            self._wrong(f"{named(visit)} is committed and still due")
        self.committed |= left

    def _kept(self, run: str, kept: dict[str, Any]) -> None:
        if kept["seq"] != kept["journal"]:
            self._wrong(f"run {run} is at event {kept['seq']} and has {kept['journal']}")
        if len(kept["left"]) != len(set(map(tuple, kept["left"]))):
            self._wrong(f"run {run} committed a step twice")
        if self.statuses.get(run) in ("succeeded", "failed") and kept["status"] != self.statuses[run]:
            self._wrong(f"run {run} was said to have {self.statuses[run]} and is {kept['status']}")
        for question in (question for question, of in self.asked.items() if of == run):
            if question not in kept["asked"]:
                self._wrong(f"{question} was asked and is not there")
        for question, value in (*self.given.items(), *self.taken.items()):
            if self.asked[question] == run and question in kept["asked"] and kept["given"].get(question) != value:
                self._wrong(f"the answer {value!r} to {question} was accepted and is not there")
        questions = [question for question, _ in kept["taken"]]
        if len(questions) != len(set(questions)):
            self._wrong(f"run {run} took an answer twice")

    def _effects(self, told: list[Line]) -> None:
        happened = Counter((line["key"], line["node"]) for line in those(told, "done"))  # of an item too
        for (key, node), times in happened.items():
            if times > 1 and node not in REPEATABLE:
                self._wrong(f"the effect {key} happened {times} times")

    def _wrong(self, words: str) -> None:
        if words not in self.wrongs:
            self.wrongs.append(words)


def named(visit: Visit) -> str:
    run, node, number = visit
    return f"{node} visit {number} of {run}"


def wrongs(told: list[Line]) -> list[str]:
    """The promises that were broken in this world."""
    return Oracle().read(told)
