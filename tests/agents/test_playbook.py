"""The playbook: rules branch on evidence, the file says clearly what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workflow_engine import errors
from workflow_engine.agents.evidence import Call, ChatRequest, Evidence, ResponsesRequest
from workflow_engine.agents.playbook import (
    Playbook,
    Unmatched,
    parse_playbook,
    playbook_beside,
    read_playbook,
    refuse_unknown,
)
from workflow_engine.agents.rules import Reply

HERE = Path("ship.playbook.toml")

EVIDENCE = Evidence(
    node="implement",
    instructions="You write patches.",
    prompt="Request: add mean\nFAILED test_empty",
    calls=(Call("read", {"path": "calc.py"}), Call("write", {"path": "src/calc.py", "mode": 7})),
    results=("def add(): ...", "wrote 1 file"),
    offered=("read", "write"),
)


def rules(text: str) -> Playbook:
    return parse_playbook(text.encode(), HERE)


def answer(when: str, evidence: Evidence = EVIDENCE) -> Reply | Unmatched:
    return rules(f"[[rule]]\n{when}\ntext = 'yes'").answer(evidence)


@pytest.mark.parametrize(
    "when",
    [
        "",
        "when.node = 'implement'",
        "when.node = ['design', 'implement']",
        "when.not_node = 'design'",
        "when.instructions = 'patches'",
        "when.prompt = '^FAILED'",
        "when.prompt = ['add mean', 'test_\\w+']",
        "when.not_prompt = 'passed'",
        "when.tool_result = 'def add'",
        "when.last_tool_result = 'wrote'",
        "when.not_last_tool_result = 'def'",
        "when.called = { tool = 'read' }",
        "when.called = { tool = 'write', arguments = { path = '.*calc.py' } }",
        "when.called = { tool = 'write', arguments = { mode = '7' } }",
        "when.called = [{ tool = 'read' }, { tool = 'write' }]",
        "when.not_called = { tool = 'delete' }",
        "when.not_called = { tool = 'read', arguments = { path = 'calc' } }",
    ],
)
def test_a_condition_that_holds(when: str) -> None:
    assert answer(when) == Reply(text="yes")


@pytest.mark.parametrize(
    ("when", "missing"),
    [
        ("when.node = 'design'", "no rule is for this node"),
        ("when.not_node = 'implement'", "no rule is for this node"),
        ("when.prompt = 'subtract'", "prompt does not match 'subtract'"),
        ("when.prompt = ['add mean', 'subtract']", "prompt does not match 'subtract'"),
        ("when.not_prompt = ['x', 'add']", "prompt matches 'add'"),
        ("when.last_tool_result = 'def add'", "last_tool_result does not match 'def add'"),
        ("when.not_tool_result = 'def add'", "tool_result matches 'def add'"),
        ("when.called = { tool = 'read', arguments = { path = 'calc' } }", "read(path = 'calc') was not called"),
        ("when.called = { tool = 'read', arguments = { line = '1' } }", "was not called"),
        ("when.not_called = { tool = 'read' }", "read() was called"),
        ("when.instructions = 'poems'", "instructions does not match"),
    ],
)
def test_a_condition_that_does_not_hold_is_named(when: str, missing: str) -> None:
    unmatched = answer(when)
    assert isinstance(unmatched, Unmatched)
    assert missing in unmatched.gist
    assert "add mean" in unmatched.gist


def test_a_node_condition_needs_a_request_that_names_its_node() -> None:
    assert isinstance(answer("when.node = 'implement'", Evidence()), Unmatched)
    assert answer("when.not_node = 'implement'", Evidence()) == Reply(text="yes")


def test_the_first_rule_that_holds_answers() -> None:
    book = rules("[[rule]]\nwhen.prompt='nothing'\ntext='1'\n[[rule]]\ntext='2'\n[[rule]]\ntext='3'")
    assert book.answer(EVIDENCE) == Reply(text="2")


def test_an_answer_quotes_named_groups_and_leaves_other_braces_alone() -> None:
    book = rules(
        """
        [[rule]]
        when.prompt = 'Request: (?P<request>.*)'
        when.tool_result = '(?P<first>\\w+)'
        when.called = { tool = "write", arguments = { path = '(?P<file>.*)' } }
        [[rule.calls]]
        tool = "write"
        arguments = { text = "f'{x}' # {request} {file} {first}", deep = [{ a = "{request}" }] }
        """
    )
    reply = book.answer(EVIDENCE)
    assert isinstance(reply, Reply)
    text = "f'{x}' # add mean src/calc.py wrote"
    assert reply.calls == (Call("write", {"text": text, "deep": [{"a": "add mean"}]}),)


def test_quoting_cannot_break_out_of_json() -> None:
    evil = 'x", "admin": true, "y": "'
    book = rules("[[rule]]\nwhen.prompt = '(?P<all>(?s:.*))'\njson = { said = '{all}' }")
    reply = book.answer(Evidence(prompt=evil))
    assert isinstance(reply, Reply)
    assert json.loads(reply.text or "") == {"said": evil}


def test_a_call_of_a_tool_the_request_does_not_offer_is_no_answer() -> None:
    unmatched = rules("[[rule]]\nname='first'\ncalls=[{tool='delete'}]").answer(EVIDENCE)
    assert isinstance(unmatched, Unmatched)
    assert "rule 1 'first' calls delete, but the request offers read, write" in unmatched.gist


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"rule = ", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x = " + b"[" * 20_000, "nested too deep"),
        (b"a" * (4 * 2**20 + 1), "larger than 4 MB"),
        (b"", "rule: missing"),
        (b"rule = []", "rule: there is none"),
        (b"rule = 3", "rule: should be a list"),
        (b"[[rule]]\ntext='a'\njson=[1]", "rule 1: give exactly one of text, json and calls"),
        (b"[[rule]]\nname='n'", "rule 1 'n': give exactly one of text, json and calls"),
        (b"[[rule]]\ntext='a'\n[[rule]]\ntext=3", "rule 2: text: should be a string"),
        (b"[[rule]]\nwhen=4\ntext='a'", "rule 1: when: should be a table"),
        (b"[[rule]]\nwhen.prompt='('\ntext='a'", "rule 1: when.prompt.0: not a regular expression"),
        (b"[[rule]]\nwhen.prompt=4\ntext='a'", "a regular expression is a string"),
        (b"[[rule]]\nwhen.promt='x'\ntext='a'", "rule 1: when.promt: unknown key, did you mean 'prompt'?"),
        (b"[[rules]]\ntext='a'", "rules: unknown key, did you mean 'rule'?"),
        (b"[[rule]]\nansewr='a'\ntext='a'", "known are name, when, text, json, calls"),
        (b"[[rule]]\ncalls=[{arguments={}}]", "calls.0.tool: missing"),
        (b"[[rule]]\nwhen.called={tol='x',tool='x'}\ntext='a'", "did you mean 'tool'?"),
        (b"[[rule]]\njson=nan", "JSON cannot carry this answer"),
        (b"[[rule]]\ncalls=[{tool='x',arguments={a=inf}}]", "JSON cannot carry this answer"),
        (b"inputs=3\n[[rule]]\ntext='a'", "inputs: should be a table"),
    ],
)
def test_a_broken_playbook_is_one_error_that_names_file_and_rule(text: bytes, says: str) -> None:
    with pytest.raises(errors.UsageError) as wrong:
        parse_playbook(text, HERE)
    assert says in str(wrong.value)
    assert "ship.playbook.toml" in str(wrong.value)
    assert wrong.value.cure


def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(errors.UsageError, match="cannot be read"):
            read_playbook(path)


def test_dates_of_toml_become_json_strings() -> None:
    reply = rules("[[rule]]\njson = { day = 2024-01-31, at = 2024-01-31T09:30:00Z }").answer(Evidence())
    assert isinstance(reply, Reply)
    assert json.loads(reply.text or "") == {"day": "2024-01-31", "at": "2024-01-31T09:30:00+00:00"}


def test_an_unknown_input_is_refused_with_the_known_ones_and_a_near_name() -> None:
    book = rules("[inputs]\nrequest = ['add mean', 'add median']\nsize = [1, 2]\n[[rule]]\ntext = 'a'")
    refuse_unknown(book, {"request": "add mean", "size": 2, "other": "x"})
    refuse_unknown(book, {})
    with pytest.raises(errors.UsageError) as wrong:
        refuse_unknown(book, {"request": "add meen"})
    assert "  add mean\n  add median" in wrong.value.what
    assert "did you mean 'add mean'?" in (wrong.value.cure or "")
    for hopeless in (3, None, ["add mean"], {"a": float("nan")}, "x" * 10_000):
        with pytest.raises(errors.UsageError, match="does not know size") as wrong:
            refuse_unknown(book, {"size": hopeless})
        assert len(str(wrong.value)) < 1000


def test_a_playbook_without_inputs_knows_every_value(tmp_path: Path) -> None:
    path = tmp_path / "a.playbook.toml"
    path.write_text("[[rule]]\ntext = 'a'")
    refuse_unknown(path, {"request": "whatever"})


def test_a_playbook_stands_beside_its_workflow() -> None:
    assert playbook_beside(Path("graphs/ship.py")) == Path("graphs/ship.playbook.toml")


CHAT: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "You write patches."},
        {"role": "user", "content": "earlier"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "text of a"},
        {"role": "user", "content": [{"type": "text", "text": "now"}, {"type": "image_url"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "read"}}],
}
RESPONSES: dict[str, Any] = {
    "instructions": "You write patches.",
    "input": [
        {"role": "user", "content": "earlier"},
        {"type": "function_call", "call_id": "1", "name": "read", "arguments": '{"path": "a"}'},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "text of a"}]},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "now"}]},
    ],
    "tools": [{"type": "function", "name": "read"}],
}


def test_both_wires_show_the_same_evidence() -> None:
    expected = Evidence("n", "You write patches.", "now", (Call("read", {"path": "a"}),), ("text of a",), ("read",))
    assert ChatRequest.model_validate(CHAT).evidence("n") == expected
    assert ResponsesRequest.model_validate(RESPONSES).evidence("n") == expected
    assert ResponsesRequest.model_validate({"input": "now"}).evidence(None).prompt == "now"


@pytest.mark.parametrize("arguments", ["{", "[1]", "", "[" * 100_000, '"x"'])
def test_arguments_a_model_garbled_count_as_none(arguments: str) -> None:
    body = {"input": [{"type": "function_call", "name": "read", "arguments": arguments}]}
    assert ResponsesRequest.model_validate(body).evidence(None).calls == (Call("read", {}),)
