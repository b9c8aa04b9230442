"""Upstreams by DNS name: each address of the name is a replica, and the name is read again and again.

Names are read by the system's resolver, with its hosts file and search domains, in a thread of the event loop's pool. A
name that cannot be read, or has no address, keeps the addresses that it had: a failing DNS server must not end the
service, and the health of its replicas shows which of them respond.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from cogitate.server.engine.remote.config import UpstreamConfig

log = logging.getLogger("cogitate.remote")
RESOLVE_SECONDS = 5.0
"""Between two reads of a name: as long as DNS servers of Kubernetes let an answer live."""
MAX_FIRST_READ_SECONDS = 5.0
"""How long the start waits for the names. One that is not read yet is one replica, which is connected to by name."""
MAX_ADDRESSES_PER_NAME = 1024

Resolve = Callable[[str], Awaitable[Collection[str]]]
"""Returns the addresses of a DNS name. Raises OSError or UnicodeError."""


async def resolve_name(name: str) -> Collection[str]:
    """Return the addresses of a name; of a name with IPv4 and IPv6 addresses, those that the system prefers.

    Each pod of a dual-stack cluster has an address of both families, and is one replica.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return select_addresses([(family, str(address[0])) for family, *_, address in found])


def select_addresses(found: Sequence[tuple[int, str]]) -> set[str]:
    """Return the addresses of the family that comes first."""
    return {address for family, address in found if family == found[0][0]}


@dataclass(slots=True)
class Discovery:
    """Keeps the replicas of upstreams up to date with DNS.

    Args:
        upstreams: As the operator names them; those without a DNS name stay as they are.
        update: Called with all upstreams, one for each address, where they have changed.
        resolve: Reads a name.
    """

    upstreams: Sequence[UpstreamConfig]
    update: Callable[[Sequence[UpstreamConfig]], None]
    resolve: Resolve = resolve_name
    interval: float = RESOLVE_SECONDS
    _addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _unreadable: set[str] = field(default_factory=set)
    _first_read: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        """Read the names, and read them again in the background."""
        if names := {each.dns_name for each in self.upstreams if each.dns_name}:
            self._reading = asyncio.create_task(self._read_again_and_again(names))
            with suppress(TimeoutError):
                async with asyncio.timeout(MAX_FIRST_READ_SECONDS):
                    await self._first_read.wait()

    async def close(self) -> None:
        if self._reading:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def _read_again_and_again(self, names: Collection[str]) -> None:
        while True:
            before = dict(self._addresses)
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(self._read(name))
            if self._addresses != before:
                self.update([address for upstream in self.upstreams for address in self._expand(upstream)])
            self._first_read.set()
            await asyncio.sleep(self.interval)

    async def _read(self, name: str) -> None:
        try:
            addresses = tuple(sorted(await self.resolve(name))[:MAX_ADDRESSES_PER_NAME])
        except (OSError, UnicodeError):
            addresses = ()
        if addresses:
            self._unreadable.discard(name)
            if addresses != self._addresses.get(name):
                log.info("the upstream %s has %d addresses", name, len(addresses))
            self._addresses[name] = addresses
        elif name not in self._unreadable:
            self._unreadable.add(name)
            log.warning("the upstream %s has no address in DNS: those that it had stay in use", name)

    def _expand(self, upstream: UpstreamConfig) -> Sequence[UpstreamConfig]:
        """One upstream for each address; the upstream itself where it has no name, or none was read yet."""
        addresses = self._addresses.get(upstream.dns_name or "", ())
        return [replace(upstream, address=address) for address in addresses] or [upstream]
