"""What beginners get wrong: the finding names the row or the parameter to change, as they would type it."""

from __future__ import annotations

from typing import Literal

from workflow_engine import END, START, State, function, route, verify, workflow


class Note(State):
    text: str = ""


@function(writes="text")
def shout(text: str) -> str:
    return text.upper()


@route
def enough(text: str) -> Literal["yes", "no"]:
    return "yes" if text else "no"


def test_the_cure_of_a_loop_is_the_row_of_the_word_that_takes_it() -> None:
    loop = workflow("loop", state=Note, edges=[START >> shout >> enough, enough["yes"] >> END, enough["no"] >> shout])
    (finding,) = verify(loop)
    assert (finding.code, finding.cure) == ("W301", 'enough["no"] >> at_most(3, shout, then=...), or ask a @human')


def test_a_parameter_without_a_type_is_told_which_type_to_have() -> None:
    @function(writes="text")
    def untyped(text) -> str:  # type: ignore[no-untyped-def]
        return str(text)

    (finding,) = verify(workflow("untyped", state=Note, edges=[START >> untyped >> END]))
    assert (finding.code, finding.cure) == ("W402", "give the parameter its type: `text: str`")
