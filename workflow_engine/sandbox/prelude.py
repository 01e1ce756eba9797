"""The prelude: the few lines that run in front of a command, set its limits, and become it.

It is started with `-c` by the plain interpreter (`-I -S`: nothing of the workspace or the environment can steer it),
since the engine's own files are not visible in a sandbox. Everything about the command comes as JSON on a file
descriptor, so that neither arguments nor environment values show in the host's process list, and so that a variable
such as LD_PRELOAD reaches the command only, never a program on the way to it.

It answers on a second descriptor, which no command ever holds: `R` once the limits stand, `F` and the reason when they
cannot be set, and after `R` an `X` with errno and reason when the command itself cannot be started.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any


def obey(order: dict[str, Any]) -> None:
    # Made by root, for whichever user the command becomes.
    for folder in order["shared"]:
        os.chmod(folder, 0o1777)
    if order["user"] is not None:
        # Real, effective and saved ids: the kernel clears every capability on the way.
        os.setgroups([])
        os.setresgid(order["user"], order["user"], order["user"])
        os.setresuid(order["user"], order["user"], order["user"])
    for name, (soft, hard) in order["limits"].items():
        which = getattr(resource, name)
        ceiling = resource.getrlimit(which)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(which, (soft, hard))
        except (ValueError, OSError):
            # macOS has RLIMIT_AS and refuses to set it; nowhere else may a limit be left out.
            if sys.platform != "darwin":
                raise
    # Python ignores these two, and a command would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o022)
    # As the command's user: the workspace may be nobody else's to enter.
    os.chdir(order["cwd"])


def main(order_fd: int, report_fd: int) -> None:
    try:
        os.set_inheritable(report_fd, False)
        with open(order_fd, encoding="utf-8") as sheet:
            order = json.load(sheet)
        obey(order)
    except Exception as error:
        os.write(report_fd, f"F{type(error).__name__}: {error}".encode("utf-8", "replace"))
        os._exit(1)
    # Nobody reads any more if the engine died meanwhile: SIGPIPE then ends this before the command begins.
    os.write(report_fd, b"R")
    argv, env = order["argv"], order["env"]
    try:
        os.execvpe(argv[0], argv, env)
    except Exception as error:
        number = getattr(error, "errno", None) or 0
        os.write(report_fd, f"X{number} {getattr(error, 'strerror', None) or error}".encode("utf-8", "replace"))
        os._exit(126)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
