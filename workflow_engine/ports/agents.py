"""The agent-runner port: one task in, one typed answer out, no SDK type across it.

What makes a turn survive its process is the engine's, not the runner's: a runner asks its model through `task.ask` and
uses tools through `tool.call`, always, and so nothing that was paid for is paid again and nothing that was done is done
again. After a crash the same task is run anew, from its beginning: what happened is answered from receipts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from urllib.parse import quote

from workflow_engine.errors import AgentFailed
from workflow_engine.ports.sessions import Message
from workflow_engine.record.facts.calls import What
from workflow_engine.record.usage import Usage
from workflow_engine.spec.specialist import handing_over


@dataclass(frozen=True)
class ModelReply:
    """What a model answered: `text` is JSON for the runner to read again and again.

    Its member "output" lists items in the form of OpenAI's Responses API, which `show` tells people; what else it has
    is the runner's own. `model` is what it calls itself, `by` what people call it who chose it: `small@spare`.
    """

    text: str
    usage: Usage = Usage()
    model: str = ""
    by: str = ""


@dataclass(frozen=True)
class Need:
    """The most that a question may use: `tokens` of input at most, and at most `most` for the answer.

    `price` of so many tokens of input and of answer is in US dollars; None is unknown. `limit` is told how many tokens
    the answer may have, before it is asked.
    """

    tokens: int
    most: int
    price: Callable[[int, int], float | None]
    limit: Callable[[int], None]


@dataclass(frozen=True)
class ModelCall:
    """One question to a model. `path` is the branch it belongs to, `gist` the words said so far, to compare after a
    crash. `make` asks it for real, under an idempotency key; it is called once, and once more after every AgentFailed
    that says there is another model to ask, `elsewhere`. `need` says before each time what it may use; without it, a
    budget stops only what comes after.
    """

    gist: str
    make: Callable[[str], Awaitable[ModelReply]]
    path: str = ""
    need: Callable[[], Need] | None = None


Ask: TypeAlias = Callable[[ModelCall], Awaitable[ModelReply]]


async def ask_unkept(call: ModelCall) -> ModelReply:
    """A model asked with nobody there to keep a receipt."""
    while True:
        try:
            return await call.make("")
        except AgentFailed as failed:
            if not failed.elsewhere:
                raise


@dataclass(frozen=True)
class ToolUse:
    """One use of a tool as a model asks for it: decoded arguments, the model's own `id` for it, and the branch.

    `words` are what the model said along with it. Two uses of a branch may have one id: who keeps receipts tells them
    apart.
    """

    arguments: Mapping[str, Any]
    id: str = ""
    path: str = ""
    words: str = ""

    @property
    def name(self) -> str:
        """What it is called in its talk: like no question to a model, and like nothing in another branch."""
        return f"{self.path}t.{quote(self.id, safe='')}"


class Held(Exception):
    """People must be asked before this branch can go on. The branch ends here, without an answer.

    A tool that raises it leaves the other uses of the same answer going; the next question to the model of this branch
    raises it again, whatever the model would have been told meanwhile. A runner lets it end the task: `run` raises it.
    """


@dataclass(frozen=True)
class Tool:
    """A function the model may ask for. `call` returns the text the model sees.

    `call` validates its own arguments and returns a readable refusal (starting with "error:") for a mistake the model
    can mend; it raises Held, and for what the model cannot mend an `errors.StepError`, which ends the agent's turn.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    call: Callable[[ToolUse], Awaitable[str]]


async def accepted(_: Any) -> str | None:
    """Nobody looks at an answer: it counts as it is."""
    return None


async def nobody_told(before: str, to: str) -> None:
    """A talk changes hands, with nobody there to record it."""


@dataclass(frozen=True)
class Role:
    """An agent that a talk may come to be in the hands of: it goes on with its own instructions and its own tools.

    `handoffs` are the names of those it may hand over to.
    """

    name: str
    instructions: str
    description: str = ""
    tools: tuple[Tool, ...] = ()
    handoffs: tuple[str, ...] = ()
    model: str | None = None


@dataclass(frozen=True)
class AgentTask:
    """One visit to an agent. `output` is the type the answer must have (anything pydantic's TypeAdapter takes).

    `path` is its branch: an agent that is a tool has a task and a branch of its own. The talk may be handed over to one
    of `roles`, by the first agent to those named in `handoffs`: a model is offered a tool `handing_over(name)` for each
    of them, without arguments, and `handed` is awaited with who had the talk and who has it now.
    `before` is what was said in earlier talks, which the prompt goes on with.
    `check` looks at an answer that has its type, and says why it does not count yet: the agent is told so, and asked
    again; what it raises ends the task. `turns` bounds the model calls of a branch. `tell` is told in a few words what
    it is at; `hear` what is said while it is said, as `story` items and as {"item": "delta", "text": ...}.
    """

    node: str
    instructions: str
    prompt: str
    output: Any
    tools: tuple[Tool, ...] = ()
    model: str | None = None
    key: str = ""
    turns: int = 20
    tell: Callable[[str], None] = field(default=lambda _: None)
    ask: Ask = ask_unkept
    path: str = ""
    roles: tuple[Role, ...] = ()
    handoffs: tuple[str, ...] = ()
    handed: Callable[[str, str], Awaitable[None]] = nobody_told
    check: Callable[[Any], Awaitable[str | None]] = accepted
    before: tuple[Message, ...] = ()
    hear: Callable[[Mapping[str, Any]], None] | None = None


@dataclass(frozen=True)
class AgentAnswer:
    """What came back: the validated value, what it used, which models really answered, and the items of the story.

    `usage` and `answered_by` are those of calls made now, receipts not counted. `story` items are plain JSON:
    {"item": "message" | "tool_call" | "tool_result" | "reasoning", ...}.
    """

    value: Any
    usage: Usage = Usage()
    answered_by: tuple[str, ...] = ()
    story: tuple[Mapping[str, Any], ...] = ()


class AgentRunner(Protocol):
    """Runs agents. Implementations hold connections, open lazily and are closed with the engine."""

    async def run(self, task: AgentTask) -> AgentAnswer:
        """Answer the task, or raise `errors.AgentFailed` with a kind and whether a later try may differ.

        Raises Held where a person must be asked first: the task is run again once they answered.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and servers; closing twice is allowed."""
        ...


# ------------------------------------------------------------------------------------------------ receipts


@dataclass(frozen=True)
class Ruling:
    """What a person decided about one use of a tool.

    `word` is approve, edit or reject; of a use whose end is not known rerun, accept or fail.
    """

    word: str
    by: str
    value: Any = None
    reason: str = ""


@dataclass(frozen=True)
class Receipt:
    """A call that came to its end: what was asked, as text to compare, and what came back."""

    asked: str
    text: str
    model: str = ""


class Receipts(Protocol):
    """What one visit to an agent did already, and where it says what it is about to do.

    A talk is one conversation from its prompt on; a try that failed of what was said begins another. Calls are known by
    names unique within their talk. All of it is durable when the call returns.
    """

    @property
    def prompt(self) -> str | None:
        """The prompt of the talk that goes on; None where one is still to begin."""
        ...

    @property
    def tools(self) -> Mapping[str, str]:
        """Digests of the tools out of boxes that the talk began with, by name."""
        ...

    def begin(self, prompt: str, tools: Mapping[str, str]) -> str:
        """Begin a talk, with its prompt as it is kept, and such digests. It is durable with the first call."""
        ...

    def found(self, call: str) -> Receipt | None:
        """The receipt of a call of this talk that came to its end."""
        ...

    def key(self, call: str) -> str:
        """The idempotency key of a call: the same however often it is made."""
        ...

    def begun(self, call: str) -> int:
        """How often a call of this talk was begun."""
        ...

    def ruling(self, ref: str) -> Ruling | None:
        """What a person decided under this word."""
        ...

    def spare(self, name: str, asked: str) -> Receipt | None:
        """An effect that an earlier talk of this visit brought about, and no call of this talk took for its own yet."""
        ...

    async def ruled(self, ref: str, ruling: Ruling) -> None:
        """Keep what a person decided."""
        ...

    async def began(
        self,
        call: str,
        what: What,
        name: str,
        asked: str,
        need: Callable[[], Need] | None = None,
        *,
        effect: bool = False,
    ) -> None:
        """Say that a call is about to be made, and reserve what it may use. Raises BudgetSpent where that is too much.

        Where others hold what it may use, it waits for them.
        """
        ...

    def dropped(self, call: str) -> None:
        """Say that nobody waits for the end of a call any more: what it may have used counts as used."""
        ...

    async def ended(
        self, call: str, what: What, name: str, receipt: Receipt, usage: Usage | None, effect: bool
    ) -> None:
        """Keep what came back."""
        ...

    async def failed(
        self,
        call: str,
        what: What,
        name: str,
        why: str,
        kind: str,
        *,
        doubt: bool = False,
        usage: Usage | None = None,
    ) -> None:
        """Say that a call came to nothing, or that nobody knows whether it did; `usage` is what it took even so."""
        ...


__all__ = [
    "AgentAnswer",
    "AgentRunner",
    "AgentTask",
    "Ask",
    "Held",
    "ModelCall",
    "ModelReply",
    "Need",
    "Receipt",
    "Receipts",
    "Role",
    "Ruling",
    "Tool",
    "ToolUse",
    "Usage",
    "What",
    "ask_unkept",
    "handing_over",
]
