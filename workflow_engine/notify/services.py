"""Services: what Apprise knows how to reach, such as mail, Slack, Teams, Telegram and telephones, each by its URL."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from typing import Any

from workflow_engine.errors import UsageError
from workflow_engine.notify.channel import ALL, HIDDEN, Filter
from workflow_engine.notify.hiding import hide
from workflow_engine.ports.channels import Message, Undelivered

PATIENCE = 20.0
"""Seconds until a service has taken a message, or it is sent once more later."""
_INSTALL = 'pip install "workflow-proof[notify]"'


class Services:
    """One service or several, by the URLs of Apprise (appriseit.com): all have to take a message for it to be told."""

    def __init__(self, name: str, urls: str | Sequence[str], *, filter: Filter = ALL) -> None:
        self.name = name
        self._filter = filter
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        self._apprise = _opened(name, self._urls)

    def __repr__(self) -> str:
        return f"Services({self.name!r}, {self.place})"

    @property
    def place(self) -> str:
        """Which services, without their keys."""
        return ", ".join(f"{url.partition('://')[0]}://{HIDDEN}" for url in self._urls)

    def wants(self, message: Message) -> bool:
        return self._filter.wants(message)

    async def send(self, message: Message) -> None:
        whole = self._filter.content == "full"
        ways = [f"answer: {message.command}", *([message.link] if message.link else [])]
        text = message.text if whole else "\n".join(ways)
        try:
            async with asyncio.timeout(PATIENCE):
                done = await self._apprise.async_notify(
                    title=message.title if whole else f"{message.workflow}: {message.happened}",
                    body=text,
                    notify_type="failure" if message.happened == "run.failed" else "info",
                    body_format="text",
                )
        except TimeoutError:
            raise Undelivered(f"no service answered within {PATIENCE:g} s") from None
        except Exception as error:  # without its words: they may quote the URL
            raise Undelivered(type(error).__name__) from None
        if not done:
            raise Undelivered("a service did not take it")

    async def close(self) -> None:
        """Nothing is held open."""


def _opened(name: str, urls: Sequence[str]) -> Any:
    try:
        import apprise
    except ImportError:
        raise UsageError(f"channel {name} needs Apprise, which is not installed", _INSTALL) from None
    # Nothing that a URL or a message says may name a file, load code or lead elsewhere.
    asset = apprise.AppriseAsset(
        plugin_paths=[], storage_mode="memory", allow_templates=False, http_redirects=False, app_id="workflow"
    )
    asset.app_id = asset.app_desc = "workflow"
    found = apprise.Apprise(asset=asset)
    for place, url in enumerate(urls, start=1):
        hide(f"{url.partition('://')[0]}:///{url.partition('://')[2]}")  # its host may be a key, too
        with warnings.catch_warnings():  # it imports all of its services here, some of which are behind the times
            warnings.simplefilter("ignore", DeprecationWarning)
            read = found.add(url)
        if not read:
            scheme = str(url).partition("://")[0][:20]
            raise UsageError(
                f"Apprise cannot read URL {place} of channel {name} ({scheme}://{HIDDEN})",
                "what it should look like: appriseit.com/services",
            )
    return found
