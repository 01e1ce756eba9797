"""The systems it runs on: asked before anything else is imported, so that another one hears a single clear error.

Linux is what every promise is tested on. macOS has the locks a store needs and no sandbox, which `doctor` and each
node that wants one say. Windows has neither those locks nor `fork` and signals as they are meant here.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from workflow_engine.errors import UnsupportedSystem

_REFUSED = {"win32": "Windows", "cygwin": "Cygwin", "emscripten": "a browser", "wasi": "WASI"}


def refuse_others() -> None:
    """Raises UnsupportedSystem where no run could keep its promises; left uncaught it is two lines, not a traceback."""
    name = _REFUSED.get(sys.platform)
    if name is None:
        return
    cure = "use Linux or macOS"
    if name in ("Windows", "Cygwin"):
        cure = "use WSL, the Linux within Windows: type `wsl --install`, then install and run it there"
    _speak_plainly()
    raise UnsupportedSystem(f"workflow_engine does not run on {name}: a store needs locks that it does not have", cure)


def _speak_plainly() -> None:
    """Whatever imports this package, the command line included, stands in front of it in a traceback of no use."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        if not isinstance(error, UnsupportedSystem):
            return before(kind, error, trace)
        sys.stderr.write(f"{error}\n")
        if not hasattr(sys, "ps1"):  # somebody's prompt goes on
            raise SystemExit(2)
        return None

    sys.excepthook = hook
