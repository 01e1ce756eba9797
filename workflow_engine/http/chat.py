"""The route of a chat: a message begins a run, once, and what becomes of it is told as server-sent events.

It is a GET, as browsers' EventSource knows no other, and it begins something. So a browser's own session may ask for it
only from a page of this very server, never ahead of time; and it is counted among the writes. What a stream tells is
read off the run's journal: a reconnect goes on behind the last event that was seen, and begins nothing. The pieces of
an answer are in no journal: they are kept until the run ends, and a reconnect is told all of them anew.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from workflow_engine.errors import RunNotFound
from workflow_engine.http.desk import Desk
from workflow_engine.http.problems import Refused, told
from workflow_engine.http.routes import caller_of, desk_of, role, router
from workflow_engine.http.sessions import Role
from workflow_engine.http.stream import EVENTS, stream
from workflow_engine.http.tail import Line
from workflow_engine.http.workflows import workflow_of
from workflow_engine.record.ids import RunId
from workflow_engine.runtime.view import RunView
from workflow_engine.spec.workflow import Workflow

chat = router()
LONGEST = 16_000
"""Letters of one message: an address holds no more."""
SEPARATOR = ":"
Said = tuple[str, dict[str, Any]]
SEEN: Said = ("", {})
"""Nothing is told; a browser only notes the number."""
_MOST = 4_000


@chat.get("/api/chat/sse", responses=EVENTS | told(404, 409, 422, 503), openapi_extra=role(Role.OPERATOR))
async def say(
    request: Request,
    query: Annotated[str, Query(min_length=1, max_length=LONGEST, description="what is said")],
    workflow: Annotated[str | None, Query(max_length=200, description="to whom; the only chat that is served")] = None,
    session: Annotated[str, Query(min_length=1, max_length=200, description="the talk it belongs to")] = "main",
    message: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="a name of its own: sent again under it, nothing begins anew"),
    ] = None,
) -> Response:
    """Say something to a workflow that is a chat, and hear what it does and answers, until it has answered."""
    must_be_meant(request)
    desk = desk_of(request)
    caller = caller_of(request)
    spoken = _spoken(request, workflow)
    run, after = _seen(request.headers.get("last-event-id", ""))
    again = run is not None
    if run is not None:
        if (await desk.engine.get(run)).run.workflow != spoken.name:
            raise RunNotFound(f"no run {run} of {spoken.name}", "send the message without Last-Event-ID")
    else:
        desk.rates.must_be_slower(caller, reading=False)
        label = desk.labels.get(spoken.name)
        name = caller.principal.name
        run = await desk.engine.say(spoken, query, label, session=session, message=message, by=name)
    desk.tails.keep(run)
    talk = _Talk(desk, spoken, run, session, again)
    return stream(desk, lambda: talk.lines(after))


def must_be_meant(request: Request) -> None:
    """Raises Refused for a request that nobody meant, or that a page of somebody else sent from its visitor's browser.

    A browser says where a request comes from; one that does not is too old to be told apart from a forgery.
    """
    if "prefetch" in f"{request.headers.get('sec-purpose', '')} {request.headers.get('purpose', '')}":
        raise Refused(403, "not-meant", "this begins a run, and is not fetched ahead", "ask when it is wanted")
    if caller_of(request).by_cookie and (
        request.headers.get("sec-fetch-site") != "same-origin" or request.headers.get("sec-fetch-dest") != "empty"
    ):
        raise Refused(403, "foreign-origin", "no page of this server asked for this", "Authorization: Bearer TOKEN")


def _spoken(request: Request, name: str | None) -> Workflow[Any]:
    """The workflow that is talked to. Raises Refused."""
    if name is not None:
        return workflow_of(request, name)
    known = [each for each in desk_of(request).workflows.values() if each.chat is not None]
    if len(known) != 1:
        named = ", ".join(each.name for each in known) or "none"
        raise Refused(422, "which-chat", "which workflow is talked to?", f"add &workflow=NAME; chats here: {named}")
    return known[0]


def _seen(last: str) -> tuple[RunId | None, int]:
    """The run and the number of the last event that was seen."""
    run, separator, number = last.rpartition(SEPARATOR)
    if not separator or not number.isascii() or not number.isdecimal() or len(number) > 15 or len(run) > 200:
        return None, 0
    return RunId(run), int(number)


@dataclass(eq=False)
class _Talk:
    """What one stream tells of a run. `begun` are the uses of tools that were told; it is not the first if `again`."""

    desk: Desk
    workflow: Workflow[Any]
    run: RunId
    session: str
    again: bool
    begun: set[str] = field(default_factory=set)

    async def lines(self, after: int) -> AsyncIterator[Line | None]:
        yield self._line("run_started", {"run": self.run, "session": self.session}, after)
        if self.again:  # of the pieces of an answer nobody knows which arrived
            yield self._line("text_dropped", {}, None)
        coming: Any = self.desk.tails.of(self.run, after)
        async with aclosing(coming):
            async for line in coming:
                if line is None:
                    yield None
                    continue
                data = json.loads(line.data)
                if line.event == "status" and data["status"] in ("succeeded", "failed", "cancelled"):
                    self.desk.tails.forget(self.run)
                    yield self._end(await self.desk.engine.get(self.run))
                    return
                for event, said in self._heard(line.event, data):
                    yield self._line(event, said, line.seq)

    def _heard(self, event: str, data: Mapping[str, Any]) -> Iterator[Said]:
        """What one line of a run is in a chat."""
        match event:
            case "heard":
                yield from self._spoken(data)
            case "call_started" if data["what"] == "tool":
                yield from self._uses(_call(data, data["call"]), data["name"], data["asked"])
            case "call_finished" if data["what"] == "tool":
                call = _call(data, data["call"])
                yield from self._uses(call, data["name"], data["asked"])
                yield "tool_completed", {"tool": data["name"], "call": call, "result": _cut(data["text"])}
            case "call_failed" if data["what"] == "tool":
                call = _call(data, data["call"])
                yield "tool_completed", {"tool": data["name"], "call": call, "error": _cut(data["why"])}
                self.begun.discard(call)  # it may be tried again
            case "question_asked":
                question = data["question"]
                yield (
                    "question",
                    {
                        "question": question["id"],
                        "title": _cut(question["title"]),
                        "message": _cut(question["message"]),
                        "choices": question["choices"],
                        "link": f"/#/inbox/{question['id']}",
                    },
                )
            case "question_answered" | "question_expired" | "question_withdrawn":
                yield "question_closed", {"question": data["question"]}
            case _:
                pass

    def _spoken(self, data: Mapping[str, Any]) -> Iterator[Said]:
        """What is heard before it is a fact: that a tool is used, and the words of who writes the answer.

        What came of a tool is told once it is a fact: heard is, too, that a person has to be asked first.
        """
        piece = data["piece"]
        node, chat = self.workflow.nodes.get(data["node"]), self.workflow.chat
        answers = chat is not None and node is not None and chat.reply in node.writes
        match piece["item"]:
            case "tool_call":
                arguments = json.dumps(piece["arguments"], ensure_ascii=False, default=str)
                yield from self._uses(_call(data, piece["call"]), piece["tool"], arguments)
            case "broken_off" if answers:
                yield "text_dropped", {}
            case "delta" if answers and piece.get("of") == "message":
                yield "text_delta", {"text": piece["text"]}
            case _:
                pass

    def _uses(self, call: str, tool: str, arguments: str) -> Iterator[Said]:
        # Each is heard as it happens and read once it is a fact: told once, and then only its number.
        if call in self.begun:
            yield SEEN
            return
        self.begun.add(call)
        yield "tool_started", {"tool": tool, "call": call, "arguments": _cut(arguments)}

    def _end(self, view: RunView[Any]) -> Line:
        run = view.run
        if run.status == "succeeded" and self.workflow.chat is not None:
            value = view.values.get(self.workflow.chat.reply)
            reply = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return self._line("run_completed", {"run": self.run, "status": run.status, "reply": reply}, run.seq)
        why = run.error.message if run.error is not None else run.reason
        said = {"run": self.run, "status": run.status, "message": _cut(why or f"the run {run.status}")}
        return self._line("error", said, run.seq)

    def _line(self, event: str, data: Mapping[str, Any], seq: int | None) -> Line:
        name = None if seq is None else f"{self.run}{SEPARATOR}{seq}"
        return Line(event, json.dumps(data, ensure_ascii=False) if event else "", name=name)


def _call(data: Mapping[str, Any], call: str) -> str:
    """The name of a tool's use, the same where it is heard and where it is read."""
    return f"{data['node']}/{data['visit']}/{call.rpartition('/')[2].removeprefix('t.')}"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else text[:_MOST] + "…"
