"""Opening a store to look or to answer: nothing is made, nothing recovered, no workflow's code needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_engine.settings import Settings, read_settings

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.ports.channels import Channel
    from workflow_engine.ports.codec import Codec
    from workflow_engine.store import Store


@asynccontextmanager
async def reading(store: Path | None) -> AsyncIterator[Engine]:
    """An engine on a store that must be there. Raises StoreError where it is not."""
    from workflow_engine.engine import Engine

    settings = read_settings(store=store)
    async with Engine.connect(settings.store, create=False, limits=settings.limits, codec=codec_of(settings)) as engine:
        yield engine


@asynccontextmanager
async def writing(store: Path | None) -> AsyncIterator[Engine]:
    """An engine on a store that is made where there is none."""
    from workflow_engine.engine import Engine

    settings = read_settings(store=store)
    async with Engine.connect(settings.store, limits=settings.limits, codec=codec_of(settings)) as engine:
        yield engine


def keeper(store: Path | None) -> Store:
    """The store as its keeper sees it."""
    from workflow_engine.store import Store

    settings = read_settings(store=store)
    return Store(settings.store, codec=codec_of(settings))


def codec_of(settings: Settings) -> Codec | None:
    """What decrypts the store, where the settings have its keys. Raises UsageError for what is no key."""
    keys = settings.keys()
    if keys is None:
        return None
    from workflow_engine.stores.encryption import keys_of

    return keys_of(keys.get_secret_value())


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that the settings name. Raises UsageError for one that makes no sense."""
    if not settings.channels:
        return []
    from workflow_engine.notify import Filter, Services, Webhook

    found: list[Channel] = []
    for name, each in settings.channels.items():
        words = dict(each.words(name))
        wants = Filter(*(words[word] for word in ("on", "workflows", "to", "content")))
        if "webhook" in words:
            found.append(Webhook(name, words["webhook"], secret=words["secret"], filter=wants))
        else:
            found.append(Services(name, words["apprise"], filter=wants))
    return found
