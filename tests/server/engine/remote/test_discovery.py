"""Upstreams by DNS name, whose addresses come and go."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.engine.remote.discovery import resolve_name, select_addresses
from cogitate.strategies.core.ports import ABILITIES
from cogitate.strategies.core.types import Sampling
from tests.fakes.upstream import FakeUpstream, Script
from tests.server.engine.remote.fakes import SHORT_TIMEOUTS, eventually, request, sample

NAME = "replicas.test"


@dataclass
class Zone:
    """A DNS zone in memory."""

    addresses: dict[str, list[str]] = field(default_factory=dict)
    delay: float = 0.0

    async def resolve(self, name: str) -> Collection[str]:
        await asyncio.sleep(self.delay)
        if not self.addresses.get(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses[name]


@contextlib.asynccontextmanager
async def run_replicas(count: int, script: Script | None = None) -> AsyncIterator[list[FakeUpstream]]:
    """Run replicas on one port of several loopback addresses."""
    async with contextlib.AsyncExitStack() as stack:
        fakes: list[FakeUpstream] = []
        for at in range(count):
            fake = FakeUpstream(script or Script(), host=f"127.0.0.{at + 1}", port=fakes[0].port if fakes else 0)
            fakes.append(await stack.enter_async_context(fake))
        yield fakes


@contextlib.asynccontextmanager
async def run_backend(zone: Zone, *upstreams: UpstreamConfig) -> AsyncIterator[RemoteBackend]:
    backend = RemoteBackend(upstreams, abilities=ABILITIES, timeouts=SHORT_TIMEOUTS, resolve=zone.resolve)
    backend.discovery.interval = 0.02
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()


def by_name(fake: FakeUpstream, key: str | None = None) -> UpstreamConfig:
    return UpstreamConfig(f"http://{NAME}:{fake.port}/v1", SecretStr(key) if key else None)


def list_addresses(backend: RemoteBackend) -> list[str | None]:
    return [replica.config.address for replica in backend.balancer.replicas]


async def test_each_address_of_a_name_is_a_replica_with_the_names_key_and_host():
    async with run_replicas(3, Script(key="secret")) as fakes:
        zone = Zone({NAME: [fake.host for fake in fakes]})
        async with run_backend(zone, by_name(fakes[0], "secret")) as backend:
            for at in range(30):
                await sample(backend, request(f"Question {at}?"))
            assert all(fake.counters.calls for fake in fakes)
            hosts = {headers[b"host"] for fake in fakes for _, _, headers in fake.requests}
            assert hosts == {f"{NAME}:{fakes[0].port}".encode()}
            names = [state.name for state in backend.list_upstreams()]
            assert names == [f"http://127.0.0.{at}:{fakes[0].port}/v1" for at in (1, 2, 3)]


async def test_addresses_that_appear_and_disappear_become_and_leave_replicas():
    async with run_replicas(3) as fakes:
        zone = Zone({NAME: ["127.0.0.1", "127.0.0.2"]})
        async with run_backend(zone, by_name(fakes[0])) as backend:
            stays = backend.balancer.replicas[1]
            zone.addresses[NAME] = ["127.0.0.3", "127.0.0.2"]
            await eventually(lambda: list_addresses(backend) == ["127.0.0.2", "127.0.0.3"])
            assert backend.balancer.replicas[0] is stays
            before = fakes[0].counters.calls
            for at in range(20):
                await sample(backend, request(f"{at}"))
            assert fakes[0].counters.calls == before and fakes[2].counters.calls > 0


async def test_replica_that_disappears_ends_its_calls_and_then_its_connections():
    async with run_replicas(2, Script(latency=0.3)) as fakes:
        zone = Zone({NAME: ["127.0.0.1"]})
        async with run_backend(zone, by_name(fakes[0])) as backend:
            (leaving,) = backend.balancer.replicas
            running = asyncio.create_task(sample(backend))
            await eventually(lambda: fakes[0].counters.in_flight == 1)
            zone.addresses[NAME] = ["127.0.0.2"]
            await eventually(lambda: list_addresses(backend) == ["127.0.0.2"])
            assert backend.load().running == 1 and leaving.transport.connection_count >= 1
            assert (await running).finish == "stop" and fakes[1].counters.calls == 0
            await eventually(lambda: leaving.transport.connection_count == 0)
            assert backend.load().running == 0 and fakes[0].counters.aborted == 0


async def test_samples_of_a_running_request_go_on_where_their_replica_disappears():
    async with run_replicas(2) as fakes:
        zone, chat = Zone({NAME: ["127.0.0.1"]}), request()
        async with run_backend(zone, by_name(fakes[0])) as backend:
            conversation = await backend.converse(chat, chat.prompt)
            zone.addresses[NAME] = ["127.0.0.2"]
            await eventually(lambda: list_addresses(backend) == ["127.0.0.2"])
            await conversation.generate(chat.prompt, Sampling(max_tokens=5))
            assert (fakes[0].counters.calls, fakes[1].counters.calls) == (0, 1)


async def test_health_of_an_address_is_kept_while_others_come_and_go():
    async with run_replicas(1) as fakes:
        zone = Zone({NAME: ["127.0.0.1", "127.0.0.2"]})
        async with run_backend(zone, by_name(fakes[0])) as backend:
            for at in range(20):
                await sample(backend, request(f"{at}"))
            refusing = backend.balancer.replicas[1]
            assert refusing.health.ejected
            zone.addresses[NAME] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
            await eventually(lambda: len(backend.balancer.replicas) == 3)
            assert backend.balancer.replicas[1] is refusing and refusing.health.ejected


async def test_name_that_cannot_be_read_keeps_its_addresses():
    async with run_replicas(2) as fakes:
        zone = Zone({NAME: ["127.0.0.1", "127.0.0.2"]})
        async with run_backend(zone, by_name(fakes[0])) as backend:
            zone.addresses[NAME] = []
            await asyncio.sleep(0.1)
            assert list_addresses(backend) == ["127.0.0.1", "127.0.0.2"]
            zone.addresses[NAME] = ["127.0.0.2"]
            await eventually(lambda: list_addresses(backend) == ["127.0.0.2"])


async def test_start_waits_for_a_name_that_has_no_address_yet():
    async with run_replicas(1) as fakes:
        zone = Zone()
        backend = RemoteBackend([by_name(fakes[0])], abilities=ABILITIES, timeouts=SHORT_TIMEOUTS, resolve=zone.resolve)
        backend.discovery.interval = 0.02
        opening = asyncio.create_task(backend.open())
        await asyncio.sleep(0.1)
        zone.addresses[NAME] = ["127.0.0.1"]
        await asyncio.wait_for(opening, 3)
        assert (await sample(backend)).finish == "stop"
        await backend.close()


async def test_slow_resolver_delays_no_request():
    async with run_replicas(2) as fakes:
        zone = Zone({NAME: ["127.0.0.1"]})
        async with run_backend(zone, by_name(fakes[0])) as backend:
            zone.delay = 60.0
            await asyncio.sleep(0.05)
            began = time.monotonic()
            await sample(backend)
            assert time.monotonic() - began < 1


async def test_upstreams_without_a_name_stay_beside_those_with_one():
    async with run_replicas(3) as fakes:
        zone = Zone({NAME: ["127.0.0.2", "127.0.0.3"]})
        async with run_backend(zone, UpstreamConfig(fakes[0].url), by_name(fakes[0])) as backend:
            assert list_addresses(backend) == [None, "127.0.0.2", "127.0.0.3"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://vllm:8000/v1", "vllm"),
        ("http://vllm.default.svc.cluster.local/v1", "vllm.default.svc.cluster.local"),
        ("https://api.example.com/v1", None),
        ("http://10.0.0.1:8000/v1", None),
        ("http://[::1]:8000/v1", None),
        ("http://localhost:8000/v1", None),
        ("http://a.localhost:8000/v1", None),
    ],
)
def test_http_urls_with_a_dns_name_are_several_replicas(url, name):
    assert UpstreamConfig(url).dns_name == name


def test_name_of_a_replica_has_its_address():
    assert UpstreamConfig("http://a:8000/v1", address="10.0.0.1").name == "http://10.0.0.1:8000/v1"
    assert UpstreamConfig("http://a:8000/v1", address="fd00::1").name == "http://[fd00::1]:8000/v1"
    assert UpstreamConfig("http://a:8000/v1").name == "http://a:8000/v1"


def test_pod_with_an_address_of_both_families_is_one_replica():
    both = [
        (socket.AF_INET6, "fd00::1"),
        (socket.AF_INET, "10.0.0.1"),
        (socket.AF_INET6, "fd00::2"),
        (socket.AF_INET, "10.0.0.2"),
    ]
    assert select_addresses(both) == {"fd00::1", "fd00::2"} and select_addresses(both[1:2]) == {"10.0.0.1"}
    assert select_addresses([]) == set()


async def test_system_resolver_reads_names_and_fails_for_unknown_ones():
    assert {"127.0.0.1", "::1"} & set(await resolve_name("localhost"))
    for wrong in ("no-such-name.invalid", "a" * 70 + ".test"):
        with pytest.raises((OSError, UnicodeError)):
            await resolve_name(wrong)
