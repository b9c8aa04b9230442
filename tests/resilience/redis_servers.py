"""Servers that share a Redis, with API keys of two tenants."""

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.redis_server import PROGRAM, RedisServer
from tests.resilience.measure import read_metric, wait_until
from tests.resilience.server_process import Server

KEYS = {name: f"cog-{name}" for name in ("alice", "carol")}
"""Names long enough that ciphertext does not contain one by chance."""
KEYS_FILE = "".join(f"{hashlib.sha256(key.encode()).hexdigest()} {name}\n" for name, key in KEYS.items())
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
LOCK = b":lock"
UNCACHED_VOTE = {"strategy": VOTE, "cache": "no-store"}
LONG_TEXT = "first \n\n then \n\n so it is \\boxed{42} " + "and on " * 200


def auth_header(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


@contextmanager
def run_server(*flags: str, keys: str = "") -> Iterator[tuple[RedisServer, Server]]:
    """Run a Redis and a server that caches in it."""
    if PROGRAM is None:
        pytest.skip("NO REDIS WAS TESTED: there is no redis-server on the PATH (apt-get install redis-server)")
    with RedisServer() as redis, Server(flags=("--redis-url", redis.url, *flags), keys=keys) as server:
        yield redis, server


@contextmanager
def run_servers(count: int, *flags: str, keys: str = "") -> Iterator[tuple[RedisServer, list[Server]]]:
    """Run `count` server processes that share a Redis."""
    with run_server(*flags, keys=keys) as (redis, first), ExitStack() as stack:
        more = [Server(flags=("--redis-url", redis.url, *flags), keys=keys) for _ in range(count - 1)]
        yield redis, [first, *map(stack.enter_context, more)]


def write_secret(folder: Path) -> Path:
    path = folder / "secret"
    path.write_text("s" * 32)
    return path


def answer_keys(redis: RedisServer) -> list[bytes]:
    """Return the keys of answers: all except locks, samples, counters, and what belongs to traces."""
    names = [name for name in redis.do("KEYS", "*") if not name.endswith(LOCK)]
    return [name for name in names if not re.search(rb":(trace|origin|summary|searches|samples|count|share):", name)]


def locks(redis: RedisServer) -> list[bytes]:
    return [name for name in redis.do("KEYS", "*") if name.endswith(LOCK)]


@contextmanager
def count_writes(redis: RedisServer, folder: Path) -> Iterator[Callable[[], int]]:
    """Yield a function that returns the number of answers SET so far, by Redis' own MONITOR; claims do not count."""
    seen = folder / "monitor"
    with seen.open("wb") as file:
        monitor = subprocess.Popen(["redis-cli", "-p", str(redis.port), "MONITOR"], stdout=file)
    try:
        wait_until(lambda: seen.read_bytes().startswith(b"OK"))
        yield lambda: len(re.findall(rb'"SET" "cogitate:1:[0-9a-f]{64}" ', seen.read_bytes()))
    finally:
        monitor.terminate()
        monitor.wait()


def wait_for_entries(redis: RedisServer, count: int) -> None:
    """Wait until `count` answers are stored: a client gets its answer before the write ends."""
    wait_until(lambda: len(answer_keys(redis)) == count)


def cache_counter(server: Server, result: str) -> int:
    """Return `cogitate_cache_total{result="..."}`; 0 before the first such result."""
    return int(read_metric(server.get("/metrics").text, f'cogitate_cache_total{{result="{result}"}}'))


def question(text: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


def set_pace(servers: list[Server], pace: float, *texts: str) -> None:
    """Set seconds per token and the reply texts; without texts each server replies with an answer of its own."""
    for server in servers:
        server.set_knobs(pace=pace, texts=list(texts) or [f"so it is \\boxed{{{server.pid}}}"])


def cancel(server: Server, name: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/requests/{name}/cancel", headers=headers, timeout=5)
