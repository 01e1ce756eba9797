"""Signalling: a word by name to a run, held against the schema its workflow has for it, durable, and counted once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from workflow_engine.errors import AnswerRejected, SignalRejected, UsageError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Letter, SignalRecord
from workflow_engine.record.run import Run
from workflow_engine.runtime.inputs import signed
from workflow_engine.runtime.look import expected, find
from workflow_engine.runtime.schema import problems
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.waits import SIGNAL, Wait

KEPT = 100
"""How many signals a run keeps that nothing has waited for yet: its own record holds a line for each."""


@dataclass(frozen=True)
class Sent:
    """A signal that is on disk. `new` is False where one of this name and id was there before: nothing happened then.

    `awaited` says whether a node waits for it right now; else it is kept for one that will.
    """

    run: RunId
    name: str
    id: str
    new: bool = True
    awaited: bool = True


async def signal(shop: Workshop, run: str, name: str, payload: Any, id: str | None, by: str) -> Sent:
    """Send a signal to a run; durable when this returns."""
    by = signed(by)
    run_id = await find(shop.ledger, run)
    kept = (await shop.ledger.read(run_id)).run
    return await send(shop, kept, name, payload, id if id is not None else shop.around.mint.run_id(), by)


async def send(shop: Workshop, run: Run, name: str, payload: Any, id: str, by: str, topic: str | None = None) -> Sent:
    """The same to a run that was read. Raises SignalRejected, RunEnded, StoreError."""
    word(id, "the id of a signal")
    plain = plainly(payload, shop.around.limits.write, f"signal {name}")
    known = await expected(shop.ledger, run)
    if name not in known:
        raise _unknown(run, name, list(known))
    if wrong := [*_wrong(known[name], plain, name), *_refused(shop, run, name, plain)]:
        raise SignalRejected(
            f"what signal {name} carries does not fit:\n    " + "\n    ".join(wrong), _shape(known[name])
        )
    awaited = any(name in each.missing for each in run.waits)
    if not awaited and not run.ended:
        await _room(shop.ledger, run, name, id)
    letter = Letter(
        f"{run.id}.signal.{name}.{id}" if topic is None else f"{run.id}.topic.{topic}.{name}.{id}",
        run.id,
        "signal",
        by,
        shop.around.clock.now(),
        signal=SignalRecord(name, id, plain, topic),
    )
    new = await shop.ledger.send(letter)
    shop.wake(run.id)
    return Sent(run.id, name, id, new, awaited)


def plainly(payload: Any, most: int, place: str) -> Any:
    """What is sent, as plain JSON. Raises SignalRejected for what is none, and for too much of it."""
    try:
        plain = to_jsonable_python(payload)
        size = len(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, TypeError, RecursionError) as error:
        what = str(error).splitlines()[0][:160]
        raise SignalRejected(
            f"what {place} carries is no plain JSON: {what}", "send text, numbers, lists, dicts, or a model"
        ) from error
    if size > most:
        raise SignalRejected(
            f"{place} carries {size:,} bytes of JSON, and one write holds at most {most:,}",
            "send the place where it can be found",
        )
    return plain


def word(text: str, place: str) -> None:
    """Raises UsageError for an id or a topic that is none."""
    given: Any = text
    if not isinstance(given, str) or not given or len(given) > SIGNAL or not given.isprintable():
        raise UsageError(
            f"{place} is {given!r:.80}, and not 1 to {SIGNAL} characters on one line", "an id as the sender has it"
        )


def _unknown(run: Run, name: str, names: list[str]) -> SignalRejected:
    near = get_close_matches(str(name), names, 1)
    if not names:
        cure = f"see what it does: workflow show {run.id}"
    else:
        cure = f"{f'did you mean {near[0]!r}? ' if near else ''}it waits for {', '.join(sorted(names))}"
    return SignalRejected(f"nothing in {run.workflow} waits for a signal {str(name)[:80]!r}", cure)


def _wrong(schema: Mapping[str, Any], value: Any, name: str) -> list[str]:
    if "x-type" in schema:
        return []
    try:
        return problems(schema, value, f"signal {name}", "it")
    except AnswerRejected as error:
        raise SignalRejected(error.what, "mend the type its node waits for") from error


def _refused(shop: Workshop, run: Run, name: str, value: Any) -> list[str]:
    """What the type itself has against it, where the workflow's code is here: a schema does not say everything."""
    workflow = shop.workflows.get(run.workflow)
    node = (
        next((each for each in workflow.nodes.values() if isinstance(each, Wait) and name in each.names), None)
        if (workflow is not None and workflow.shape == run.shape)
        else None
    )
    kind = None if node is None or workflow is None else node.payload(name, workflow.fields)
    if kind is None:
        return []
    try:
        TypeAdapter(kind).validate_json(json.dumps(value))
    except ValidationError as error:
        # What the schema says too was said by it.
        return [
            f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}"
            for each in error.errors(include_url=False)
            if each["type"] in ("value_error", "assertion_error")
        ]
    except Exception as error:  # validators are the user's code
        return [f"it: {type(error).__name__}: {error}"[:300]]
    return []


def _shape(schema: Mapping[str, Any]) -> str:
    if schema.get("type") == "null":
        return "it carries nothing: send it without a value"
    names = schema.get("properties")
    if isinstance(names, dict) and names:
        needed = schema.get("required", [])
        return "it carries " + ", ".join(name if name in needed else f"{name} (may be left out)" for name in names)
    kind = schema.get("type")
    return f"it carries a value of type {kind}" if isinstance(kind, str) else "see its schema: workflow show --json"


async def _room(ledger: Ledger, run: Run, name: str, id: str) -> None:
    kept = [(each.name, each.id) for each in run.early]
    kept += [(each.signal.name, each.signal.id) for each in await ledger.letters(run.id) if each.signal is not None]
    if len(kept) >= KEPT and (name, id) not in kept:
        raise SignalRejected(
            f"run {run.id} keeps {KEPT} signals already that nothing has waited for yet, so {name} is one too many",
            "send it once the run waits for it: workflow show " + run.id,
        )


__all__ = ["KEPT", "Sent", "plainly", "send", "signal", "word"]
