"""Subflow: another workflow as a node, with its fields mapped in and out. Its execution is a run of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeGuard, cast

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.edges import shown
from workflow_engine.spec.nodes import Node, Parameter, Signature
from workflow_engine.spec.policies import ONCE, Retry

if TYPE_CHECKING:
    from workflow_engine.spec.workflow import Workflow

Fields: TypeAlias = str | Sequence[str] | Mapping[str, str]
"""Fields of one side by those of the other; a name alone means the field of the same name on both sides."""


def _is_workflow(given: object) -> TypeGuard[Workflow[Any]]:
    from workflow_engine.spec.workflow import Workflow  # which knows `each`, and that knows this file

    return isinstance(given, Workflow)


def _entered() -> None:
    """A subflow has no body of its own: its workflow is what it does."""


@dataclass(frozen=True, eq=False)
class Subflow(Node):
    """Another workflow as a node. `reads` maps its fields to this side's, `gives` this side's fields to its own.

    `flow` is the workflow, or a function that returns it: the way for one that contains itself. `depth` is how often
    the workflow may lie within itself.
    """

    kind: ClassVar[str] = "subflow"

    flow: Workflow[Any] | Callable[[], Workflow[Any]] = field(kw_only=True)
    reads: Mapping[str, str] = field(kw_only=True)
    gives: Mapping[str, str] = field(kw_only=True)
    depth: int | None = None

    @cached_property
    def workflow(self) -> Workflow[Any]:
        """The workflow itself. Raises DeclarationError where the function that should return it does not."""
        if _is_workflow(self.flow):
            return self.flow
        try:
            made: Any = cast("Callable[[], Any]", self.flow)()
        except Exception as error:  # the user's function may raise anything
            raise DeclarationError(
                f"the workflow of {self.name} is not there: {error}", "subflow(lambda: tree)"
            ) from error
        if not _is_workflow(made):
            raise DeclarationError(f"{self.name} is given {shown(made)}, which is no workflow", "subflow(lambda: tree)")
        return made

    @cached_property
    def signature(self) -> Signature:
        """What it reads, as its workflow's fields want it."""
        try:
            fields = self.workflow.fields
        except Exception:  # the laws say what is wrong with it
            fields = {}
        types = {name: fields[name].type if name in fields else Any for name in self.reads}
        return Signature(tuple(Parameter(mine, types[theirs], False) for theirs, mine in self.reads.items()), None)

    @property
    def missing(self) -> tuple[Parameter, ...]:
        """What its workflow must be given and `reads` does not: nothing, or of one done for each item the item."""
        try:
            fields = self.workflow.fields
        except Exception:  # the laws say what is wrong with it
            return ()
        open_ = (each for each in fields.values() if each.required and each.name not in self.reads)
        return tuple(Parameter(each.name, each.type, False) for each in sorted(open_, key=lambda each: each.name))

    @cached_property
    def code(self) -> str:
        """A hash of the workflow's name: what its nodes do is recorded with the runs they are driven in."""
        name = self.flow.name if _is_workflow(self.flow) else self.name
        return hashlib.sha256(f"subflow\0{name}".encode(errors="surrogatepass")).hexdigest()[:16]

    @property
    def where(self) -> str | None:
        try:
            return self.workflow.where
        except DeclarationError:
            return None

    def named(self, name: str, *, writes: Fields | None = None) -> Self:
        """The same workflow at a second place, under another name."""
        gives = self.gives if writes is None else _mapping("writes", writes)
        return replace(self, name=name, gives=gives, writes=tuple(gives))


def subflow(
    flow: Workflow[Any] | Callable[[], Workflow[Any]],
    /,
    *,
    reads: Fields = (),
    writes: Fields = (),
    name: str | None = None,
    depth: int | None = None,
    retry: Retry = ONCE,
    timeout: timedelta | None = None,
) -> Subflow:
    """A node that runs another workflow: `bill = subflow(billing, reads={"order": "cart"}, writes="invoice")`.

    `reads` gives its fields (the keys) the values of this side's; `writes` gives this side's fields (the keys) the
    values its own have at its END. A name or a tuple of names stands for fields called the same on both sides. `name`
    is the workflow's, if nothing else is said. `bill.failed` catches its failure, FAIL("why") within it too.

    A workflow that contains itself is named by a function, and says how deep: `subflow(lambda: tree, depth=5, ...)`.
    """
    given: Any = flow  # annotations do not stop anybody at run time
    if isinstance(given, Node) or not (_is_workflow(given) or callable(given)):
        raise DeclarationError(f"subflow({shown(given)}) is given no workflow", 'subflow(billing, writes="invoice")')
    if name is None:
        if not _is_workflow(given):
            raise DeclarationError(
                "a workflow that is named by a function has no name yet", 'subflow(..., name="deeper")'
            )
        name = given.name
    gives = _mapping("writes", writes)
    return Subflow(
        name=name,
        body=_entered,
        writes=tuple(gives),
        retry=retry,
        timeout=timeout,
        flow=flow,
        reads=_mapping("reads", reads),
        gives=gives,
        depth=depth,
    )


def _mapping(setting: str, given: Any) -> Mapping[str, str]:
    if isinstance(given, str):
        return {given: given}
    pairs = given if isinstance(given, Mapping) else {each: each for each in _listed(setting, given)}
    if not all(isinstance(each, str) for pair in pairs.items() for each in pair):
        raise DeclarationError(f"{setting}={shown(given)} does not name fields", f'{setting}={{"order": "cart"}}')
    return dict(pairs)


def _listed(setting: str, given: Any) -> Sequence[str]:
    if not isinstance(given, Sequence):
        raise DeclarationError(f"{setting}={shown(given)} does not name fields", f'{setting}={{"order": "cart"}}')
    return cast("Sequence[str]", given)
