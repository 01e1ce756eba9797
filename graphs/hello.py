"""Shorten a note until it fits; after four tries, ask a person. No model needed."""

from typing import Literal

from workflow_engine import END, FAIL, START, Question, State, at_most, function, human, route, workflow


class Note(State):
    text: str = "Hello from a workflow that never forgets"
    room: int = 20
    decision: Literal["keep", "drop"] | None = None


@function(writes="text")
def shorten(text: str) -> str:
    return text.rsplit(" ", 1)[0]


@route
def length(text: str, room: int) -> Literal["fits", "long"]:
    return "fits" if len(text) <= room else "long"


@human(writes="decision")
def editor(text: str) -> Question[Literal["keep", "drop"]]:
    return Question(f"{text!r} is still too long. Keep it as it is?")


hello = workflow(
    "hello",
    state=Note,
    edges=[
        START >> shorten >> length,
        length["fits"] >> END,
        length["long"] >> at_most(3, shorten, then=editor),
        editor["keep"] >> END,
        editor["drop"] >> FAIL("dropped"),
    ],
)
