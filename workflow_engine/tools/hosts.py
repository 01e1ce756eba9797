"""Hosts a tool may reach: named ones, listed addresses, and which addresses are public."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from workflow_engine.errors import DeclarationError

if TYPE_CHECKING:
    import httpx2

PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_EMBEDS = ipaddress.ip_network("64:ff9b::/96")
"""Where IPv6-only networks put the whole of IPv4."""


@dataclass(frozen=True)
class Host:
    """One entry of a list. `name` begins with a dot where it stands for everything beneath it."""

    scheme: str
    name: str
    port: int
    address: str | None = None

    def __str__(self) -> str:
        name = f"*{self.name}" if self.name.startswith(".") else self.name
        name = f"[{name}]" if ":" in name else name
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{name}{port}"

    def covers(self, url: httpx2.URL) -> bool:
        """Whether the entry grants this URL."""
        if url.scheme != self.scheme or self.port_of(url) != self.port:
            return False
        asked = _plain(url.raw_host.decode("ascii"))
        return asked.endswith(self.name) if self.name.startswith(".") else asked == self.name

    def port_of(self, url: httpx2.URL) -> int:
        """The port a URL means."""
        return url.port or PORTS[self.scheme]

    def origin(self, url: httpx2.URL) -> tuple[str, str, int]:
        """What a secret is meant for."""
        return self.scheme, _plain(url.raw_host.decode("ascii")), self.port


def listed(hosts: Sequence[str]) -> tuple[Host, ...]:
    """The entries of a list, read. Raises DeclarationError for one that means nothing."""
    if isinstance(hosts, str) or not hosts:
        raise DeclarationError(f"hosts={hosts!r} is no list of hosts", 'for example ["api.example.com"]')
    return tuple(_host(each) for each in hosts)


def _host(entry: str) -> Host:
    scheme, mark, rest = entry.partition("://")
    scheme, rest = (scheme.lower(), rest) if mark else ("https", entry)
    wild = rest.startswith("*.")
    try:
        url = urlsplit(f"//{rest[2:] if wild else rest}")
        name, port = _plain(url.hostname or ""), url.port
    except ValueError:
        name, port = "", None
    else:
        name = name if url.path in ("", "/") and not (url.query or url.fragment or "@" in url.netloc) else ""
    address = _address(name)
    if scheme not in PORTS or port == 0 or (address is None and not _NAME.fullmatch(name)) or (wild and address):
        raise DeclarationError(
            f"{entry!r} is no host", 'write "api.example.com", "*.example.com" or "http://10.0.0.7:8080"'
        )
    return Host(scheme, f".{name}" if wild else name, port or PORTS[scheme], address)


def _plain(name: str) -> str:
    name = name.lower().strip("[]").removesuffix(".")
    return _address(name) or name


def _address(name: str) -> str | None:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet at large, also where it stands for another one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _EMBEDS:
            within = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if within is not None:
            return is_public(str(within))
    return found.is_global and not found.is_multicast and not found.is_reserved


async def addresses(name: str, port: int) -> list[str]:
    """What the name server says. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(each[4][0]) for each in found))
