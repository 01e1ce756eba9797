"""The choices of a drive: which model answers, and whether code may run without a sandbox. Neither is made silently."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.voice import AMBER, say
from workflow_engine.errors import UsageError
from workflow_engine.ports.sandbox import Sandbox
from workflow_engine.settings import read_settings
from workflow_engine.spec.nesting import agents_within, nested
from workflow_engine.spec.workflow import Workflow
from workflow_engine.targets import Loaded

if TYPE_CHECKING:
    from workflow_engine.agents import ModelChoice


def choose_model(loaded: Loaded, model: str | None) -> ModelChoice | None:
    """The model for a workflow with agents, None for one without. Raises ModelMissing with both cures."""
    if not agents_within(loaded.workflow):
        return None
    from workflow_engine import agents

    beside = agents.playbook_beside(loaded.file)
    settings = read_settings()
    choice = agents.choose_model(model, settings.environ(), beside if beside.is_file() else None, settings.named())
    if not isinstance(choice, agents.Offline | agents.Replay):
        for flow in (loaded.workflow, *nested(loaded.workflow).values()):
            for node in flow.agents:
                for model in (node.model, *(one.model for one in node.specialists)):
                    agents.links_of(choice, model)  # a name that nobody knows is an error before the first step
    return choice


def refuse_unknown_inputs(choice: ModelChoice | None, inputs: Mapping[str, Any]) -> None:
    """Raise UsageError where the playbook cannot answer for these inputs, before anything begins."""
    from workflow_engine import agents

    if isinstance(choice, agents.Offline):
        agents.refuse_unknown(choice.playbook, inputs)


async def choose_sandbox(
    workflow: Workflow[Any], choice: ModelChoice | None, *, allowed: bool
) -> Mapping[type, Callable[..., Any]]:
    """Openers to put in place of the workflow's own. Raises UsageError where a live model's code would run unsandboxed.

    Only an opener that takes `unsandboxed=` is spoken to, as `open_sandbox` and what is built on it do.
    """
    every = (workflow, *nested(workflow).values())
    opener = next((each.resources[Sandbox] for each in every if Sandbox in each.resources), None)
    if opener is None or not _takes_policy(opener):
        return {}
    from workflow_engine import agents
    from workflow_engine.sandbox import probe

    found = await probe()
    if found.isolated:
        return {}
    known = choice is None or isinstance(choice, agents.Offline)
    if not known and not allowed:
        raise UsageError(
            f"{choice} would write code that runs unsandboxed here: {found.why}",
            "install bubblewrap and let it use user namespaces, take --model offline, or say --allow-unsandboxed",
        )
    whose = "its code" if choice is None else "the playbook's code" if known else "a live model's code"
    say(f"UNSANDBOXED: {whose} runs with your rights, network and files ({found.why})", f"1;{AMBER}")
    return {Sandbox: partial(opener, unsandboxed="allowed")}


def _takes_policy(opener: Callable[..., Any]) -> bool:
    try:
        return "unsandboxed" in inspect.signature(opener).parameters
    except (TypeError, ValueError):
        return False
