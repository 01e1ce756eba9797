"""A toolbox: tools that are known only once something is opened, such as an MCP server, listed in `tools=` as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.tool import Tool


class Shelf(Protocol):
    """An open toolbox."""

    async def tools(self) -> Sequence[Tool[..., Any]]:
        """The tools it grants now. Each has `parameters`; its body takes `arguments`, a mapping, and `step`.

        Raises errors.StepError where they cannot be had.
        """
        ...


@dataclass(frozen=True, eq=False)
class Toolbox:
    """Tools of one source. `open` is called once per process, when a node first needs it, as a resource's opener is.

    `code` says what was declared, as text to compare. `names` are the tools it grants, as far as that is known before;
    `asks` whether using them may ask a person.
    """

    name: str
    open: Callable[[], AbstractAsyncContextManager[Shelf]] = field(repr=False)
    code: str = field(default="", repr=False)
    names: tuple[str, ...] = ()
    asks: bool = False

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Not a function of anything, though it stands where functions do."""
        raise DeclarationError(f"{self.name} is a box of tools, not one of them", f"list it: tools=[{self.name}]")
