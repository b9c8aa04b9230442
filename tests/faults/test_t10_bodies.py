"""T10: whatever a body holds, the answer is below 500, in the envelope, and soon."""

import gzip
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.faults.rig import Server, body

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
JSON = {"content-type": "application/json"}
ENVELOPE = {"message", "type", "param", "code"}


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return f'{{"model": "scripted", "messages": {opening * depth}{closing * depth}}}'.encode()


def deep_schema(chance: random.Random) -> bytes:
    depth = chance.choice([30, 100, 250, 1000])
    schema = '{"properties": {"x": ' * depth + "{}" + "}}" * depth
    tools = f'[{{"type": "function", "function": {{"name": "f", "parameters": {schema}}}}}]'
    return body()[:-1] + f', "tools": {tools}}}'.encode()


def field(value: str) -> Callable[[random.Random], bytes]:
    def make(chance: random.Random) -> bytes:
        names = ["n", "max_tokens", "temperature", "seed", "stop", "logit_bias", "strategy", "budget", "stream"]
        name = chance.choice(names)
        return body()[:-1] + f', "{name}": {value}}}'.encode()

    return make


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "truncated": lambda chance: body(strategy="self_consistency")[: chance.randrange(1, 60)],
    "100,000 deep": lambda chance: nested(100_000),
    "100,000 objects deep": lambda chance: nested(100_000, '{"a":', "}"),
    "1,000 deep": lambda chance: nested(chance.choice([63, 65, 900, 1023, 1025])),
    "a deep schema": deep_schema,
    "a key twice": lambda chance: body()[:-1] + b', "model": "scripted", "model": 7}',
    "5,000 digits": field("9" * 5000),
    "NaN": field("NaN"),
    "Infinity": field("-Infinity"),
    "1e999": field("1e999"),
    "a lone surrogate": field('"\\ud800"'),
    "a lone surrogate said": lambda chance: body().replace(b"What", b"\\ud800"),
    "NUL": lambda chance: body().replace(b"What", b"\\u0000"),
    "no UTF-8": lambda chance: body().replace(b"What", bytes(chance.randrange(128, 256) for _ in range(4))),
    "a byte order mark": lambda chance: b"\xef\xbb\xbf" + body(),
    "UTF-16": lambda chance: body().decode().encode("utf-16"),
    "another type": field("[[{}]]"),
    "null": field("null"),
    "no object": lambda chance: chance.choice([b"", b"null", b"[]", b"7", b'"x"', b"true", b"{}", b" "]),
    "noise": lambda chance: chance.randbytes(chance.randrange(1, 300)),
    "one byte changed": lambda chance: one_byte(chance, body(strategy="best_of_n", n=2)),
    "zipped": lambda chance: gzip.compress(body()),
}


def one_byte(chance: random.Random, said: bytes) -> bytes:
    at = chance.randrange(len(said))
    return said[:at] + chance.randbytes(1) + said[at + 1 :]


def judged(bar, count: int) -> None:
    chance, statuses, wrong, slowest = random.Random(10), Counter[int](), [], 0.0
    kinds = list(KINDS)
    with Server() as server, httpx.Client(base_url=server.url, timeout=30, verify=False) as client:
        for at in range(count):
            kind = kinds[at % len(kinds)]
            headers = JSON | ({"content-encoding": "gzip"} if kind == "zipped" else {})
            began = time.perf_counter()
            answer = client.post(PATHS[at // len(kinds) % 3], content=KINDS[kind](chance), headers=headers)
            slowest = max(slowest, time.perf_counter() - began)
            statuses[answer.status_code] += 1
            refused = answer.status_code >= 400
            if answer.status_code >= 500 or (refused and set(answer.json()["error"]) != ENVELOPE):
                wrong.append((kind, answer.status_code))
        told = "Traceback" in server.output
        server.healthy()
    what = f"{count} malformed bodies of {len(kinds)} kinds, to three endpoints: 500 or above, or not in the envelope"
    bar("T10", what, f"{wrong[:5] or 0}; {dict(statuses)}", "0", not wrong and statuses[400] > count // 2)
    bar(
        "T10",
        "... the slowest; tracebacks in the log",
        f"{slowest:.2f} s, {told}",
        "5 s, none",
        slowest < 5 and not told,
    )


def test_t10_no_malformed_body_is_answered_with_a_500(bar):
    judged(bar, 440)


@pytest.mark.faults
def test_t10_none_of_ten_thousand_malformed_bodies_is_answered_with_a_500(bar):
    judged(bar, 10_000)


def explored(bar, examples: int) -> None:
    """Schemathesis over our own OpenAPI document: bodies that fit it, and bodies that do not."""
    with Server() as server:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--mode", "all"]
        command += ["--checks", "not_a_server_error", "--max-examples", str(examples), "--seed", "10", "--workers", "2"]
        command += ["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=Path(server.log).parent)
        told = "Traceback" in server.output
        server.healthy()
    made = re.search(r"(\d+) generated", done.stdout)
    figure = f"{made[1] if made else 0} cases, exit {done.returncode}, tracebacks in the log: {told}"
    what = "schemathesis on our OpenAPI document, fitting and not fitting: answers of 500 or above"
    bar("T10", what, figure, "exit 0", made is not None and done.returncode == 0 and not told)


@pytest.mark.faults
def test_t10_bodies_made_from_our_own_document_are_answered_below_500(bar):
    explored(bar, 5)


@pytest.mark.faults
def test_t10_a_thousand_bodies_an_operation_are_answered_below_500(bar):
    explored(bar, 1000)
