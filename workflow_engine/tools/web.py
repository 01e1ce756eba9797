"""The HTTP tool: requests to listed hosts alone, wherever a redirect or a name server would lead.

A host is listed by name, and then must have public addresses only, or by address, and then may be a private one. The
name is looked up here, once for each request, and that very address is connected to: a name whose answers change
between two looks gains nothing. No proxy, no cookie and no password of the surroundings is used.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflow_engine.errors import DeclarationError, EffectUnknown, Infrastructure
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import Approval, InDoubt, Tool
from workflow_engine.tools.hosts import Host, addresses, is_public, listed
from workflow_engine.tools.refused import Refused

if TYPE_CHECKING:
    import httpx2

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
IDEMPOTENT = frozenset({"PUT", "DELETE"})
METHODS = SAFE | IDEMPOTENT | {"POST", "PATCH"}
REDIRECTS = 5
LONGEST_URL = 8000

Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True)
class Web:
    """Some hosts, and how they may be asked. `secrets` are headers whose values stand in the environment."""

    hosts: tuple[Host, ...]
    methods: tuple[str, ...]
    limit: timedelta
    most_kb: int
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    resolve: Resolve = addresses

    async def fetch(self, url: str) -> str:
        """Get a URL. Returns status, content type and text."""
        return await self._ask("GET", url, {}, None)

    async def look(self, method: str, url: str) -> str:
        """Ask for a URL. Returns status, content type and text."""
        return await self._ask(method.upper(), url, {}, None)

    async def send(
        self, method: str, url: str, step: Step, body: str = "", content_type: str = "application/json"
    ) -> str:
        """Send a body to a URL. Returns status, content type and text."""
        given = {"Content-Type": content_type, "Idempotency-Key": step.key}
        return await self._ask(method.upper(), url, given, body)

    async def _ask(self, method: str, url: str, given: Mapping[str, str], body: str | None) -> str:
        if method not in self.methods:
            raise Refused(f"{method} is not granted here, only {', '.join(self.methods)}")
        known = self._known()
        sent = _Sent()
        try:
            async with asyncio.timeout(self.limit.total_seconds()):
                text = await self._follow(method, url, given, body, known, sent)
        except TimeoutError:
            raise self._broken(f"no answer within {self.limit.total_seconds():g} s", sent, method) from None
        for secret in known.values():
            text = text.replace(secret, "***")  # an echo tells the model nothing
        if body is not None and sent.status >= 400:
            raise Refused(text)
        return text

    async def _follow(
        self, method: str, url: str, given: Mapping[str, str], body: str | None, known: Mapping[str, str], sent: _Sent
    ) -> str:
        first = None
        for _ in range(REDIRECTS + 1):
            target, host = self._granted(url)
            first = first or host.origin(target)
            # A secret is for whom it was meant: another host that is listed too is not told.
            own = known if host.origin(target) == first else {}
            answer, onward = await self._once(method, target, host, {**self.headers, **own, **given}, body, sent)
            if onward is None or body is not None:
                return answer
            url = onward
        raise Refused(f"more than {REDIRECTS} redirects")

    def _known(self) -> dict[str, str]:
        """The secret headers. Raises errors.Infrastructure where the environment lacks one."""
        missing = [name for name in self.secrets.values() if not os.environ.get(name)]
        if missing:
            raise Infrastructure(
                f"the environment variable {missing[0]} is not set", "set it where the worker runs", retryable=False
            )
        return {header: os.environ[name].strip() for header, name in self.secrets.items()}

    def _granted(self, url: str) -> tuple[httpx2.URL, Host]:
        import httpx2

        try:
            target = httpx2.URL(url) if len(url) <= LONGEST_URL else None
            found = target is not None and next((each for each in self.hosts if each.covers(target)), None)
        except (httpx2.InvalidURL, ValueError) as error:
            raise Refused(f"{url[:200]!r} is no URL: {error}") from error
        if target is None or not found:
            named = ", ".join(map(str, self.hosts))
            raise Refused(f"{url[:200]!r} is not granted here, only {named}")
        if target.userinfo:
            raise Refused("a URL holds no name and no password here")
        return target, found

    async def _once(
        self, method: str, target: httpx2.URL, host: Host, headers: Mapping[str, str], body: str | None, sent: _Sent
    ) -> tuple[str, str | None]:
        import httpx2

        last: Exception | None = None
        for address in await self._checked(target, host):
            try:
                return await self._at(address, method, target, host, headers, body, sent)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                last = error  # nothing was sent: the next address may answer
            except httpx2.LocalProtocolError:
                # Without the library's words: they quote the header, which may be a secret.
                raise Refused("this cannot be sent: a header of it holds what no header can") from None
            except (httpx2.HTTPError, httpx2.StreamError) as error:
                raise self._broken(str(error) or type(error).__name__, sent, method) from error
            except (ValueError, TypeError) as error:
                raise Refused(f"this cannot be sent: {error}") from error
        raise Refused(f"{target.host} cannot be reached: {str(last) or type(last).__name__}")

    async def _checked(self, target: httpx2.URL, host: Host) -> list[str]:
        name = target.raw_host.decode("ascii")
        if host.address is not None:
            return [host.address]
        try:
            found = await self.resolve(name, host.port_of(target))
        except OSError as error:
            raise Refused(f"{name} is not known to the name server: {error.strerror or error}") from error
        inward = [each for each in found if not is_public(each)]
        if inward or not found:
            raise Refused(f"{name} leads to a private address, which only a list of addresses can grant")
        return found

    async def _at(
        self,
        address: str,
        method: str,
        target: httpx2.URL,
        host: Host,
        headers: Mapping[str, str],
        body: str | None,
        sent: _Sent,
    ) -> tuple[str, str | None]:
        import httpx2

        # To the address that was looked at; the name goes into Host, and into TLS, which checks the certificate by it.
        extensions = {} if host.address is not None else {"sni_hostname": target.raw_host.decode("ascii")}
        plain = {"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": "workflow-engine"}
        timeout = httpx2.Timeout(self.limit.total_seconds())
        async with httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=timeout) as client:
            request = client.build_request(
                method,
                target.copy_with(host=address, fragment=None),
                headers={**plain, **headers},
                content=None if body is None else body.encode(),
                extensions=extensions,
            )
            sent.begun = True
            try:
                response = await client.send(request, stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                sent.begun = False
                raise
            try:
                sent.status = response.status_code
                onward = response.headers.get("location") if response.is_redirect else None
                if onward is not None and body is None:
                    return "", str(target.join(onward))
                return await self._text(response, onward), None
            finally:
                await response.aclose()

    async def _text(self, response: httpx2.Response, onward: str | None) -> str:
        most = self.most_kb * 1024
        data = bytearray()
        # Raw: what was compressed all the same could be a thousand times as much.
        async for chunk in response.aiter_raw():
            data += chunk
            if len(data) > most:
                break
        kind = response.headers.get("content-type", "")[:200]
        lines = [f"status: {response.status_code}", f"content-type: {kind}"]
        lines += [f"location: {onward[:1000]} (not followed)"] if onward else []
        lines += [f"(cut at {self.most_kb} KB)"] if len(data) > most else []
        return "\n".join([*lines, "", _readable(bytes(data[:most]), response)])

    def _broken(self, why: str, sent: _Sent, method: str) -> Exception:
        if method in SAFE or not sent.begun:
            return Refused(f"no answer: {why}")
        return EffectUnknown(f"{method} was sent, and how it ended is not known: {why}")


@dataclass
class _Sent:
    """How far a request went."""

    begun: bool = False
    status: int = 0


def _readable(data: bytes, response: httpx2.Response) -> str:
    if response.headers.get("content-encoding", "identity") != "identity":
        return f"({len(data)} bytes, compressed though nobody asked for that)"
    if b"\0" in data:
        return f"({len(data)} bytes, no text)"
    try:
        return data.decode(response.charset_encoding or "utf-8", "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def http_tool(
    hosts: Sequence[str],
    *,
    methods: Sequence[str] = ("GET",),
    limit: timedelta = timedelta(seconds=30),
    most_kb: int = 256,
    headers: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    approval: Approval | None = None,
    in_doubt: InDoubt | None = None,
    name: str | None = None,
) -> Tool[..., Any]:
    """A tool that asks listed hosts over HTTP: `fetch` where it only reads, `send` where it changes something.

    A host is "api.example.com" (https, port 443), "*.example.com", or with scheme and port "http://10.0.0.7:8080": a
    private address is reached only where it is listed itself. Redirects are followed to listed hosts only, and only
    when reading. Answers are text, cut at `most_kb` KB, within the time `limit`. `headers` go along with each request;
    `secrets={"Authorization": "API_TOKEN"}` takes their values from environment variables and shows them to nobody.

    With POST, PUT, PATCH or DELETE among the methods it is an effect: it carries an Idempotency-Key and needs a
    person's word unless `approval` says otherwise; PUT and DELETE are sent again in doubt, of others a person is asked.
    Raises DeclarationError.
    """
    named = tuple(dict.fromkeys(each.upper() for each in methods)) if not isinstance(methods, str) else ()
    odd = [each for each in named if each not in METHODS]
    if odd or not named:
        raise DeclarationError(f"http_tool: methods={methods!r}", f"a list of {', '.join(sorted(METHODS))}")
    changes = not set(named) <= SAFE
    if changes and set(named) & SAFE:
        raise DeclarationError(
            "http_tool: one tool that reads and changes",
            f"list two: methods={sorted(set(named) & SAFE)} in one of its own",
        )
    if limit <= timedelta() or most_kb < 1:
        raise DeclarationError(f"http_tool: limit={limit!r}, most_kb={most_kb!r}", "give both more than nothing")
    if not changes and (approval is not None and approval != "never") and in_doubt is not None:
        raise DeclarationError("http_tool: in_doubt= of a tool that only reads", "leave it out")
    web = Web(listed(hosts), named, limit, most_kb, dict(headers or {}), dict(secrets or {}))
    to = f"Only to {', '.join(map(str, web.hosts))}; at most {most_kb} KB within {limit.total_seconds():g} s."
    if not changes:
        body: Any = web.fetch if named == ("GET",) else web.look
        about = "Get a URL" if named == ("GET",) else f"Ask for a URL by {', '.join(named)}"
        return Tool(name or "fetch", body, approval=approval or "never", description=f"{about}. {to}")
    return Tool(
        name or "send",
        web.send,
        effect=True,
        in_doubt=in_doubt or ("rerun" if set(named) <= IDEMPOTENT else "ask"),
        approval=approval or "always",
        risk="write",
        description=f"Send a request by {', '.join(named)}. {to}",
    )
