"""Measures a Cogitate server over an engine, beside bare clients of that engine, and writes a table of Markdown.

The engine is vLLM's server, alone on its machine. Each figure is the median of alternating rounds, with its quartiles.
Lengths are fixed (`min_tokens`), since random weights say nothing of their own accord.
"""

import argparse
import asyncio
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

QUESTION = "How many of the numbers below are prime? "
PREFIX = QUESTION + " ".join(str(number) for number in range(1000, 1600))
"""About 3,000 tokens of a byte-level tokenizer: a shared system prompt, or a document."""
HITS, QUERIES = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
RUNNING = ("vllm:num_requests_running", "vllm:num_requests_waiting")
ABORT_SECONDS = 20


@dataclass(slots=True)
class Rig:
    """The two servers, what is measured with, and the rows so far."""

    client: httpx.AsyncClient
    engine: str
    server: str
    model: str
    rounds: int
    tokens: int
    rows: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0
    settle_seconds: float = 1.0
    """Until a request that is to be dropped surely decodes."""

    async def ask(self, server: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 JSON
        """Send a chat request of a fixed length, which no cache of ours answers, and return the response."""
        answer = await self.client.post(f"{server}/v1/chat/completions", json=self.build_body(server, **fields))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def build_body(self, server: str, question: str = "", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 JSON
        self.asked += 1
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": question or f"{QUESTION} {self.asked}"}],
            "max_tokens": self.tokens,
            "min_tokens": self.tokens,
            "temperature": 1.0,
        }
        return body | ({"cache": "no-store"} if server == self.server else {}) | fields

    def add(self, what: str, figure: str) -> None:
        self.rows.append((what, figure))
        sys.stderr.write(f"{what}: {figure}\n")

    async def read_metric(self, *names: str) -> float | None:
        """Return the sum of the engine's metrics of these names; None where it has none."""
        answer = await self.client.get(f"{self.engine}/metrics")
        lines = answer.text.splitlines() if answer.is_success else []
        values = [float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] in names]
        return sum(values) if values else None


def vote(n: int) -> dict[str, Any]:
    """A vote of exactly n samples."""
    return {"strategy": {"name": "self_consistency", "n": n, "stop_rule": "none", "answer_format": "number"}}


def spread(values: list[float], digits: int = 0) -> str:
    """Format the median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


async def time_call(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


async def ask_separately(rig: Rig, n: int, question: str = "") -> None:
    """Make n calls for one sample each, as a client without strategies does."""
    async with asyncio.TaskGroup() as group:
        for _ in range(n):
            group.create_task(rig.ask(rig.engine, question=question))


async def measure_throughput(rig: Rig, counts: list[int]) -> None:
    """Tokens a second of one question: n bare calls, one call with `n`, a vote of n, and one with a seed for each."""
    for n in counts:
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "bare calls": lambda n=n: ask_separately(rig, n),
            "one call with n": lambda n=n: rig.ask(rig.engine, n=n),
            "a vote": lambda n=n: rig.ask(rig.server, **vote(n)),
            "a vote with a seed": lambda n=n: rig.ask(rig.server, seed=rig.asked, **vote(n)),
        }
        seconds = {name: list[float]() for name in ways}
        for turn in range(rig.rounds + 1):
            for name, call in ways.items():
                taken = await time_call(call)
                if turn:  # the first round warms up
                    seconds[name].append(taken)
        for name, values in seconds.items():
            rates = [n * rig.tokens / value for value in values]
            rig.add(f"{n} samples, {name}", f"{spread(rates)} tokens/s")


async def measure_latency(rig: Rig) -> None:
    """The time of a request of one token, by the engine and through the server."""
    taken: dict[str, list[float]] = {rig.engine: [], rig.server: []}
    for _ in range(max(20, rig.rounds * 4)):
        for server, values in taken.items():
            short = {"max_tokens": 1, "min_tokens": 1}
            values.append(1000 * await time_call(lambda server=server, short=short: rig.ask(server, **short)))
    rig.add("a request of one token, the engine", f"{spread(taken[rig.engine], 2)} ms")
    rig.add("... through the server, without a strategy", f"{spread(taken[rig.server], 2)} ms")


async def measure_prefix(rig: Rig, n: int = 16) -> None:
    """The share of prompt tokens that the engine's prefix cache had, for n samples of a long prompt that is new."""
    ways: dict[str, Callable[[str], Awaitable[object]]] = {
        "bare calls at once": lambda question: ask_separately(rig, n, question),
        "a vote": lambda question: rig.ask(rig.server, question=question, **vote(n)),
        "a vote with a seed": lambda question: rig.ask(rig.server, question=question, seed=1, **vote(n)),
    }
    for name, call in ways.items():
        shares = []
        for turn in range(rig.rounds):
            hits, queries = await rig.read_metric(HITS), await rig.read_metric(QUERIES)
            if hits is None or queries is None:
                rig.add(f"prefix cache, {n} samples of a long prompt, {name}", "the engine has no such metric")
                break
            await call(f"{name} {turn} {time.time_ns()}: {PREFIX}")  # noqa: TID251 a prompt that no cache has
            asked = (await rig.read_metric(QUERIES) or 0) - queries
            shares.append(100 * ((await rig.read_metric(HITS) or 0) - hits) / max(asked, 1))
        else:
            rig.add(f"prefix cache, {n} samples of a long prompt, {name}", f"{spread(shares, 1)} % of its tokens")


async def measure_aborts(rig: Rig, n: int = 64) -> None:
    """The time from a dropped connection, in a vote of n, until the engine decodes nothing."""
    if await rig.read_metric(*RUNNING) is None:
        rig.add("a dropped connection", "the engine has no such metric")
        return
    for name, server, fields in (
        ("the engine, n in one call", rig.engine, {"n": n}),
        ("a vote", rig.server, vote(n)),
    ):
        taken = [await time_abort(rig, server, fields) for _ in range(rig.rounds)]
        rig.add(f"a dropped connection of {n} samples, {name}", f"{spread(taken, 1)} ms until nothing runs")


async def time_abort(rig: Rig, server: str, fields: dict[str, Any]) -> float:
    """Return the milliseconds until the engine is idle again. Fails where it is not after ABORT_SECONDS."""
    asked = asyncio.create_task(rig.ask(server, **fields, max_tokens=6000, min_tokens=6000))
    await asyncio.sleep(rig.settle_seconds)
    if asked.done():
        asked.result()  # raises why it failed
        raise RuntimeError(f"the request to be dropped ended within {rig.settle_seconds:g} s, of its 6,000 tokens")
    if not await rig.read_metric(*RUNNING):
        raise RuntimeError("the engine's metrics show no request that runs, though one was sent")
    began = time.perf_counter()
    asked.cancel()
    while await rig.read_metric(*RUNNING):
        if time.perf_counter() - began > ABORT_SECONDS:
            raise TimeoutError(f"the engine still runs {ABORT_SECONDS} s after the request was dropped")
        await asyncio.sleep(0.002)
    return 1000 * (time.perf_counter() - began)


def describe_machine() -> str:
    """Name the GPU, where there is one, and Python."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found = "no GPU"
    return f"{found}; Python {platform.python_version()}"


def build_report(rig: Rig, version: str, arguments: list[str]) -> str:
    """Render the table, with the command and the machine."""
    command = f"python deploy/gpu/measure.py {' '.join(arguments)}"
    head = f"# On a GPU\n\n`{command}`\n\n{describe_machine()}; engine: {version}; model: `{rig.model}`.\n"
    rows = "\n".join(f"| {what} | {figure} |" for what, figure in rig.rows)
    spreads = f"Medians of {rig.rounds} rounds, with quartiles; answers of {rig.tokens} tokens."
    return f"{head}{spreads}\n\n| what | measured |\n|---|---|\n{rows}\n"


async def main(given: argparse.Namespace, arguments: list[str]) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=300)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client:
        engine, server = given.upstream.removesuffix("/v1"), given.server
        model = (await client.get(f"{engine}/v1/models")).raise_for_status().json()["data"][0]["id"]
        found = await client.get(f"{engine}/version")
        version = f"vLLM {found.json()['version']}" if found.is_success else "unknown"
        rig = Rig(client, engine, server, model, given.rounds, given.tokens)
        await measure_latency(rig)
        await measure_throughput(rig, given.samples)
        await measure_prefix(rig)
        await measure_aborts(rig)
    given.out.write_text(build_report(rig, version, arguments))


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", required=True, metavar="URL", help="the engine's base URL, ending in /v1")
    parser.add_argument("--server", required=True, metavar="URL", help="a Cogitate server over that engine")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE")
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 4, 16, 64, 256], metavar="N")
    parser.add_argument("--rounds", type=int, default=5, help="of each figure, at least 2 (default: 5)")
    parser.add_argument("--tokens", type=int, default=256, help="of each answer (default: 256)")
    given = parser.parse_args(arguments)
    if given.rounds < 2:
        parser.error("--rounds is at least 2: a figure has a spread")
    return given


if __name__ == "__main__":
    asyncio.run(main(parse_arguments(sys.argv[1:]), sys.argv[1:]))
