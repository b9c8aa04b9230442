"""Every malformed body gets a prompt 4xx response with an error object, never a 5xx."""

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

pytestmark = pytest.mark.fault("T10")

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
JSON = {"content-type": "application/json"}
ENVELOPE = {"message", "type", "param", "code"}


def nest(depth: int, opening: str = "[", closing: str = "]") -> bytes:
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
    "100,000 deep": lambda chance: nest(100_000),
    "100,000 objects deep": lambda chance: nest(100_000, '{"a":', "}"),
    "1,000 deep": lambda chance: nest(chance.choice([63, 65, 900, 1023, 1025])),
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
    "one byte changed": lambda chance: change_byte(chance, body(strategy="best_of_n", n=2)),
    "zipped": lambda chance: gzip.compress(body()),
}


def change_byte(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + chance.randbytes(1) + content[at + 1 :]


def check_bodies(bar, count: int) -> None:
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
        traceback = "Traceback" in server.output
        server.assert_healthy()
    what = f"{count} malformed bodies of {len(kinds)} kinds, to three endpoints: 500 or above, or not in the envelope"
    bar(what, f"{wrong[:5] or 0}; {dict(statuses)}", "0", not wrong and statuses[400] > count // 2)
    bar(
        "... the slowest; tracebacks in the log",
        f"{slowest:.2f} s, {traceback}",
        "5 s, none",
        slowest < 5 and not traceback,
    )


def test_malformed_body_is_never_answered_with_a_500(bar):
    check_bodies(bar, 440)


@pytest.mark.faults
def test_none_of_ten_thousand_malformed_bodies_is_answered_with_a_500(bar):
    check_bodies(bar, 10_000)


def explore(bar, count: int, mode: str, folder: Path) -> None:
    """Run schemathesis on the OpenAPI document: bodies and paths that fit it, or bodies that do not."""
    cases_file = folder / "examples"
    with Server() as server:
        operations = list_operations(server.get("/openapi.json").json())
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--mode", mode]
        examples = count if mode == "positive" else count * 3 // 2  # some mutations fit the schema and are not sent
        command += ["--checks", "not_a_server_error", "--max-examples", str(examples), "--seed", "10", "--workers", "2"]
        command += ["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--no-color"]
        environment = {
            **os.environ,  # noqa: TID251 schemathesis needs the environment
            "SCHEMATHESIS_HOOKS": schemathesis_hooks.__name__,
            schemathesis_hooks.CASES_FILE_VARIABLE: str(cases_file),
        }
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, cwd=folder, env=environment)
        traceback = "Traceback" in server.output
        server.assert_healthy()
    cases = [json.loads(line) for line in cases_file.read_text().splitlines()]
    cases_of = Counter(operation for operation, _ in cases)
    # Every text fits a path parameter, and an operation without parameters has one case.
    explored = [name for name, takes in operations.items() if takes == "body" or takes == "path" and mode == "positive"]
    least = min(explored, key=lambda name: cases_of[name])
    statuses = Counter(f"{status // 100}xx" for _, status in cases)
    what = f"schemathesis on our OpenAPI document, {mode}: answers of 500 or above"
    met = done.returncode == 0 and not traceback and not statuses["5xx"]
    kinds = dict(sorted(statuses.items()))
    figure = f"{len(cases)} cases, {kinds}, exit {done.returncode}, tracebacks in the log: {traceback}"
    bar(what, figure, "0, exit 0, none", met)
    what = f"... cases for the least tried of {len(explored)} operations"
    bar(what, f"{cases_of[least]} for {least}", str(count), cases_of[least] >= count)


def list_operations(document: dict[str, Any]) -> dict[str, str]:
    """Return what each operation takes: a body, a part of its path, or nothing."""
    return {
        f"{method.upper()} {path}": "body"
        if "requestBody" in operation
        else "path"
        if "parameters" in operation
        else ""
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.faults
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_thousand_schemathesis_cases_per_operation_are_answered_below_500(bar, scale, mode, tmp_path):
    explore(bar, int(1000 * scale), mode, tmp_path)
