"""The forgeries of the travellers' store, by name: of waits, items, runs within runs, files and what is kept."""

from __future__ import annotations

import json
from typing import Any

from tests.crash.forgeries import CLASSES, DEEP, DEEP_CLOSED, FIRST, LAST, SCREEN, WIDE
from tests.crash.forging import (
    Forge,
    beneath,
    event,
    event_with,
    filed,
    notice,
    publication,
    redocumented,
    result,
    run_text,
    said,
    several,
    version,
    whole,
)
from tests.crash.travellers import DONE, FAILED, INNER, TOPIC, WAITER, WITHIN
from tests.crash.victims import BYSTANDER

_PAID = {"node": "paid", "visit": 1, "on": "signal", "names": ["paid"], "topic": TOPIC}
_CIRCLE: dict[str, Any] = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
_X = "09ecb6ebc8bcefc733f6f2ec44f791abeed6a99edf0cc31519637898aebd52d8"


def _waits(name: str = WAITER, /, **members: Any) -> Forge:
    return run_text(name, waits=[{**_PAID, **members}])


def _had(seq: Any, name: str = "paid") -> Forge:
    """A run whose signal is there, as it says."""
    had = [{"name": name, "id": "a", "seq": seq}]
    return several(run_text(WAITER, waits=[{**_PAID, "had": had}]), whole(WAITER, status="running", reason=None))


def _early(*kept: Any) -> Forge:
    return run_text(WAITER, early=list(kept))


def _item(item: Any, text: str = "1", seq: int = 5, **members: Any) -> Forge:
    return event_with(seq, FAILED, type="ItemFinished", item=item, text=text, **members)


def _within(name: str, **members: Any) -> Forge:
    return run_text(name, within={"run": WITHIN, "node": "settle", "visit": 1, "workflows": ["voyage"], **members})


def _schema(schema: Any) -> Forge:
    def change(plain: Any) -> None:
        plain["shape"]["nodes"]["paid"]["wait"]["signals"] = [["paid", schema]]

    return redocumented(WAITER, change)


def _node(name: str, value: Any) -> Forge:
    def change(plain: Any) -> None:
        plain["shape"]["nodes"][name] = value

    return several(*(redocumented(run, change) for run in (WAITER, FAILED, WITHIN)))


def _file(field: str = "picture", **members: Any) -> Forge:
    """Another descriptor, in runs that go on and in one that waits."""
    text = json.dumps({"sha256": _X, "size": 100, "name": "picture.txt", "media_type": "text/plain", **members})
    return several(*(version("set", text, 1, field, name) for name in (WAITER, FAILED, WITHIN)))


WAITS: dict[str, Forge] = {
    "a wait at a node that is not there": _waits(node="__class__"),
    "a wait at a node that is no wait": _waits(node="price"),
    "a wait at a node that commands the terminal": _waits(node=SCREEN, names=[SCREEN], topic=SCREEN, trouble=SCREEN),
    "a wait for nothing": _waits(names=[]),
    "a wait for a signal nobody knows": _waits(names=["../../etc/passwd", "__class__"]),
    "a wait for numbers": _waits(names=[7]),
    "a wait of a lone surrogate": _waits(names=["\ud800"], topic="\ud800"),
    "a wait for something else": _waits(on="os.system"),
    "a wait for a time that has none": _waits(on="time"),
    "a wait for a time at a node for signals": _waits(on="time", until=FIRST),
    "a wait for a signal until before all time": _waits(until=FIRST),
    "a wait for a signal until after all time": _waits(until=LAST, since=LAST),
    "a wait without an end by its column": beneath(f"UPDATE runs SET due = 9223372036854775807 WHERE id = '{WAITER}'"),
    "a wait before all time by its column": beneath(
        f"UPDATE runs SET due = -9223372036854775808 WHERE id = '{WAITER}'"
    ),
    "a wait of a time that is a text": beneath(f"UPDATE runs SET due = 'x' WHERE id = '{WAITER}'"),
    "topics that are no text": beneath(f"UPDATE runs SET topics = x'ff' WHERE id = '{WAITER}'"),
    "topics of another run": beneath(f"UPDATE runs SET topics = char(10) || 'bank' || char(10) WHERE id = '{FAILED}'"),
    "a wait for itself": _waits(on="run", names=[WAITER], topic=None),
    "a wait for a run that waits for it": several(
        run_text(WITHIN, waits=[{**_PAID, "node": "settle", "on": "run", "names": [INNER]}]),
        run_text(INNER, waits=[{**_PAID, "node": "knock", "on": "run", "names": [WITHIN]}]),
    ),
    "a wait for a run that is not there": _waits(WITHIN, node="settle", on="run", names=["../../etc/passwd"]),
    "a wait for somebody else's run": _waits(WITHIN, node="settle", on="run", names=[BYSTANDER]),
    "a wait for no run": _waits(WITHIN, node="settle", on="run", names=[]),
    "many waits at one node": run_text(WAITER, waits=[_PAID] * 1000),
    "a wait of a visit beyond all": _waits(visit=WIDE),
    "a wait of a negative visit": _waits(visit=-7),
    "a signal that came and is not in the journal": _had(2**62),
    "a signal that came before the journal": _had(-5),
    "a signal that came at no number": _had(WIDE),
    "a signal that came with another event": _had(3),
    "a signal that came of another name": _had(16, "bell"),
    "a signal that came and does not fit": _had(16),
    "early signals of no event": _early({"name": "bell", "id": "a", "seq": -(2**62)}),
    "early signals beyond all": _early(*({"name": "bell", "id": f"{at}", "seq": WIDE} for at in range(200))),
    "early signals that command the terminal": _early({"name": SCREEN, "id": SCREEN, "seq": 16}),
    "early signals that are numbers": _early(7, [7]),
    "a signal that carries a class": event_with(16, WAITER, name="paid", payload=json.loads(CLASSES), node="paid"),
    "a signal that is nested deeply": event_with(16, WAITER, payload="@"),
    "a signal to nobody": event_with(16, WAITER, name=SCREEN, id=SCREEN, by=SCREEN, node="__class__", visit=-1),
    "a signal that was refused before it came": event_with(
        14, WAITER, type="SignalRefused", name="bell", id="a", node="paid", visit=1, why=SCREEN
    ),
    "a wait that began strangely": event_with(
        14, WAITER, waiting={**_PAID, "on": "run", "names": [WAITER], "node": "x"}
    ),
    "a wait that expired elsewhere": event_with(14, WAITER, type="WaitExpired", node=SCREEN, visit=WIDE),
    "a payload with a schema from a file": _schema({"$ref": "file:///etc/passwd"}),
    "a payload with a schema from elsewhere": _schema({"$ref": "http://127.0.0.1:9/schema.json"}),
    "a payload with a schema in circles": _schema(_CIRCLE),
    "a payload with a schema of itself": _schema({"$ref": "#"}),
    "a payload with a pattern that never ends": _schema({"type": "string", "pattern": "^(a+)+$"}),
    "a payload with a schema that is no schema": _schema({"type": 7, "properties": 7, "required": 7}),
    "a payload with a schema that is a list": _schema([["a", "b"]]),
    "a payload with a schema that is a number": _schema(7),
    "a payload with fields that command the terminal": _schema(
        {"type": "object", "properties": {SCREEN: {"type": SCREEN}}, "required": [SCREEN, 7]}
    ),
    "a document of a strange wait": _node("paid", {"kind": "wait", "wait": 7, "reads": 7, "writes": [7]}),
    "a document of a wait for nothing": _node(
        "paid", {"kind": "wait", "wait": {"signals": 7, "topic": 7, "lasting": "x"}}
    ),
}

ITEMS: dict[str, Forge] = {
    "an item beyond the list": _item(99),
    "an item beyond all": _item(WIDE),
    "a negative item": _item(-1),
    "items beyond the list, as many as are missing": several(_item(98), _item(99, seq=6)),
    "an item twice": _item(0, seq=6, attempts=1, text="7"),
    "an item that is no number": _item("0"),
    "an item that is a truth": _item(True),
    "an item of another type": _item(0, '"x"'),
    "an item of no JSON": _item(0, "1],[2"),
    "an item that closes its list": _item(0, "1]}"),
    "an item that is nothing": _item(0, ""),
    "an item that names a class": _item(0, CLASSES),
    "an item that is nested without end": _item(0, DEEP),
    "an item that is nested deeply": _item(0, DEEP_CLOSED),
    "an item of a lone surrogate": _item(0, '"\\ud800"'),
    "an item that commands the terminal": _item(0, "1", words=SCREEN, answered_by=[SCREEN], attempts=-WIDE),
    "an item of a node that is no each": _item(0, node="price"),
    "an item of a node that is not there": _item(0, node=SCREEN, visit=WIDE),
    "an item that failed strangely": event_with(
        6, FAILED, failure={"node": SCREEN, "kind": SCREEN, "message": SCREEN, "attempts": WIDE}, final=True
    ),
    "an item that failed beyond the list": event_with(6, FAILED, item=10**9, final=True),
    "items that began beyond all": run_text(FAILED, items={"visit": {"since": 2**62, "done": 1, "failed": 0}}),
    "items that began before all": run_text(FAILED, items={"visit": {"since": -(2**62), "done": -1, "failed": -7}}),
    "items beyond all": run_text(FAILED, items={"visit": {"since": WIDE, "done": WIDE, "failed": WIDE}}),
    "items of a node that is no each": run_text(
        WAITER, items={"paid": {"since": 3, "done": 2**62, "failed": 1}, SCREEN: {"since": 1}}
    ),
    "items that are a list": run_text(FAILED, items={"visit": [1, 2, 3]}),
    "doubts of items": run_text(
        FAILED,
        doubts={"visit[0]": "x", "visit[99]": SCREEN, "visit[": "", "[": "x", "visit[-1]": "../../x", SCREEN: SCREEN},
    ),
    "doubts that are numbers": run_text(FAILED, doubts={"visit[0]": 7}),
    "keys of others": run_text(FAILED, keys={"visit": "../../etc/passwd", SCREEN: SCREEN}),
    "a list that is none": several(*(version("set", '{"0": 1}', 1, "stops", name) for name in (WAITER, FAILED))),
    "a list of stops that are other things": version("set", '["x", {}, null]', 1, "stops", FAILED),
    "a list that is nothing": version("set", "null", 1, "stops", FAILED),
    "a list that was shortened": version("set", "[]", 1, "stops", FAILED),
    "a list that grew": version("set", json.dumps([1] * 500), 1, "stops", FAILED),
    "an effect of another item": event_with(
        5, FAILED, type="EffectStarted", node="visit", visit=1, key=SCREEN, item=-(2**70)
    ),
    "a document of a strange each": _node("visit", {"kind": "each", "each": 7, "reads": 7, "writes": 7}),
}

NESTED: dict[str, Forge] = {
    "a run within itself": several(
        _within(INNER, run=INNER), beneath(f"UPDATE runs SET within = id WHERE id = '{INNER}'")
    ),
    "runs within each other": several(
        _within(WITHIN, run=INNER), beneath(f"UPDATE runs SET within = '{INNER}' WHERE id = '{WITHIN}'")
    ),
    "runs within each other that wait for each other": several(
        _within(WITHIN, run=INNER),
        run_text(INNER, entered={"knock": WITHIN}, waits=[{**_PAID, "node": "knock", "on": "run", "names": [WITHIN]}]),
    ),
    "runs within each other, in circles of three": several(
        _within(WITHIN, run=DONE), _within(DONE, run=INNER), run_text(INNER, entered={"knock": WITHIN})
    ),
    "a run within one that is not there": _within(INNER, run="../../etc/passwd"),
    "a run within somebody else's": _within(INNER, run=BYSTANDER),
    "a run within another node": _within(INNER, node="price", visit=-1),
    "a run within a node that commands the terminal": _within(INNER, node=SCREEN, workflows=[SCREEN, CLASSES]),
    "a run within endlessly many": _within(INNER, workflows=["settling"] * 5000),
    "a run of a visit beyond all within": _within(INNER, visit=WIDE),
    "a run within another, by its column alone": beneath(f"UPDATE runs SET within = id WHERE id = '{FAILED}'"),
    "a run within nothing, by its column": beneath(f"UPDATE runs SET within = NULL WHERE id = '{INNER}'"),
    "a run within a number": beneath(f"UPDATE runs SET within = x'00ff' WHERE id = '{INNER}'"),
    "a run within that is gone": beneath(f"DELETE FROM runs WHERE id = '{INNER}'"),
    "a run that entered itself": run_text(WITHIN, entered={"settle": WITHIN}),
    "a run that entered somebody else's": run_text(WITHIN, entered={"settle": BYSTANDER}),
    "a run that entered one that is over": run_text(WITHIN, entered={"settle": DONE}),
    "a run that entered a path": run_text(WITHIN, entered={"settle": "../../etc/passwd", SCREEN: SCREEN}),
    "a run that entered numbers": run_text(WITHIN, entered={"settle": 7}),
    "a run that entered nothing": run_text(WITHIN, entered={}),
    "a run that was entered by nobody": event_with(
        6, WITHIN, type="SubflowEntered", node=SCREEN, visit=WIDE, run=SCREEN
    ),
    "a run that was entered and is somebody else's": event_with(
        6, WITHIN, type="SubflowEntered", node="settle", visit=1, run=BYSTANDER
    ),
    "a run within that is of another workflow": whole(INNER, workflow="voyage"),
    "a run within that has ended elsewhere": run_text(INNER, frontier={"ended": "/etc/passwd"}, waits=[]),
    "a run within that succeeded without its writes": several(
        whole(INNER, status="succeeded", reason=None),
        run_text(INNER, frontier={"ended": "END", "visits": {"knock": 1}}, waits=[], early=[]),
    ),
    "a run within that was never created": event(
        '{"type": "RunCancelled", "at": "2026-01-01T00:00:00Z", "by": "x"}', 1, INNER
    ),
    "a run that was created within itself": event_with(
        1, INNER, within={"run": INNER, "node": "settle", "visit": 1, "workflows": []}
    ),
    "a voyage that was over before all time": run_text(FAILED, deadline=FIRST, late=True),
    "a voyage that is over after all time": run_text(WAITER, deadline=LAST),
    "a step that failed late, again": event_with(7, FAILED, late=True, spent={SCREEN: {"seconds": 1e308, "cost": -1}}),
    "a document of a strange subflow": _node("settle", {"kind": "subflow", "workflow": 7, "given": 7, "gives": [7]}),
    "a document of a subflow of itself": _node(
        "settle", {"kind": "subflow", "workflow": "voyage", "given": {}, "gives": {}, "depth": WIDE}
    ),
}

FILES: dict[str, Forge] = {
    "a descriptor of a path": _file(sha256="../../../../etc/passwd"),
    "a descriptor of a place of its own": _file(sha256="/etc/passwd"),
    "a descriptor of a shell": _file(sha256="a" * 60 + "/../"),
    "a descriptor of a content that is nowhere": _file(sha256="f" * 64),
    "a descriptor of another size": _file(size=7),
    "a descriptor of a negative size": _file(size=-1),
    "a descriptor of a size beyond all": _file(size=2**63),
    "a descriptor of a size that is a truth": _file(size=True),
    "a descriptor whose name is a path": _file(name="../../../../tmp/owned"),
    "a descriptor whose name is a backslash": _file(name="..\\owned"),
    "a descriptor whose name commands the terminal": _file(name=SCREEN),
    "a descriptor whose name is above": _file(name=".."),
    "a descriptor of a strange type": _file(media_type=SCREEN),
    "a descriptor with a line more": _file(sha256=_X + "\n"),
    "a descriptor in other digits": _file(sha256="\uff10" * 64),
    "a descriptor of more than it knows": _file(path="/etc/passwd", shelf="/etc", __class__="os.system"),
    "a descriptor of nothing": several(*(version("set", "{}", 1, "picture", name) for name in (WAITER, FAILED))),
    "a descriptor that is nested": version("set", DEEP_CLOSED, 1, "picture", FAILED),
    "files that nobody names": several(filed("e" * 64, 2**62), filed(_X.upper(), 100)),
    "files that are gone": beneath("DELETE FROM files"),
    "files of another size": beneath("UPDATE files SET size = 7"),
    "a file where its field is a number": version("set", "7", 1, "picture", WAITER),
    "words of an item": said(node="visit", item=-(2**70)),
}

KEPT: dict[str, Forge] = {
    "a result that names a class": result(CLASSES),
    "a result that is nested without end": result(DEEP),
    "a result of another type": result(writes={"rate": '"x"'}),
    "a result of no JSON": result(writes={"rate": "]"}),
    "a result for another field": result(writes={"stops": "[7]", "__class__": CLASSES}),
    "a result for no field": result(writes={}),
    "a result that is nested deeply": result(writes={"rate": DEEP_CLOSED}),
    "a result of a huge number": result(writes={"rate": "9" * 100_000}),
    "a result of a lone surrogate": result(writes={"rate": '"\\ud800"'}),
    "a result of a file that is a path": result(writes={"picture": '{"sha256": "../../etc/passwd", "size": 7}'}),
    "a result that lasts for ever": result(at=FIRST, until=LAST),
    "a result before all time": result(at=LAST, until=FIRST),
    "a result that is kept at no time": result(at="2026-01-01T00:00:00", until="9000-01-01T00:00:00"),
    "a result of numbers": result(node=7, writes=[7]),
    "a result of a node that commands the terminal": result(node=SCREEN),
    "a result of another name": result(key="x"),
    "a result that is no text": beneath("UPDATE results SET text = x'ff'"),
    "a result of a name that is no text": beneath("UPDATE OR REPLACE results SET key = x'ff'"),
    "a result until a text": beneath("UPDATE results SET until = 'x'"),
    "a publication that names a class": publication(CLASSES),
    "a publication that is nested without end": publication(DEEP),
    "a publication of a class": publication(payload=json.loads(CLASSES)),
    "a publication that does not fit": publication(payload={"amount": "x" * 100_000}),
    "a publication of nothing": publication(payload=None),
    "a publication of a huge number": publication(payload={"amount": WIDE}),
    "a publication to runs that are not there": publication(runs=["../../etc/passwd", "run9", SCREEN, ""]),
    "a publication to runs that never listened": publication(runs=[FAILED, WITHIN, DONE, INNER] * 50),
    "a publication to numbers": publication(runs=[7]),
    "a publication that starts what nobody has": publication(starts={SCREEN: "/etc/passwd:os", "os": "os"}),
    "a publication that starts what never listened": publication(starts={"voyage": "../evil.py:flow"}),
    "a publication that starts many": publication(
        topic="voyages", payload={"stops": ["x"], "planted": 1}, starts={"voyage": None}
    ),
    "a publication that commands the terminal": publication(
        topic=SCREEN, id=SCREEN, by=SCREEN, starts={SCREEN: SCREEN}
    ),
    "a publication of a lone surrogate": publication(by="\ud800", payload="\ud800"),
    "a publication under another's name": publication(json.dumps({"topic": "other", "id": "x", "by": "x", "at": LAST})),
    "a publication before all time": publication(at=FIRST),
    "a publication after all time": publication(at=LAST),
    "a publication at no place": publication(at="2026-01-01T00:00:00"),
    "a publication of a strange id": publication(id="x" * 100_000),
    "a publication whose id is a path": publication(id="../../etc/passwd\n\n"),
    "a publication that is no text": beneath(
        "INSERT INTO publications (name, at, seal, text) VALUES ('a', 1, x'00', x'ff')"
    ),
    "a publication of a name that is no text": beneath(
        "INSERT INTO publications (name, at, seal, text) VALUES (x'ff', 'x', x'00', '{}')"
    ),
    "a notice that commands the terminal": notice(
        FAILED, question=SCREEN, told={SCREEN: {"status": "waiting", "tries": 1, "why": SCREEN}}
    ),
    "a notice of what cannot happen": notice(FAILED, happened="run.eaten"),
    "a notice tried without end": notice(FAILED, told={"ops": {"status": "waiting", "tries": 2**70}}),
    "a notice of no moment": notice(FAILED, at="yesterday"),
    "a notice of another run": notice(FAILED, run=WAITER),
    "a notice that is no text": beneath(
        "INSERT INTO notices (run, seq, happened, due, seal, text) VALUES (1, 99, 'run.failed', 1, x'00', x'ff')"
    ),
}

OF_KINDS: dict[str, Forge] = {**WAITS, **ITEMS, **NESTED, **FILES, **KEPT}
