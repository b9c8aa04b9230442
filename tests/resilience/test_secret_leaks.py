"""Keys, passwords, prompts and paths appear in no log line, metric or error response."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.redis_server import PROGRAM, RedisServer
from tests.fakes.upstream import FakeUpstream, Script
from tests.resilience.measure import wait_until
from tests.resilience.redis_servers import write_secret
from tests.resilience.server_process import CHAT, Server

pytestmark = pytest.mark.fault("T22")

KEY, WRONG, REPLICA = "cog-canary-key", "cog-canary-guess", "sk-canary-replica"
PASSWORD, PROMPT, FOLDER = "canary-password", "canary-prompt", "canary-folder"
CANARIES = (KEY, WRONG, REPLICA, PASSWORD, PROMPT, FOLDER, hashlib.sha256(KEY.encode()).hexdigest())
FILE = f"{hashlib.sha256(KEY.encode()).hexdigest()} alice\n"
MESSAGES = [{"role": "user", "content": f"What is {PROMPT}?"}]
INVALID: list[dict[str, object]] = [
    {"messages": PROMPT},
    {"messages": [{"role": PROMPT, "content": PROMPT}]},
    {"messages": [{"role": "user", "content": {PROMPT: [PROMPT] * 999}}]},
    {"messages": MESSAGES, "temperature": PROMPT},
    {"messages": MESSAGES, "max_tokens": -1, "stop": [PROMPT] * 99},
    {"messages": MESSAGES, "n": 10**9},
    {"messages": MESSAGES, "strategy": {"name": "self_consistency", "n": PROMPT}},
    {"messages": MESSAGES, "strategy": {"name": "best_of_n", "verifier": "nothing"}},
    {"messages": MESSAGES, "tools": [{"type": PROMPT}], "tool_choice": PROMPT},
    {"messages": MESSAGES, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": PROMPT}}},
    {"messages": [*MESSAGES, {"role": "user", "content": f"{PROMPT} " * 200_000}]},
]
VALID: list[dict[str, object]] = [
    {"messages": MESSAGES, "user": PROMPT},
    {"messages": MESSAGES, "stream": True},
    {"messages": MESSAGES, "strategy": {"name": "self_consistency", "n": 4}},
    {"messages": MESSAGES, "strategy": {"name": "best_of_n", "verifier": "scripted"}, "stream": True},
]


def send_requests(url: str, client: httpx.Client) -> Iterator[httpx.Response]:
    """Send valid requests, and requests with every kind of client error, a wrong key included."""
    for fields in [*VALID, *INVALID]:
        yield client.post(url + CHAT, json={"model": "scripted"} | fields)
    yield client.post(url + CHAT, content=f'{{"messages": "{PROMPT}')
    yield client.post(url + "/v1/completions", json={"model": "scripted", "prompt": {PROMPT: PROMPT}})
    yield client.post(url + "/v1/responses", json={"model": "scripted", "input": {PROMPT: PROMPT}})
    yield client.get(url + "/v1/nowhere", params={"key": KEY})
    yield client.get(url + "/v1/models", headers={"Authorization": f"Bearer {WRONG}"})
    yield client.post(url + CHAT, json={"messages": MESSAGES}, headers={"Authorization": f"Basic {WRONG}"})


def find_canaries(texts: list[str]) -> list[str]:
    return [word for text in texts for word in (*CANARIES, "Traceback (most") if word in text]


@contextmanager
def run_server_with_secrets(level: str, folder: Path) -> Iterator[tuple[RedisServer, Server]]:
    """Run a server with a secret in every setting that takes one."""
    if PROGRAM is None:
        pytest.skip("NO REDIS WAS TESTED: there is no redis-server on the PATH (apt-get install redis-server)")
    (secrets := folder / FOLDER).mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        redis.do("CONFIG", "SET", "requirepass", PASSWORD)
        url = redis.url.replace("redis://", f"redis://:{PASSWORD}@")
        flags = ("--redis-url", url, "--cache-secret-file", str(write_secret(secrets)), "--log-level", level)
        flags += ("--log-format", "json") if level == "debug" else ()
        yield redis, stack.enter_context(Server(flags=flags, keys=FILE))


@pytest.mark.parametrize("level", [pytest.param("info", marks=pytest.mark.faults), "debug"])
def test_secrets_are_in_no_log_metric_or_response(bar, level: str, tmp_path: Path):
    with run_server_with_secrets(level, tmp_path) as (redis, server), open_client() as client:
        answers = list(send_requests(server.url, client))
        redis.kill()
        answers += list(send_requests(server.url, client))
        server.set_knobs(texts=[])  # every request now fails with an unexpected engine error
        answers += [client.post(server.url + CHAT, json={"model": "scripted"} | fields) for fields in VALID]
        wait_until(lambda: "a request failed: " in server.output)  # the searched text is a log
        metrics, log = client.get(server.url + "/metrics").text, server.output
    statuses = sorted({answer.status_code for answer in answers})
    rejected = [answer for answer in answers if 400 <= answer.status_code < 500]
    found = find_canaries([log, metrics, *(answer.text for answer in answers)])
    longest = max(len(answer.content) for answer in rejected)
    bar(f"{len(answers)} answers {statuses}, log ({level}), metrics: canaries", f"{found or 0}", "0", not found)
    bar(f"... the longest of {len(rejected)} refusals ({level})", f"{longest} B", "2048 B", longest <= 2048)
    assert {200, 400, 401, 404, 500} <= set(statuses)


@pytest.mark.parametrize("level", [pytest.param("info", marks=pytest.mark.faults), "debug"])
def test_key_in_an_upstream_error_is_in_no_log_metric_or_response(bar, level: str):
    texts = asyncio.run(fail_at_upstream(level))
    found = find_canaries(texts)
    bar(f"an upstream's 401 with its key in it ({level}): canaries", f"{found or 0}", "0", not found)


async def fail_at_upstream(level: str) -> list[str]:
    """Return the log, the metrics and each body of a server whose upstream rejects its key."""
    message = f"Incorrect API key: http://host/v1?key={REPLICA} for {PROMPT}"
    async with FakeUpstream(Script(key=REPLICA)) as fake:
        environment = {"COGITATE_UPSTREAM_API_KEY": REPLICA}
        flags = ("--upstream-abilities", "none", "--log-level", level)
        server = Server(upstream=fake.url, flags=flags, environment=environment)
        await asyncio.to_thread(server.__enter__)
        try:
            valid = await asyncio.to_thread(server.ask, model="fake", messages=MESSAGES)
            fake.script.refusal = (401, message)
            requests = [{}, {"stream": True}, {"strategy": "self_consistency"}]
            failures = [
                await asyncio.to_thread(server.ask, model="fake", messages=MESSAGES, cache="no-store", **more)
                for more in requests
            ]
            metrics = await asyncio.to_thread(server.get, "/metrics")
            assert valid.status_code == 200 and failures[0].status_code >= 500
            return [server.output, metrics.text, *(answer.text for answer in failures)]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


@contextmanager
def open_client() -> Iterator[httpx.Client]:
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as client:
        yield client
