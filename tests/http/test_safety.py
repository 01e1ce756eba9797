"""What a hostile page, a stranger and somebody in too small a role get: nothing, and they break nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

from tests.http.conftest import CAR, HERE, HOST, TEA, TOKEN, Served, client_of, serving
from tests.http.streams import reading
from workflow_engine.http.guard import POLICY
from workflow_engine.http.rates import Limits
from workflow_engine.http.routes import ANYBODY, ROLE, router

OPEN = {"GET /", "GET /chat", "GET /favicon.ico", "GET /page/drawing.css", "POST /api/session"}
"""What anybody may ask for: the page itself, which holds nothing, and the door."""


def routes(served: Served) -> Iterator[tuple[str, str, str]]:
    """Method, path and role of every route there is."""
    for each in _flat(served.app.routes):
        if isinstance(each, Mount):
            assert each.path == "/page"
            continue
        assert isinstance(each, APIRoute), each
        for method in each.methods or ():
            yield method, each.path, (each.openapi_extra or {}).get(ROLE, "nobody")


def _flat(found: Any) -> Iterator[Any]:
    for each in found:
        inner = getattr(each, "original_router", None)
        if inner is None:
            yield each
        else:
            yield from _flat(inner.routes)


async def test_no_route_lets_anybody_in_but_the_page_and_the_door(served: Served) -> None:
    told = list(routes(served))
    assert len(told) > 25
    assert {f"{method} {path}" for method, path, role in told if role == ANYBODY} == OPEN
    assert {role for _, _, role in told} == {ANYBODY, "viewer", "answerer", "operator"}
    assert {path for method, path, role in told if method != "GET" and role == "viewer"} == {"/api/session"}


async def test_every_route_refuses_a_stranger_and_a_small_role(served: Served) -> None:
    tokens = {
        "viewer": await served.engine.enrol("vic", groups=["viewer"]),
        "answerer": await served.engine.enrol("ann"),
    }
    weaker: dict[str, list[str | None]] = {
        "viewer": [None, "nobodys"],
        "answerer": [None, tokens["viewer"]],
        "operator": [None, tokens["viewer"], tokens["answerer"]],
    }
    for method, path, role in routes(served):
        place = path.format(run="x", question="x.q1", name="order", step="1", file="f", suffix="svg")
        for token in weaker.get(role, []):
            async with served.stranger(token) as stranger:
                answer = await stranger.request(method, place, content=b"not even JSON", headers=JSON)
            assert answer.status_code == (403 if token in tokens.values() else 401), (method, path, role)
            assert answer.headers["content-type"] == "application/problem+json"


JSON = {"content-type": "application/json"}


async def test_a_route_that_says_nothing_of_roles_is_for_nobody() -> None:
    async with serving(drives=False) as served:
        forgotten = router()

        @forgotten.get("/api/forgotten")
        async def forgot() -> str:
            return "secret"

        served.app.include_router(forgotten)
        assert (await served.client.get("/api/forgotten")).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:9", "127.0.0.1", f"{HOST}.evil.example", ""])
async def test_a_name_that_is_not_ours_gets_nothing(served: Served, host: str) -> None:
    for path in ("/api/runs", "/", "/page/page.css"):
        answer = await served.client.get(path, headers={"host": host})
        assert (answer.status_code, answer.json()["type"]) == (400, "foreign-host")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9", "https://localhost"])
async def test_another_origin_may_neither_read_nor_act(served: Served, origin: str) -> None:
    for answer in (
        await served.client.get("/api/runs", headers={"origin": origin}),
        await served.client.post("/api/workflows/order/runs", json={"inputs": TEA}, headers={"origin": origin}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (403, "foreign-origin")
    assert await served.engine.runs() == []


async def test_another_site_may_follow_a_link_to_the_page_and_fetch_nothing(served: Served) -> None:
    across = {"sec-fetch-site": "cross-site"}
    async with served.stranger() as browser:
        assert (await browser.get("/", headers={**across, "sec-fetch-mode": "navigate"})).status_code == 200
        assert (await browser.get("/page/page.css", headers={**across, "sec-fetch-mode": "no-cors"})).status_code == 403
        assert (await browser.get("/api/session", headers={**across, "sec-fetch-mode": "navigate"})).status_code == 403


async def test_a_cookie_comes_for_a_token_and_acts_only_from_its_own_page(served: Served) -> None:
    async with served.stranger() as browser:
        assert (await browser.post("/api/session", json={"token": "guessed"})).status_code == 401
        entered = await browser.post("/api/session", json={"token": TOKEN}, headers={"origin": HERE})
        assert entered.json() == {"name": "ana", "role": "operator", "groups": [], "read_only": False}
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert (await browser.get("/api/runs")).status_code == 200
        act: dict[str, Any] = {"json": {"inputs": TEA}}
        assert (await browser.post("/api/workflows/order/runs", **act)).json()["type"] == "no-origin"
        assert (await browser.post("/api/workflows/order/runs", headers={"origin": HERE}, **act)).status_code == 201
        assert (await browser.delete("/api/session", headers={"origin": HERE})).status_code == 204
        assert (await browser.get("/api/runs")).status_code == 401


async def test_somebody_dismissed_is_out_at_once(served: Served) -> None:
    token = await served.engine.enrol("ben")
    async with served.stranger() as browser:
        await browser.post("/api/session", json={"token": token}, headers={"origin": HERE})
        assert (await browser.get("/api/session")).json()["name"] == "ben"
        await served.engine.dismiss("ben")
        assert (await browser.get("/api/session")).status_code == 401


async def test_an_answer_is_given_under_the_name_that_the_token_proves(served: Served) -> None:
    run = await served.begun(CAR)
    await served.rested(run)
    async with served.stranger(await served.engine.enrol("ben")) as ben:
        told = await ben.post(f"/api/questions/{run}.q1/answer", json={"value": "buy"})
    assert (told.json()["answer"]["by"], told.json()["answer"]["authenticated"]) == ("ben", True)


async def test_read_only_means_everybody() -> None:
    async with serving(read_only=True, drives=False) as served:
        boss = await served.engine.enrol("boss", groups=["operator"])
        for token in (TOKEN, boss):
            async with served.stranger(token) as client:
                assert (await client.get("/api/session")).json()["role"] == "viewer"
                refused = await client.post("/api/workflows/order/runs", json={"inputs": TEA})
                assert refused.status_code == 403
                assert "read-only" in refused.json()["detail"]


async def test_only_json_of_a_bearable_size_is_read() -> None:
    async with serving(limits=Limits(body=1000), drives=False) as served:
        path = "/api/workflows/order/runs"
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            answer = await served.client.post(path, content=b'{"inputs": {}}', headers={"content-type": kind})
            assert (answer.status_code, answer.json()["type"]) == (415, "not-json")
        large = await served.client.post(path, json={"inputs": {"item": "x" * 2000}})
        assert (large.status_code, large.json()["type"]) == (413, "too-large")

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 100

        creeping = await served.client.post(path, content=chunks(), headers=JSON)
        assert creeping.status_code == 413
        deep = await served.client.post(path, content=b"[" * 900, headers=JSON)
        assert deep.status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e%2f%2e%2e%2fengine.py",
        "/page//etc/passwd",
        "/page/%00",
        "/page/..\\app.py",
        "/api/runs/../../etc/passwd",
        "/api/runs/..%2f..%2fetc%2fpasswd",
        "/api/runs/{run}/files/..%2f..%2f..%2fetc%2fpasswd",
        "/api/runs/{run}/files/%2e%2e",
        "/api/runs/{run}/files/{sha}",
    ],
)
async def test_no_path_leads_out_of_what_is_served(served: Served, path: str) -> None:
    run = await served.begun(TEA)
    answer = await served.client.get(path.format(run=run, sha="0" * 64))
    assert answer.status_code in (404, 422), answer.text
    assert b"root:" not in answer.content
    assert b"import" not in answer.content


async def test_markup_in_a_question_is_told_as_text(served: Served) -> None:
    run = await served.begun({"item": {"name": "<img src=x onerror=alert(1)>", "price": 9000}})
    await served.rested(run)
    told = await served.client.get(f"/api/questions/{run}.q1")
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.json()["message"] == "Buy <img src=x onerror=alert(1)>?"
    drawn = await served.client.get(f"/api/runs/{run}/picture.svg")
    assert b"<img" not in drawn.content
    missing = await served.client.get("/api/runs/<script>alert(1)</script>")
    assert missing.headers["content-type"] == "application/problem+json"


async def test_every_answer_carries_the_policy(served: Served) -> None:
    for path in ("/", "/page/page.css", "/api/runs", "/api/nothing", "/nothing"):
        answer = await served.client.get(path)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY


async def test_a_thousand_readers_get_streams_or_are_refused_and_nobody_else_is_harmed(served: Served) -> None:
    run = await served.begun(CAR)
    await served.rested(run)
    async with AsyncExitStack() as open_:
        opening = [
            open_.enter_async_context(reading(served.app, f"/api/runs/{run}/events", token=TOKEN)) for _ in range(1000)
        ]
        statuses = [each.status for each in await asyncio.gather(*opening)]
        assert statuses.count(200) == 512
        assert statuses.count(429) == 488
        assert (await served.client.get(f"/api/runs/{run}")).status_code == 200
    assert served.desk.rates.streams == 0


async def test_somebody_who_asks_too_often_is_told_when_to_come_back() -> None:
    async with serving(limits=Limits(reads=1, entries=0.5), drives=False) as served:
        statuses = [(await served.client.get("/api/session")).status_code for _ in range(12)]
        assert statuses == [200] * 10 + [429] * 2
        tries = [await served.client.post("/api/session", json={"token": "guess"}) for _ in range(6)]
        assert [each.status_code for each in tries] == [401] * 5 + [429]
        assert tries[-1].headers["retry-after"] == "2"


async def test_a_mistake_of_ours_tells_nothing_of_itself(served: Served, monkeypatch: Any) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(type(served.engine), "inbox", broken)
    answer = await served.client.get("/api/inbox")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == POLICY
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_file_comes_as_an_attachment_that_no_browser_runs() -> None:
    from tests.http.files import page_of_a_stranger, paged

    async with serving(drives=False, more=[paged]) as served:
        view = await served.engine.run(paged, {"page": page_of_a_stranger()})
        told = await served.client.get(f"/api/runs/{view.id}/files/page")
        assert told.content == b"<script>alert(1)</script>"
        assert told.headers["content-type"] == "application/octet-stream"
        assert told.headers["content-disposition"].startswith('attachment; filename="evil_.html"')
        sha = json.loads(json.dumps(view.values))["page"]["sha256"]
        assert (await served.client.get(f"/api/runs/{view.id}/files/{sha}")).content == told.content


async def test_a_client_with_a_token_of_its_own_needs_no_origin(served: Served) -> None:
    async with client_of(served.app, {"Authorization": f"Bearer {TOKEN}"}) as script:
        assert (await script.post("/api/workflows/order/runs", json={"inputs": TEA})).status_code == 201
