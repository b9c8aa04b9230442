"""What a call to an upstream costs, by transport: python -m tests.bench.http_clients [--calls N]

One fake upstream in a process of its own, without latency; the same call through each client at 8, 32 and 256 at a
time, all in this process: the median time of a round and the CPU time of a call. `bare` is the least that is possible
on asyncio. httpx's aiohttp transport is measured where `httpx-aiohttp` is installed.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import httptools
import httpx
import orjson
import uvloop

from cogitate.server.engine.remote.transport import Transport

Call = Callable[[], Awaitable[object]]
BODY = {
    "model": "fake",
    "messages": [{"role": "user", "content": "What is 6 times 7, plus 30? Think step by step."}],
    "max_tokens": 2048,
    "temperature": 0.8,
}
HEADERS = {"content-type": "application/json", "accept-encoding": "identity", "authorization": "Bearer none"}
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


@dataclass(slots=True, eq=False)
class Bare(asyncio.Protocol):
    """One connection that writes a request and waits for its answer, and does nothing else."""

    answered: "asyncio.Future[bytes] | None" = None
    body: bytearray = field(default_factory=bytearray)
    parser: httptools.HttpResponseParser = field(init=False)
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.parser = transport, httptools.HttpResponseParser(self)  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = bytes(self.body), bytearray()
        assert self.answered is not None
        self.answered.set_result(body)


@dataclass(slots=True)
class BareClient:
    host: str
    port: int
    free: list[Bare] = field(default_factory=list)

    async def call(self) -> object:
        loop = asyncio.get_running_loop()
        connection = self.free.pop() if self.free else None
        if connection is None:
            _, connection = await loop.create_connection(Bare, self.host, self.port)
        connection.answered, body = loop.create_future(), orjson.dumps(BODY)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: %b:%d\r\ncontent-type: application/json\r\n"
        head = head % (self.host.encode(), self.port)
        connection.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        answer = orjson.loads(await connection.answered)
        self.free.append(connection)
        return answer


def through(client: httpx.AsyncClient, url: str) -> Call:
    async def call() -> object:
        return orjson.loads((await client.post(url, content=orjson.dumps(BODY))).content)

    return call


def directly(transport: Transport, url: str) -> Call:
    """As the remote engine does it: httpx's transport interface, without a client around it."""
    target, headers = httpx.URL(url), httpx.Headers(HEADERS)

    async def call() -> object:
        request = httpx.Request("POST", target, headers=headers, content=orjson.dumps(BODY))
        response = await transport.handle_async_request(request)
        return orjson.loads(await response.aread())

    return call


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """A fake upstream's base URL."""
    with subprocess.Popen([sys.executable, "-m", "tests.fakes.upstream"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@contextlib.asynccontextmanager
async def clients(base: str) -> AsyncIterator[dict[str, Call]]:
    url = httpx.URL(f"{base}/chat/completions")
    async with contextlib.AsyncExitStack() as stack:
        transport = await stack.enter_async_context(Transport())
        ours = await stack.enter_async_context(httpx.AsyncClient(transport=Transport(), headers=HEADERS))
        own = await stack.enter_async_context(httpx.AsyncClient(limits=LIMITS, headers=HEADERS))
        calls = {
            "bare": BareClient(url.host, url.port or 80).call,
            "our transport": directly(transport, str(url)),
            "httpx over our transport": through(ours, str(url)),
            "httpx": through(own, str(url)),
        }
        if importlib.util.find_spec("httpx_aiohttp"):
            from httpx_aiohttp import AiohttpTransport

            theirs = httpx.AsyncClient(transport=AiohttpTransport(limits=LIMITS), headers=HEADERS)
            calls["httpx over aiohttp"] = through(await stack.enter_async_context(theirs), str(url))
        yield calls


async def measured(call: Call, width: int, rounds: int) -> tuple[float, float]:
    """Milliseconds of the median round, and CPU microseconds of a call."""

    async def round_() -> float:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(call())  # type: ignore[arg-type]
        return (time.perf_counter() - began) * 1e3

    for _ in range(3):
        await round_()
    cpu = time.process_time()
    times = [await round_() for _ in range(rounds)]
    return statistics.median(times), (time.process_time() - cpu) / (rounds * width) * 1e6


async def main(calls: int) -> None:
    lines = ["| client | at a time | round, ms (median) | CPU a call, us |", "|---|---|---|---|"]
    with upstream() as base:
        async with clients(base) as able:
            for width in (8, 32, 256):
                for name, call in able.items():
                    middle, cpu = await measured(call, width, max(5, calls // width))
                    lines.append(f"| {name} | {width} | {middle:.2f} | {cpu:.0f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=4000, help="calls per line (default: 4000)")
    uvloop.run(main(arguments.parse_args().calls))
