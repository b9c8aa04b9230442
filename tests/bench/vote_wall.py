"""Compares votes of 16 with waiting for 16 bare calls: python -m tests.bench.vote_wall [--rounds N]

The upstream has lognormal latency and is another process, as is the server; a row for each share of right samples. The
upstream counts the tokens that it sent: a call that is closed before its first byte has none, so that they are fewer
than those that an engine would have decoded, which the replay counts (tests.bench.launch_policy).
"""

import argparse
import asyncio
import random
import statistics
from collections.abc import Awaitable, Callable
from functools import partial

from tests.bench.harness import Rig, bare_calls, encode_chat, measure, post, time_seconds
from tests.bench.processes import run_fake_upstream, run_server
from tests.bench.report import Table

SAMPLES = 16
BARS = {0.4: (1.2, 0.97), 0.7: (0.72, 0.72), 0.95: (0.43, 0.43)}
"""Share of right samples -> the most wall time, and the most tokens, of waiting for all samples."""
WRONG = ("so it is \\boxed{71}", "thus \\boxed{42}", "hence \\boxed{70}")
RIGHT = "the answer is \\boxed{72}"
TEXTS = 500
"""Texts of the upstream, returned in turn."""
BEFORE: dict[str, object] = {"stop_rule": "beta", "concurrency": 6}
"""The fixed width of 3/8 of n that the launch policy replaces."""
VOTES_AT_ONCE = 4
LATENCY = ("--latency", "0.2", "--sigma", "0.5")


async def measure_votes(table: Table, rounds: int) -> None:
    """Add the rows of all shares, each over an upstream of its own."""
    for share in BARS:
        texts = [flag for text in draw_texts(share) for flag in ("--text", text)]
        with run_fake_upstream(*texts, *LATENCY) as upstream, run_server(upstream.url + "/v1") as server:
            await measure(upstream, server, table, rounds, partial(compare, share=share))


def draw_texts(share: float) -> list[str]:
    rng = random.Random(f"{share}")
    return [RIGHT if rng.random() < share else rng.choice(WRONG) for _ in range(TEXTS)]


async def compare(rig: Rig, *, share: float) -> None:
    """Compare the default, and the width before it, with 16 bare calls that are all waited for."""
    votes = {
        name: encode_chat({"name": "self_consistency", "n": SAMPLES, **options})
        for name, options in {"default": {}, "3/8 of n in flight, beta": BEFORE}.items()
    }
    calls: dict[str, Callable[[], Awaitable[object]]] = {"all": partial(bare_calls, rig, SAMPLES)}
    calls |= {name: partial(post, rig, rig.ours, body) for name, body in votes.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    tokens = dict.fromkeys(calls, 0)
    for _ in range(rig.rounds):
        for name, call in calls.items():
            before = (await rig.counters())["tokens"]
            async with asyncio.TaskGroup() as group:
                waits = [group.create_task(time_seconds(call())) for _ in range(VOTES_AT_ONCE)]
            times[name] += [wait.result() * 1000 for wait in waits]
            tokens[name] += (await rig.counters())["tokens"] - before
    bars = BARS[share]
    for name in votes:
        wall, spent = statistics.fmean(times[name]) / statistics.fmean(times["all"]), tokens[name] / tokens["all"]
        error = wall * relative_error(times[name], times["all"])
        met = (wall <= bars[0], spent <= bars[1]) if name == "default" else (None, None)
        what = f"n=16, {share:.0%} right, {name}"
        rig.table.add(f"{what}: wall over 16 bare calls", f"{wall:.2f}x (±{error:.2f})", f"{bars[0]}x", met[0])
        rig.table.add(f"{what}: tokens", f"{spent:.2f}x", f"{bars[1]}x", met[1])


def relative_error(*samples: list[float]) -> float:
    """Half of the 95 % interval of a ratio of means, relative to the ratio."""
    squares = [statistics.variance(times) / len(times) / statistics.fmean(times) ** 2 for times in samples]
    return float(1.96 * sum(squares) ** 0.5)


async def main(rounds: int) -> None:
    table = Table()
    await measure_votes(table, rounds)
    print(table.markdown())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="rounds of four votes of each kind (default: 25)")
    asyncio.run(main(parser.parse_args().rounds))
