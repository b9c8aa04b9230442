"""The connections: kept, dropped, and whole after every way in which a call can end."""

import asyncio
import contextlib
import random
import resource
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from cogitate.server.engine.remote import Patience
from cogitate.server.engine.remote.transport import Transport
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import eventually, fakes, one, request, sample

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def speaking(*answers: bytes, hold: bool = False) -> AsyncIterator[tuple[httpx.AsyncClient, Transport, str]]:
    """A server that gives each request of a connection the next of these answers, then closes (or not)."""

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for answer in answers:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
            if hold:
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = Transport()
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, httpx.AsyncClient(transport=transport, timeout=1) as client:
        yield client, transport, url
    if serving:
        await asyncio.wait(serving)


def answer(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers, b"", body])


async def test_it_is_a_transport_for_httpxs_own_client():
    async with one() as (fake, _), httpx.AsyncClient(transport=Transport()) as client:
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
        whole = await client.post(f"{fake.url}/chat/completions", json=body)
        async with client.stream("POST", f"{fake.url}/chat/completions", json=body | {"stream": True}) as response:
            lines = [line async for line in response.aiter_lines()]
    assert whole.json()["choices"][0]["message"]["content"] == "First, 6 times" and lines[-2:] == ["data: [DONE]", ""]


async def test_connections_are_kept_and_used_again():
    async with one() as (_, backend):
        for _ in range(20):
            await sample(backend)
        assert backend.replicas.all[0].transport.open == 1


async def test_a_connection_that_the_other_side_closed_is_not_used_again():
    async with speaking(answer(b"one"), answer(b"two")) as (client, transport, url):
        assert [(await client.get(url)).text for _ in range(4)] == ["one", "two", "one", "two"]
        await eventually(lambda: transport.open == 0)


async def test_a_connection_closed_just_as_it_is_used_is_replaced():
    """The race that no client can avoid: here the close waits in the socket while the request is written."""
    async with speaking(answer(b"one")) as (client, transport, url):
        assert (await client.get(url)).text == "one"
        (kept,) = transport._open
        kept._transport.pause_reading()
        await asyncio.sleep(0.02)
        reading = asyncio.ensure_future(client.get(url))
        await asyncio.sleep(0.02)
        kept._transport.resume_reading()
        assert (await reading).text == "one"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"after"), "after"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end", "until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", "old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (answer(b""), ""),
    ],
)
async def test_every_way_to_end_a_body_is_understood(raw, text):
    async with speaking(raw) as (client, _, url):
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
async def test_what_is_no_answer_is_an_error_of_httpxs(raw):
    async with speaking(raw) as (client, transport, url):
        with pytest.raises(httpx.TransportError):
            await client.get(url)
        await eventually(lambda: transport.open == 0)


async def test_an_answer_to_nothing_is_never_taken_for_the_next_ones():
    async with speaking(answer(b"one") + answer(b"forged"), answer(b"two"), hold=True) as (client, transport, url):
        assert (await client.get(url)).text == "one"
        assert (await client.get(url)).text == "one", "a connection of its own"
        assert transport.open == 0


async def test_waits_end():
    async with speaking(b"", hold=True) as (client, _, url):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url, timeout=0.05)
    async with speaking(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", hold=True) as (client, _, url):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url, timeout=0.05)
    async with speaking(hold=True) as (client, _, url):
        with pytest.raises(httpx.ConnectTimeout):
            await client.get(url.replace("http:", "https:"), timeout=0.05)


async def test_a_slow_reader_stops_the_socket():
    async with (
        fakes(Script(fault="huge")) as (fake,),
        httpx.AsyncClient(transport=Transport()) as client,
        client.stream("POST", f"{fake.url}/chat/completions", json={"messages": []}) as response,
    ):
        stream = aiter(response.aiter_raw())
        await anext(stream)
        (connection,) = client._transport._open
        await asyncio.sleep(0.2)
        assert connection._waiting < 3 << 20
        for _ in range(100):
            await anext(stream)


async def test_a_host_that_is_not_there_is_a_connect_error():
    async with httpx.AsyncClient(transport=Transport()) as client:
        for url in ("http://127.0.0.1:9/", "http://nowhere.invalid/"):
            with pytest.raises(httpx.ConnectError):
                await client.get(url)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.alone
async def test_five_thousand_cancelled_calls_leave_nothing_behind():
    """Twenty at a time, each cancelled at some moment; then a hundred calls go through."""
    chance = random.Random(7)
    async with one(Script(latency=0.004, sigma=1.0), patience=Patience(total=60, idle=30, connect=30)) as (
        fake,
        backend,
    ):
        replica = backend.replicas.all[0]

        async def churn(times: int) -> None:
            for _ in range(times):
                task = asyncio.ensure_future(sample(backend, partial=chance.random() < 0.3))
                await asyncio.sleep(chance.uniform(0, 0.008))
                task.cancel()
                await asyncio.wait([task])

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(churn(250))
        await eventually(lambda: fake.counters.in_flight == 0)
        assert replica.in_flight == 0 and replica.transport.open <= 20
        assert not replica.health.ejected
        fake.script.latency = 0.0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(sample(backend)) for _ in range(100)]
        assert all(task.result().finish == "stop" for task in tasks)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0


@pytest.mark.alone
async def test_a_conversations_samples_are_all_in_flight_at_once():
    asked = request()
    async with one(Script(latency=0.6)) as (fake, backend):
        async with asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(sample(backend, asked))
        assert fake.counters.most_in_flight == 200
