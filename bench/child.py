"""One measurement, in a process of its own: `python -m bench.child ORDER` prints one JSON line."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import traceback
from typing import Any

from bench.meter import Meter, keep_the_log
from bench.order import Order
from bench.profiling import Profiler


def main() -> None:
    order = Order.of(sys.argv[1])
    if order.audit:
        keep_the_log()
    try:
        print(json.dumps(asyncio.run(_figures(order))), flush=True)
    except ImportError as error:
        print(json.dumps({"problem": f"not built yet: {error.msg.partition(' (')[0]}"}), flush=True)
    except Exception as error:
        traceback.print_exc()
        print(json.dumps({"problem": f"{type(error).__name__}: {error}"[:300]}), flush=True)
        sys.exit(1)


async def _figures(order: Order) -> dict[str, Any]:
    """Every subject has one coroutine for each kind of work, which adds to the meter's figures."""
    subject = importlib.import_module(order.module)
    profiler = Profiler() if order.profile else None
    meter = Meter(order.store, profiler)
    await getattr(subject, order.work.kind)(order, meter)
    if profiler:
        meter.figures["profile"] = profiler.top(order.work.all_steps if order.work.kind == "loop" else 1)
    return meter.figures


if __name__ == "__main__":
    main()
