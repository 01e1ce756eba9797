"""workflow claim, reassign, people, and what of the inbox is asked of whom."""

from __future__ import annotations

import pytest

from tests.cli.flows import HEAD
from tests.cli.terminal import Cli, Write

FLOW = (
    HEAD
    + """
from datetime import timedelta

class Case(State):
    who: str = "ann"
    said: Literal["yes", "no"] | None = None

@human(writes="said", candidates=("bob", "group:law"), within=timedelta(days=1), default="no")
def ask(who: str) -> Question[Literal["yes", "no"]]:
    return Question("Go on?", not_by=who)

flow = workflow("flow", state=Case, edges=[START >> ask >> END])
"""
)


def test_a_question_is_claimed_given_away_and_answered_by_who_has_it(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    assert cli("run", "flow.py").code == 3
    assert [each["candidates"] for each in cli("inbox", "--to", "bob", "--json").json] == [["bob", "group:law"]]
    assert cli("inbox", "--to", "eve", "--json").json == []
    refused = cli("answer", "@last", "yes", "--by", "eve")
    assert (refused.code, "asked of bob, group:law, and not of eve" in refused.err) == (2, True)
    claimed = cli("claim", "@last", "--by", "bob")
    assert (claimed.code, "is asked of bob" in claimed.out) == (0, True)
    given = cli("reassign", "@last", "--to", "dave", "--by", "bob", "--json")
    assert (given.code, given.json["to"]) == (0, "dave")
    assert "dave" in cli("inbox").out
    assert cli("reassign", "@last", "--to", "dave").code == 7
    excluded = cli("reassign", "@last", "--to", "ann")
    assert (excluded.code, "must not answer" in excluded.err) == (2, True)
    assert cli("answer", "@last", "yes", "--by", "dave").code == 0
    assert cli("claim", "@last", "--by", "bob").code != 0


def test_a_token_speaks_for_its_bearer_alone(write: Write, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write("flow.py", FLOW)
    cli("run", "flow.py")
    added = cli("people", "add", "zoe", "--group", "law")
    token = added.out.strip()
    assert (added.code, len(token) > 40, token in added.err) == (0, True, False)
    assert [(each["name"], each["groups"]) for each in cli("people", "--json").json] == [("zoe", ["law"])]
    forged = cli("answer", "@last", "yes", "--by", "zoe")
    assert (forged.code, "nothing proves that this is zoe" in forged.err) == (2, True)
    monkeypatch.setenv("WORKFLOW_TOKEN", token[:-1])
    assert cli("answer", "@last", "yes").code == 2
    monkeypatch.setenv("WORKFLOW_TOKEN", token)
    assert cli("answer", "@last", "yes", "--by", "bob").code == 2
    assert len(cli("inbox", "--to", "me", "--json").json) == 1
    answered = cli("answer", "@last", "yes")
    assert (answered.code, "answered by zoe" in answered.err) == (0, True)
    assert token not in answered.out + answered.err
    assert cli("people", "remove", "zoe").code == 0
    assert cli("people", "remove", "zoe").code == 2


def test_a_filter_that_leaves_nothing_says_so(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    cli("run", "flow.py")
    assert len(cli("inbox", "--node", "ask", "--json").json) == 1
    assert cli("inbox", "--overdue", "--json").json == []
    assert "no question fits" in cli("inbox", "--node", "other").err
