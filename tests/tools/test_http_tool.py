"""The HTTP tool: listed hosts alone, whatever a URL, a redirect, a name server or an answer tries."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import pytest

from tests.tools.site import Site, page, to
from workflow_engine import Step
from workflow_engine.errors import DeclarationError, EffectUnknown, Infrastructure
from workflow_engine.tools import Refused, http_tool
from workflow_engine.tools.hosts import is_public, listed
from workflow_engine.tools.web import Web

SOON = timedelta(seconds=0.3)


async def test_a_listed_address_is_asked() -> None:
    async with Site({"/a?b=c": page("grüß dich")}) as site:
        fetch = http_tool([site.url])
        assert (fetch.name, fetch.effect, fetch.approval, fetch.risk) == ("fetch", False, "never", "read")
        assert await fetch(f"{site.url}/a?b=c") == "status: 200\ncontent-type: text/plain\n\ngrüß dich"
        assert (await fetch(f"{site.url}/x")).startswith("status: 404")
        assert site.asked[0][0] == "GET /a?b=c"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://127.0.0.1/", "http://localhost:{port}/", "http://127.0.0.1:1/", "/etc/passwd",
        "http://127.0.0.1:{port}@example.com/", "http://me:secret@127.0.0.1:{port}/", "file:///etc/passwd", "",
        "http://127.0.0.1.example.com:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/", "http://[::1]:{port}/",
        "gopher://127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@example.com/", "http://\ud800/", "x" * 9000, "http://[",
        "http://0x7f.0.0.1:{port}/", "http://example.com#@127.0.0.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    ],
)  # fmt: skip
async def test_no_other_url_is_asked(url: str) -> None:
    async with Site({"/": page("reached")}) as site:
        with pytest.raises(Refused):
            await http_tool([site.url])(url.replace("{port}", str(site.port)))
        assert site.asked == []


async def test_a_name_that_leads_inward_is_refused() -> None:
    async with Site({"/": page("reached")}) as site:
        with pytest.raises(Refused, match="leads to a private address"):
            await http_tool([f"http://localhost:{site.port}"])(f"http://localhost:{site.port}/")

        async def inward(name: str, port: int) -> list[str]:
            return ["93.184.216.34", "127.0.0.1"]

        web = Web(listed([f"http://*.example.com:{site.port}"]), ("GET",), SOON, 10, resolve=inward)
        with pytest.raises(Refused, match="leads to a private address"):
            await web.fetch(f"http://a.example.com:{site.port}/")
        assert site.asked == []


async def test_the_address_that_was_looked_at_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    async def once(name: str, port: int) -> list[str]:
        looked.append(name)
        return ["127.0.0.1"]  # counts as public here; a second look would find no such name

    monkeypatch.setattr("workflow_engine.tools.web.is_public", lambda _: True)
    async with Site({"/": page("reached")}) as site:
        web = Web(listed([f"http://a.invalid:{site.port}"]), ("GET",), timedelta(seconds=5), 10, resolve=once)
        assert (await web.fetch(f"http://a.invalid:{site.port}/")).endswith("reached")
        assert looked == ["a.invalid"]
        assert site.asked[0][1]["host"] == f"a.invalid:{site.port}"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("127.0.0.1", False), ("10.1.1.1", False), ("169.254.169.254", False), ("::1", False), ("0.0.0.0", False),
        ("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("fe80::1%eth0", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("8.8.8.8", True), ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
    ],
)  # fmt: skip
def test_addresses_are_known_for_what_they_stand_for(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_redirects_stay_on_the_list() -> None:
    async with Site({"/": page("inside")}) as other, Site({}) as site:
        site.pages |= {"/on": to("/end"), "/end": page("here"), "/out": to(f"{other.url}/"), "/loop": to("/loop")}
        fetch = http_tool([site.url])
        assert (await fetch(f"{site.url}/on")).endswith("here")
        with pytest.raises(Refused, match="is not granted here"):
            await fetch(f"{site.url}/out")
        assert other.asked == []
        with pytest.raises(Refused, match="more than 5 redirects"):
            await fetch(f"{site.url}/loop")


async def test_a_secret_is_sent_to_whom_it_is_meant_and_shown_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWN_TOKEN", "canary-7")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with Site({"/": page("other")}) as other, Site({}) as site:
        site.pages |= {"/": page("you said canary-7"), "/on": to(f"{other.url}/")}
        fetch = http_tool([site.url, other.url], secrets={"Authorization": "TOWN_TOKEN"})
        assert (await fetch(f"{site.url}/")).endswith("you said ***")
        assert site.asked[0][1]["authorization"] == "canary-7"
        assert (await fetch(f"{site.url}/on")).endswith("other")
        assert "authorization" not in other.asked[0][1]
        monkeypatch.delenv("TOWN_TOKEN")
        with pytest.raises(Infrastructure, match="TOWN_TOKEN is not set"):
            await fetch(f"{site.url}/")


async def test_what_is_huge_compressed_or_no_text_is_cut_and_said() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 3_000_000
    bomb = page(gzip.compress(b"x" * 10_000_000), "Content-Encoding: gzip")
    async with Site({"/big": endless, "/bomb": bomb, "/image": page(b"\0\1", kind="image/png")}) as site:
        fetch = http_tool([site.url], most_kb=2)
        text = await fetch(f"{site.url}/big")
        assert len(text) < 2200
        assert "(cut at 2 KB)" in text
        assert len(await fetch(f"{site.url}/bomb")) < 200
        assert (await fetch(f"{site.url}/image")).endswith("(2 bytes, no text)")


async def test_silence_is_an_end_when_reading_and_a_doubt_when_sending() -> None:
    async with Site({"/": None}) as site:
        with pytest.raises(Refused, match=r"no answer within 0\.3 s"):
            await http_tool([site.url], limit=SOON)(f"{site.url}/")
        send = http_tool([site.url], methods=["POST"], limit=SOON)
        with pytest.raises(EffectUnknown, match="how it ended is not known"):
            await send("POST", f"{site.url}/", Step(), "{}")


async def test_what_never_left_is_no_doubt() -> None:
    async with Site({}) as site:
        gone = site.url
    with pytest.raises(Refused, match="cannot be reached"):
        await http_tool([gone], methods=["POST"])("POST", f"{gone}/", Step())


async def test_sending_carries_a_key_and_follows_no_redirect() -> None:
    async with Site(
        {"/": page("made", status="201 Created"), "/on": to("/"), "/no": page("x", status="400 Bad")}
    ) as site:
        send = http_tool([site.url], methods=["post"])
        assert (send.name, send.effect, send.approval, send.in_doubt) == ("send", True, "always", "ask")
        assert (await send("POST", f"{site.url}/", Step(key="k/1"), '{"a": 1}')).startswith("status: 201")
        [(_, headers, body)] = site.asked
        assert (headers["idempotency-key"], headers["content-type"], body) == ("k/1", "application/json", b'{"a": 1}')
        assert "(not followed)" in await send("POST", f"{site.url}/on", Step())
        with pytest.raises(Refused, match="status: 400"):
            await send("POST", f"{site.url}/no", Step())
        with pytest.raises(Refused, match="DELETE is not granted"):
            await send("DELETE", f"{site.url}/", Step())
        with pytest.raises(Refused, match="cannot be sent"):
            await send("POST", f"{site.url}/", Step(), "x", "text/plain\r\nX-Evil: 1")
        assert len(site.asked) == 3
    assert http_tool(["example.com"], methods=["PUT", "DELETE"]).in_doubt == "rerun"


@pytest.mark.parametrize(
    "given",
    [
        {"hosts": []}, {"hosts": "example.com"}, {"hosts": ["*"]}, {"hosts": ["ftp://x"]}, {"hosts": ["x/y"]},
        {"hosts": ["https://a@b"]}, {"hosts": ["*.10.0.0.1"]}, {"hosts": ["http://x:99999"]}, {"hosts": ["a b"]},
        {"hosts": ["x"], "methods": ["GET", "POST"]}, {"hosts": ["x"], "methods": ["TRACE"]},
        {"hosts": ["x"], "methods": []}, {"hosts": ["x"], "most_kb": 0},
    ],
)  # fmt: skip
def test_a_declaration_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        http_tool(**given)
