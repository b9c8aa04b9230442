"""What the rows about Redis share: keys of tenants, a secret, servers over one Redis."""

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.redis_server import PROGRAM, RedisServer
from tests.resilience.server_process import Server, eventually, metric

KEYS = {name: f"cog-{name}" for name in ("alice", "bob")}
FILE = "".join(f"{hashlib.sha256(key.encode()).hexdigest()} {name}\n" for name, key in KEYS.items())
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
LOCK = b":lock"
FRESH = {"strategy": VOTE, "cache": "no-store"}
LONG = "first \n\n then \n\n so it is \\boxed{42} " + "and on " * 200


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


@contextmanager
def stored(*flags: str, keys: str = "") -> Iterator[tuple[RedisServer, Server]]:
    """A Redis, and a server that keeps its answers there."""
    if PROGRAM is None:
        pytest.skip("NO REDIS WAS TESTED: there is no redis-server on the PATH (apt-get install redis-server)")
    with RedisServer() as redis, Server(flags=("--redis-url", redis.url, *flags), keys=keys) as server:
        yield redis, server


@contextmanager
def workers(count: int, *flags: str, keys: str = "") -> Iterator[tuple[RedisServer, list[Server]]]:
    """So many server processes over one Redis."""
    with stored(*flags, keys=keys) as (redis, first), ExitStack() as stack:
        more = [Server(flags=("--redis-url", redis.url, *flags), keys=keys) for _ in range(count - 1)]
        yield redis, [first, *map(stack.enter_context, more)]


def secret_file(folder: Path) -> Path:
    path = folder / "secret"
    path.write_text("s" * 32)
    return path


def answers(redis: RedisServer) -> list[bytes]:
    """The names of what is kept there, locks aside."""
    return [name for name in redis.do("KEYS", "*") if not name.endswith(LOCK)]


@contextmanager
def monitored(redis: RedisServer, folder: Path) -> Iterator[Callable[[], int]]:
    """How many answers were SET so far, by Redis' own MONITOR: claims are not answers."""
    seen = folder / "monitor"
    with seen.open("wb") as file:
        monitor = subprocess.Popen(["redis-cli", "-p", str(redis.port), "MONITOR"], stdout=file)
    try:
        eventually(lambda: seen.read_bytes().startswith(b"OK"))
        yield lambda: len(re.findall(rb'"SET" "cogitate:1:[0-9a-f]{64}" ', seen.read_bytes()))
    finally:
        monitor.terminate()
        monitor.wait()


def kept(redis: RedisServer, count: int) -> None:
    """Waits until so many are kept there: they are written while the client has its answer already."""
    eventually(lambda: len(answers(redis)) == count)


def counted(server: Server, result: str) -> int:
    """cogitate_cache_total{result="..."}"""
    return int(metric(server.get("/metrics").text, f'cogitate_cache_total{{result="{result}"}}'))


def question(text: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


def paced(servers: list[Server], pace: float, *texts: str) -> None:
    """Seconds a token, and what is said: without texts each says an answer of its own."""
    for server in servers:
        server.turn(pace=pace, texts=list(texts) or [f"so it is \\boxed{{{server.pid}}}"])


def cancel(server: Server, name: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/requests/{name}/cancel", headers=headers, timeout=5)
