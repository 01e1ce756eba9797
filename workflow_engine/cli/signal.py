"""The command `signal`: send a run a signal by name, then go on with the run here where that is possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import (
    AllowUnsandboxed,
    By,
    Executor,
    ExecutorName,
    Json,
    Models,
    RunName,
    Store,
    chain,
    who,
)

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.runtime.signal import Sent

JsonValue = Annotated[
    str | None, typer.Option("--json-value", metavar="JSON", help="all that it carries as JSON, in place of words")
]
Documents = Annotated[
    list[str] | None, typer.Option("-i", "--input", metavar="JSON|@FILE|-", help="what it carries, as a JSON document")
]
SignalId = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="its id: sent again under the same one, it counts once")
]


def signal(
    run: RunName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="the signal's name: workflow show RUN tells it")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="FIELD=VALUE|VALUE", help="what it carries, if anything")
    ] = None,
    json_value: JsonValue = None,
    documents: Documents = None,
    id: SignalId = None,
    by: By = None,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
    json: Json = False,
) -> None:
    """Send a run a signal, and go on with the run.

    It may come before the run waits for it. The run goes on here if its code is found and nobody drives it; otherwise
    the command to type is printed.
    """
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.goingon import go_on_or_say, standing
    from workflow_engine.cli.report import report
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import say

    given = (list(words or []), json_value, list(documents or []))
    sent = run_loop(_send(run, name, given, id, who(by), store))
    if not sent.new:
        say(f"signal {sent.name} {sent.id} was sent before: it counts once")
    elif sent.awaited:
        say(f"signal {sent.name} sent: {sent.id}")
    else:
        say(f"signal {sent.name} sent: {sent.id}; nothing waits for it yet, so it is kept")
    manner = Manner(store, executor, chain(model), allow_unsandboxed, json)
    view = run_loop(standing(sent.run, manner))
    if view.run.status == "waiting" and view.letters and not view.owned:
        go_on_or_say(sent.run, manner)
    else:  # driven by another process, which hears of it, or not to be gone on with unasked
        raise typer.Exit(report(view, store=store, as_json=json))


async def _send(
    run: str, name: str, given: tuple[list[str], str | None, list[str]], id: str | None, by: str, store: Path | None
) -> Sent:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        schema = (await engine.expects(run)).get(name, {})
        return await engine.signal(run, name, carried(schema, *given), id=id, by=by)


def carried(schema: Mapping[str, Any], words: list[str], json_value: str | None, documents: list[str]) -> Any:
    """The JSON value that these words mean to a signal of this schema. Raises SignalRejected, InputError."""
    from workflow_engine.cli.inputs import json_or_text, read_document, split_pairs, strict_json
    from workflow_engine.errors import SignalRejected

    if (json_value is not None) + bool(documents) + bool(words) > 1 or len(documents) > 1:
        raise SignalRejected("what a signal carries is given twice", "words, or --json-value, or one -i")
    if json_value is not None:
        try:
            return strict_json(json_value)
        except ValueError as error:
            raise SignalRejected(f"--json-value is no JSON: {error}", """it is like '{"amount": 3}'""") from None
    if documents:
        return read_document(documents[0])[1]
    if not words:
        return None
    declared = schema.get("properties")
    properties = declared if isinstance(declared, dict) else {}
    if schema.get("type") == "object" or all("=" in each for each in words):
        return {name: word_of(properties.get(name, {}), text) for name, text in split_pairs(words).items()}
    if len(words) > 1:
        raise SignalRejected("a signal carries one value", "quote it, or give field=value words")
    return words[0] if schema.get("type") == "string" else json_or_text(words[0])


def word_of(schema: Any, text: str) -> Any:
    """A word by its schema: text where only text fits, so that a note of 42 stays a note."""
    from workflow_engine.cli.inputs import json_or_text

    return text if isinstance(schema, dict) and schema.get("type") == "string" else json_or_text(text)
