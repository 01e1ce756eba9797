"""Chatting: a message begins a run of a workflow that is talked to, once, however often it is sent."""

from __future__ import annotations

import json
from typing import Any

from workflow_engine.errors import Conflict, InputError, RunNotFound, StoreError, UsageError
from workflow_engine.record.ids import RunId, derived_id
from workflow_engine.runtime.begin import started
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.chat import Chat
from workflow_engine.spec.workflow import Workflow

LONGEST = 200
"""Letters of the name of a session or a message."""


async def say(
    shop: Workshop, workflow: Workflow[Any], words: str, session: str, message: str, by: str, label: str | None
) -> RunId:
    """The run of a message: a new one in the queue, or the one that it began before.

    Raises errors.UsageError for a workflow that nobody talks to, errors.InputError, errors.Conflict for other words
    under the same name.
    """
    chat = chat_of(workflow)
    for what, given in (("session", session), ("message", message)):
        if not given.isprintable() or not 0 < len(given) <= LONGEST:
            raise InputError(f"the name of a {what} is 1 to {LONGEST} letters that can be printed", f"{what}=...")
    if not words.strip():
        raise InputError("nothing was said", "query=...")
    inputs = {chat.message: words}
    if chat.session is not None:
        inputs[chat.session] = talk_of(by, session)
    run = derived_id("chat", workflow.name, by, session, message)
    if not await _is_there(shop, run):
        try:
            return await started(shop, workflow, inputs, label, run)
        except StoreError:
            if not await _is_there(shop, run):  # else it was sent twice at one moment
                raise
    said = (await shop.ledger.at(run, 1))[chat.message]
    if json.loads(said.text) != words:
        raise Conflict(f"message {message!r} said something else before", "give each message a name of its own")
    return run


def chat_of(workflow: Workflow[Any]) -> Chat:
    """How a workflow is talked to. Raises UsageError where nobody does."""
    if workflow.chat is None:
        raise UsageError(
            f"{workflow.name} is no chat", 'declare what is said and answered: chat=Chat("question", reply="answer")'
        )
    return workflow.chat


def talk_of(by: str, session: str) -> str:
    """What a talk is kept under: two people who choose one name have two talks."""
    return f"{by}/{session}"


async def _is_there(shop: Workshop, run: RunId) -> bool:
    try:
        await shop.ledger.read(run)
    except RunNotFound:
        return False
    return True
