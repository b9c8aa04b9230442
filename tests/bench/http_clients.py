"""Compares HTTP clients by the cost of an upstream call: python -m tests.bench.http_clients [--calls N]

One fake upstream without latency runs as a process; the same call is made through each client, 8, 32 and 256 at a time,
in this process. Reported are the median time of a round and the processor time of a call. `minimal` is the least that
is possible on asyncio: no timeouts, no limits, no error handling.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import httptools
import httpx
import orjson
import uvloop

from cogitate.server.engine.remote.transport import CallTimeouts, Transport, encode_head, origin_of
from tests.bench.processes import run_fake_upstream

Call = Callable[[], Awaitable[object]]
BODY = {
    "model": "fake",
    "messages": [{"role": "user", "content": "What is 6 times 7, plus 30? Think step by step."}],
    "max_tokens": 2048,
    "temperature": 0.8,
}
HEADERS = {"content-type": "application/json", "accept-encoding": "identity", "authorization": "Bearer none"}
CONNECT_SECONDS, FIRST_BYTE_SECONDS, IDLE_SECONDS, TOTAL_SECONDS = 5.0, 300.0, 60.0, 600.0
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)
MIN_ROUNDS, WARM_UP_ROUNDS = 5, 3


@dataclass(slots=True, eq=False)
class MinimalConnection(asyncio.Protocol):
    """A connection that writes a request, waits for its response, and does nothing else."""

    response: "asyncio.Future[bytes] | None" = None
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
        assert self.response is not None
        self.response.set_result(body)


@dataclass(slots=True)
class MinimalClient:
    host: str
    port: int
    idle: list[MinimalConnection] = field(default_factory=list)

    async def call(self) -> object:
        loop = asyncio.get_running_loop()
        connection = self.idle.pop() if self.idle else None
        if connection is None:
            _, connection = await loop.create_connection(MinimalConnection, self.host, self.port)
        connection.response, body = loop.create_future(), orjson.dumps(BODY)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: %b:%d\r\ncontent-type: application/json\r\n"
        head = head % (self.host.encode(), self.port)
        connection.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        payload = orjson.loads(await connection.response)
        self.idle.append(connection)
        return payload


def through_transport(transport: Transport, url: str) -> Call:
    """Calls as the remote engine makes them: by `Transport.exchange`, with an encoded head."""
    request = httpx.Request("POST", url, headers=HEADERS)
    del request.headers["content-length"]
    origin, head = origin_of(request.url), encode_head(request)

    async def call() -> object:
        body, deadline = orjson.dumps(BODY), asyncio.get_running_loop().time() + TOTAL_SECONDS
        message = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        timeouts = CallTimeouts(CONNECT_SECONDS, FIRST_BYTE_SECONDS, IDLE_SECONDS, deadline)
        stream = await transport.exchange(origin, message, timeouts)
        return orjson.loads(b"".join([chunk async for chunk in stream]))

    return call


def through_aiohttp(session: aiohttp.ClientSession, url: str) -> Call:
    """Calls with the same timeouts as those of the remote engine."""

    async def call() -> object:
        timeout = aiohttp.ClientTimeout(TOTAL_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=FIRST_BYTE_SECONDS)
        body = orjson.dumps(BODY)
        async with session.post(url, data=body, allow_redirects=False, timeout=timeout) as response:
            return orjson.loads(await response.read())

    return call


def through_httpx(client: httpx.AsyncClient, url: str) -> Call:
    async def call() -> object:
        return orjson.loads((await client.post(url, content=orjson.dumps(BODY))).content)

    return call


@contextlib.asynccontextmanager
async def open_clients(url: str) -> AsyncIterator[dict[str, Call]]:
    """Yield a call through each client, by the client's name."""
    parsed = httpx.URL(url)
    async with contextlib.AsyncExitStack() as stack:
        transport = await stack.enter_async_context(Transport())
        wrapped = await stack.enter_async_context(httpx.AsyncClient(transport=Transport(), headers=HEADERS))
        default = await stack.enter_async_context(httpx.AsyncClient(limits=LIMITS, headers=HEADERS))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers=HEADERS,
                skip_auto_headers=("User-Agent", "Accept"),
            )
        )
        yield {
            "minimal": MinimalClient(parsed.host, parsed.port or 80).call,
            "cogitate's transport": through_transport(transport, url),
            "aiohttp": through_aiohttp(session, url),
            "httpx over cogitate's transport": through_httpx(wrapped, url),
            "httpx": through_httpx(default, url),
        }


async def measure(call: Call, width: int, rounds: int) -> tuple[float, float]:
    """Return the median time of a round of `width` calls in ms, and the processor time of a call in microseconds."""

    async def run_round() -> float:
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(call())  # type: ignore[arg-type]
        return (time.perf_counter() - start) * 1e3

    for _ in range(WARM_UP_ROUNDS):
        await run_round()
    cpu = time.process_time()
    times = [await run_round() for _ in range(rounds)]
    return statistics.median(times), (time.process_time() - cpu) / (rounds * width) * 1e6


async def main(calls: int) -> None:
    lines = ["| client | at a time | round, ms (median) | CPU a call, us |", "|---|---|---|---|"]
    with run_fake_upstream() as upstream:
        async with open_clients(f"{upstream.url}/v1/chat/completions") as clients:
            for width in (8, 32, 256):
                for name, call in clients.items():
                    median, cpu = await measure(call, width, max(MIN_ROUNDS, calls // width))
                    lines.append(f"| {name} | {width} | {median:.2f} | {cpu:.0f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=4000, help="calls per row (default: 4000)")
    uvloop.run(main(parser.parse_args().calls))
