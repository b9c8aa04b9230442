"""Accepting connections: many in a turn of the event loop, and again after the process had too many open files."""

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from typing import cast

import pytest
import uvloop

from cogitate.server.http.acceptor import MAX_ACCEPTS_PER_TURN, Acceptor

CLIENTS = 3 * MAX_ACCEPTS_PER_TURN
TURNS = 20
"""libuv alone needs a turn for each of the clients."""
BACKLOG = 1024


class Greeter(asyncio.Protocol):
    """Greets each client."""

    def __init__(self, made: list["Greeter"]) -> None:
        self.made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.append(self)
        self.transport = cast("asyncio.Transport", transport)
        self.no_delay = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        self.transport.write(b"hello")


@contextlib.contextmanager
def listen() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(BACKLOG)
        yield listener


@contextlib.contextmanager
def connect(listener: socket.socket, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(count)]


async def wait_for(made: list[Greeter], count: int) -> None:
    async with asyncio.timeout(5):
        while len(made) < count:  # noqa: ASYNC110 accepted connections have no event
            await asyncio.sleep(0.01)


def run_in(loop: str, main) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        runner.run(main)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_many_connections_are_accepted_in_few_turns(loop):
    async def main() -> None:
        made = list[Greeter]()
        with listen() as listener, connect(listener, CLIENTS) as clients:
            acceptor = Acceptor(listener, lambda: Greeter(made))
            acceptor.open(BACKLOG)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            assert len(made) == CLIENTS and all(greeter.no_delay for greeter in made)
            await asyncio.sleep(0.05)
            assert {client.recv(5) for client in clients} == {b"hello"}
            acceptor.close()
            for greeter in made:
                greeter.transport.abort()
            await asyncio.sleep(0.05)

    run_in(loop, main())


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_nothing_is_accepted_after_close(loop):
    async def main() -> None:
        made = list[Greeter]()
        with listen() as listener:
            acceptor = Acceptor(listener, lambda: Greeter(made))
            acceptor.open(BACKLOG)
            with connect(listener, 1):
                await wait_for(made, 1)
                acceptor.close()
                with connect(listener, 3):
                    await asyncio.sleep(0.1)
                    assert len(made) == 1
                made[0].transport.abort()
                await asyncio.sleep(0.05)

    run_in(loop, main())


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_accepting_goes_on_when_files_can_be_opened_again(loop, caplog):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> None:
        made = list[Greeter]()
        with listen() as listener, connect(listener, 2):
            acceptor = Acceptor(listener, lambda: Greeter(made))
            acceptor.open(BACKLOG)
            lowest_free = os.dup(0)
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
            try:
                await asyncio.sleep(0.35)
                assert not made and 1 <= len(caplog.records) <= 4, "it pauses between two attempts"
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await wait_for(made, 2)
            acceptor.close()
            for greeter in made:
                greeter.transport.abort()
            await asyncio.sleep(0.05)

    run_in(loop, main())
