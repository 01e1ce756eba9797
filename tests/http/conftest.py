"""An app on an engine in memory, and clients of it in every role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from workflow_engine import END, FAIL, START, Engine, Question, State, function, human, route, workflow
from workflow_engine.http.app import app_of
from workflow_engine.http.desk import Desk
from workflow_engine.http.rates import Limits, Rates
from workflow_engine.http.sessions import Role, Sessions
from workflow_engine.http.tail import Tails
from workflow_engine.spec.workflow import Workflow
from workflow_engine.stores.memory import MemoryLedger

HOST = "127.0.0.1:8765"
HERE = f"http://{HOST}"
TOKEN = "the-token-of-whoever-began-it"


class Item(BaseModel):
    name: str
    price: int


class Order(State):
    """An order of one thing."""

    item: Item
    ruling: Literal["buy", "leave"] | None = None
    total: int = 0


@route
def dear(item: Item) -> Literal["dear", "cheap"]:
    return "dear" if item.price > 100 else "cheap"


@human(writes="ruling")
def ask(item: Item) -> Question[Literal["buy", "leave"]]:
    return Question(f"Buy {item.name}?", evidence=["<script>alert(1)</script>"])


@function(writes="total")
def buy(item: Item) -> int:
    return item.price


order = workflow(
    "order",
    state=Order,
    edges=[
        START >> dear,
        dear["dear"] >> ask,
        dear["cheap"] >> buy,
        ask["buy"] >> buy,
        ask["leave"] >> FAIL("no"),
        buy >> END,
    ],
)
TEA = {"item": {"name": "tea", "price": 3}}
CAR = {"item": {"name": "car", "price": 9000}}


@dataclass
class Served:
    """An app that is served in this process. `client` has the operator's token."""

    app: FastAPI
    desk: Desk
    client: httpx.AsyncClient

    @property
    def engine(self) -> Engine:
        return self.desk.engine

    def stranger(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client of its own, with these headers and no token unless one is given."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return client_of(self.app, headers)

    async def begun(self, inputs: dict[str, Any]) -> str:
        """The id of a run that was begun over HTTP."""
        response = await self.client.post("/api/workflows/order/runs", json={"inputs": inputs})
        assert response.status_code == 201, response.text
        return str(response.json()["run"])

    async def until(self, run: str, status: str) -> None:
        """Wait until a run has this status: whoever drives it may be told of something later."""
        while (await self.client.get(f"/api/runs/{run}")).json()["status"] != status:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def rested(self, run: str) -> dict[str, Any]:
        """A run once it does not go on by itself."""
        while True:
            document: dict[str, Any] = (await self.client.get(f"/api/runs/{run}")).json()
            answered = document["status"] == "waiting" and not document["questions"]
            if document["status"] not in ("queued", "running") and not answered:
                return document
            await asyncio.sleep(0.01)


def client_of(app: FastAPI, headers: dict[str, str]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers)


@asynccontextmanager
async def serving(
    *,
    drives: bool = True,
    read_only: bool = False,
    limits: Limits | None = None,
    more: Sequence[Workflow[Any]] = (),
    **settings: Any,
) -> AsyncIterator[Served]:
    tails = Tails()
    settings = {"ledger": MemoryLedger(), **settings}
    async with Engine.connect(workflows=[order, *more], listeners=[tails], **settings) as engine:
        tails.attach(engine)
        desk = Desk(
            engine,
            Sessions(engine, TOKEN, "ana", most=Role.VIEWER if read_only else Role.OPERATOR),
            tails,
            {"order": order},
            drives=drives,
            read_only=read_only,
            hosts=frozenset({HOST}),
            cookie="workflow-8765",
            rates=Rates(limits or Limits()),
        )
        app = app_of(desk)
        working = asyncio.create_task(engine.work()) if drives else None
        try:
            async with client_of(app, {"Authorization": f"Bearer {TOKEN}"}) as client:
                yield Served(app, desk, client)
        finally:
            tails.close()
            if working is not None:
                engine.drain()
                with suppress(asyncio.CancelledError):
                    await working


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found
