"""What a command finds around it: an environment with nothing of the host's in it, and the few folders it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The system's programs and libraries. World-readable by design, and without configuration: /etc, /opt, /var stay out.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
# What the dynamic linker and Debian's `python3`-style links need of /etc.
LINKER = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
# What a Python prefix consists of. Not the whole prefix: that may be ~/.local, with keyrings and mail beside `lib`.
PARTS = ("bin", "lib", "lib64", "include", "pyvenv.cfg")


def environment(home: str, extra: Mapping[str, str] | None) -> dict[str, str]:
    """The command's whole environment. Byte code is not written: it would litter the workspace that is collected."""
    return {
        "PATH": os.pathsep.join(dict.fromkeys([*(str(prefix / "bin") for prefix in prefixes()), *_SYSTEM_PATH])),
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "PYTHONDONTWRITEBYTECODE": "1",
        **(extra or {}),
    }


_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def prefixes() -> tuple[Path, ...]:
    """Where the running Python lives: its virtual environment, the installation behind it, and every link between."""
    found = [Path(sys.prefix), Path(sys.exec_prefix)]
    program = Path(sys.executable)
    for _ in range(40):  # as many links as the kernel itself would follow
        found.append(program.parent.parent)
        if not program.is_symlink():
            break
        program = Path(os.path.normpath(program.parent / program.readlink()))
    found += [Path(sys.base_prefix), Path(sys.base_exec_prefix)]
    return tuple(dict.fromkeys(prefix for prefix in found if prefix != Path("/")))


def readonly(extra: Iterable[Path]) -> dict[str, str | None]:
    """Every path a sandbox sees of the host, mapped to None for a mount and to its target for a link to be repeated."""
    view: dict[str, str | None] = {}
    for path in SYSTEM:
        if os.path.islink(path):
            view[path] = os.readlink(path)
        elif os.path.isdir(path):
            view[path] = None
    for path in LINKER:
        if os.path.exists(path):
            view[path] = None
    for prefix in prefixes():
        if _already_visible(prefix, view):
            continue
        for part in PARTS:
            path = str(prefix / part)
            if os.path.islink(path):
                view[path] = os.readlink(path)
            elif os.path.exists(path):
                view[path] = None
    for folder in extra:
        view[str(folder)] = None
    return view


def _already_visible(path: Path, view: Mapping[str, str | None]) -> bool:
    return any(path.is_relative_to(seen) for seen, link in view.items() if link is None)
