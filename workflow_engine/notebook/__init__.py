"""The notebook: how workflows, runs, findings and questions look in a cell, and a run that is watched from one.

`import workflow_engine` in a notebook registers this by itself; `%load_ext workflow_engine.notebook` does it by hand.
Nothing here needs widgets or JavaScript, and everything that came from a run is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflow_engine.notebook.registering import load_ipython_extension, register, unload_ipython_extension

if TYPE_CHECKING:
    from workflow_engine.notebook.live import live
    from workflow_engine.notebook.pictures import theme

# Loaded when first asked for: what registers at every import must cost nothing.
_LATER = {"live": "live", "theme": "pictures"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        found = getattr(import_module(f"workflow_engine.notebook.{_LATER[name]}"), name)
        globals()[name] = found  # `live` is its module's name, too
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["live", "load_ipython_extension", "register", "theme", "unload_ipython_extension"]
