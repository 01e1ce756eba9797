"""Waits: nodes without a body that rest until a signal comes by its name, or until a time."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, overload

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.edges import Outcome, shown
from workflow_engine.spec.nodes import EXPIRED, Node, Parameter, Signature
from workflow_engine.spec.state import Field, required

SIGNAL = 200
"""The most characters of a signal's name, of its id and of a topic."""


@dataclass(frozen=True)
class Signal:
    """A signal that is waited for: its name, and the type of what it carries.

    Without a type it carries what the field holds that it is written to; and nothing, if it is written to none.
    """

    name: str
    payload: Any = None


@dataclass(frozen=True)
class Signals:
    """Several signals: all of them in any order, or the `first` of them."""

    signals: tuple[Signal, ...]
    first: bool = False


def signal(name: str, payload: Any = None) -> Signal:
    """A signal to wait for, in `all_of` and `any_of`: `signal("paid", Payment)`."""
    return Signal(name, payload)


def all_of(*signals: Signal | str) -> Signals:
    """Every one of these signals, in any order. Their payloads are written to the fields of `writes=`, in this order.

    >>> all_of("contract", signal("paid", int)).signals[1].name
    'paid'
    """
    return Signals(tuple(map(_signal, signals)))


def any_of(*signals: Signal | str) -> Signals:
    """The first of these signals: its name is the way out, `first["paid"] >> ...`, and only its field is written."""
    return Signals(tuple(map(_signal, signals)), first=True)


@dataclass(frozen=True, eq=False)
class Wait(Node):
    """Rests until signals come, until the time in the field `until`, or for as long as it is `lasting`.

    `within` says for how long signals are waited for, `topic` that what is published to it is the signal.
    """

    kind: ClassVar[str] = "wait"

    signals: tuple[Signal, ...] = ()
    first: bool = False
    until: str | None = None
    lasting: timedelta | None = None
    within: timedelta | None = None
    topic: str | None = None
    declared: str | None = None

    @property
    def expired(self) -> Outcome:
        """The way out when nothing came `within` the time."""
        return Outcome(self, EXPIRED)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The names of which the first decides; none where all must come, or a time."""
        return tuple(each.name for each in self.signals) if self.first else ()

    def __getitem__(self, outcome: str) -> Outcome:
        if not self.first:
            raise DeclarationError(
                f"{self.name}[{shown(outcome)}]: it waits for no first of several signals, so it has no outcomes",
                "wait(any_of(signal(...), signal(...)))",
            )
        return Outcome(self, outcome)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its signals."""
        return tuple(each.name for each in self.signals)

    @cached_property
    def carried(self) -> Mapping[str, str]:
        """The field that each signal's payload is written to: in order, those without a type left out if need be."""
        typed = [each.name for each in self.signals if each.payload is not None]
        names = list(self.names) if len(self.writes) == len(self.signals) else typed
        return dict(zip(names, self.writes, strict=False))

    def payload(self, signal: str, fields: Mapping[str, Field]) -> Any:
        """The type of what a signal carries; None where it carries nothing."""
        declared = next((each.payload for each in self.signals if each.name == signal), None)
        if declared is not None:
            return declared
        field = fields.get(self.carried.get(signal, ""))
        return None if field is None else required(field.type)

    @cached_property
    def signature(self) -> Signature:
        """It reads the field with its time."""
        reads = () if self.until is None else (Parameter(self.until, datetime, False),)
        return Signature(reads, None)

    @property
    def where(self) -> str | None:
        return self.declared

    def _settings(self) -> str:
        return repr((self.signals, self.first, self.until, self.lasting, self.within, self.topic))


@overload
def wait(
    what: str | Signal,
    payload: Any = None,
    /,
    *,
    writes: str | None = None,
    within: timedelta | None = None,
    topic: str | None = None,
    name: str | None = None,
) -> Wait: ...
@overload
def wait(
    what: Signals,
    /,
    *,
    writes: str | tuple[str, ...] | None = None,
    within: timedelta | None = None,
    name: str | None = None,
) -> Wait: ...
@overload
def wait(what: timedelta, /, *, name: str | None = None) -> Wait: ...
@overload
def wait(*, until: str, name: str | None = None) -> Wait: ...
def wait(
    what: Any = None,
    payload: Any = None,
    /,
    *,
    writes: str | tuple[str, ...] | None = None,
    within: timedelta | None = None,
    topic: str | None = None,
    until: str | None = None,
    name: str | None = None,
) -> Wait:
    """A node that rests, for days if need be, and takes no process meanwhile.

    `wait("payment", Payment, writes="payment")` rests until that signal is sent to the run, `wait(all_of(...))` until
    all of several, `wait(any_of(...))` until the first; after `within=` it is left by `.expired`. With `topic=`, what
    is published there is the signal. `wait(timedelta(days=3))` rests so long, `wait(until="due")` until the time in
    that field. Its name is that of its signals, if no `name=` is given.
    """
    signals, lasting = _told(what, payload, until)
    caller = sys._getframe(1)
    return Wait(
        name=name if name is not None else _named(signals, lasting, until),
        body=_nothing,
        writes=() if writes is None else (writes,) if isinstance(writes, str) else tuple(writes),
        signals=signals.signals,
        first=signals.first,
        until=until,
        lasting=lasting,
        within=within,
        topic=topic,
        declared=f"{caller.f_code.co_filename}:{caller.f_lineno}",
    )


def _told(what: Any, payload: Any, until: Any) -> tuple[Signals, timedelta | None]:
    """The signals and the duration that the first words of a `wait` mean."""
    if until is not None:
        if what is not None or not isinstance(until, str):
            raise DeclarationError(
                f"wait({'' if what is None else shown(what) + ', '}until={shown(until)}) cannot be waited for",
                'wait(until="field") names a field that holds a datetime, and stands alone',
            )
        return Signals(()), None
    if isinstance(what, timedelta) and payload is None:
        return Signals(()), what
    if isinstance(what, Signals) and payload is None:
        return what, None
    if isinstance(what, str):
        return Signals((Signal(what, payload),)), None
    if isinstance(what, Signal) and payload is None:
        return Signals((what,)), None
    raise DeclarationError(
        f"wait({'' if what is None else shown(what)}) cannot be waited for",
        'wait("payment", Payment), wait(all_of(...)), wait(any_of(...)), wait(timedelta(days=3)), wait(until="field")',
    )


def _named(signals: Signals, lasting: timedelta | None, until: str | None) -> str:
    if until is not None:
        return f"until_{until}"
    if lasting is not None:
        return "wait"
    return (" or " if signals.first else " and ").join(map(str, _names_of(signals))).replace(" ", "_")


def _names_of(signals: Signals) -> tuple[Any, ...]:
    return tuple(each.name for each in signals.signals)


def _signal(given: Any) -> Signal:
    if isinstance(given, Signal):
        return given
    if isinstance(given, str):
        return Signal(given)
    raise DeclarationError(f"{shown(given)} is no signal", 'all_of(signal("contract", Contract), signal("paid"))')


def _nothing() -> None:
    """A wait has no body."""


__all__ = ["SIGNAL", "Signal", "Signals", "Wait", "all_of", "any_of", "signal", "wait"]
