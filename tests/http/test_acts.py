"""What a person does over HTTP: begin, look, answer, resume, cancel, fork."""

from __future__ import annotations

from tests.http.conftest import CAR, TEA, Served


async def test_a_run_is_begun_answered_and_ends(served: Served) -> None:
    run = await served.begun(CAR)
    waiting = await served.rested(run)
    assert (waiting["status"], waiting["reason"]) == ("waiting", "person")
    [asked] = (await served.client.get("/api/inbox")).json()
    assert asked["question"] == f"{run}.q1"
    told = (await served.client.get(f"/api/questions/{run}.q1")).json()
    assert told["evidence"] == ["<script>alert(1)</script>"]
    assert told["status"] == "open"
    answered = await served.client.post(f"/api/questions/{run}.q1/answer", json={"value": "buy"})
    assert answered.json()["answer"] | {"at": ""} == {
        "value": "buy",
        "by": "ana",
        "at": "",
        "through": "http",
        "authenticated": False,
    }
    ended = await served.rested(run)
    assert (ended["status"], ended["state"]["total"]) == ("succeeded", 9000)
    again = await served.client.post(f"/api/questions/{run}.q1/answer", json={"value": "leave"})
    assert (again.status_code, again.json()["type"]) == (409, "already-answered")


async def test_a_fork_begins_with_edits_and_goes_on(served: Served) -> None:
    run = await served.begun(TEA)
    await served.rested(run)
    made = await served.client.post(f"/api/runs/{run}/fork", json={"at": 0, "state": CAR})
    assert made.status_code == 201
    fork = await served.rested(made.json()["run"])
    assert (fork["status"], fork["parent"]) == ("waiting", {"run": run, "step": 0})
    gone = await served.client.post(f"/api/runs/{fork['run']}/cancel")
    assert gone.status_code == 200
    await served.until(fork["run"], "cancelled")
    back = await served.client.post(f"/api/runs/{fork['run']}/resume")
    assert (back.status_code, back.json()["type"]) == (409, "run-ended")


async def test_what_does_not_fit_is_told_with_its_cure(served: Served) -> None:
    wrong = await served.client.post("/api/workflows/order/runs", json={"inputs": {"itme": 3}})
    assert wrong.status_code == 422
    problem = wrong.json()
    assert "did you mean 'item'?" in problem["title"]
    assert problem["detail"] == "it takes item: Item"
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_the_workflows_tell_what_a_run_begins_with(served: Served) -> None:
    [told] = (await served.client.get("/api/workflows")).json()
    assert told["name"] == "order"
    assert told["inputs"]["required"] == ["item"]
    assert told["inputs"]["properties"]["item"]["properties"]["price"]["type"] == "integer"
    total = told["inputs"]["properties"]["total"]  # what has a default may be given, too: nothing else is refused
    assert (total["type"], total["default"]) == ("integer", 0)


async def test_runs_are_listed_page_by_page(served: Served) -> None:
    begun = [await served.begun(TEA) for _ in range(5)]
    first = (await served.client.get("/api/runs", params={"limit": 3})).json()
    assert [each["run"] for each in first["items"]] == begun[:1:-1]
    rest = (await served.client.get("/api/runs", params={"limit": 3, "before": first["next"]})).json()
    assert [each["run"] for each in rest["items"]] == begun[1::-1]
    assert rest["next"] is None
    for part, names in ((begun[2][3:], [begun[2]]), ("RDE", begun[::-1]), ("tea", [])):
        answered = await served.client.get("/api/runs", params={"q": part})
        assert [each["run"] for each in answered.json()["items"]] == names
