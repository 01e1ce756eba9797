"""The tools of an MCP server as tools of an agent: filtered, named, and used under the declared terms."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import mcp_types as types
from mcp import Client, MCPError

from workflow_engine.agents.mcplink import Died, Link
from workflow_engine.agents.mcpplan import ServerPlan
from workflow_engine.errors import EffectUnknown, Infrastructure, StepError
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import Tool

PAGES = 50
MOST = 500
"""Tools of one server; a model is told each."""
LONGEST_TEXT = 20_000
"""Of a description: it goes into every question to the model."""
# What the server did certainly not begin. An answer that cannot be parsed is none of these.
_REFUSED = frozenset({types.INVALID_PARAMS, types.METHOD_NOT_FOUND, types.INVALID_REQUEST})
KEY = "workflow-engine/idempotency-key"


class ToolError(Exception):
    """What the server says is wrong with a use of its tool, for the model to mend."""


class McpShelf:
    """The tools of one server. Any number of turns may use it at once."""

    def __init__(self, link: Link) -> None:
        self._link, self._plan = link, link.plan
        self._shapes: dict[str, str] = {}
        self._known_of = 0

    async def tools(self) -> tuple[Tool[..., Any], ...]:
        """What the server lists now, as far as it is granted."""
        listed = await self._listed()
        self._plan.must_offer([each.name for each in listed])
        granted = [each for each in listed if self._plan.grants(each.name)]
        return tuple(self._tool(each) for each in granted)

    def _tool(self, offered: types.Tool) -> Tool[..., Any]:
        async def use(arguments: Mapping[str, Any], step: Step) -> str:
            return await self._use(offered, arguments, step)

        schema = {"type": "object", **offered.input_schema}
        text = (offered.description or offered.title or "")[:LONGEST_TEXT]
        name = _named(f"{self._plan.prefix}{offered.name}")
        policy = self._plan.policy(offered.name)
        destructive = offered.annotations is not None and offered.annotations.destructive_hint
        if destructive and policy["effect"]:
            policy["risk"] = "danger"
        return Tool(name, use, description=text, parameters=schema, **policy)

    async def _listed(self) -> list[types.Tool]:
        for again in (True, False):
            life = self._link.alive()
            try:
                found = await life.ask(_all_tools)
            except Died:
                if again:
                    continue
                raise Infrastructure(f"MCP server {self._plan.name!r} dies when it is asked for its tools") from None
            except MCPError as error:
                raise Infrastructure(f"MCP server {self._plan.name!r} does not list its tools: {error}") from error
            if len(found) > MOST:
                raise StepError(
                    f"MCP server {self._plan.name!r} lists more than {MOST} tools", "take another one", retryable=False
                )
            self._shapes, self._known_of = {each.name: _shape(each) for each in found}, self._link.lives
            return found
        raise AssertionError

    async def _use(self, offered: types.Tool, arguments: Mapping[str, Any], step: Step) -> str:
        """One use. A server that died meanwhile is started anew for whatever may be asked twice."""
        policy = self._plan.policy(offered.name)
        repeats = not policy["effect"] or policy["in_doubt"] == "rerun"
        for last in (False, True):
            life = self._link.alive()
            if self._link.lives != self._known_of:
                await self._listed()
                life = self._link.alive()
            self._must_be_the_same(offered)
            try:
                return life.masked(_text(await life.ask(partial(_call, offered.name, arguments, step))))
            except Died as died:
                if not last and (died.unsent or repeats):
                    continue
                if died.unsent:
                    raise Infrastructure(f"MCP server {self._plan.name!r} cannot be reached") from None
                if not policy["effect"]:
                    raise ToolError(f"the server {self._plan.name!r} died of it, twice") from None
                raise EffectUnknown(f"the server {self._plan.name!r} died while {offered.name} was used") from None
            except MCPError as error:
                if policy["effect"] and error.code not in _REFUSED:
                    raise EffectUnknown(life.masked(f"{offered.name} broke off: {error}")) from None
                raise ToolError(life.masked(str(error))) from None
            except ToolError as error:
                raise ToolError(life.masked(str(error))) from None
        raise AssertionError

    def _must_be_the_same(self, offered: types.Tool) -> None:
        """A server that was started anew may be another one: its tool is not used for what it no longer is."""
        if self._shapes.get(offered.name) != _shape(offered):
            raise StepError(
                f"the tool {offered.name!r} of MCP server {self._plan.name!r} is another one than when this talk began",
                "look at the server; a further try begins a new talk",
            )


@asynccontextmanager
async def open_shelf(plan: ServerPlan) -> AsyncIterator[McpShelf]:
    """A server's tools; it is started when it is first asked."""
    link = Link(plan)
    try:
        yield McpShelf(link)
    finally:
        await link.close()


async def _all_tools(client: Client) -> list[types.Tool]:
    found: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor or len(found) > MOST:
            break
    return found


async def _call(name: str, arguments: Mapping[str, Any], step: Step, client: Client) -> types.CallToolResult:
    async def told(progress: float, total: float | None, message: str | None) -> None:
        far = f"{progress:g}" if total is None else f"{progress:g} of {total:g}"
        step.progress(f"{name}: {message or far}"[:200])

    meta: Any = {KEY: step.key}
    return await client.call_tool(name, dict(arguments), progress_callback=told, meta=meta)


def _text(result: types.CallToolResult) -> str:
    parts = [_part(each) for each in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    text = "\n".join(parts)
    if result.is_error:
        raise ToolError(text or "the server gives no reason")
    return text


def _part(content: Any) -> str:
    match content:
        case types.TextContent():
            return content.text
        case types.ImageContent() | types.AudioContent():
            return f"({content.mime_type}, {len(base64.b64decode(content.data, validate=False)):,} bytes)"
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return resource.text
        case types.ResourceLink():
            return f"({content.name}: {content.uri})"
        case _:
            return f"({content.type})"


def _shape(tool: types.Tool) -> str:
    return json.dumps([tool.description, tool.input_schema], sort_keys=True)


def _named(name: str) -> str:
    """A name that every model endpoint takes."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if len(plain) <= 64 else f"{plain[:55]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
