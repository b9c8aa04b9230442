"""T10: whatever a body holds, the answer is below 500, in the envelope, and soon."""

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.resilience import schemathesis_hooks
from tests.resilience.server_process import Server, body

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


def explored(bar, count: int, mode: str, folder: Path) -> None:
    """Schemathesis over our own OpenAPI document: bodies and paths that fit it, or bodies that do not."""
    counted = folder / "examples"
    with Server() as server:
        operations = described(server.get("/openapi.json").json())
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--mode", mode]
        command += ["--checks", "not_a_server_error", "--max-examples", str(count), "--seed", "10", "--workers", "2"]
        command += ["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--no-color"]
        environment = {
            **os.environ,  # noqa: TID251
            "SCHEMATHESIS_HOOKS": schemathesis_hooks.__name__,
            schemathesis_hooks.COUNTED: str(counted),
        }  # noqa: TID251
        environment["PYTHONPATH"] = str(Path.cwd())
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, cwd=folder, env=environment)
        told = "Traceback" in server.output
        server.healthy()
    cases = [json.loads(line) for line in counted.read_text().splitlines()]
    of = Counter(operation for operation, _ in cases)
    # No path can but fit, being text, and what takes nothing is one case.
    wanted = [name for name, takes in operations.items() if takes == "body" or takes == "path" and mode == "positive"]
    least = min(wanted, key=lambda name: of[name])
    statuses = Counter(f"{status // 100}xx" for _, status in cases)
    what = f"schemathesis on our OpenAPI document, {mode}: answers of 500 or above"
    met = done.returncode == 0 and not told and not statuses["5xx"]
    figure = (
        f"{len(cases)} cases, {dict(sorted(statuses.items()))}, exit {done.returncode}, tracebacks in the log: {told}"
    )
    bar("T10", what, figure, "0, exit 0, none", met)
    what = f"... cases for the least tried of {len(wanted)} operations"
    bar("T10", what, f"{of[least]} for {least}", str(count), of[least] >= count)


def described(document: dict[str, Any]) -> dict[str, str]:
    """What each operation takes: a body, a part of its path, or nothing."""
    return {
        f"{method.upper()} {path}": "body" if "requestBody" in said else "path" if "parameters" in said else ""
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    }


@pytest.mark.faults
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_t10_a_thousand_cases_an_operation_are_answered_below_500(bar, scale, mode, tmp_path):
    explored(bar, int(1000 * scale), mode, tmp_path)
