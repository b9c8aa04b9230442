"""T20, T30, T38: one replica of three is sick in every way, and clients do not notice; none is followed elsewhere."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from cogitate.server.engine.remote.load_balancer import ATTEMPTS
from tests.fakes.upstream import FakeUpstream, Fault
from tests.fakes.upstream.faults import bomb
from tests.resilience.server_process import CHAT, Server

SICK: list[Fault] = ["500", "429", "reset_first", "redirect", "hang", "hang_body", "error_in_200", "huge", "gzip_bomb"]
RATE, SECONDS = 20, 60
TIMEOUT, IDLE = 4, 2
LATE = {"hang": IDLE, "hang_body": IDLE}
"""Seconds until a failure is known for one."""
ALONE = 7
"""Seconds that it asks to be left alone, with a 429."""


@dataclass(slots=True)
class Heard:
    """What came to a replica, and when."""

    calls: list[tuple[float, str]] = field(default_factory=list)
    """With the question."""
    probes: list[float] = field(default_factory=list)

    def __call__(self, path: str, body: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        if path == "/v1/models":
            self.probes.append(now)
        else:
            self.calls.append((now, body["messages"][0]["content"]))

    def row(self, onset: float, well: float, late: float) -> int:
        """How many of its failures were known while it was still asked, until its first probe: then it was ejected."""
        ejected = min((at for at in self.probes if at > onset), default=well)
        first = {question: at for at, question in reversed(self.calls) if onset <= at < ejected}
        return sum(at + late <= max(first.values()) for at in first.values())

    def gap(self, begin: float, end: float) -> float:
        """The longest time in which it was not asked anything."""
        times = sorted(at for at in [begin, end, *self.probes, *(at for at, _ in self.calls)] if begin <= at <= end)
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))


@dataclass(slots=True)
class Asking:
    """So many a second, whatever becomes of the earlier ones."""

    url: str
    told: list[tuple[int, float, float]] = field(default_factory=list)
    """Status, seconds, and when it was asked."""

    async def run(self, over: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as group:
            number = 0
            while not over.is_set():
                group.create_task(self.one(client, f"{number}?"))
                number += 1
                await asyncio.sleep(1 / RATE)

    async def one(self, client: httpx.AsyncClient, question: str) -> None:
        began = asyncio.get_running_loop().time()
        said = {"model": "fake", "messages": [{"role": "user", "content": question}], "cache": "no-store"}
        answer = await client.post(self.url + CHAT, json=said)
        self.told.append((answer.status_code, asyncio.get_running_loop().time() - began, began))


@asynccontextmanager
async def three() -> AsyncIterator[tuple[list[FakeUpstream], list[Heard], Server]]:
    """Replicas that hear what comes, and a server over them."""
    heard = [Heard() for _ in range(3)]
    async with AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(FakeUpstream(on_request=each, max_recorded=0)) for each in heard]
        flags = ["--upstream-abilities", "none"]
        flags += ["--upstream-timeout", str(TIMEOUT), "--upstream-idle-timeout", str(IDLE)]
        flags += [word for fake in fakes[1:] for word in ("--upstream", fake.url)]
        environment = {"COGITATE_UPSTREAM_API_KEY": "sk-canary"}
        server = Server(upstream=fakes[0].url, flags=tuple(flags), environment=environment)
        await asyncio.to_thread(server.__enter__)
        try:
            yield fakes, heard, server
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110 what it waits for happens in another process
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Seen:
    statuses: list[int]
    calls: int
    """Of the upstreams."""
    attempts: int
    """The most for one request."""
    row: int
    """Failures of the sick one that were known while it was still asked."""
    gap: float
    """Seconds, the longest in which it was not looked at, from when the failure was known."""
    back: float
    """Seconds from when it was well until it was asked again."""
    grown: float
    """Of the server, MiB."""


async def one_sick(fault: Fault, elsewhere: str, seconds: float) -> Seen:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    async with three() as (fakes, heard, server):
        sick, memory, asking = fakes[0].script, server.memory, Asking(server.url)
        load = asyncio.create_task(asking.run(over))
        await asyncio.sleep(2)
        sick.fault, sick.redirect_url, onset = fault, elsewhere, loop.time()
        await asyncio.sleep(seconds)
        sick.fault, well, before = "none", loop.time(), len(heard[0].calls)
        await until(lambda: len(heard[0].calls) > before)
        back = loop.time()
        await asyncio.sleep(1)
        over.set()
        await load
        grown = server.memory - memory
    attempts = Counter(question for each in heard for _, question in each.calls)
    late = LATE.get(fault, 0.0)
    row, gap = heard[0].row(onset, well, late), heard[0].gap(onset, back) - late
    statuses = [status for status, *_ in asking.told]
    return Seen(statuses, attempts.total(), max(attempts.values()), row, gap, back - well, grown)


@pytest.mark.faults
@pytest.mark.parametrize("fault", SICK)
def test_t20_one_sick_replica_of_three_is_not_noticed(bar, scale, fault: Fault):
    seconds = SECONDS * scale
    bomb()
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        seen = asyncio.run(one_sick(fault, f"http://127.0.0.1:{canary.getsockname()[1]}/v1", seconds))
        try:
            followed = canary.accept() is not None
        except BlockingIOError:
            followed = False
    count = len(seen.statuses)
    good, share = seen.statuses.count(200) / count, seen.calls / count
    if fault == "redirect":
        bar("T30", "a replica redirects: connections there", f"{int(followed)}", "0", not followed)
    if fault in ("huge", "gzip_bomb"):
        bar("T38", f"{fault} of a replica: memory", f"+{seen.grown:.0f} MiB", "+20 MiB", seen.grown <= 20)
    what = f"1 of 3 replicas sick ({fault}) for {seconds:g} s, {RATE} requests a second: answered; calls a request"
    bar("T20", what, f"{good:.1%}; {share:.2f}", "99.9 %; 1.1", good >= 0.999 and share <= 1.1 + 10 / count)
    bar("T20", "... calls for one request, at most", f"{seen.attempts}", f"{ATTEMPTS}", seen.attempts <= ATTEMPTS)
    most = int(seconds / ALONE) + 3 if fault == "429" else 5
    what = f"... asked while it asks for {ALONE} s" if fault == "429" else "... failures in a row until it is ejected"
    bar("T20", what, f"{seen.row}", f"{most}", seen.row <= most)
    met = seen.gap <= 31 and seen.back <= 35
    figure = f"{seen.gap:.1f} s, {seen.back:.1f} s"
    bar("T20", "... not looked at for, at most; asked again after it is well", figure, "30 s, 35 s", met)


async def silence(port: int) -> asyncio.Server:
    """Takes every connection, and never says anything."""
    return await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", port)


async def all_sick(how: str) -> tuple[Counter[int], float, float, float]:
    """Statuses and the slowest of those who ask once all are given up, the slowest of all, and the seconds until they
    are used again."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    async with three() as (fakes, _, server):
        asking = Asking(server.url)
        load = asyncio.create_task(asking.run(over))
        await asyncio.sleep(1)
        for fake in fakes:
            if how == "hung":
                fake.script.fault = "hang"
            else:
                await fake.stop()
        silent = [await silence(fake.port) for fake in fakes] if how == "frozen" else []
        await asyncio.sleep(TIMEOUT + 1)
        known = loop.time()
        await asyncio.sleep(2 + IDLE)
        well = loop.time()
        for listening in silent:
            listening.close()
        for fake in fakes:
            fake.script.fault = "none"
            if how != "hung":
                await fake.start()
        await until(lambda: asking.told[-1][0] == 200)
        back = loop.time() - well
        over.set()
        await load
    since = [each for each in asking.told if known <= each[2] < well - IDLE]
    slowest, slowest_of_all = max(seconds for _, seconds, _ in since), max(seconds for _, seconds, _ in asking.told)
    return Counter(status for status, *_ in since), slowest, slowest_of_all, back


@pytest.mark.faults
@pytest.mark.parametrize(
    ("how", "most", "wanted"), [("gone", 1, {503}), ("frozen", 1, {503}), ("hung", TIMEOUT + 0.5, {502, 503})]
)
def test_t20_without_any_replica_it_is_a_503_at_once(bar, how: str, most: float, wanted: set[int]):
    """One that is hung lists its models, so that it is tried now and then: who tries waits as long as for anything."""
    statuses, slowest, slowest_of_all, back = asyncio.run(all_sick(how))
    what = f"all 3 replicas {how}: answers once that is known, the slowest"
    met = {*statuses} <= wanted and slowest <= most
    bar("T20", what, f"{dict(statuses)}, {slowest:.2f} s", f"{wanted}, {most:g} s", met)
    what = f"... the slowest of all, with {TIMEOUT} s for an answer; used again after they are well"
    met = slowest_of_all <= TIMEOUT + 0.5 and back <= 35
    bar("T20", what, f"{slowest_of_all:.1f} s; {back:.1f} s", f"{TIMEOUT} s; 35 s", met)
