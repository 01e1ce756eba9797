"""Upgrading a state: what declared migrations make of the fields a run holds, as writes; or why they cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from workflow_engine.errors import BadWrite, StoreDamaged
from workflow_engine.record.codec import encode
from workflow_engine.record.values import Value, Write
from workflow_engine.spec.document import document_of
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.migrations import AddField, ChangeField, DropField, Migration, RenameField
from workflow_engine.spec.names import field_after
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.live import after
from workflow_engine.steps.writing import within_state, within_write
from workflow_engine.verify.finding import Finding, where_of


def upgraded(
    state: Mapping[str, Value],
    shape: Mapping[str, Any],
    declared: Sequence[Migration],
    workflow: Workflow[Any],
    limits: RunLimits,
    surely: frozenset[str] = frozenset(),
) -> tuple[tuple[Write, ...], tuple[Finding, ...]]:
    """The writes that bring a state up to this version; findings where a function raises or its value does not fit.

    `surely` are migrations (their texts) that are known to concern this state, which is older than `shape`.
    """
    if not declared:
        return (), ()
    return _Upgrade(state, shape, workflow, limits, surely).made(declared)


class _Upgrade:
    """A state on its way. `texts` are values moved as they are, `values` those made by functions, as JSON or typed."""

    def __init__(
        self,
        state: Mapping[str, Value],
        shape: Mapping[str, Any],
        workflow: Workflow[Any],
        limits: RunLimits,
        surely: frozenset[str],
    ) -> None:
        self.surely = surely
        self.state, self.workflow, self.limits = state, workflow, limits
        fields = shape.get("fields")
        self.then: dict[str, Any] = dict(fields) if isinstance(fields, Mapping) else {}
        self.held: dict[str, Any] = dict(state)
        self.by: dict[str, Migration] = {}
        self.findings: list[Finding] = []

    def made(self, declared: Sequence[Migration]) -> tuple[tuple[Write, ...], tuple[Finding, ...]]:
        for at, each in enumerate(declared):
            if not self.findings:  # what follows builds on it
                self._make(each, declared[at + 1 :])
        if self.findings:
            return (), tuple(self.findings)
        writes = [Write(name, "drop", "null") for name in self.state if name not in self.held]
        writes += [made for name in self.by if name in self.held and (made := self._written(name)) is not None]
        try:
            within_state(self.state, after(self.state, writes, 0), "the migrated state", self.limits)
        except BadWrite as error:
            self._finding("state", error.what, error.cure or "")
        return ((), tuple(self.findings)) if self.findings else (tuple(writes), ())

    def _make(self, each: Migration, later: Sequence[Migration]) -> None:
        match each:
            case RenameField(old=old, new=new):
                if old in self.then:
                    self.then[new] = self.then.pop(old)
                if old in self.held and new in self.held:
                    self._finding(new, f"the run holds both {old} and {new}: {each}", "drop one of them first")
                elif old in self.held:
                    self.held[new] = self.held.pop(old)
                    self.by.pop(old, None)
                    self.by[new] = each
            case ChangeField(name=name, change=change):
                if name in self.held and (str(each) in self.surely or self._differs(name, later)):
                    self._call(each, name, lambda: change(self._plain(name)))
            case AddField(name=name, value=value):
                if name not in self.held:
                    self._call(each, name, lambda: value(self._whole()) if callable(value) else value)
            case DropField(name=name):
                self.held.pop(name, None)
                self.by.pop(name, None)
                self.then.pop(name, None)
            case _:
                pass  # names of nodes and outcomes are no part of the state

    def _differs(self, name: str, later: Sequence[Migration]) -> bool:
        """Whether the run's version wrote the field in another form, or under another name."""
        now = document_of(self.workflow)["shape"]["fields"].get(field_after(name, later))
        then = self.then.get(name)
        known = isinstance(then, Mapping) and now is not None
        return name in self.by or not known or then["schema"] != now["schema"]  # type: ignore[index]

    def _call(self, each: Migration, name: str, make: Callable[[], Any]) -> None:
        try:
            self.held[name] = _Made(make())
            self.by[name] = each
        except StoreDamaged:
            raise
        except (Exception, SystemExit) as error:  # a migration is the user's function
            self._finding(name, f"{each} raised {failure_of(name, error, 1).message}", "mend it: nothing was stored")

    def _written(self, name: str) -> Write | None:
        """The field as it is written now. What was only moved is read through its type as well: W6 tells if it fits."""
        held, each = self.held[name], self.by[name]
        field = self.workflow.fields.get(name)
        if field is None:
            return None if isinstance(held, _Made) else Write(name, "set", held.whole)
        if not isinstance(held, _Made):
            return Write(name, "set", held.whole)
        place = f"{each} returned for {name!r}"
        try:
            write = Write(name, "set", encode(field.adapter, field.adapter.validate_python(held.value), place))
            within_write(write, place, self.limits)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            self._finding(
                name,
                f"what {each} returned does not fit: {where + ': ' if where else ''}{first['msg']}",
                "return what the field's type takes: nothing was stored",
            )
            return None
        except BadWrite as error:
            self._finding(name, error.what, error.cure or "return what the field's type takes")
            return None
        return write

    def _plain(self, name: str) -> Any:
        held = self.held[name]
        return to_jsonable_python(held.value) if isinstance(held, _Made) else held.json()

    def _whole(self) -> dict[str, Any]:
        return {name: self._plain(name) for name in self.held}

    def _finding(self, place: str, what: str, cure: str) -> None:
        self.findings.append(Finding("W618", place, what, cure, where_of(self.workflow, place)))


class _Made:
    """A value that a migration's function made."""

    def __init__(self, value: Any) -> None:
        self.value = value
