"""What a strategy costs over the calls it makes: python -m tests.bench.remote_overhead [--rounds N]

The remote engine over a fake upstream without latency, beside a bare asyncio client (aiohttp, nothing else) that makes
an upstream call for each sample, as the remote engine does where samples may be stopped or have seeds; else it makes
one call for many. Three processes on this machine, asked in turn, so every ratio is of one run. Medians, with the
quartiles behind them. Streams, which must be hung up on, and counters go through a client written by hand.
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
from cogitate.strategies.core.answer_reader import Reading
from cogitate.strategies.core.types import Completion, Message, Outcome, Prompt
from cogitate.strategies.voting.ballot import Ballot
from cogitate.strategies.voting.stop_rules import settled
from tests.bench.bare_client import Bare
from tests.bench.harness import ASKED, CHAT, Rig, asked, bare_calls, in_turn, measured, post, seconds, vote
from tests.bench.processes import cogitate, fake_upstream, nothing
from tests.bench.report import Table, say, spread
from tests.bench.stream_latency import first_byte, first_byte_of_each, idle_streams, waiting

SPREAD = ("the answer is \\boxed{72}",) * 7 + ("so it is \\boxed{71}", "thus \\boxed{42}", "hence \\boxed{70}")

AT_ONCE = 6


async def one_request(rig: Rig) -> None:
    """p50 of a request of n samples over n bare calls, and what each further one of both takes."""
    medians = {}
    for n, bar in ((8, 2.5), (32, 2.0), (256, None)):
        rounds = rig.rounds if n < 256 else max(10, rig.rounds // 5)
        ours, bare = await in_turn(rounds, partial(post, rig, rig.ours, asked(vote(n))), partial(bare_calls, rig, n))
        medians[n] = statistics.median(ours), statistics.median(bare)
        ratio = medians[n][0] / medians[n][1]
        figure = f"{ratio:.2f}x: {spread(ours)} ms against {spread(bare)} ms"
        rig.table.add(
            f"a request of {n} samples, p50 over {n} bare calls", figure, f"{bar or '-'}x", ratio <= (bar or 99)
        )
    more, call = [(many - few) / 248 for many, few in zip(medians[256], medians[8], strict=True)]
    figure = f"{more:.3f} ms against {call:.3f} ms of a bare call"
    rig.table.add("each further sample, up to n=256", figure, "0.15 ms", more <= 0.15)


async def apart(rig: Rig) -> None:
    """The same where each sample is a call: a seed is of one sample alone."""
    for n, bar in ((8, 2.5), (32, 2.0)):
        ours, bare = await in_turn(
            rig.rounds, partial(post, rig, rig.ours, asked(vote(n), seed=1)), partial(bare_calls, rig, n)
        )
        ratio = statistics.median(ours) / statistics.median(bare)
        figure = f"{ratio:.2f}x: {spread(ours)} ms against {spread(bare)} ms"
        rig.table.add(f"... of {n} samples with a seed, each a call", figure, f"{bar}x", ratio <= bar)


async def many_requests(rig: Rig) -> None:
    """Samples a second at 16 and 64 requests at once, over the bare client's; processor time of both."""
    for at_once in (16, 64):
        count = max(at_once * 4, rig.rounds * 4)
        ours, bare, cpus, bare_cpus = [], [], [], []
        for _ in range(5):
            before = rig.server.cpu
            ours.append(8 * count / await seconds(pooled(at_once, count, partial(post, rig, rig.ours, asked(vote(8))))))
            cpus.append((rig.server.cpu - before) / (8 * count) * 1000)
            before = time.process_time()
            bare.append(8 * count / await seconds(pooled(at_once, count, partial(bare_calls, rig, 8))))
            bare_cpus.append((time.process_time() - before) / (8 * count) * 1000)
        ratio = statistics.median(ours) / statistics.median(bare)
        figure = f"{ratio:.2f}x: {spread(ours, 0)} against {spread(bare, 0)} samples/s"
        rig.table.add(f"{at_once} requests of 8 samples at once", figure, "0.4x", ratio >= 0.4)
        cpu = statistics.median(cpus)
        figure = f"{spread(cpus)} s against {spread(bare_cpus)} s of 1,000 bare calls"
        rig.table.add(f"processor time of 1,000 samples, {at_once} at once", figure, "0.25 s", cpu <= 0.25)


async def pooled(at_once: int, count: int, ask: Callable[[], Awaitable[object]]) -> None:
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await ask()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())


async def cached(rig: Rig) -> None:
    """A repeat that the cache answers, beside one bare call, and beside uvicorn when it does nothing at all."""
    body = asked(vote(8), cache="default")
    await post(rig, rig.ours, body)
    before = (await rig.counters())["calls"]
    one = asked(None)
    with nothing() as idle:
        contenders = (rig.ours, body), (rig.upstream, one), (Bare(idle.url), one)
        asks = [partial(post, rig, to, said) for to, said in contenders]
        ours, bare, floor = await in_turn(rig.rounds * 2, *asks)
    calls = (await rig.counters())["calls"] - before - len(bare) - 3
    figure = f"{spread(ours)} ms against {spread(bare)} ms, {calls} upstream calls"
    met = statistics.median(ours) < statistics.median(bare) and calls == 0
    rig.table.add("a cached repeat, p50, beside one bare call", figure, "below, 0 calls", met)
    rig.table.add(
        "... and beside an empty application on uvicorn", f"{spread(ours)} ms against {spread(floor)} ms", "-", met=None
    )


async def early_stop(rig: Rig) -> None:
    """The default stop rule over a lognormal upstream, beside a bare client that hangs up by the same rule.

    Chance makes the mean of a hundred such requests uncertain by three in a hundred, so there are many, a few at once.
    """
    body = asked({"name": "self_consistency", "n": 8})
    ours, bare, tokens = list[float](), list[float](), [0, 0]
    turns = [(lambda: post(rig, rig.ours, body), ours), (lambda: by_hand(rig), bare)]
    for _ in range(rig.rounds):
        for who, (ask, times) in enumerate(turns):
            before = (await rig.counters())["tokens"]
            async with asyncio.TaskGroup() as group:
                waits = [group.create_task(seconds(ask())) for _ in range(AT_ONCE)]
            times += [wait.result() * 1000 for wait in waits]
            await asyncio.sleep(0.01)
            tokens[who] += (await rig.counters())["tokens"] - before
    wall, spent = statistics.fmean(ours) / statistics.fmean(bare), tokens[0] / tokens[1]
    means = f"mean {statistics.fmean(ours):.1f} ms against {statistics.fmean(bare):.1f} ms"
    what = "default stop rule, lognormal upstream"
    figure = f"{wall:.3f}x: {means}; medians {spread(ours)} against {spread(bare)}"
    rig.table.add(f"{what}: wall time", figure, "1.05x", wall <= 1.05)
    rig.table.add(f"{what}: tokens", f"{spent:.3f}x: {tokens[0]} against {tokens[1]}", "1.05x", spent <= 1.05)


async def by_hand(rig: Rig) -> None:
    """At most 8 samples, 4 at once; hangs up as soon as the vote is decided by the default rule."""
    ballot, reading, left = Ballot(), Reading(), iter(range(8))
    prompt, decided = Prompt((Message("user", ASKED[0]["content"]),)), asyncio.Event()
    body = asked(None, temperature=0.7, stream=True)

    async def work() -> None:
        for index in left:
            async with rig.upstream.stream(CHAT, body) as lines:
                text = "".join([said async for line in lines for said in deltas(line)])
            completion = Completion(prompt=prompt, text=text, finish="stop", index=index)
            ballot.cast(Outcome(completion, reading.answer(completion)))
            if settled("beta", ballot.ranked(), 8 - ballot.size, 0.95) or ballot.size == 8:
                decided.set()

    async with asyncio.TaskGroup() as group:
        lanes = [group.create_task(work()) for _ in range(4)]
        await decided.wait()
        for lane in lanes:
            lane.cancel()


def deltas(lines: bytes) -> list[str]:
    said = []
    for line in lines.split(b"\n\n"):
        if line.startswith(b"data: {"):
            said += [choice["delta"].get("content") or "" for choice in orjson.loads(line[6:])["choices"]]
    return said


async def main(rounds: int) -> None:
    table = Table()
    with fake_upstream() as upstream, cogitate(upstream.url + "/v1") as server:
        await measured(upstream, server, table, rounds, one_request, apart, many_requests, cached)
    texts = [flag for text in SPREAD for flag in ("--text", text)]
    lognormal = ("--latency", "0.1", "--sigma", "0.5", "--pace", "0.002")
    with fake_upstream(*texts, *lognormal) as upstream, cogitate(upstream.url + "/v1") as server:
        await measured(upstream, server, table, rounds, early_stop)
    programs = ("--code-exec", "bwrap") if shutil.which("bwrap") else ()
    names = [name for name in STRATEGIES if programs or name != "program_aided"]
    with fake_upstream("--latency", "0.05") as upstream, cogitate(upstream.url + "/v1", *programs) as server:
        each = partial(first_byte_of_each, names=names)
        await measured(upstream, server, table, rounds, first_byte, each)
    with fake_upstream("--latency", "60") as upstream:
        flags = ("--upstream-abilities", "logprobs,seed", "--max-concurrent-requests", "2000")
        with cogitate(upstream.url + "/v1", *flags) as server:
            await measured(upstream, server, table, rounds, waiting, idle_streams)
    print(table.markdown())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="requests behind each median (default: 100)")
    say("the remote engine beside a bare client; about two minutes")
    asyncio.run(main(parser.parse_args().rounds))
