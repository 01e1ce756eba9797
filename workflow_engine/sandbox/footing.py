"""A footing: as which user and in which user namespace a sandbox stands on the kernel. Several are tried in turn.

Running as root, the command gets a user of its own (see lend.py): no user namespace is needed, and the limit on
processes holds. Where that is forbidden, and for everybody who is not root, it gets a user namespace in which it is one
ordinary user; started by root that user is still root to the kernel: without a capability, with only the sandbox's
mounts in sight, but exempt from the limit on processes, which the kernel never applies to root. Last comes a bwrap
installed setuid, for systems that refuse user namespaces to ordinary users.
"""

from __future__ import annotations

from dataclasses import dataclass

INSIDE_USER = 1000


@dataclass(frozen=True)
class Footing:
    """`flags` for bwrap; `lends`: the workspace changes hands; `counts_apart`: the kernel counts its tasks alone."""

    name: str
    flags: tuple[str, ...]
    lends: bool = False
    counts_apart: bool = False


_ALL_BUT_USER = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
_OWN_NAMESPACE = (
    "--unshare-all", "--unshare-user", "--uid", str(INSIDE_USER), "--gid", str(INSIDE_USER), "--cap-drop", "ALL",
)  # fmt: skip

OWN_USER = Footing(
    "a user of its own",
    # The two capabilities let the prelude become that user, and are gone with it.
    (*_ALL_BUT_USER, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"),
    lends=True,
    counts_apart=True,
)
CLOSED_NAMESPACE = Footing("a user namespace, the last", (*_OWN_NAMESPACE, "--disable-userns"))
NAMESPACE = Footing("a user namespace", _OWN_NAMESPACE)
SETUID = Footing("a setuid bwrap", ("--unshare-all", "--cap-drop", "ALL"))


def footings(*, root: bool, options: frozenset[str], release: str) -> tuple[Footing, ...]:
    """Those to try, best first, given bwrap's options and the kernel's release."""
    apart = _counts_by_namespace(release)
    namespaces = [CLOSED_NAMESPACE, NAMESPACE] if "--disable-userns" in options else [NAMESPACE]
    ordinary = tuple(Footing(one.name, one.flags, counts_apart=apart) for one in namespaces)
    return (OWN_USER, *ordinary) if root else (*ordinary, SETUID)


def _counts_by_namespace(release: str) -> bool:
    """Linux counts a user's processes by user namespace since 5.14; before, with everything else that user runs.

    >>> _counts_by_namespace("6.1.0-13-amd64"), _counts_by_namespace("5.10.0"), _counts_by_namespace("odd")
    (True, False, False)
    """
    numbers = release.split("-")[0].split(".")[:2]
    return len(numbers) == 2 and all(n.isdigit() for n in numbers) and tuple(int(n) for n in numbers) >= (5, 14)
