"""T22: no key, password, prompt or path is ever in what the server writes, measures or refuses with."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.redis_server import PROGRAM, RedisServer
from tests.fakes.upstream import FakeUpstream, Script
from tests.resilience.redis_servers import secret_file
from tests.resilience.server_process import CHAT, Server

KEY, WRONG, REPLICA = "cog-canary-key", "cog-canary-guess", "sk-canary-replica"
PASSWORD, PROMPT, FOLDER = "canary-password", "canary-prompt", "canary-folder"
CANARIES = (KEY, WRONG, REPLICA, PASSWORD, PROMPT, FOLDER, hashlib.sha256(KEY.encode()).hexdigest())
FILE = f"{hashlib.sha256(KEY.encode()).hexdigest()} alice\n"
SAID = [{"role": "user", "content": f"What is {PROMPT}?"}]
BAD: list[dict[str, object]] = [
    {"messages": PROMPT},
    {"messages": [{"role": PROMPT, "content": PROMPT}]},
    {"messages": [{"role": "user", "content": {PROMPT: [PROMPT] * 999}}]},
    {"messages": SAID, "temperature": PROMPT},
    {"messages": SAID, "max_tokens": -1, "stop": [PROMPT] * 99},
    {"messages": SAID, "n": 10**9},
    {"messages": SAID, "strategy": {"name": "self_consistency", "n": PROMPT}},
    {"messages": SAID, "strategy": {"name": "best_of_n", "verifier": "nothing"}},
    {"messages": SAID, "tools": [{"type": PROMPT}], "tool_choice": PROMPT},
    {"messages": SAID, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": PROMPT}}},
    {"messages": [*SAID, {"role": "user", "content": f"{PROMPT} " * 200_000}]},
]
GOOD: list[dict[str, object]] = [
    {"messages": SAID, "user": PROMPT},
    {"messages": SAID, "stream": True},
    {"messages": SAID, "strategy": {"name": "self_consistency", "n": 4}},
    {"messages": SAID, "strategy": {"name": "best_of_n", "verifier": "scripted"}, "stream": True},
]


def asked(url: str, client: httpx.Client) -> Iterator[httpx.Response]:
    """Everything that a client may get wrong, its key among it, and some that it does not."""
    for fields in [*GOOD, *BAD]:
        yield client.post(url + CHAT, json={"model": "scripted"} | fields)
    yield client.post(url + CHAT, content=f'{{"messages": "{PROMPT}')
    yield client.post(url + "/v1/completions", json={"model": "scripted", "prompt": {PROMPT: PROMPT}})
    yield client.post(url + "/v1/responses", json={"model": "scripted", "input": {PROMPT: PROMPT}})
    yield client.get(url + "/v1/nowhere", params={"key": KEY})
    yield client.get(url + "/v1/models", headers={"Authorization": f"Bearer {WRONG}"})
    yield client.post(url + CHAT, json={"messages": SAID}, headers={"Authorization": f"Basic {WRONG}"})


def hits(texts: list[str]) -> list[str]:
    return [word for text in texts for word in (*CANARIES, "Traceback (most") if word in text]


@contextmanager
def guarded(level: str, folder: Path) -> Iterator[tuple[RedisServer, Server]]:
    """A server with a secret in every place that takes one."""
    if PROGRAM is None:
        pytest.skip("NO REDIS WAS TESTED: there is no redis-server on the PATH (apt-get install redis-server)")
    (hidden := folder / FOLDER).mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        redis.do("CONFIG", "SET", "requirepass", PASSWORD)
        url = redis.url.replace("redis://", f"redis://:{PASSWORD}@")
        flags = ("--redis-url", url, "--cache-secret-file", str(secret_file(hidden)), "--log-level", level)
        yield redis, stack.enter_context(Server(flags=flags, keys=FILE))


@pytest.mark.parametrize("level", [pytest.param("info", marks=pytest.mark.faults), "debug"])
def test_t22_no_canary_is_written_measured_or_answered(bar, level: str, tmp_path: Path):
    with guarded(level, tmp_path) as (redis, server), bearing() as client:
        answers = list(asked(server.url, client))
        redis.kill()
        answers += list(asked(server.url, client))
        server.turn(texts=[])  # whatever is asked now is a fault of the engine that nobody foresaw
        answers += [client.post(server.url + CHAT, json={"model": "scripted"} | fields) for fields in GOOD]
        measured, written = client.get(server.url + "/metrics").text, server.output
    statuses = sorted({answer.status_code for answer in answers})
    refused = [answer for answer in answers if 400 <= answer.status_code < 500]
    found = hits([written, measured, *(answer.text for answer in answers)])
    longest = max(len(answer.content) for answer in refused)
    bar("T22", f"{len(answers)} answers {statuses}, log ({level}), metrics: canaries", f"{found or 0}", "0", not found)
    bar("T22", f"... the longest of {len(refused)} refusals ({level})", f"{longest} B", "2048 B", longest <= 2048)
    assert {200, 400, 401, 404, 500} <= set(statuses)
    assert "a request failed: " in written  # so that what was looked through is a log


@pytest.mark.parametrize("level", [pytest.param("info", marks=pytest.mark.faults), "debug"])
def test_t22_what_an_upstream_says_of_its_key_is_told_to_nobody(bar, level: str):
    texts = asyncio.run(refused_by_its_upstream(level))
    found = hits(texts)
    bar("T22", f"an upstream's 401 with its key in it ({level}): canaries", f"{found or 0}", "0", not found)


async def refused_by_its_upstream(level: str) -> list[str]:
    """The log, the metrics and each body."""
    said = f"Incorrect API key: http://host/v1?key={REPLICA} for {PROMPT}"
    async with FakeUpstream(Script(key=REPLICA)) as fake:
        environment = {"COGITATE_UPSTREAM_API_KEY": REPLICA}
        flags = ("--upstream-abilities", "none", "--log-level", level)
        server = Server(upstream=fake.url, flags=flags, environment=environment)
        await asyncio.to_thread(server.__enter__)
        try:
            good = await asyncio.to_thread(server.ask, model="fake", messages=SAID)
            fake.script.refusal = (401, said)
            asks = [{}, {"stream": True}, {"strategy": "self_consistency"}]
            bad = [
                await asyncio.to_thread(server.ask, model="fake", messages=SAID, cache="no-store", **more)
                for more in asks
            ]
            measured = await asyncio.to_thread(server.get, "/metrics")
            assert good.status_code == 200 and bad[0].status_code >= 500
            return [server.output, measured.text, *(answer.text for answer in bad)]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


@contextmanager
def bearing() -> Iterator[httpx.Client]:
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as client:
        yield client
