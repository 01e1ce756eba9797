"""The command `publish`: say something once on a topic, for every run that listens and every workflow it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import By, Json, Store, who
from workflow_engine.cli.signal import Documents, JsonValue

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.runtime.publish import Published
    from workflow_engine.targets import Loaded

PublicationId = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="its id: published again under the same one, it counts once")
]


def publish(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="the topic, as wait(..., topic=...) has it")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="FIELD=VALUE|VALUE", help="what is published, if anything")
    ] = None,
    json_value: JsonValue = None,
    documents: Documents = None,
    id: PublicationId = None,
    start: Annotated[
        list[str] | None, typer.Option("--start", metavar="TARGET", help="a workflow that starts on the topic")
    ] = None,
    by: By = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Publish to a topic, for every run that waits on it.

    Workflows named with --start begin a run. All of them go on with `workflow recover` or a worker, if nobody drives
    them already.
    """
    from workflow_engine.cli.exits import Exit, exit_of_error
    from workflow_engine.cli.figures import plain
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.signal import carried
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import AMBER, emit, emit_json, point, say
    from workflow_engine.errors import UsageError
    from workflow_engine.targets import load

    loaded = [load(each) for each in start or []]
    for each in loaded:
        prove(each.workflow)
        if topic not in each.workflow.starts_on:
            cure = f'workflow(..., starts_on={{"{topic}": "field"}})'
            raise UsageError(f"{each.workflow.name} does not start on {topic!r}", cure)
    payload = carried({}, list(words or []), json_value, list(documents or []))
    done = run_loop(_publish(topic, payload, id, who(by), loaded, store))
    for name, error in done.failed.items():
        say(plain(f"{name} does not have it: {error}"), AMBER)
    if json:
        emit_json(document(done))
    else:
        emit("\n".join(_lines(done)))
    ways = [("look", typed("runs", store=store))]
    if done.started and start:
        ways.append(("drive", typed("worker", *start, store=store)))
    if done.woke:
        ways.append(("go on", typed("recover", store=store)))
    point(*ways)
    raise typer.Exit(next((exit_of_error(each) for each in done.failed.values()), Exit.DONE))


async def _publish(
    topic: str, payload: Any, id: str | None, by: str, loaded: list[Loaded], store: Path | None
) -> Published:
    from workflow_engine.cli.opening import codec_of
    from workflow_engine.engine import Engine
    from workflow_engine.settings import read_settings

    settings = read_settings(store=store)
    workflows = [each.workflow for each in loaded]
    labels = {each.workflow.name: each.label for each in loaded}
    async with Engine.connect(
        settings.store, workflows=workflows, limits=settings.limits, codec=codec_of(settings)
    ) as engine:
        return await engine.publish(topic, payload, labels, id=id, by=by)


def _lines(done: Published) -> list[str]:
    from workflow_engine.cli.figures import several

    told = f"{done.topic} {done.id}"
    if not done.new:
        return [f"{told} was published before: it counts once"]
    if not done.woke and not done.started and not done.failed:
        return [f"{told} published: nobody listens"]
    woke, began = several(len(done.woke), "run"), several(len(done.started), "run")
    return [f"{told} published: it woke {woke} and began {began}", *(f"  {run}" for run in (*done.woke, *done.started))]


def document(done: Published) -> dict[str, Any]:
    """The JSON shape of `publish --json`."""
    return {
        "topic": done.topic,
        "id": done.id,
        "new": done.new,
        "woke": list(done.woke),
        "started": list(done.started),
        "failed": {name: error.what for name, error in done.failed.items()},
    }
