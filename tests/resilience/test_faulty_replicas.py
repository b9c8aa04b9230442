"""One faulty replica of three is ejected without failed requests; its redirects are not followed."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from cogitate.server.engine.remote.load_balancer import MAX_ATTEMPTS
from tests.fakes.upstream import FakeUpstream, Fault
from tests.fakes.upstream.faults import bomb
from tests.resilience.server_process import CHAT, Server

pytestmark = pytest.mark.fault("T20", "T30", "T38")

SICK: list[Fault] = ["500", "429", "reset_first", "redirect", "hang", "hang_body", "error_in_200", "huge", "gzip_bomb"]
RATE, SECONDS = 20, 60
TIMEOUT, IDLE = 4, 2
DETECTION_SECONDS = {"hang": IDLE, "hang_body": IDLE}
"""Seconds until the failure of a call is known; 0 for other faults."""
RETRY_AFTER_SECONDS = 7
"""Retry-After of the fake replica's 429."""


@dataclass(slots=True)
class RequestLog:
    """The requests that a replica received, with the loop's time."""

    calls: list[tuple[float, str]] = field(default_factory=list)
    """Time and question of each call."""
    probes: list[float] = field(default_factory=list)

    def __call__(self, path: str, body: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        if path == "/v1/models":
            self.probes.append(now)
        else:
            self.calls.append((now, body["messages"][0]["content"]))

    def count_failures(self, onset: float, recovery: float, detection: float) -> int:
        """Return the failures known before the last call; calls end with the first probe, which follows ejection."""
        ejected = min((at for at in self.probes if at > onset), default=recovery)
        first = {question: at for at, question in reversed(self.calls) if onset <= at < ejected}
        return sum(at + detection <= max(first.values()) for at in first.values())

    def longest_gap(self, begin: float, end: float) -> float:
        """Return the longest time in seconds without any request."""
        times = sorted(at for at in [begin, end, *self.probes, *(at for at, _ in self.calls)] if begin <= at <= end)
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))


@dataclass(slots=True)
class OpenLoop:
    """Sends RATE requests per second, however long the earlier ones take."""

    url: str
    results: list[tuple[int, float, float]] = field(default_factory=list)
    """Status, duration in seconds, and start by the loop's clock of each request."""

    async def run(self, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as group:
            number = 0
            while not stop.is_set():
                group.create_task(self.send(client, f"{number}?"))
                number += 1
                await asyncio.sleep(1 / RATE)

    async def send(self, client: httpx.AsyncClient, question: str) -> None:
        began = asyncio.get_running_loop().time()
        payload = {"model": "fake", "messages": [{"role": "user", "content": question}], "cache": "no-store"}
        answer = await client.post(self.url + CHAT, json=payload)
        self.results.append((answer.status_code, asyncio.get_running_loop().time() - began, began))


@asynccontextmanager
async def run_three_replicas() -> AsyncIterator[tuple[list[FakeUpstream], list[RequestLog], Server]]:
    """Run three replicas that log their requests, and a server over them."""
    logs = [RequestLog() for _ in range(3)]
    async with AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(FakeUpstream(on_request=each, max_recorded=0)) for each in logs]
        flags = ["--upstream-abilities", "none"]
        flags += ["--upstream-timeout", str(TIMEOUT), "--upstream-idle-timeout", str(IDLE)]
        flags += [word for fake in fakes[1:] for word in ("--upstream", fake.url)]
        environment = {"COGITATE_UPSTREAM_API_KEY": "sk-canary"}
        server = Server(upstream=fakes[0].url, flags=tuple(flags), environment=environment)
        await asyncio.to_thread(server.__enter__)
        try:
            yield fakes, logs, server
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


async def wait_until_true(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110 the change happens in another process
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Outcome:
    statuses: list[int]
    calls: int
    """Calls that all replicas received."""
    attempts: int
    """Maximum calls for one request."""
    failures: int
    """Failures of the faulty replica known while it was still called."""
    gap: float
    """Longest time in seconds without a call or probe of the faulty replica after its failure was known."""
    back: float
    """Seconds from recovery until the replica is called again."""
    grown: float
    """Memory growth of the server, MiB."""


async def one_sick(fault: Fault, elsewhere: str, seconds: float) -> Outcome:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with run_three_replicas() as (fakes, logs, server):
        sick, memory, load = fakes[0].script, server.memory, OpenLoop(server.url)
        task = asyncio.create_task(load.run(stop))
        await asyncio.sleep(2)
        sick.fault, sick.redirect_url, onset = fault, elsewhere, loop.time()
        await asyncio.sleep(seconds)
        sick.fault, recovery, before = "none", loop.time(), len(logs[0].calls)
        await wait_until_true(lambda: len(logs[0].calls) > before)
        back = loop.time()
        await asyncio.sleep(1)
        stop.set()
        await task
        grown = server.memory - memory
    attempts = Counter(question for each in logs for _, question in each.calls)
    detection = DETECTION_SECONDS.get(fault, 0.0)
    failures = logs[0].count_failures(onset, recovery, detection)
    gap = logs[0].longest_gap(onset, back) - detection
    statuses = [status for status, *_ in load.results]
    return Outcome(statuses, attempts.total(), max(attempts.values()), failures, gap, back - recovery, grown)


@pytest.mark.faults
@pytest.mark.parametrize("fault", SICK)
def test_faulty_replica_of_three_fails_no_request(bar, scale, fault: Fault):
    seconds = SECONDS * scale
    bomb()
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        outcome = asyncio.run(one_sick(fault, f"http://127.0.0.1:{canary.getsockname()[1]}/v1", seconds))
        try:
            followed = canary.accept() is not None
        except BlockingIOError:
            followed = False
    count = len(outcome.statuses)
    good, share = outcome.statuses.count(200) / count, outcome.calls / count
    if fault == "redirect":
        bar("a replica redirects: connections there", f"{int(followed)}", "0", not followed, row="T30")
    if fault in ("huge", "gzip_bomb"):
        bar(f"{fault} of a replica: memory", f"+{outcome.grown:.0f} MiB", "+20 MiB", outcome.grown <= 20, row="T38")
    what = f"1 of 3 replicas sick ({fault}) for {seconds:g} s, {RATE} requests a second: answered; calls a request"
    bar(what, f"{good:.1%}; {share:.2f}", "99.9 %; 1.1", good >= 0.999 and share <= 1.1 + 10 / count)
    bar(
        "... calls for one request, at most", f"{outcome.attempts}", f"{MAX_ATTEMPTS}", outcome.attempts <= MAX_ATTEMPTS
    )
    most = int(seconds / RETRY_AFTER_SECONDS) + 3 if fault == "429" else 5
    what = (
        f"... asked while it asks for {RETRY_AFTER_SECONDS} s"
        if fault == "429"
        else "... failures in a row until it is ejected"
    )
    bar(what, f"{outcome.failures}", f"{most}", outcome.failures <= most)
    met = outcome.gap <= 31 and outcome.back <= 35
    figure = f"{outcome.gap:.1f} s, {outcome.back:.1f} s"
    bar("... not looked at for, at most; asked again after it is well", figure, "30 s, 35 s", met)


async def listen_silently(port: int) -> asyncio.Server:
    """Accept every connection and never sends a byte."""
    return await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", port)


async def all_sick(how: str) -> tuple[Counter[int], float, float, float]:
    """Make all replicas faulty at once.

    Returns the statuses and the slowest of the requests sent once the fault is known, the slowest of all requests, and
    the seconds from recovery until the replicas are used again.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with run_three_replicas() as (fakes, _, server):
        load = OpenLoop(server.url)
        task = asyncio.create_task(load.run(stop))
        await asyncio.sleep(1)
        for fake in fakes:
            if how == "hung":
                fake.script.fault = "hang"
            else:
                await fake.stop()
        silent = [await listen_silently(fake.port) for fake in fakes] if how == "frozen" else []
        await asyncio.sleep(TIMEOUT + 1)
        detected = loop.time()
        await asyncio.sleep(2 + IDLE)
        recovery = loop.time()
        for listening in silent:
            listening.close()
        for fake in fakes:
            fake.script.fault = "none"
            if how != "hung":
                await fake.start()
        await wait_until_true(lambda: load.results[-1][0] == 200)
        back = loop.time() - recovery
        stop.set()
        await task
    since = [each for each in load.results if detected <= each[2] < recovery - IDLE]
    slowest, slowest_of_all = max(seconds for _, seconds, _ in since), max(seconds for _, seconds, _ in load.results)
    return Counter(status for status, *_ in since), slowest, slowest_of_all, back


@pytest.mark.faults
@pytest.mark.parametrize(
    ("how", "most", "wanted"), [("gone", 1, {503}), ("frozen", 1, {503}), ("hung", TIMEOUT + 0.5, {502, 503})]
)
def test_requests_fail_at_once_when_all_replicas_are_faulty(bar, how: str, most: float, wanted: set[int]):
    """A hung replica still lists its models, so it is tried now and then; that try takes the timeout."""
    statuses, slowest, slowest_of_all, back = asyncio.run(all_sick(how))
    what = f"all 3 replicas {how}: answers once that is known, the slowest"
    met = {*statuses} <= wanted and slowest <= most
    bar(what, f"{dict(statuses)}, {slowest:.2f} s", f"{wanted}, {most:g} s", met)
    what = f"... the slowest of all, with {TIMEOUT} s for an answer; used again after they are well"
    met = slowest_of_all <= TIMEOUT + 0.5 and back <= 35
    bar(what, f"{slowest_of_all:.1f} s; {back:.1f} s", f"{TIMEOUT} s; 35 s", met)
