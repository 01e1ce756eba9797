"""Notifications: questions and failures reach whom they should, at least once, whatever receivers and crashes do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.notify.flows import asking, failing
from tests.notify.receiver import Got, Receiver
from workflow_engine import Engine
from workflow_engine.cli.opening import channels_of
from workflow_engine.errors import UsageError
from workflow_engine.notify import Courier, Filter, Message, Services, Undelivered, Webhook, new_secret, verify
from workflow_engine.notify.courier import LEASE
from workflow_engine.settings import read_settings
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing.clock import FakeClock

SECRET = new_secret()
PAGE = "https://flows.example.org/"


@dataclass
class Mailbox:
    """A channel of a test's own: keeps what it is sent, or raises what it is told to."""

    name: str = "mailbox"
    filter: Filter = field(default_factory=Filter)
    raises: list[BaseException] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    tries: int = 0

    def wants(self, message: Message) -> bool:
        return self.filter.wants(message)

    async def send(self, message: Message) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if self.raises:
            raise self.raises.pop(0)
        self.sent.append(message)
        self.arrived.set()

    async def close(self) -> None: ...


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@asynccontextmanager
async def opened(ledger: MemoryLedger, clock: FakeClock, *channels: Any) -> AsyncIterator[Engine]:
    async with Engine.connect(
        workflows=[asking, failing], ledger=ledger, clock=clock, channels=channels, page_url=PAGE
    ) as engine:
        yield engine


def hook(receiver: Receiver, clock: FakeClock, **settings: Any) -> Webhook:
    return Webhook("ops", receiver.url, secret=SECRET, clock=clock, **settings)


def signed_by_hand(got: Got) -> str:
    """As docs/notifications.md tells receivers to compute it."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


async def idle(engine: Engine) -> None:
    """Nothing is on its way: a clock that jumped meanwhile would end a courier's lease."""
    assert engine.courier is not None
    while await engine.courier.tell_due() or engine.courier._flights:
        await asyncio.gather(*engine.courier._flights)


async def happenings(mailbox: Mailbox) -> list[str]:
    return [each.happened for each in mailbox.sent]


# ------------------------------------------------------------------------------------------------ what is told


async def test_a_question_is_sent_signed_with_its_link_and_the_command_that_answers_it(clock: FakeClock) -> None:
    async with Receiver() as receiver:
        async with opened(MemoryLedger(), clock, hook(receiver, clock)) as engine:
            run = await engine.run(asking, n=7)
        [got] = receiver.got
    assert got.headers["webhook-signature"] == signed_by_hand(got)
    assert verify(SECRET, got.headers, got.body, clock.now())
    assert not verify(SECRET, got.headers, got.body + b" ", clock.now()), "a changed body"
    assert not verify(SECRET, got.headers, got.body, clock.now() + timedelta(minutes=6)), "played again later"
    assert not verify(new_secret(), got.headers, got.body, clock.now())
    assert got.json["type"] == "question.asked"
    data = got.json["data"]
    assert (data["run"], data["question"], data["to"]) == (run.id, f"{run.id}.q1", "ana")
    assert data["choices"] == ["yes", "no"]
    assert data["due"].startswith("2026-01-03")
    assert data["link"] == f"https://flows.example.org/#/inbox/{run.id}.q1"
    assert data["command"] == f"workflow answer {run.id}.q1 yes"
    assert "\x1b" not in data["message"]


async def test_reminders_reassignments_and_the_expiry_are_told_and_so_is_the_failure(clock: FakeClock) -> None:
    mailbox, ledger = Mailbox(), MemoryLedger()
    async with opened(ledger, clock, mailbox) as engine:
        run = (await engine.run(asking)).id
        await idle(engine)
        clock.advance(4 * 3600 + 1)
        await engine.recover()
        await engine.reassign(f"{run}.q1", to="ben", by="ana")
        await engine.recover()
        await idle(engine)
        clock.advance(2 * 86400)
        await engine.recover()
    assert sorted(await happenings(mailbox)) == [
        "question.asked",
        "question.expired",
        "question.reassigned",
        "question.reminded",
        "run.failed",
    ]
    told = {each.happened: each for each in mailbox.sent}
    assert told["question.asked"].to == ("ana",)
    assert told["question.reassigned"].to == ("ben",)
    assert told["question.asked"].title == "asking asks ana: Go on with 0? Bcc: them"
    assert told["run.failed"].command == f"workflow show {run}", "a run that reached FAIL cannot be resumed"
    assert len({each.id for each in mailbox.sent}) == 5


async def test_a_failure_says_what_failed_and_how_to_go_on(clock: FakeClock) -> None:
    mailbox = Mailbox()
    async with opened(MemoryLedger(), clock, mailbox) as engine:
        run = (await engine.run(failing)).id
    [message] = mailbox.sent
    assert (message.happened, message.workflow, message.data["node"]) == ("run.failed", "failing", "explode")
    assert "the boiler is too hot" in message.text
    assert message.command == f"workflow resume {run}"
    assert message.link == f"https://flows.example.org/#/runs/{run}"


async def test_what_nobody_needs_to_know_any_more_is_not_sent(clock: FakeClock) -> None:
    ledger, mailbox = MemoryLedger(), Mailbox()
    async with opened(ledger, clock) as engine:  # nobody is told here
        answered, waiting = (await engine.run(asking)).id, (await engine.run(asking)).id
        await engine.answer(answered, "yes", by="ana")
    async with opened(ledger, clock, mailbox) as engine:
        assert engine.courier is not None
        await engine.courier.tell_due()
        assert [each.run for each in mailbox.sent] == [waiting]
        assert {each.run: each.due for each in await engine.notices()} == {answered: None, waiting: None}


@pytest.mark.parametrize(
    ("filter", "told"),
    [
        (Filter(on=("question",)), ["question.asked"]),
        (Filter(on=("run.failed",)), ["run.failed"]),
        (Filter(workflows=("failing",)), ["run.failed"]),
        (Filter(to=("ana",)), ["question.asked"]),
        (Filter(to=("ben",)), []),
    ],
)
async def test_a_channel_hears_what_it_wants(filter: Filter, told: list[str], clock: FakeClock) -> None:
    mailbox = Mailbox(filter=filter)
    async with opened(MemoryLedger(), clock, mailbox) as engine:
        await engine.run(asking)
        await engine.run(failing)
    assert await happenings(mailbox) == told


async def test_a_channel_may_be_told_where_and_not_what(clock: FakeClock) -> None:
    async with Receiver() as receiver:
        async with opened(MemoryLedger(), clock, hook(receiver, clock, filter=Filter(content="link"))) as engine:
            await engine.run(asking)
            await engine.run(failing)
        said = b"".join(each.body for each in receiver.got)
    assert len(receiver.got) == 2
    assert b"link" in said
    assert b"late" not in said
    assert b"boiler" not in said


# ------------------------------------------------------------------------------------------------ saboteurs


async def test_whoever_dies_before_saying_so_has_it_sent_again_under_the_same_id(clock: FakeClock) -> None:
    ledger, mailbox = MemoryLedger(), Mailbox()
    async with opened(ledger, clock) as engine:
        await engine.run(asking)
    dying = Courier(ledger, [mailbox], clock)
    assert await dying.begin_due() == 1
    [flight] = dying._flights
    await mailbox.arrived.wait()
    flight.cancel()  # sent, and nobody was told so
    other = Courier(ledger, [mailbox], clock)
    assert await other.tell_due() == 0, "it is still the other's"
    clock.advance(LEASE.total_seconds() + 1)
    assert await other.tell_due() == 1
    assert await other.tell_due() == 0
    first, second = mailbox.sent
    assert first.id == second.id


async def test_of_two_couriers_on_one_store_one_tells(tmp_path: Path) -> None:
    mailbox = Mailbox()
    store = tmp_path / "runs.sqlite"
    async with Engine.connect(store, workflows=[asking]) as engine:
        for number in range(10):
            await engine.run(asking, n=number)
    async with (
        Engine.connect(store, channels=[mailbox]) as one,
        Engine.connect(store, channels=[mailbox]) as two,
    ):
        assert one.courier is not None
        assert two.courier is not None
        await asyncio.gather(one.courier.tell_due(), two.courier.tell_due())
    assert len(mailbox.sent) == len({each.id for each in mailbox.sent}) == 10


@pytest.mark.parametrize("answer", [500, 429, 403, "flood", "hang"])
async def test_a_bad_receiver_neither_holds_up_nor_disturbs_a_run(answer: int | str, clock: FakeClock) -> None:
    ledger = MemoryLedger()
    async with Receiver([answer], headers="Retry-After: 600\r\n") as receiver:
        began = time.monotonic()
        async with opened(ledger, clock, hook(receiver, clock, patience=0.2)) as engine:
            run = await engine.run(asking)
            assert run.status == "waiting"
            assert time.monotonic() - began < 1
        [notice] = await ledger.notices.newest()
        assert len(receiver.got) == 1
        assert receiver.flooded < 10_000_000, "what a receiver says is not read"
        if answer == "flood":
            assert notice.told["ops"].status == "sent"
            return
        told = notice.told["ops"]
        assert (told.status, told.tries) == ("waiting", 1)
        assert told.next is not None
        if answer == 429:
            assert told.next >= clock.now() + timedelta(seconds=599)
        clock.advance(601)
        async with opened(ledger, clock, hook(receiver, clock)) as engine:
            assert engine.courier is not None
            await engine.courier.tell_due()
        first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert (await ledger.notices.newest())[0].due is None


async def test_a_redirect_is_not_followed(clock: FakeClock) -> None:
    ledger = MemoryLedger()
    async with Receiver() as inner, Receiver([inner.url]) as receiver:
        async with opened(ledger, clock, hook(receiver, clock)) as engine:
            await engine.run(asking)
        assert (len(receiver.got), inner.got) == (1, [])
    [notice] = await ledger.notices.newest()
    assert notice.told["ops"].why == "answered 302, and redirects are not followed"


async def test_nobody_there_any_more_is_given_up_at_once_and_a_dead_one_after_three_days(clock: FakeClock) -> None:
    ledger, dead = MemoryLedger(), Mailbox(raises=[Undelivered("no")] * 500)
    async with Receiver([410]) as receiver, opened(ledger, clock, hook(receiver, clock), dead) as engine:
        await engine.run(failing)
        assert engine.courier is not None
        await engine.courier.tell_due()
        for _ in range(500):
            due = await ledger.notices.next_due()
            if due is None:
                break
            clock.set(max(due, clock.now()))
            await engine.courier.tell_due()
    [notice] = await ledger.notices.newest()
    assert {name: each.status for name, each in notice.told.items()} == {"ops": "given up", "mailbox": "given up"}
    assert len(receiver.got) == 1
    assert timedelta(days=2) < clock.now() - notice.at <= timedelta(days=3, hours=1)
    assert dead.tries > 50


async def test_what_a_channel_raises_reaches_no_run_and_quotes_nothing(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, bad, good = MemoryLedger(), Mailbox("bad", raises=[ValueError("canary-4711")] * 9), Mailbox("good")
    async with opened(ledger, clock, bad, good) as engine:
        assert (await engine.run(asking)).status == "waiting"
    assert len(good.sent) == 1, "one channel's trouble is not the other's"
    [notice] = await ledger.notices.newest()
    assert notice.told["bad"].why == "ValueError"
    assert "bad could not be told" in caplog.text
    assert "canary-4711" not in caplog.text


async def test_a_damaged_notice_is_left_out_and_the_check_names_it(tmp_path: Path, caplog: Any) -> None:
    import sqlite3

    from workflow_engine.store import Store

    mailbox, store = Mailbox(), tmp_path / "runs.sqlite"
    async with Engine.connect(store, workflows=[asking]) as engine:
        hurt, whole = (await engine.run(asking)).id, (await engine.run(asking)).id
    with sqlite3.connect(store) as db:
        db.execute("UPDATE notices SET text = replace(text, 'asked', 'asekd') WHERE number = 1")
    db.close()
    async with Engine.connect(store, channels=[mailbox]) as engine:
        assert engine.courier is not None
        await engine.courier.tell_due()
    assert [each.run for each in mailbox.sent] == [whole]
    harms = (await Store(store).check()).harms
    assert [(each.run, "damaged" in each.what) for each in harms] == [(hurt, True)]


# ------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Webhook("ops", "https://x.example", secret="whsec_short"), "24 to 64 bytes"),
        (lambda: Webhook("ops", "file:///etc/passwd", secret=SECRET), "no http or https URL"),
        (lambda: Webhook("ops", "https://x.example", secret=[]), "has no secret"),
        (lambda: Filter(on=("questions",)), "'questions'"),
        (lambda: Services("team", "nosuch://token"), "cannot read URL 1"),
    ],
)
def test_a_channel_that_makes_no_sense_is_one_clear_error(make: Any, what: str) -> None:
    with pytest.raises(UsageError, match=what) as raised:
        make()
    assert "token" not in str(raised.value)


async def test_two_channels_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two channels are called 'mailbox'"):
        async with Engine.connect(ledger=MemoryLedger(), channels=[Mailbox(), Mailbox()]):
            pass


async def test_apprise_is_told_and_led_nowhere_else(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Receiver() as inner, Receiver([204, inner.url]) as receiver:
        url = receiver.url.replace("http://", "json://").partition("?")[0]
        team = Services("team", url)
        ledger = MemoryLedger()
        async with opened(ledger, clock, team) as engine:
            await engine.run(asking)
            assert engine.courier is not None
            await engine.courier.tell_due()
            await engine.run(failing)
        titles = {each.json["title"]: each.json["message"] for each in receiver.got}
        assert inner.got == []
    (asked,) = (message for title, message in titles.items() if "asking asks ana" in title)
    assert "workflow answer" in asked
    told: Sequence[Any] = await ledger.notices.newest()
    # Two are told at once; the one that came second was led elsewhere.
    assert sorted(each.told["team"].status for each in told) == ["sent", "waiting"]
    assert repr(team) == "Services('team', json://•••)"


async def test_a_process_that_ends_at_once_has_told_what_it_asked(tmp_path: Path) -> None:
    for number in range(5):
        mailbox = Mailbox()
        async with Engine.connect(tmp_path / f"{number}.sqlite", workflows=[asking], channels=[mailbox]) as engine:
            await engine.run(asking, n=number)
        assert len(mailbox.sent) == 1


async def test_no_secret_of_a_channel_is_anywhere_but_on_the_wire(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    secret, key = new_secret(), "canary-of-the-service"
    monkeypatch.setenv("OPS_SECRET", secret)
    store = tmp_path / "store" / "runs.sqlite"
    async with Receiver([500, 500]) as receiver:
        team = receiver.url.replace("http://", "json://").partition("?")[0] + f"/{key}"
        (tmp_path / "workflow.toml").write_text(
            f'[channels.ops]\nwebhook = "{receiver.url}"\nsecret_env = "OPS_SECRET"\n'
            f'[channels.team]\napprise = "{team}"\n'
        )
        settings = read_settings()
        channels = channels_of(settings)
        async with Engine.connect(store, workflows=[asking], channels=channels) as engine:
            await engine.run(asking)
            notices = await engine.notices()
        assert {got.headers.get("webhook-id") is not None for got in receiver.got} == {True, False}
        assert any(key in got.path for got in receiver.got)
    kept = b"".join(each.read_bytes() for each in store.parent.rglob("*") if each.is_file()).decode("utf-8", "replace")
    shown = [kept, repr(settings), repr(channels), repr(notices), caplog.text, *capfd.readouterr()]
    for canary in (secret, secret.removeprefix("whsec_"), key, "canary-of-the-url"):
        assert [text for text in shown if canary in text] == [], canary


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('webhook = "https://x.example"', "has no secret"),
        ('secret = "whsec_x"', "neither a webhook"),
        ('webhook = "https://x.example"\nsecret_env = "NOBODY_SET_IT"', "NOBODY_SET_IT is not set"),
        ('webhook = "https://canary.example"\nurl = "https://canary.example"', "cannot be used"),
    ],
)
def test_a_channel_that_is_set_wrongly_is_one_clear_error(
    text: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflow.toml").write_text(f"[channels.ops]\n{text}\n")
    with pytest.raises(UsageError, match=what) as raised:
        channels_of(read_settings())
    assert "canary" not in str(raised.value)
