"""The playbook's server: a real endpoint, asked by a real client over both wires, whole and streamed."""

from __future__ import annotations

import http.client
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from workflow_engine.agents.models import Offline
from workflow_engine.agents.server import PlaybookServer

PLAYBOOK = """
[[rule]]
when.node = "über"
text = "by node"
[[rule]]
when.prompt = "call"
calls = [{ tool = "read", arguments = { path = "a" } }, { tool = "read", arguments = { path = "b" } }]
[[rule]]
when.prompt = "say"
json = { said = "ü" }
"""
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "read", "parameters": {}}}]
TOOLS: Any = [{"type": "function", "name": "read", "parameters": {}, "strict": False}]
NODE = {"X-Workflow-Node": "%C3%BCber"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ship.playbook.toml"
    path.write_text(PLAYBOOK)
    return path


@pytest.fixture
def server(path: Path) -> Iterator[PlaybookServer]:
    server = PlaybookServer(Offline(path))
    yield server
    server.close()


@pytest.fixture
def client(server: PlaybookServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="none", base_url=server.base_url, max_retries=0) as client:
        yield client


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_chat_completions_answers_and_calls(client: openai.OpenAI) -> None:
    said = client.chat.completions.create(model="any", messages=user("say"))
    assert json.loads(said.choices[0].message.content or "") == {"said": "ü"}
    assert said.model == "offline-playbook/ship"
    assert said.usage is not None
    assert said.usage.total_tokens == 0
    called = client.chat.completions.create(model="any", messages=user("call"), tools=CHAT_TOOLS).choices[0]
    assert called.finish_reason == "tool_calls"
    assert [call.id for call in called.message.tool_calls or ()] == ["call_1", "call_2"]


def test_responses_answers_and_calls(client: openai.OpenAI) -> None:
    said = client.responses.create(model="any", input="say")
    assert json.loads(said.output_text) == {"said": "ü"}
    assert said.model == "offline-playbook/ship"
    called = client.responses.create(model="any", input="call", tools=TOOLS)
    assert [item.type for item in called.output] == ["function_call", "function_call"]


def test_ids_of_calls_are_not_used_twice_in_a_conversation(client: openai.OpenAI) -> None:
    earlier: Any = [{"type": "function_call", "call_id": "call_1", "name": "read", "arguments": "{}"}, *user("call")]
    called: Any = client.responses.create(model="any", input=earlier, tools=TOOLS).output
    assert [item.call_id for item in called] == ["call_2", "call_3"]


def test_chat_completions_streams(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="any", messages=user("say"), stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert json.loads(text) == {"said": "ü"}
    with client.chat.completions.stream(model="any", messages=user("call"), tools=CHAT_TOOLS) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls or ()
    assert [json.loads(call.function.arguments)["path"] for call in calls] == ["a", "b"]


def test_responses_streams(client: openai.OpenAI) -> None:
    with client.responses.stream(model="any", input="say") as stream:
        assert json.loads(stream.get_final_response().output_text) == {"said": "ü"}
    with client.responses.stream(model="any", input="call", tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.function_call_arguments.done") == 2


def test_a_header_names_the_node(client: openai.OpenAI) -> None:
    assert client.responses.create(model="any", input="x", extra_headers=NODE).output_text == "by node"


def test_an_unmatched_request_is_422_with_its_gist_and_never_an_echo(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.responses.create(model="any", input="something else", instructions="You write.")
    assert "no rule of ship.playbook.toml answers" in refused.value.message
    assert "prompt: something else" in refused.value.message
    assert "rule 3: prompt does not match 'say'" in refused.value.message


def test_an_edit_answers_the_next_request(client: openai.OpenAI, path: Path) -> None:
    assert json.loads(client.responses.create(model="any", input="say").output_text) == {"said": "ü"}
    before = path.stat()
    path.write_text(PLAYBOOK.replace('"ü"', '"ä"'))
    # The same size at the same time stamp: only the content differs.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert json.loads(client.responses.create(model="any", input="say").output_text) == {"said": "ä"}


@pytest.mark.parametrize("break_it", [lambda p: p.write_text("[[rule"), lambda p: p.unlink()])
def test_a_file_broken_meanwhile_is_told_and_mended_by_the_next_edit(
    client: openai.OpenAI, path: Path, break_it: Any
) -> None:
    break_it(path)
    with pytest.raises(openai.UnprocessableEntityError) as broken:
        client.responses.create(model="any", input="say")
    assert broken.value.code == "playbook_broken"
    path.write_text(PLAYBOOK)
    assert client.responses.create(model="any", input="say").output_text


def test_models_lists_the_playbook(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["offline-playbook/ship"]


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "expected"),
    [
        ("GET", "/", None, {}, 404),
        ("POST", "/v1/embeddings", b"{}", {}, 404),
        ("POST", "/v1/responses", b"{", {}, 400),
        ("POST", "/v1/responses", b"[]", {}, 400),
        ("POST", "/v1/responses", b"\xff" * 10, {}, 400),
        ("POST", "/v1/responses", b'{"input": 3}', {}, 400),
        ("POST", "/v1/responses", b'{"input":' + b"[" * 100_000, {}, 400),
        ("POST", "/v1/chat/completions", b'{"messages": []}', {}, 400),
        ("POST", "/v1/responses", None, {"Content-Length": "many"}, 411),
        ("POST", "/v1/responses", None, {"Content-Length": str(2**40)}, 413),
        ("DELETE", "/v1/responses", None, {}, 501),
    ],
)
def test_a_hostile_request_is_refused_and_the_next_one_served(
    server: PlaybookServer,
    client: openai.OpenAI,
    method: str,
    target: str,
    body: bytes | None,
    headers: dict[str, str],
    expected: int,
) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=5)
    connection.request(method, target, body, headers)
    assert connection.getresponse().status == expected
    connection.close()
    assert client.responses.create(model="any", input="say").output_text


def test_it_listens_on_loopback_alone_and_is_gone_when_closed(path: Path) -> None:
    server = PlaybookServer(Offline(path))
    place = urlsplit(server.base_url)
    assert place.hostname == "127.0.0.1"
    server.close()
    with pytest.raises(ConnectionError):
        http.client.HTTPConnection(place.netloc, timeout=5).connect()


def test_it_prints_nothing(
    client: openai.OpenAI, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="workflow_engine"):
        client.responses.create(model="any", input="say")
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name.startswith("workflow_engine")]
