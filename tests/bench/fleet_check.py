"""Checks the simulation of fleets against a real gateway: python -m tests.bench.fleet_check >> deploy/results/scale.md

One gateway process over three fake upstreams, on real sockets, gets the requests that the simulation gets, at the same
times. The upstreams take a fixed time for each token, and have no queue: what is checked is the gateway, and what the
simulation makes of its costs.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

import aiohttp
import orjson

from deploy.fleet.costs import UNLIMITED, EngineCosts, read_gateway_costs
from deploy.fleet.report import percentile
from deploy.fleet.simulation import Simulation
from deploy.fleet.workload import Arrival
from tests.bench.harness import CHAT, JSON_HEADERS, encode_chat, vote
from tests.bench.processes import Process, run_fake_upstream, run_server
from tests.bench.report import say
from tests.fakes.upstream.decode import Vocabulary
from tests.fakes.upstream.script import STORY

UPSTREAMS = 3
LATENCY, PACE = 0.2, 0.01
"""Seconds until an upstream's first token, and for each token."""
SAMPLES = (1, 1, 1, 4, 8, 16)
TOKENS = len(Vocabulary().encode(STORY)) + 1
TOLERANCE = 0.15


@dataclass(frozen=True, slots=True)
class Figures:
    goodput: float
    """Tokens a second, from the first arrival to the last answer."""
    p95: float
    processor_seconds: float
    """Of the gateway."""


def generate(rate: float, seconds: float, seed: int) -> list[Arrival]:
    """Generate requests without bursts: plain ones, and votes without a stop rule."""
    random, now, arrivals = Random(seed), 0.0, []
    while (now := now + random.expovariate(rate)) < seconds:
        n = random.choice(SAMPLES)
        arrivals.append(Arrival(now, len(arrivals), (TOKENS,) * n, n, n))
    return arrivals


def predict(arrivals: Sequence[Arrival]) -> Figures:
    engine = EngineCosts(
        slots=UNLIMITED, prefill_tokens_per_second=UNLIMITED, step=PACE, step_per_sequence=0, latency=LATENCY
    )
    simulation = Simulation(UPSTREAMS, 1, read_gateway_costs(), engine, Random(0))
    simulation.run(arrivals)
    tokens = sum(each.tokens for each in simulation.finished)
    span = max(each.at for each in simulation.finished) - arrivals[0].at
    return Figures(
        tokens / span, percentile([each.seconds for each in simulation.finished]), simulation.gateways[0].busy
    )


async def measure(gateway: Process, arrivals: Sequence[Arrival]) -> Figures:
    """Send the requests at their times."""
    latencies: list[float] = []
    tokens = 0

    async def send(arrival: Arrival, number: int) -> None:
        nonlocal tokens
        n = len(arrival.tokens)
        messages = [{"role": "user", "content": f"Question {number}: what is 6*7 + 30?"}]
        body = encode_chat(vote(n) if n > 1 else None, messages=messages)
        began = time.perf_counter()
        async with client.post(gateway.url + CHAT, data=body, headers=JSON_HEADERS) as response:
            payload = orjson.loads(await response.read())
        assert response.status == 200, payload
        latencies.append(time.perf_counter() - began)
        tokens += payload["usage"]["completion_tokens"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3)) as client:
        before, start = gateway.cpu_seconds, time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, arrival in enumerate(arrivals):
                await asyncio.sleep(max(0.0, start + arrival.at - time.perf_counter()))
                group.create_task(send(arrival, number))
        span = time.perf_counter() - start - arrivals[0].at
        return Figures(tokens / span, percentile(latencies), gateway.cpu_seconds - before)


def compare(rate: float, predicted: Figures, real: Figures) -> list[str]:
    """Return a row for each figure."""
    rows = []
    for what, simulated, measured in (
        ("goodput, tokens/s", predicted.goodput, real.goodput),
        ("p95, s", predicted.p95, real.p95),
        ("processor time of the gateway, s", predicted.processor_seconds, real.processor_seconds),
    ):
        error = simulated / measured - 1
        met = "met" if abs(error) <= TOLERANCE else "MISSED"
        rows.append(f"| {rate:g} | {what} | {simulated:.2f} | {measured:.2f} | {100 * error:+.0f} % | {met} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet_check", description=__doc__)
    parser.add_argument("--rates", type=float, nargs="*", default=[20, 60, 120], help="requests a second")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    sys.stdout.write(
        "\n## The simulation against a real gateway\n\n"
        f"`python -m tests.bench.fleet_check`: one gateway process over {UPSTREAMS} fake upstreams, with "
        f"{1000 * LATENCY:.0f} ms and {1000 * PACE:.0f} ms a\ntoken, on real sockets, all on one machine; "
        f"{arguments.seconds:g} s at each rate. Requests of 1 to 16 samples, without stop rules.\nBar: within 15 %. "
        f"The machine's load before it: {os.getloadavg()[0]:.1f}, on {os.cpu_count()} processors.\n\n"
        "| requests/s | figure | simulated | real | error | |\n|---|---|---|---|---|---|\n"
    )
    with ExitStack() as stack:
        flags = ("--latency", str(LATENCY), "--pace", str(PACE))
        first, *others = [stack.enter_context(run_fake_upstream(*flags)).url + "/v1" for _ in range(UPSTREAMS)]
        gateway = stack.enter_context(run_server(first, *(word for url in others for word in ("--upstream", url))))
        asyncio.run(measure(gateway, generate(20, 1, seed=0)))  # a warm-up
        ratios = []
        for rate in arguments.rates:
            arrivals = generate(rate, arguments.seconds, seed=1)
            predicted, real = predict(arrivals), asyncio.run(measure(gateway, arrivals))
            ratios.append(real.processor_seconds / predicted.processor_seconds)
            for row in compare(rate, predicted, real):
                say(row)
                sys.stdout.write(row + "\n")
    sys.stdout.write(
        f"\nThe real gateway took {min(ratios):.1f} to {max(ratios):.1f} times the processor time that the rows of "
        "remote.md give, and a fleet needs as many times\nthe gateways. On a machine that does other work as well, "
        "requests wait for a processor: the simulation knows of none.\n"
    )


if __name__ == "__main__":
    main()
