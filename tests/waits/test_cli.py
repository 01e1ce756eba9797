"""workflow signal, and what show, runs and recover say of a run that waits."""

from __future__ import annotations

import json

from tests.cli.conftest import cli
from tests.cli.terminal import Cli, Write

__all__ = ["cli"]

PAY = """
from datetime import timedelta
from pydantic import BaseModel
from workflow_engine import END, FAIL, START, State, all_of, function, signal, wait, workflow

class Payment(BaseModel):
    amount: int
    note: str = ""

class Pay(State):
    order: str
    payment: Payment | None = None
    approved: str = ""

paid = wait("payment", Payment, writes="payment", within=timedelta(days=2), name="paid")
sure = wait(all_of("go", signal("by", str)), writes="approved", name="sure")

@function
def ship(payment: Payment) -> None:
    print("shipped")

pay = workflow("pay", state=Pay, edges=[START >> paid >> sure >> ship >> END, paid.expired >> FAIL("nobody paid")])
"""


def test_a_signal_is_sent_and_the_run_goes_on(cli: Cli, write: Write) -> None:
    write("pay.py", PAY)
    begun = cli("run", "pay.py", "order=A")
    assert begun.code == 3
    assert "paid waits for signal payment" in begun.out
    assert "carries   amount (integer), note (string, may be left out)" in begun.out
    assert "workflow signal" in begun.err
    assert "payment amount=..." in begun.err

    sent = cli("signal", "@last", "payment", "amount=3", "note=42", "--id", "e1", "--by", "shop")
    assert sent.code == 3
    assert "signal payment sent: e1" in sent.err
    assert "sure waits for signal go and by" in sent.out
    view = json.loads(cli("show", "@last", "--json").out)
    assert view["state"]["payment"] == {"amount": 3, "note": "42"}
    (wait,) = view["waits"]
    assert (wait["node"], wait["on"], wait["came"], wait["until"]) == ("sure", "signal", [], None)
    assert wait["signals"] == [{"name": "go", "schema": {"type": "null"}}, {"name": "by", "schema": {"type": "string"}}]

    assert cli("signal", "@last", "go").code == 3
    done = cli("signal", "@last", "by", "ana")
    assert done.code == 0
    assert json.loads(cli("show", "@last", "--json").out)["state"]["approved"] == "ana"


def test_the_same_id_counts_once_also_after_the_end(cli: Cli, write: Write) -> None:
    write("pay.py", PAY)
    cli("run", "pay.py", "order=A")
    cli("signal", "@last", "payment", "amount=3", "--id", "e1")
    again = cli("signal", "@last", "payment", "amount=3", "--id", "e1")
    assert again.code == 3
    assert "sent before: it counts once" in again.err
    cli("signal", "@last", "go")
    cli("signal", "@last", "by", "ana")
    assert cli("signal", "@last", "payment", "amount=3", "--id", "e1").code == 0
    ended = cli("signal", "@last", "payment", "amount=3", "--id", "e2")
    assert ended.code == 7
    assert "has ended: it succeeded" in ended.err


def test_what_is_wrong_is_said_and_cured(cli: Cli, write: Write) -> None:
    write("pay.py", PAY)
    cli("run", "pay.py", "order=A")
    wrong = cli("signal", "@last", "payment", "amount=three", "notes=x")
    assert wrong.code == 2
    assert "amount: 'three' is not of type 'integer'" in wrong.err
    assert "it carries amount, note (may be left out)" in wrong.err
    unknown = cli("signal", "@last", "paymnt", "amount=3")
    assert (unknown.code, "did you mean 'payment'?" in unknown.err) == (2, True)
    for words in (["--json-value", "{"], ["amount=1", "--json-value", "{}"], ["-i", "none.json"], ["-i", "{}", "a=1"]):
        assert cli("signal", "@last", "payment", *words).code == 2
    assert cli("signal", "nobody", "payment").code == 2
    assert json.loads(cli("show", "@last", "--json").out)["reason"] == "signal"


def test_json_is_given_in_three_ways(cli: Cli, write: Write) -> None:
    write("pay.py", PAY)
    write("paid.json", '{"amount": 5}')
    for number, words in enumerate((["--json-value", '{"amount": 5}'], ["-i", "@paid.json"], ["-i", '{"amount": 5}'])):
        cli("run", "pay.py", f"order={number}")
        assert cli("signal", "@last", "payment", *words).code == 3
        assert json.loads(cli("show", "@last", "--json").out)["state"]["payment"]["amount"] == 5


def test_a_signal_that_nothing_waits_for_yet_is_kept(cli: Cli, write: Write) -> None:
    write("pay.py", PAY)
    cli("run", "pay.py", "order=A")
    early = cli("signal", "@last", "go")
    assert (early.code, "nothing waits for it yet, so it is kept" in early.err) == (3, True)
    assert cli("signal", "@last", "by", "ana").code == 3
    assert cli("signal", "@last", "payment", "amount=1").code == 0


def test_without_its_code_the_signal_is_kept_and_the_way_on_is_told(cli: Cli, write: Write) -> None:
    file = write("pay.py", PAY)
    cli("run", "pay.py", "order=A")
    file.unlink()
    sent = cli("signal", "@last", "payment", "amount=3")
    assert (sent.code, "the run does not go on here" in sent.err) == (0, True)
    listed = json.loads(cli("runs", "--json").out)
    assert (listed[0]["status"], listed[0]["reason"]) == ("queued", "signalled")


def test_a_run_that_waits_is_drawn(cli: Cli, write: Write) -> None:
    write("pay.py", PAY)
    cli("run", "pay.py", "order=A")
    assert "waiting for a signal" in cli("draw", "@last").out
    text = cli("draw", "pay.py").out
    assert "for signal payment" in text
    assert "within 2 d" in text
    assert "for all of go, by" in text
