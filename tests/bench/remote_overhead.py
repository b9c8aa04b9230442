"""Measures the overhead of the remote engine: python -m tests.bench.remote_overhead [--rounds N]

The server over a fake upstream without latency is compared with a bare client (aiohttp alone) that makes one upstream
call for each sample. The remote engine does the same where samples may be stopped or have seeds; otherwise it joins
them in one call. Server, upstream and client are three processes on this machine, and measurements alternate, so that
each ratio is of one run. Reported are medians with their quartiles. Streams that are closed early, and the upstream's
counters, are read by `tests.bench.bare_client`.
"""

import argparse
import asyncio
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial

import orjson

from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.voting.ballot import Ballot
from cogitate.strategies.voting.stop_rules import is_decided
from tests.bench.bare_client import BareClient
from tests.bench.harness import (
    CHAT,
    MESSAGES,
    Rig,
    bare_calls,
    encode_chat,
    measure,
    post,
    time_alternately,
    time_seconds,
    vote,
)
from tests.bench.processes import run_fake_upstream, run_noop_app, run_server
from tests.bench.report import Table, say, spread
from tests.bench.stream_latency import first_byte, first_byte_of_each, idle_streams, waiting_streams
from tests.bench.vote_wall import measure_votes

TEXTS = ("the answer is \\boxed{72}",) * 7 + ("so it is \\boxed{71}", "thus \\boxed{42}", "hence \\boxed{70}")
CONCURRENT_VOTES = 6
STREAMS, LANES = 8, 4
"""Samples of a vote that stops early, and how many of them are decoded at a time."""
MAX_CACHED_MS, MAX_CACHED_OVERHEAD_MS = 3.0, 1.5


async def one_request(rig: Rig) -> None:
    """Compare a request of n samples with n bare calls: the p50, and the time of each further sample."""
    medians = {}
    for n, bar in ((8, 2.5), (32, 2.0), (256, None)):
        rounds = rig.rounds if n < 256 else max(10, rig.rounds // 5)
        ours, bare = await time_alternately(
            rounds, partial(post, rig, rig.ours, encode_chat(vote(n))), partial(bare_calls, rig, n)
        )
        medians[n] = statistics.median(ours), statistics.median(bare)
        ratio = medians[n][0] / medians[n][1]
        figure = f"{ratio:.2f}x: {spread(ours)} ms against {spread(bare)} ms"
        rig.table.add(
            f"a request of {n} samples, p50 over {n} bare calls", figure, f"{bar or '-'}x", ratio <= (bar or 99)
        )
    more, call = [(many - few) / 248 for many, few in zip(medians[256], medians[8], strict=True)]
    figure = f"{more:.3f} ms against {call:.3f} ms of a bare call"
    rig.table.add("each further sample, up to n=256", figure, "0.15 ms", more <= 0.15)


async def separate_calls(rig: Rig) -> None:
    """Compare the same where each sample is a call of its own, because of its seed."""
    for n, bar in ((8, 2.5), (32, 2.0)):
        ours, bare = await time_alternately(
            rig.rounds, partial(post, rig, rig.ours, encode_chat(vote(n), seed=1)), partial(bare_calls, rig, n)
        )
        ratio = statistics.median(ours) / statistics.median(bare)
        figure = f"{ratio:.2f}x: {spread(ours)} ms against {spread(bare)} ms"
        rig.table.add(f"... of {n} samples with a seed, each a call", figure, f"{bar}x", ratio <= bar)


async def many_requests(rig: Rig) -> None:
    """Compare samples per second, and processor time, of 16 and 64 concurrent requests."""
    for at_once in (16, 64):
        count = max(at_once * 4, rig.rounds * 4)
        ours, bare, cpus, bare_cpus = [], [], [], []
        for _ in range(5):
            before = rig.server.cpu_seconds
            votes = run_concurrently(at_once, count, partial(post, rig, rig.ours, encode_chat(vote(8))))
            ours.append(8 * count / await time_seconds(votes))
            cpus.append((rig.server.cpu_seconds - before) / (8 * count) * 1000)
            before = time.process_time()
            calls = run_concurrently(at_once, count, partial(bare_calls, rig, 8))
            bare.append(8 * count / await time_seconds(calls))
            bare_cpus.append((time.process_time() - before) / (8 * count) * 1000)
        ratio = statistics.median(ours) / statistics.median(bare)
        figure = f"{ratio:.2f}x: {spread(ours, 0)} against {spread(bare, 0)} samples/s"
        rig.table.add(f"{at_once} requests of 8 samples at once", figure, "0.4x", ratio >= 0.4)
        cpu = statistics.median(cpus)
        figure = f"{spread(cpus)} s against {spread(bare_cpus)} s of 1,000 bare calls"
        rig.table.add(f"processor time of 1,000 samples, {at_once} at once", figure, "0.25 s", cpu <= 0.25)


async def run_concurrently(at_once: int, count: int, call: Callable[[], Awaitable[object]]) -> None:
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())


async def cached_repeat(rig: Rig) -> None:
    """Measure a repeated request that the cache answers, and compare it with an empty application on uvicorn."""
    body = encode_chat(vote(8), cache="default")
    await post(rig, rig.ours, body)
    before = (await rig.counters())["calls"]
    with run_noop_app() as empty:
        targets = (rig.ours, body), (BareClient(empty.url), encode_chat(None))
        ours, bare = await time_alternately(rig.rounds * 2, *(partial(post, rig, *target) for target in targets))
    calls = (await rig.counters())["calls"] - before
    p50, overhead = statistics.median(ours), statistics.median(ours) - statistics.median(bare)
    figure = f"{spread(ours)} ms, {calls} upstream calls"
    met = p50 <= MAX_CACHED_MS and calls == 0
    rig.table.add("a cached repeat, p50", figure, f"{MAX_CACHED_MS:g} ms, 0 calls", met)
    figure = f"{overhead:+.2f} ms: {spread(ours)} ms against {spread(bare)} ms"
    bar = f"+{MAX_CACHED_OVERHEAD_MS:g} ms"
    rig.table.add("... over an empty application on uvicorn", figure, bar, overhead <= MAX_CACHED_OVERHEAD_MS)


async def early_stop(rig: Rig) -> None:
    """Compare an early stop, over an upstream of lognormal latency, with a client of the same width and stop rule.

    The mean of a hundred such requests has a standard error of three percent, so there are many, a few at a time.
    """
    body = encode_chat({"name": "self_consistency", "n": STREAMS, "stop_rule": "beta", "concurrency": LANES})
    ours, bare, tokens = list[float](), list[float](), [0, 0]
    turns = [(lambda: post(rig, rig.ours, body), ours), (lambda: vote_by_hand(rig), bare)]
    for _ in range(rig.rounds):
        for which, (call, times) in enumerate(turns):
            before = (await rig.counters())["tokens"]
            async with asyncio.TaskGroup() as group:
                waits = [group.create_task(time_seconds(call())) for _ in range(CONCURRENT_VOTES)]
            times += [wait.result() * 1000 for wait in waits]
            await asyncio.sleep(0.01)
            tokens[which] += (await rig.counters())["tokens"] - before
    wall, spent = statistics.fmean(ours) / statistics.fmean(bare), tokens[0] / tokens[1]
    means = f"mean {statistics.fmean(ours):.1f} ms against {statistics.fmean(bare):.1f} ms"
    what = "early stop (beta, 4 of 8 in flight), lognormal upstream"
    figure = f"{wall:.3f}x: {means}; medians {spread(ours)} against {spread(bare)}"
    rig.table.add(f"{what}: wall time", figure, "1.05x", wall <= 1.05)
    rig.table.add(f"{what}: tokens", f"{spent:.3f}x: {tokens[0]} against {tokens[1]}", "1.05x", spent <= 1.05)


async def vote_by_hand(rig: Rig) -> None:
    """Draw at most 8 samples, 4 at a time, and close all streams when the rule decides the vote."""
    ballot, reader, left = Ballot(), AnswerReader(), iter(range(STREAMS))
    prompt, decided = Prompt((Message("user", MESSAGES[0]["content"]),)), asyncio.Event()
    body = encode_chat(None, temperature=0.7, stream=True)

    async def work() -> None:
        for index in left:
            async with rig.upstream.stream(CHAT, body) as chunks:
                text = "".join([delta async for chunk in chunks for delta in parse_deltas(chunk)])
            completion = Completion(prompt=prompt, text=text, finish="stop", index=index)
            ballot.cast(Outcome(completion, reader.read(completion)))
            if is_decided("beta", ballot.rank_blocs(), STREAMS - ballot.size, 0.95) or ballot.size == STREAMS:
                decided.set()

    async with asyncio.TaskGroup() as group:
        lanes = [group.create_task(work()) for _ in range(LANES)]
        await decided.wait()
        for lane in lanes:
            lane.cancel()


def parse_deltas(chunk: bytes) -> list[str]:
    deltas = []
    for line in chunk.split(b"\n\n"):
        if line.startswith(b"data: {"):
            deltas += [choice["delta"].get("content") or "" for choice in orjson.loads(line[6:])["choices"]]
    return deltas


async def main(rounds: int) -> None:
    table = Table()
    with run_fake_upstream() as upstream, run_server(upstream.url + "/v1") as server:
        await measure(upstream, server, table, rounds, one_request, separate_calls, many_requests, cached_repeat)
    texts = [flag for text in TEXTS for flag in ("--text", text)]
    lognormal = ("--latency", "0.1", "--sigma", "0.5", "--pace", "0.002")
    with run_fake_upstream(*texts, *lognormal) as upstream, run_server(upstream.url + "/v1") as server:
        await measure(upstream, server, table, rounds, early_stop)
    await measure_votes(table, max(4, rounds // 5))
    programs = ("--code-exec", "bwrap") if shutil.which("bwrap") else ()
    names = [name for name in STRATEGIES if programs or name != "program_aided"]
    with run_fake_upstream("--latency", "0.05") as upstream, run_server(upstream.url + "/v1", *programs) as server:
        each = partial(first_byte_of_each, names=names)
        await measure(upstream, server, table, rounds, first_byte, each)
    with run_fake_upstream("--latency", "60") as upstream:
        flags = ("--upstream-abilities", "logprobs,seed", "--max-concurrent-requests", "2000")
        with run_server(upstream.url + "/v1", *flags) as server:
            await measure(upstream, server, table, rounds, waiting_streams, idle_streams)
    print(table.markdown())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="requests per median (default: 100)")
    say("measuring the remote engine against a bare client; about two minutes")
    asyncio.run(main(parser.parse_args().rounds))
