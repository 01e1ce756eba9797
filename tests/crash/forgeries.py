"""The forgeries of the hostile store, by name: of every table, the schema and the header, and of exported pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ormsgpack

from tests.crash.forging import (
    Forge,
    another_field,
    beneath,
    checkpoint,
    cyclic_checkpoints,
    document,
    event,
    event_moved,
    event_with,
    fate,
    filed,
    letter,
    line,
    pending,
    person,
    piece,
    question,
    run,
    run_text,
    said,
    schedule,
    schema,
    series,
    several,
    shared,
    version,
    whole,
)
from tests.crash.victims import BYSTANDER, LENDER, VICTIM
from workflow_engine.stores.sqlite.keeping import page

DEEP = "[" * 1_000_000
DEEP_CLOSED = "[" * 100_000 + "]" * 100_000
HUGE = "9" * 1_000_000
LONG = json.dumps("x" * 5_000_000)
WIDE = 10**4000
FIRST, LAST = "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"
CLASSES = (
    '{"__class__": "os.system", "py/object": "os.system", "py/reduce": [{"py/function": "os.system"}, ["true"]], '
    '"lc": 2, "type": "constructor", "id": ["planted", "module", "Class"], "kwargs": {}, "import": "planted.module"}'
)
SCREEN = "\x1b[2J\x1b]0;owned\x07\r\u202e\x00 and <script>alert(1)</script>"
TRIGGER = "CREATE TRIGGER sqlite_stat1x AFTER UPDATE ON runs BEGIN DELETE FROM journal; END"
PLANTED = "CREATE TRIGGER planted AFTER UPDATE ON runs BEGIN DELETE FROM journal; END"


_TABLES = ("journal", "versions", "questions", "letters")
_USAGE = {"requests": WIDE, "input_tokens": WIDE, "output_tokens": -WIDE, "cost": 1e308}


def _extension(code: int, payload: Any) -> bytes:
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(payload)))


def _answer(**members: Any) -> dict[str, Any]:
    return {"question": "run3.q1", "value": "good", "by": "x", "at": 1, "through": "x", **members}


def _letter(**members: Any) -> str:
    return json.dumps({"id": "run3.q1", "run": "run3", "kind": "answer", "by": "x", "at": 1, **members})


def _step(seconds: str) -> str:
    """A step whose time is no number of JSON's."""
    return (
        '{"type": "StepFinished", "at": "2026-01-01T00:00:00Z", "node": "work", "kind": "function", "visit": 1, '
        f'"attempts": 1, "started": "2026-01-01T00:00:00Z", "seconds": {seconds}, "writes": [], '
        '"move": {"left": "work", "entered": ["count"]}}'
    )


EVENTS: dict[str, Forge] = {
    "an event of no type": event("{}"),
    "an event of an unknown type": event('{"type": "RunExploded", "at": "2026-01-01T00:00:00Z"}'),
    "an event that names a class": event(CLASSES),
    "an event that is nested without end": event(DEEP),
    "an event that is nested deeply": event(DEEP_CLOSED),
    "an event of a huge number": event(HUGE),
    "an event with a huge number": event(f'{{"type": "RunClaimed", "at": {HUGE}, "epoch": {HUGE}}}'),
    "an event that is a gigantic text": event(LONG),
    "an event of two types": event('{"type": "RunFailed", "type": "RunCancelled", "at": 1, "by": "x"}'),
    "an event of the right type and the wrong place": event('{"type": "RunCancelled", "at": 1, "by": "x"}', 1),
    "an event of a lone surrogate": event('{"type": "RunCancelled", "at": 1, "by": "\\ud800"}', 2),
    "an event of NUL and of commands to the terminal": event_with(2, process=SCREEN),
    "an event that is no text": beneath(
        f"UPDATE journal SET text = x'ff00' WHERE run = (SELECT key FROM runs WHERE id = '{VICTIM}')"
    ),
    "an event with a negative number": event_moved(2, -2),
    "an event with a number beyond all": event_moved(3, 2**63 - 1),
    "a journal that begins with a step": event_with(1, type="RunClaimed", epoch=1, process="x", verb="run"),
    "a step of numbers beyond all": event_with(3, LENDER, visit=WIDE, attempts=WIDE, seconds=1e308, usage=_USAGE),
    "a step of negative numbers": event_with(3, LENDER, visit=-WIDE, attempts=-1, seconds=-1e308),
    "a step of no number": event(_step("NaN"), 3, LENDER),
    "a step of an endless time": event(_step("Infinity"), 3, LENDER),
    "a step before all time": event_with(3, LENDER, started=FIRST, at=FIRST),
    "a step after all time": event_with(3, LENDER, started=LAST, at=LAST),
    "a step that commands the terminal": event_with(
        3, LENDER, node=SCREEN, kind=SCREEN, words=SCREEN, outcome=SCREEN, routes=[[SCREEN, SCREEN]], writes=[SCREEN]
    ),
    "a step that failed strangely": event_with(
        3,
        LENDER,
        type="StepFailed",
        move=None,
        failure={"node": SCREEN, "kind": "os.system", "message": SCREEN, "attempts": WIDE, "trace": SCREEN},
    ),
    "a step that was counted elsewhere": event_with(
        3, LENDER, move={"left": "x", "entered": ["__class__"], "counts": {"x": WIDE}, "arrived": {"x": ["y"]}}
    ),
    "a migration to nodes that are not there": event_with(
        3, LENDER, type="RunMigrated", nodes={"work": "__class__", "count": "work"}, edges={"x": "y"}, fields=["x"]
    ),
    "a migration of everything to one name": event_with(
        3, LENDER, type="RunMigrated", nodes={"work": "a", "count": "a", "ask": "a"}, forgotten=["a"] * 1000
    ),
    "a migration that commands the terminal": event_with(
        3, LENDER, type="RunMigrated", applied=[SCREEN, CLASSES], nodes={"work": SCREEN}, ways={"work": SCREEN}
    ),
    "a migration of no names": event_with(3, LENDER, type="RunMigrated", nodes={"work": WIDE}, edges=[["a", "b"]]),
    "a change of code that commands the terminal": event_with(
        3, LENDER, type="CodeChanged", bodies={SCREEN: SCREEN}, nodes=[SCREEN], how=[SCREEN], accepted=[SCREEN]
    ),
    "a failure of an unknown kind": run_text(
        error={"node": SCREEN, "kind": "exploded", "message": SCREEN, "attempts": -1}
    ),
    "a fork of itself": event_with(1, parent=VICTIM, seq=1),
    "forks of each other": several(
        event_with(1, parent=BYSTANDER, seq=1),
        event_with(1, parent=LENDER, seq=3),
    ),
    "a fork of a fork of it": several(
        event_with(1, LENDER, type="RunForked", parent=VICTIM, step=0, seq=3, before={}),
        event_with(1, parent=LENDER, seq=3),
    ),
    "a fork of a run that is not there": event_with(1, parent="../../etc/passwd"),
    "a fork of an event that never was": event_with(1, seq=-(2**70)),
    "a fork of a step that never was": event_with(1, step=10**12),
    "a fork of a negative step": event_with(1, step=-5),
    "a fork of more steps than a number holds": event_with(1, step=WIDE),
    "a fork that stood nowhere": event_with(1, node=None),
    "a fork that stood before all": event_with(1, before={"due": ["__class__"], "visits": {}}),
}

RUNS: dict[str, Forge] = {
    "a run that names a class": run(text=CLASSES),
    "a run that is nested without end": run(text=DEEP),
    "a run that counts its fields with texts": run(fields='{"log": "2"}'),
    "a run that counts its fields with lists": run(fields='{"log": [2]}'),
    "a run that counts its fields with fractions": run(fields='{"log": 1.0}'),
    "a run that counts its fields with truths": run(fields='{"log": true}'),
    "a run whose fields are a list": run(fields="[1, 2]"),
    "a run whose fields are a number": run(fields="7"),
    "a run whose fields are nested without end": run(fields=DEEP),
    "a run with endlessly many versions": run(fields='{"log": 1000000000000}'),
    "a run with more versions than a number holds": run(fields=f'{{"log": {"9" * 30}}}'),
    "a run with a negative version": run(fields='{"log": -1}'),
    "a run with fields of strange names": run(fields='{"__class__": 1, "__init__": 1, "../../etc/passwd": 1, "": 1}'),
    "a run with fields of lone surrogates": run(fields='{"\\ud800": 1}'),
    "a run that asked endlessly often": run_text(asked=10**15),
    "a run that asked negatively often": run_text(asked=-1),
    "a run with a huge number in its text": run_text(steps=10**400),
    "a run of more steps than a number holds": whole(steps=2**63 - 1),
    "a run of negative steps": whole(steps=-7),
    "a run of visits beyond all": run_text(frontier={"due": ["ask"], "visits": {"ask": WIDE, "work": WIDE}}),
    "a run whose time was up before all time": run_text(deadline=FIRST),
    "a run whose time is up after all time": run_text(deadline=LAST),
    "a run whose time is up in no time zone": run_text(deadline="2026-01-01T00:00:00"),
    "a run that was late and is not": run_text(late=True, deadline=FIRST),
    "a run that used negatively much": run_text(
        frontier={"due": ["ask"], "visits": {"ask": 1}, "spent": {"": {"steps": -WIDE, "seconds": -1e308}, SCREEN: {}}}
    ),
    "a run of an absurd epoch": run(epoch=2**63 - 1),
    "a run of a negative epoch": run(epoch=-(2**63)),
    "a run whose epoch is a text": run(epoch="one"),
    "a run whose number is a fraction": run(seq=3.5),
    "a run of an absurd time": run(created="9999-99-99", updated="-1"),
    "a run of a time beyond all": run(created=LAST),
    "a run before all time": run(created=FIRST, updated=FIRST),
    "a run of two times": run_text(created=FIRST, updated=LAST),
    "a run of an unknown status": run(status="exploded"),
    "a run with another status than its text": run(status="succeeded"),
    "a run that is said to have succeeded": whole(status="succeeded"),
    "a run that is said to work": whole(status="running", reason=None),
    "a run of another name than its text": run_text(id=LENDER),
    "a run that took another's name": run(id="../../etc/passwd"),
    "a run whose name is a number": run(id="7"),
    "a run that has another number than its text": run_text(seq=2**62),
    "a run of a number that the journal lacks": run(seq=2**62),
    "a run with a target that names a file": whole(target="/etc/passwd:os"),
    "a run with a target that is above": whole(target="../evil.py:flow"),
    "a run with a target that is a lone name": whole(target="os"),
    "a run whose workflow is a path": whole(workflow="../../../etc/passwd"),
    "a run whose workflow commands the terminal": whole(workflow=SCREEN.replace("\x00", "")),
    "a run with a gigantic text": run(text=LONG),
    "a run that is no text": run(text=b"\xff\x00"),
    "a run that stands at strange nodes": run_text(frontier={"due": ["__class__", "../x"], "visits": {"__class__": 1}}),
    "a run that stands where it never was": run_text(frontier={"due": ["work", "ask"], "visits": {}}, open=[]),
    "a run that stands nowhere": run_text(frontier={}, open=[]),
    "a run that ended elsewhere": run_text(frontier={"ended": "/etc/passwd"}),
    "a run whose arms never arrived": run_text(
        frontier={"due": ["ask"], "visits": {"ask": 1}, "arrived": {"x": ["y"]}}
    ),
    "a run whose loop went round too often": run_text(
        frontier={"due": ["ask"], "visits": {"ask": 2, "work": 2}, "counts": {"ask[again] > work": -(10**30)}}
    ),
    "a run with open questions that are not there": run_text(open=[{"id": "run0.q99", "node": "a", "visit": 1}]),
    "a run with questions at strange nodes": run_text(open=[{"id": "run0.q1", "node": "__class__", "visit": -1}]),
    "a run with another's question": run_text(open=[{"id": f"{BYSTANDER}.q1", "node": "ask", "visit": 1}]),
    "a run with a question that is due before all time": run_text(
        open=[{"id": "run0.q1", "node": "ask", "visit": 2, "due": FIRST}]
    ),
    "a run that is its own parent": run_text(parent=[VICTIM, 1]),
    "a run with strange deaths and doubts": run_text(deaths={"work": WIDE, "x": -1}, doubts={"ask": "../../x"}),
    "a run that used more than all": run_text(usage=_USAGE),
    "a run of a key beyond all": beneath(
        "UPDATE runs SET key = 9223372036854775807 WHERE id = 'run0'",
        *(f"UPDATE {each} SET run = 9223372036854775807 WHERE run = 2" for each in _TABLES),
    ),
    "a run of a negative key": beneath(
        "UPDATE runs SET key = -2 WHERE id = 'run0'",
        *(f"UPDATE {each} SET run = -2 WHERE run = 2" for each in _TABLES),
    ),
    "a run of other code": run_text(shape="another", bodies={"../x": "y"}),
}

VALUES: dict[str, Forge] = {
    "a value that is no JSON": version("set", "{"),
    "a value that is nothing": version("set", ""),
    "a value that is not a number": version("set", "NaN", 1, "tries"),
    "a value of a number beyond all": version("set", HUGE, 1, "tries"),
    "a value of another type": version("set", '"many"', 1, "tries"),
    "a value that is null": version("set", "null"),
    "a value of a lone surrogate": version("set", '"\\ud800"'),
    "a value of NUL and of commands to the terminal": version("set", json.dumps(SCREEN)),
    "a value that is nested without end": version("set", DEEP),
    "a value that is nested deeply": version("set", DEEP_CLOSED),
    "a value that is gigantic": version("set", LONG),
    "a value that names a class": version("set", CLASSES),
    "a value of an unknown op": version("explode", "1"),
    "a value that is no text": version("set", b"\xff"),
    "a value from before all events": version("set", '"n"', first=-5, seq=-5),
    "a value from after all events": version("set", '"n"', first=2**62, seq=2**62),
    "a field that does not exist": another_field("__class__", CLASSES),
    "a list of other things": version("set", '["x", {}]', 1, "log"),
    "an append that is no list": version("append", '{"a": 1}', 2, "log", LENDER),
    "an append that is no JSON": version("append", "]", 2, "log", LENDER),
    "an append that closes its list": version("append", '[1], "x": [2]', 2, "log", LENDER),
    "an append to nothing": version("append", "[1]", 1, "log", LENDER),
    "a value that shares itself": shared((VICTIM, VICTIM, 1, 1)),
    "a value that shares a later version of itself": shared((VICTIM, VICTIM, 2, 1)),
    "values that share each other": shared((VICTIM, LENDER, 1, 1), (LENDER, VICTIM, 1, 1)),
    "a value that shares one that is not there": shared((VICTIM, "run9", 1, 1)),
    "a value that shares a version beyond all": shared((VICTIM, LENDER, 2**70, 1)),
    "a value that shares a negative version": shared((VICTIM, LENDER, -1, 1)),
    "a value that shares a truth": shared((VICTIM, LENDER, True, 1)),
    "a value that shares a path": shared((VICTIM, "../../etc/passwd", 1, 1)),
    "a value that shares a lone surrogate": shared((VICTIM, "\ud800", 1, 1)),
    "a value that shares what was nested": version("shared", DEEP, 1, "log"),
    "loans in circles": beneath("INSERT INTO loans VALUES (2, 1), (2, 2), (1, 1)"),
    "loans of nobody": beneath("INSERT INTO loans VALUES (-1, 99), (9223372036854775807, 2)"),
    "loans that are texts": beneath("INSERT INTO loans VALUES ('x', 'y'), (1, 'y')"),
}

DOCUMENTS: dict[str, Forge] = {
    "a document that is nested without end": document(DEEP),
    "a document that is nested deeply": document('{"shape": ' + DEEP_CLOSED + "}"),
    "a document that is a list": document("[1]"),
    "a document that is a number": document("7"),
    "a document that names a class": document(CLASSES),
    "a document of strange shape": document('{"version": 1, "shape": [], "name": 7}'),
    "a document of strange migrations": document(
        '{"version": 1, "notes": {"migrations": 7, "bodies": 7}, "shape": {"nodes": {"ask": 7, "work": {"kind": 7}}, '
        '"edges": [{"sources": [1]}, 7, {"sources": [["ask", "x"]], "targets": 7}], "fields": {"log": 7, "note": []}}}'
    ),
    "a document of migrations that are no texts": document(
        '{"version": 1, "notes": {"migrations": [7, {"a": 1}]}, "shape": {"nodes": {"work": {"reads": 7, "writes": 7, '
        '"kind": []}}, "edges": [], "fields": {"note": {"schema": 7}}}}'
    ),
    "a document of strange nodes": document('{"version": 1, "shape": {"nodes": {"ask": {"writes": 7}}, "fields": 7}}'),
    "a document of fields that are not there": document(
        '{"version": 1, "shape": {"name": "draft", "nodes": {"ask": {"writes": ["x"]}}, "fields": {}, "edges": [1]}}'
    ),
}

INBOX: dict[str, Forge] = {
    "a question that names a class": question(CLASSES),
    "a question that is nested without end": question(DEEP),
    "a question with a schema from elsewhere": question(schema={"$ref": "http://127.0.0.1:9/schema.json"}),
    "a question with a schema from a file": question(schema={"$ref": "file:///etc/passwd"}),
    "a question with a schema that is not there": question(schema={"$ref": "#/$defs/none"}),
    "a question with a schema of itself": question(schema={"$ref": "#"}),
    "a question with a schema in circles": question(
        schema={"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    ),
    "a question with a schema that is no schema": question(schema={"type": 7, "enum": "yes"}),
    "a question with a schema of an unknown type": question(schema={"type": "os.system"}),
    "a question with a schema of another kind": question(schema={"$schema": "http://127.0.0.1:9/x", "anyOf": 7}),
    "a question with a pattern that never ends": question(schema={"type": "string", "pattern": "^(a+)+$"}),
    "a question with a pattern that looks ahead": question(schema={"type": "string", "pattern": "^(?=a)(a+)+$"}),
    "a question with a pattern that is none": question(schema={"type": "string", "pattern": "("}),
    "a question with patterns of names": question(
        schema={"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False, "pattern": "[", "minLength": "x"}
    ),
    "a question with a schema that doubles": question(
        schema={
            "$ref": "#/$defs/0",
            "$defs": {f"{at}": {"anyOf": [{"$ref": f"#/$defs/{at + 1}"}] * 2} for at in range(60)} | {"60": False},
        }
    ),
    "a question with strange fields": question(
        schema={"type": "object", "required": 7, "properties": [7], "$defs": 7}, choices=[]
    ),
    "a question with fields of strange forms": question(
        schema={"type": "object", "required": [7, {}], "properties": {SCREEN: 7, "x": {"$ref": 7}, "y": {"anyOf": 7}}},
        choices=[],
    ),
    "a question with a node that commands the terminal": several(
        question(node=SCREEN), run_text(open=[{"id": "run0.q1", "node": SCREEN, "visit": 2}])
    ),
    "a question with unevaluated patterns": question(
        schema={"unevaluatedProperties": False, "patternProperties": {"^(a+)+$": {}}}
    ),
    "a question that is due before all time": question(due=FIRST, asked=LAST),
    "a question of another run": question(run=LENDER),
    "a question of another name": question(id="run1.q1"),
    "a question at a node that is none": question(node="__class__", visit=-1),
    "a question that commands the terminal": question(
        title=SCREEN, message=SCREEN, evidence=[SCREEN], choices=[SCREEN]
    ),
    "a question that is no text": beneath("UPDATE questions SET text = x'ff' WHERE id = 'run0.q1'"),
    "a question of nobody": beneath("UPDATE questions SET run = 99 WHERE id = 'run0.q1'"),
    "a question that ended strangely": fate(CLASSES),
    "a question that ended nested": fate(DEEP),
    "a letter that names a class": letter(CLASSES),
    "a letter that is nested without end": letter(DEEP),
    "a letter that was taken at a text": beneath("UPDATE letters SET taken = 'x' WHERE id = 'run3.q1'"),
    "a letter that was taken before all": beneath("UPDATE letters SET taken = -9 WHERE id = 'run3.q1'"),
    "a letter of a number beyond all": beneath("UPDATE letters SET number = 9223372036854775807 WHERE id = 'run3.q1'"),
    "a question of a number beyond all": beneath("UPDATE questions SET number = 9223372036854775807 WHERE run = 2"),
    "a letter of an unknown kind": letter(kind="explode"),
    "a letter to another run": letter(run=BYSTANDER),
    "a letter of another name": letter(id=f"{BYSTANDER}.q1"),
    "a letter that ends the run": letter(kind="cancel", answer=None),
    "an answer without an answer": letter(answer=None),
    "an answer to a question of another run": letter(_letter(answer=_answer(question=f"{BYSTANDER}.q1"))),
    "an answer that does not fit": letter(_letter(answer=_answer(value={"choice": ["x"]}))),
    "an answer of a lone surrogate": letter(_letter(answer=_answer(value="\ud800", by="\ud800"))),
    "an answer of a number beyond all": letter(_letter(answer=_answer(value=WIDE))),
    "an answer that is nested deeply": letter(_letter(answer=_answer(value="@")).replace('"@"', DEEP_CLOSED)),
    "an answer that names a class": letter(_letter(answer=_answer(value=json.loads(CLASSES)))),
}

SCHEDULES: dict[str, Forge] = {
    "a schedule that names a class": schedule(CLASSES),
    "a schedule that is nested without end": schedule(DEEP),
    "a schedule that is a list": schedule("[]"),
    "a schedule of another name": schedule(json.dumps({"name": "day", "workflow": "tale"})),
    "a schedule of numbers": schedule(workflow=7, cron=7, every="x", timezone=7, last=7),
    "a schedule that commands the terminal": schedule(
        cron=SCREEN, every=None, timezone=SCREEN, target=SCREEN, trouble=SCREEN, last=SCREEN
    ),
    "a schedule whose name commands the terminal": schedule(name=SCREEN.replace("\x00", "")),
    "a schedule of a workflow nobody has": schedule(workflow=SCREEN, target=SCREEN),
    "a schedule of a lone surrogate": schedule(timezone="\ud800", cron="\ud800", every=None),
    "a schedule that is due all the time": schedule(every=1e-12, catch_up=True),
    "a schedule that is due backwards": schedule(every=-5.0, catch_up=True),
    "a schedule of infinity": schedule(every=1e308),
    "a schedule that is never due": schedule(),
    "a schedule by no time at all": schedule(every=None),
    "a schedule by a cron of a million fields": schedule(every=None, cron="* " * 1_000_000),
    "a schedule by a cron of a huge number": schedule(every=None, cron=f"{'9' * 100_000} * * * *"),
    "a schedule before all time": schedule(created=FIRST, settled=FIRST),
    "a schedule before all time, by cron": schedule(every=None, cron="* * * * *", created=FIRST, settled=FIRST),
    "a schedule after all time": schedule(created=LAST, settled=LAST),
    "a schedule after all time, by cron": schedule(every=None, cron="0 0 1 1 *", created=LAST, settled=LAST),
    "a schedule without a zone of its own": schedule(created="2026-01-01T00:00:00", settled="2026-01-01T00:00:00"),
    "a schedule in a zone that is a path": schedule(every=None, cron="* * * * *", timezone="../../../etc/passwd"),
    "a schedule with inputs of a class": schedule(inputs={"topic": json.loads(CLASSES)}),
    "a schedule with inputs nobody knows": schedule(inputs={SCREEN: SCREEN}),
    "a schedule with a due time nobody knows": schedule(due_as=SCREEN),
    "a schedule that is no text": beneath("INSERT INTO schedules VALUES ('night', x'00', x'ff')"),
    "a schedule with a name that is no text": beneath("INSERT INTO schedules VALUES (x'ff', x'00', '{}')"),
    "a run in the queue that has gone far": whole(status="queued"),
    "a run in the queue of a strange label": whole(status="queued", target=SCREEN),
}

PEOPLE: dict[str, Forge] = {
    "a person that names a class": person(CLASSES),
    "a person that is nested without end": person(DEEP),
    "a person who is a list": person('[{"name": "ann", "token": ""}]'),
    "a person whose name is a number": person('{"name": 7, "token": 7, "groups": 7}'),
    "a person who commands the terminal": person(json.dumps({"name": SCREEN, "token": SCREEN, "groups": [SCREEN]})),
    "a person of a lone surrogate": person('{"name": "\\ud800", "token": "\\ud800"}'),
    "a person who is no text": beneath("INSERT INTO people VALUES (1, x'00', x'ff')"),
    "a person of a number beyond all": person('{"name": "zoe", "token": ""}', 2**63 - 1),
    "a question of strange terms": question(to=SCREEN, candidates=[SCREEN], not_by=[SCREEN], approvals={SCREEN: -7}),
    "a question that needs nobody": question(approvals={"yes": -(2**62)}, default={"choice": SCREEN}, due=FIRST),
    "a question that needs more than there are": question(approvals={"yes": 2**62}),
    "a question with a default that names a class": question(default=json.loads(CLASSES), due=FIRST),
    "a question with a default of a lone surrogate": question(default="\ud800", due=FIRST),
    "a question with reminders before all time": several(
        question(remind=[FIRST, FIRST]),
        run_text(open=[{"id": "run0.q1", "node": "ask", "visit": 2, "remind": [FIRST, FIRST], "reminded": -(2**62)}]),
    ),
    "a question approved by nobody": run_text(
        open=[
            {
                "id": "run0.q1",
                "node": "ask",
                "visit": 2,
                "handed": -9,
                "approved": [{"by": SCREEN, "choice": SCREEN, "gist": "", "at": FIRST}],
            }
        ]
    ),
    "an approval in an answer's place": letter(kind="approval"),
    "a reassignment to nobody": letter(kind="reassign", answer=None),
    "a reassignment to the terminal": letter(kind="reassign", answer=None, to=SCREEN, question="run3.q1"),
}

RESULTS: dict[str, Forge] = {
    "a kept result that is no text": beneath("INSERT INTO results VALUES (1, 'k', 0, x'00', x'ff')"),
    "a kept result of a key that is no text": beneath("INSERT INTO results VALUES (1, x'ff', 'soon', x'00', '{}')"),
    "a kept result for ever": beneath("INSERT INTO results VALUES (-7, 'k', 9223372036854775807, x'00', '{}')"),
}

THREADS: dict[str, Forge] = {
    "a thread of another name": series("\x1b[2J../../etc/passwd"),
    "a scope of an endless count": line(count=2**62),
    "a scope of a negative number": line(number=-(2**62)),
    "a scope whose count is a text": line(count="many"),
    "a scope whose number is a text": line(number="many"),
    "a scope without a newest": line(newest="zzz"),
    "a scope of a later time": line(updated="\x1b[2J"),
    "a scope of a key beyond all": beneath("UPDATE lines SET key = 9223372036854775807 WHERE key = 1"),
    "a scope of a negative key": beneath("UPDATE lines SET key = -7 WHERE key = 1"),
    "a scope of a thread beyond all": line(series=2**63 - 1),
    "a thread of a negative key": beneath("UPDATE series SET key = -1 WHERE key = 1"),
    "a scope of another era": line(era="x"),
    "a checkpoint that names a class": checkpoint(CLASSES),
    "a checkpoint that is nested without end": checkpoint(DEEP),
    "a checkpoint that is nested deeply": checkpoint("[{}, {}, {" + f'"log": {DEEP_CLOSED}' + "}, []]"),
    "a checkpoint of four numbers": checkpoint("[1, 2, 3, 4]"),
    "a checkpoint of a piece that is not there": checkpoint(part=2, log=[99]),
    "a checkpoint of a piece with a negative number": checkpoint(part=2, log=[-5]),
    "a checkpoint of a piece beyond all": checkpoint(part=2, log=[2**70]),
    "a checkpoint of another thread's piece": checkpoint(part=2, log=[(1 << 32) + 1]),
    "a checkpoint of a truth for a piece": checkpoint(part=2, log=[True]),
    "a checkpoint of bytes that are none": checkpoint(part=2, log=["msgpack", "@@@"]),
    "a checkpoint of an unknown kind": checkpoint(part=2, log=["pickle", "Y29zCnN5c3RlbQooUyd0cnVlJwp0Ui4="]),
    "a checkpoint of numbers for bytes": checkpoint(part=2, log=[1, 2]),
    "a checkpoint of an object for a value": checkpoint(part=2, log={"lc": 2}),
    "a checkpoint whose record has values": checkpoint(channel_values={"x": json.loads(CLASSES)}, id=7, ts=7),
    "a checkpoint whose versions are a list": checkpoint(channel_versions=[1], versions_seen=7, v="x"),
    "a checkpoint with strange metadata": checkpoint(part=1, step="x", run_id=[1], counters_since_delta_snapshot=7),
    "a checkpoint that rests on numbers": checkpoint('[{}, {}, {}, [1, {"x": 1}]]'),
    "a checkpoint that is its own parent": checkpoint(parent="itself"),
    "checkpoints in circles": cyclic_checkpoints(),
    "a piece that adds to itself": piece(after=5),
    "a piece that adds to a later one": piece(after=6),
    "a piece that adds to a negative one": piece(after=-1),
    "a piece that adds to a text": piece(after="x"),
    "a piece that has its data from itself": piece(source=5),
    "a piece that has its data from one that is not there": piece(source=2**40),
    "a piece of an unknown kind": piece(kind="pickle", data=b"cos\nsystem\n(S'true'\ntR."),
    "a piece of another kind": piece(kind="bytes"),
    "a piece that is no value": piece(data=b"\xc1"),
    "a piece that is no list": piece(data=ormsgpack.packb(7)),
    "a piece that promises four billion": piece(data=b"\xdd\xff\xff\xff\xff"),
    "a piece that is nested without end": piece(data=b"\x91" * 1_000_000),
    "a piece that is text": beneath("UPDATE pieces SET data = 'x' WHERE key = 4294967301"),
    "a piece that names a function": piece(data=_extension(0, ["os", "system", "true"])),
    "a piece that names a class": piece(data=_extension(2, ["planted.module", "Class", {}])),
    "a piece that names a method": piece(data=_extension(3, ["pathlib", "Path", "x", "touch"])),
    "writes that name a class": pending(CLASSES),
    "writes that are nested without end": pending(DEEP),
    "writes of numbers": pending("[1, 2]"),
    "writes to numbers": pending('["", [[0, 7, [1]], ["x", "log", 1]]]'),
    "writes of a slot beyond all": pending(f'["", [[{"9" * 30}, "log", 1]]]'),
    "writes of no piece": pending('["", [[0, "log", [99]]]]'),
}

SCHEMAS: dict[str, Forge] = {
    "a trigger that looks like SQLite's own": schema(
        "INSERT INTO sqlite_master VALUES ('trigger', 'sqlite_stat1x', 'runs', 0, ?)", TRIGGER
    ),
    "statistics that compute": schema(
        "INSERT INTO sqlite_master VALUES ('table', 'sqlite_stat1', 'sqlite_stat1', 0, ?)",
        "CREATE TABLE sqlite_stat1(tbl,idx,stat AS (load_extension('x')))",
    ),
    "a trigger": beneath(PLANTED),
    "a view": beneath("CREATE VIEW planted AS SELECT load_extension('x')"),
    "another table": beneath("CREATE TABLE planted (x)"),
    "another index": beneath("CREATE UNIQUE INDEX planted ON journal (seal)"),
    "an index that computes": beneath("CREATE INDEX planted ON runs (abs(key))"),
    "a view that looks like SQLite's own": schema(
        "INSERT INTO sqlite_master VALUES ('view', 'sqlite_stat_v', 'sqlite_stat_v', 0, ?)",
        "CREATE VIEW sqlite_stat_v AS SELECT load_extension('x')",
    ),
    "a table that is a view": schema(
        "UPDATE sqlite_master SET type = 'view', rootpage = 0, sql = ? WHERE name = 'traits'",
        "CREATE VIEW traits AS SELECT 'a' AS name, writefile('x', 'y') AS text",
    ),
    "a table that is another's": schema(
        "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'runs') "
        "WHERE name = 'journal'"
    ),
    "a table that computes": schema(
        "UPDATE sqlite_master SET sql = replace(sql, 'reason TEXT,', 'reason TEXT DEFAULT (randomblob(10)),') "
        "WHERE name = 'runs'"
    ),
    "a schema that is no SQL": schema("UPDATE sqlite_master SET sql = 'CREATE TABLE runs (' WHERE name = 'runs'"),
    "statistics that lie": beneath(
        "ANALYZE",
        "UPDATE sqlite_stat1 SET stat = '9999999999999999 0 -1 x'",
        "INSERT INTO sqlite_stat1 VALUES (1, 2, 3)",
    ),
    "a version from before all": beneath("PRAGMA user_version = 0"),
    "a negative version": beneath("PRAGMA user_version = -7"),
    "a version that was": beneath("PRAGMA user_version = 1"),
    "a version to come": beneath("PRAGMA user_version = 2147483647"),
    "another application": beneath("PRAGMA application_id = 7"),
    "no application": beneath("PRAGMA application_id = 0"),
    "traits of an encryption": beneath("INSERT INTO traits VALUES ('codec', '{\"py/object\": \"os.system\"}')"),
    "traits that are strange": beneath("INSERT INTO traits VALUES ('cipher', '['), ('../../etc/passwd', x'ff')"),
}

SAID: dict[str, Forge] = {
    "words that name a class": said(CLASSES),
    "words that are nested without end": said(DEEP),
    "words that command the terminal": said(
        node=SCREEN, lines=[[1, FIRST, "log", SCREEN, SCREEN, SCREEN], [-7, LAST, "stderr", SCREEN, "", ""]]
    ),
    "words of numbers beyond all": said(visit=WIDE, attempt=WIDE, lines=[[2**62, FIRST, "stdout", "x", "", ""]]),
    "words of a lone surrogate": said('{"node": "work", "visit": 1, "attempt": 1, "lines": ["\\ud800"]}'),
    "words of an unknown source": said(lines=[[1, FIRST, "os.system", "x", "", ""]]),
    "words in no lines": said(lines=7),
    "words of a take beyond all": said(take=2**63 - 1, part=2**63 - 1),
    "words of a negative part": said(take=-1, part=-1),
    "words of another place": several(said(), beneath("UPDATE logs SET part = 9")),
    "words that are no text": beneath("INSERT INTO logs (run, take, part, seal, text) VALUES (1, 1, 1, x'00', x'ff')"),
    "a file that is nowhere": filed("a" * 64, 7),
    "a file of a path": filed("../../../../etc/passwd", 7),
    "a file of a place of its own": filed("/etc/passwd", 7),
    "a file of a number": filed(7, 7),
    "a file of a size that is a text": filed("b" * 64, "x"),
    "a file of a size beyond all": filed("c" * 64, 2**63 - 1),
    "a file of a negative size": filed("d" * 64, -1),
    "a file that commands the terminal": filed(SCREEN.replace("\0", ""), 7),
}

ROWS: dict[str, Forge] = {
    **SAID,
    **RESULTS,
    **EVENTS,
    **RUNS,
    **VALUES,
    **DOCUMENTS,
    **INBOX,
    **PEOPLE,
    **SCHEDULES,
    **THREADS,
}
FORGERIES: dict[str, Forge] = {**ROWS, **SCHEMAS}

# ------------------------------------------------------------------------------------------------ pages


Repage = Callable[[dict[str, Any]], None]


def repaged(text: str, change: Repage) -> str:
    """An exported page that was changed and has a digest that fits."""
    parts = json.loads(text)
    change(parts)
    parts.pop("digest")
    try:
        return page.written(parts)
    except (KeyError, ValueError, TypeError):  # what the engine would not write itself
        return json.dumps({**parts, "digest": "0" * 64})


def _member(*place: str | int, value: Any) -> Repage:
    def change(parts: dict[str, Any]) -> None:
        inner: Any = parts
        for each in place[:-1]:
            inner = inner[each]
        inner[place[-1]] = value

    return change


PAGES: dict[str, Repage] = {
    "a page with a run that is a path": _member("run", "id", value="../../etc/passwd"),
    "a page with a run of another name": _member("run", "id", value=BYSTANDER),
    "a page with a run with a huge number": _member("run", "steps", value=WIDE),
    "a page with an epoch beyond all": _member("epoch", value=2**63),
    "a page with an epoch that is a truth": _member("epoch", value=True),
    "a page with a document that is a list": _member("document", value=[1]),
    "a page with a document that is strange": _member("document", value={"shape": 7}),
    "a page with no events": _member("journal", value=[]),
    "a page with an event of another type": _member("journal", 0, "type", value="RunClaimed"),
    "a page with an event that names a class": _member("journal", 1, value=json.loads(CLASSES)),
    "a page with a fork of itself": _member("journal", 0, "parent", value=["run3", 1]),
    "a page with a version at no event": _member("versions", 0, "seq", value=10**30),
    "a page with a version of a negative event": _member("versions", 0, "first", value=-1),
    "a page with a version of an unknown op": _member("versions", 0, "op", value="shared"),
    "a page with a version of a lone surrogate": _member("versions", 0, "value", value="\ud800"),
    "a page with a version of another type": _member("versions", 1, "value", value={"py/object": "os.system"}),
    "a page with a field of a number": _member("versions", 0, "field", value=7),
    "a page with a letter of another run": _member("letters", 0, "letter", "run", value=BYSTANDER),
    "a page with a letter taken beyond all": _member("letters", 0, "taken", value=2**70),
    "a page with a letter that is a list": _member("letters", 0, "letter", value=[1]),
    "a page with an unknown part": _member("planted", value=1),
    "a page with a schema to come": _member("schema", value=2**70),
}
