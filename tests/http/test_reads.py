"""What can be looked at over HTTP: steps, states, pictures, files, words, figures."""

from __future__ import annotations

import json

from tests.http.conftest import CAR, TEA, Served, serving


async def test_a_step_tells_what_it_read_and_what_it_changed(served: Served) -> None:
    run = await served.begun(TEA)
    await served.rested(run)
    step = (await served.client.get(f"/api/runs/{run}/steps/buy")).json()
    assert (step["step"], step["reads"], step["wrote"]) == (1, TEA, {"total": 3})
    assert step["diff"] == [{"field": "total", "path": ["total"], "change": "added", "before": None, "after": 3}]
    assert (await served.client.get(f"/api/runs/{run}/state", params={"at": "0"})).json()["state"] == TEA
    missing = await served.client.get(f"/api/runs/{run}/steps/sell")
    assert (missing.status_code, missing.json()["type"]) == (404, "no-step")


async def test_the_timeline_has_a_bar_for_a_person_who_is_waited_for(served: Served) -> None:
    run = await served.begun(CAR)
    await served.rested(run)
    told = (await served.client.get(f"/api/runs/{run}/timeline")).json()
    assert [(bar["node"], bar["status"], bar["seconds"]) for bar in told["bars"]] == [("ask", "waiting", None)]


async def test_a_picture_is_drawn_once_and_serves_light_and_dark(served: Served) -> None:
    run = await served.begun(TEA)
    await served.rested(run)
    drawn = await served.client.get(f"/api/runs/{run}/picture.svg")
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    live = await served.client.get(f"/api/runs/{run}/picture.svg", params={"kind": "live"})
    assert b'data-node="buy"' in live.content
    for kind, says in (("timeline", b"timeline"), ("replay", b"@keyframes")):
        made = await served.client.get(f"/api/runs/{run}/picture.svg", params={"kind": kind})
        assert says in made.content
    marks = (await served.client.get(f"/api/runs/{run}/marks")).json()
    assert marks["cards"]


async def test_figures_are_told_as_json_and_to_prometheus(served: Served) -> None:
    await served.rested(await served.begun(CAR))
    told = (await served.client.get("/api/metrics")).json()
    assert (told["runs"], told["open_questions"]) == ({"waiting": 1}, 1)
    text = (await served.client.get("/metrics")).text
    assert 'workflow_runs{status="waiting"} 1' in text


async def test_the_openapi_document_says_whom_each_route_lets_in() -> None:
    async with serving(drives=False) as served:
        told = (await served.client.get("/api/openapi.json")).json()
    assert told["paths"]["/api/runs/{run}/fork"]["post"]["x-role"] == "operator"
    assert "HTTPValidationError" not in json.dumps(told)
