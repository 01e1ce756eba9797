"""Who acts from this terminal: the bearer of WORKFLOW_TOKEN, or a name that nothing proves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_engine.cli.options import who

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.record.people import Principal


async def acting(engine: Engine, by: str | None, store: Path | None) -> str | Principal:
    """The one who acts. Raises NotAllowed for nobody's token, UsageError for another name beside a token."""
    from workflow_engine.errors import UsageError
    from workflow_engine.settings import read_settings

    token = read_settings(store=store).token
    if token is None:
        return who(by)
    bearer = await engine.bearer(token.get_secret_value().strip())
    if by is not None and by != bearer.name:
        raise UsageError(f"--by {by!r}, and WORKFLOW_TOKEN is the token of {bearer.name!r}", "leave one of them out")
    return bearer


def named(by: str | Principal) -> str:
    """What they are called."""
    return by if isinstance(by, str) else by.name
