"""MCP servers as tools of an agent: a server is declared, and its tools are granted one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from workflow_engine.agents.mcpplan import WILD, ServerPlan, Transport
from workflow_engine.errors import DeclarationError
from workflow_engine.spec.tool import Approval, InDoubt
from workflow_engine.spec.toolbox import Toolbox

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def mcp_server(
    name: str,
    *,
    allow: Sequence[str] | Literal["all"],
    command: Sequence[str] = (),
    url: str = "",
    transport: Transport | None = None,
    reads: Sequence[str] = (),
    approval: Approval | Mapping[str, Approval] | None = None,
    in_doubt: InDoubt | Mapping[str, InDoubt] | None = None,
    prefix: str = "",
    timeout: timedelta = timedelta(seconds=60),
    starting: timedelta = timedelta(seconds=30),
    env: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    secrets: Sequence[str] | Mapping[str, str] = (),
    cwd: str | Path | None = None,
) -> Toolbox:
    """The tools of an MCP server, for `tools=[mcp_server("chat", command=["chat-server"], allow=["read_thread"])]`.

    The server is a `command` that speaks over stdio, or a `url` over streamable HTTP (`transport="sse"` for the older
    way). It is started once per process, when an agent first needs it, and again when it died. `allow` names the tools
    that are granted, "all" every one; names are the server's own, and may be patterns as "read_*". `prefix` is put
    before the names an agent sees.

    A tool is taken for an effect that needs a person's word, unless `reads` names it. `approval` is one word for all
    effects, or one for each tool: {"post_message": lambda channel: channel == "all", "*": "never"}. So is
    `in_doubt`, of a use in whose middle the server died: "ask", "rerun" or a probe. `timeout` limits one use,
    `starting` the start.

    A server on stdio sees a few harmless variables, those of `env`, and the `secrets`: names of environment variables
    that it is handed. Over HTTP `headers` go along, and `secrets={"Authorization": "CHAT_TOKEN"}` takes a header's
    value from an environment variable. Secrets are never stored. Raises DeclarationError.
    """
    place = f"mcp_server {name!r}"
    if isinstance(command, str) or (bool(command) == bool(url)):
        raise DeclarationError(
            f"{place}: give a command or a url", 'command=["python", "server.py"], or url="http://..."'
        )
    if isinstance(allow, str) and allow != "all":
        raise DeclarationError(f"{place}: allow={allow!r}", f'a list of names, ["{allow}"], or "all"')
    if not allow:
        raise DeclarationError(f"{place} grants no tool", 'name them in allow=, or say allow="all"')
    if isinstance(reads, str):
        raise DeclarationError(f"{place}: reads={reads!r}", f'a list of names: ["{reads}"]')
    if timeout <= timedelta() or starting <= timedelta():
        raise DeclarationError(f"{place}: timeout={timeout!r}, starting={starting!r}", "give both more than nothing")
    named = (
        {each: each for each in secrets}
        if not isinstance(secrets, Mapping) and not isinstance(secrets, str)
        else secrets
    )
    if isinstance(named, str):
        raise DeclarationError(f"{place}: secrets={secrets!r}", f'a list of names of variables: ["{secrets}"]')
    if command:
        _must_fit_stdio(place, transport, headers)
    else:
        _must_fit_http(place, url, transport, env, cwd, secrets)
    plan = ServerPlan(
        name=name,
        transport="stdio" if command else (transport or "http"),
        command=tuple(map(str, command)),
        url=url,
        cwd=None if cwd is None else str(cwd),
        env=dict((env if command else headers) or {}),
        secrets=dict(named),
        allow=("*",) if isinstance(allow, str) else tuple(allow),
        prefix=prefix,
        reads=tuple(reads),
        approval=_by_tool(place, "approval", approval, reads, ("always", "never")),
        in_doubt=_by_tool(place, "in_doubt", in_doubt, reads, ("ask", "rerun")),
        timeout=timeout,
        starting=starting,
    )
    for word in (*plan.reads, *plan.approval, *plan.in_doubt):
        if not WILD & set(word) and not plan.grants(word):
            raise DeclarationError(f"{place} says what holds for {word!r}, and does not grant it", "name it in allow=")
    names = tuple(f"{prefix}{each}" for each in plan.allow if not WILD & set(each))
    return Toolbox(name, plan.open, plan.code, names, plan.asks)


def _must_fit_stdio(place: str, transport: Any, headers: Any) -> None:
    if transport not in (None, "stdio") or headers:
        raise DeclarationError(f"{place}: a command speaks over stdio", "headers= and another transport= need a url")


def _must_fit_http(place: str, url: str, transport: Any, env: Any, cwd: Any, secrets: Any) -> None:
    if transport not in (None, "http", "sse"):
        raise DeclarationError(f"{place}: transport={transport!r} of a url", "it is http or sse")
    if env or cwd is not None:
        raise DeclarationError(f"{place}: env= and cwd= are about a command", "give headers= along with a url")
    if secrets and not isinstance(secrets, Mapping):
        raise DeclarationError(f"{place}: secrets={secrets!r} of a url", 'secrets={"Authorization": "CHAT_TOKEN"}')
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, fits = urlsplit(""), False
    if not fits or "@" in parts.netloc:
        raise DeclarationError(f"{place}: {url!r} is no address of a server", 'for example "http://127.0.0.1:8000/mcp"')
    if parts.scheme == "http" and secrets and parts.hostname not in LOCAL:
        raise DeclarationError(f"{place} would send a secret in the clear to {parts.hostname}", "use https://")


def _by_tool(place: str, what: str, given: Any, reads: Sequence[str], words: tuple[str, str]) -> dict[str, Any]:
    """One word for all effects, or one for each tool. What only reads is asked about only where it is named itself."""
    if given is None:
        return {}
    said = dict(given) if isinstance(given, Mapping) else {**dict.fromkeys(reads, words[1]), "*": given}
    for tool, each in said.items():
        if each not in words and not callable(each):
            raise DeclarationError(f"{place}: {what}={each!r} of {tool!r}", f"it is {', '.join(words)} or a function")
    return said
