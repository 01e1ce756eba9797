"""Opening a store as a command needs it: to look, to write, to drive runs, or to keep it in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_engine.settings import Settings, read_settings

if TYPE_CHECKING:
    from workflow_engine.agents import ModelChoice
    from workflow_engine.cli.driving import Manner
    from workflow_engine.engine import Engine
    from workflow_engine.ports.channels import Channel
    from workflow_engine.ports.codec import Codec
    from workflow_engine.ports.listener import Listener
    from workflow_engine.store import Store
    from workflow_engine.targets import Loaded


@asynccontextmanager
async def reading(store: Path | None) -> AsyncIterator[Engine]:
    """An engine on a store that must be there, without any workflow's code. Raises StoreError where it is not."""
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


@asynccontextmanager
async def driving(
    targets: Sequence[Loaded],
    manner: Manner,
    choice: ModelChoice | None,
    resources: Mapping[type, Callable[..., Any]],
    *,
    listeners: Sequence[Listener] = (),
    create: bool = True,
) -> AsyncIterator[Engine]:
    """An engine that drives runs of the targets as the options and the settings say."""
    from workflow_engine.engine import Engine

    settings = manner.settings
    async with Engine.connect(
        settings.store,
        workflows=[each.workflow for each in targets],
        model=choice,
        resources=resources,
        executor=manner.executor,
        listeners=listeners,
        channels=channels_of(settings),
        page_url=settings.page_url,
        limits=settings.limits,
        codec=codec_of(settings),
        create=create,
    ) as engine:
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
