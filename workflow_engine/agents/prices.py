"""Prices: what a call cost in US dollars, by a list that others keep. What stands in no list is unknown, never 0."""

from __future__ import annotations

from typing import Any

from genai_prices import Usage, calc_price

from workflow_engine.agents.models import Endpoint


def price_of(link: Endpoint, model: str, given: int, made: int, cached: int = 0) -> float | None:
    """What a model's call costs: tokens given to it (of these, read from its cache) and made by it.

    The list is that of the endpoint's address, or the one its settings name; nothing is guessed from a model's name
    alone, as a gateway has prices of its own. It is part of the installed package: nobody is asked over the network.
    """
    whose: dict[str, Any] = {"provider_id": link.prices} if link.prices else {"provider_api_url": link.base_url}
    usage = Usage(input_tokens=given, output_tokens=made, cache_read_tokens=min(cached, given))
    try:
        return float(calc_price(usage, model, **whose).total_price)
    except (LookupError, ValueError):
        return None
