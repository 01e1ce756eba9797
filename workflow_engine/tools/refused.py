"""What a ready-made tool will not or cannot do, in words for the model: it is told them and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workflow_engine.errors import UsageError
from workflow_engine.sandbox import FileRefused


class Refused(Exception):
    """The tool was not used as asked; the text says why and, where there is one, what would do."""


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with a path is for the model to mend, not the end of its turn."""
    try:
        yield
    except (FileRefused, UsageError) as error:
        raise Refused(error.what if error.cure is None else f"{error.what}; {error.cure}") from error
