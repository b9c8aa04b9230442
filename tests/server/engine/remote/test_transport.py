"""The connection pool: reuse, timeouts, invalid responses, and no leaks after any way in which a call can end."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from cogitate.server.engine.remote import Timeouts
from cogitate.server.engine.remote.transport import Transport
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import eventually, remote_backend, request, sample

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def start_server(handler: Handler) -> AsyncIterator[tuple[httpx.AsyncClient, Transport, str]]:
    """Run `handler` for each connection; yields a client over a new transport, and the server's URL."""
    tasks: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await handler(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    transport = Transport()
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, httpx.AsyncClient(transport=transport, timeout=1) as client:
        yield client, transport, url
    if tasks:
        await asyncio.wait(tasks)


def start_scripted_server(
    *responses: bytes, hold: bool = False
) -> contextlib.AbstractAsyncContextManager[tuple[httpx.AsyncClient, Transport, str]]:
    """A server that sends these responses on each connection, one per request, then closes it unless `hold`."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for response in responses:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
            await writer.drain()
        if hold:
            await reader.read()

    return start_server(handler)


def encode_response(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


async def test_transport_works_in_httpx_async_client():
    async with remote_backend() as (fake, _), httpx.AsyncClient(transport=Transport()) as client:
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
        response = await client.post(f"{fake.url}/chat/completions", json=body)
        async with client.stream("POST", f"{fake.url}/chat/completions", json=body | {"stream": True}) as stream:
            lines = [line async for line in stream.aiter_lines()]
    assert response.json()["choices"][0]["message"]["content"] == "First, 6 times"
    assert lines[-2:] == ["data: [DONE]", ""]


async def test_sequential_calls_share_one_connection():
    async with remote_backend() as (_, backend):
        for _ in range(20):
            await sample(backend)
        assert backend.balancer.replicas[0].transport.connection_count == 1


async def test_connection_closed_by_the_server_is_not_reused_later():
    responses = encode_response(b"one"), encode_response(b"two")
    async with start_scripted_server(*responses) as (client, transport, url):
        assert [(await client.get(url)).text for _ in range(4)] == ["one", "two", "one", "two"]
        await eventually(lambda: transport.connection_count == 0)


async def test_request_on_a_just_closed_idle_connection_is_sent_again():
    """A server may close an idle connection while a request is on its way: here it closes as the request arrives."""
    async with start_scripted_server(encode_response(b"one"), b"") as (client, _, url):
        assert [(await client.get(url)).text for _ in range(3)] == ["one"] * 3


async def test_request_on_a_new_connection_is_not_sent_again():
    """A server that closes every connection without a response gets the request once."""
    async with start_scripted_server(b"") as (client, _, url):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + encode_response(b"after"), "after"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end", "until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", "old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (encode_response(b""), ""),
    ],
)
async def test_client_supports_every_body_framing(raw, text):
    async with start_scripted_server(raw) as (client, _, url):
        assert (await client.get(url)).text == text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000,
    ],
)
async def test_invalid_response_is_a_transport_error(raw):
    async with start_scripted_server(raw) as (client, transport, url):
        with pytest.raises(httpx.TransportError):
            await client.get(url)
        await eventually(lambda: transport.connection_count == 0)


async def test_second_response_to_one_request_is_not_returned_to_the_next():
    responses = encode_response(b"one") + encode_response(b"forged"), encode_response(b"two")
    async with start_scripted_server(*responses, hold=True) as (client, transport, url):
        assert [(await client.get(url)).text for _ in range(2)] == ["one", "one"], "each has a connection of its own"
        assert transport.connection_count == 0


async def test_late_unsolicited_response_is_not_returned_to_the_next_request():
    """Proxies send a 408 on an idle connection before they close it. aiohttp 3.14.5 returns it to the next request."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(encode_response(b"one"))
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(encode_response(b"late", b"408 Request Timeout"))
        await reader.read()

    async with start_server(handler) as (client, transport, url):
        for _ in range(3):
            response = await client.get(url)
            assert (response.status_code, response.text) == (200, "one")
            await eventually(lambda: transport.connection_count == 0)


async def test_read_and_connect_timeouts_expire():
    async with start_scripted_server(b"", hold=True) as (client, _, url):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url, timeout=0.05)
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
    async with start_scripted_server(half, hold=True) as (client, _, url):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url, timeout=0.05)
    async with start_scripted_server(hold=True) as (client, _, url):
        with pytest.raises(httpx.ConnectTimeout):
            await client.get(url.replace("http:", "https:"), timeout=0.05)


async def test_slow_reader_pauses_the_socket():
    """The server can send what fits the buffers of both sockets and of the client, and goes on once that is read."""
    sent_mebibytes = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent_mebibytes
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (200 << 20))
        for _ in range(200):
            writer.write(b" " * (1 << 20))
            await writer.drain()
            sent_mebibytes += 1

    async with start_server(handler) as (client, _, url), client.stream("GET", url) as response:
        stream = aiter(response.aiter_raw())
        await anext(stream)
        await asyncio.sleep(0.3)
        sent_before = sent_mebibytes
        assert sent_before < 40
        received_bytes = 0
        while received_bytes < 60 << 20:
            received_bytes += len(await anext(stream))
        assert sent_mebibytes > sent_before


async def test_unreachable_host_is_a_connect_error():
    async with httpx.AsyncClient(transport=Transport()) as client:
        for url in ("http://127.0.0.1:9/", "http://nowhere.invalid/"):
            with pytest.raises(httpx.ConnectError):
                await client.get(url)


@pytest.mark.slow
@pytest.mark.alone
async def test_five_thousand_cancelled_calls_leak_no_connections():
    """Twenty at a time, each cancelled at a random moment; then a hundred calls succeed."""
    rng = random.Random(7)
    script, timeouts = Script(latency=0.004, sigma=1.0), Timeouts(total=60, idle=30, connect=30)
    async with remote_backend(script, timeouts=timeouts) as (fake, backend):
        replica = backend.balancer.replicas[0]

        async def churn(times: int) -> None:
            for _ in range(times):
                task = asyncio.ensure_future(sample(backend, reads_partial=rng.random() < 0.3))
                await asyncio.sleep(rng.uniform(0, 0.008))
                task.cancel()
                await asyncio.wait([task])

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(churn(250))
        await eventually(lambda: fake.counters.in_flight == 0)
        assert replica.in_flight == 0 and replica.transport.connection_count <= 20
        assert not replica.health.ejected
        fake.script.latency = 0.0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(sample(backend)) for _ in range(100)]
        assert all(task.result().finish == "stop" for task in tasks)


@pytest.mark.alone
async def test_samples_of_one_conversation_are_in_flight_concurrently():
    chat = request()
    async with remote_backend(Script(latency=0.6)) as (fake, backend):
        async with asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(sample(backend, chat))
        assert fake.counters.max_in_flight == 200
