"""Figures of one simulated fleet."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from cogitate.server.engine.remote.replica_selection import select_replica
from deploy.fleet.costs import EngineCosts, GatewayCosts, read_gateway_costs
from deploy.fleet.simulation import Simulation, build_chain
from deploy.fleet.workload import generate

WARM_UP = 0.3
"""The part of the time that is not counted."""
FAILING_SHARE = 0.01
TARGET_UTILISATION = 0.5
"""Of a gateway, outside of bursts, in which three times as much comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one run: seconds, and shares between 0 and 1."""

    goodput: float
    """Tokens a second and GPU, of answers."""
    p95: float
    p95_of_one: float
    """Of requests with one sample."""
    wasted: float
    """Of all tokens: those of aborted and of lost samples."""
    hits: float
    """Of all prompt tokens: those in a prefix cache."""
    utilisation: float
    """Of the gateways."""


def simulate(gpus: int, gateways: int, costs: GatewayCosts, *, rate: float, seconds: float, seed: int) -> Figures:
    """Simulate a fleet. `rate`: requests a second and GPU. A hundredth of the GPUs, one at least, fails on the way."""
    random = Random(seed)
    simulation = Simulation(gpus, gateways, costs, EngineCosts(), random)
    failing = random.sample(range(gpus), max(1, round(FAILING_SHARE * gpus)))
    failures = [(random.uniform(WARM_UP, 1) * seconds, number) for number in failing]
    simulation.run(generate(random, gpus, rate * gpus, seconds), failures)
    return summarise(simulation, seconds)


def summarise(simulation: Simulation, seconds: float) -> Figures:
    """Summarise what ended after the warm-up, and before the last request came."""
    counted = [each for each in simulation.finished if WARM_UP * seconds <= each.at <= seconds]
    tokens = sum(each.tokens for each in simulation.finished)
    prompt_tokens = sum(gpu.prompt_tokens for gpu in simulation.gpus)
    return Figures(
        goodput=sum(each.tokens for each in counted) / ((1 - WARM_UP) * seconds * len(simulation.gpus)),
        p95=percentile([each.seconds for each in counted]),
        p95_of_one=percentile([each.seconds for each in counted if each.samples == 1]),
        wasted=simulation.wasted_tokens / (tokens + simulation.wasted_tokens),
        hits=sum(gpu.cached_tokens for gpu in simulation.gpus) / prompt_tokens,
        utilisation=sum(each.busy for each in simulation.gateways) / (simulation.now * len(simulation.gateways)),
    )


def count_gateways(gpus: int, rate: float, costs: GatewayCosts) -> int:
    """Return how many gateway processes a fleet needs at a rate of requests a second and GPU."""
    arrivals = list(generate(Random(0), 1, 100.0, 20.0))
    samples = sum(each.decided_after for each in arrivals) / len(arrivals)
    needed = gpus * rate * (costs.request + costs.selection + samples * costs.sample)
    return math.ceil(needed / TARGET_UTILISATION)


def measure_selection(gpus: int) -> float:
    """Measure the processor seconds in which a replica is selected, on this machine."""
    simulation = Simulation(gpus, 1, GatewayCosts(0, 0), EngineCosts(), Random(0))
    replicas, arrivals = simulation.gateways[0].replicas, list(generate(Random(0), gpus, 100.0, 4.0))
    start = time.process_time()
    for number, arrival in enumerate(arrivals):
        chain = build_chain(arrival, number)
        select_replica(chain, replicas).prefixes.add(chain)
    return (time.process_time() - start) / len(arrivals)


def percentile(values: Sequence[float], part: float = 0.95) -> float:
    """Return the value below which that part of the values is; NaN where there are none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else math.nan


def read_costs(gpus: int) -> GatewayCosts:
    """Return the measured costs of a gateway, with that of a selection among so many replicas."""
    return read_gateway_costs(measure_selection(gpus))
