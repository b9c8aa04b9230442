"""The requests of a fleet: how many samples, how long, when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

SAMPLES: Mapping[int, float] = {1: 0.5, 4: 0.2, 8: 0.15, 16: 0.1, 64: 0.05}
"""n, and how often."""
STOP_SHARE = 0.5
"""Of the requests with several samples, those with a stop rule."""
DECIDED_AFTER = (0.3, 0.75)
"""The part of n after which a stop rule decides, uniform: half of n on average, as in deploy/results/reasoning.md."""
MAX_AT_ONCE = 8
"""Samples in flight under a stop rule; at most half of n."""
ANSWER_TOKENS, SIGMA = 250, 0.6
PROMPT_TOKENS, QUESTION_TOKENS = 1000, 150
APPLICATIONS_PER_GPU, POPULARITY = 4, 0.9
BURST_SECONDS, BURST_FACTOR = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request. `tokens`: of each sample; `decided_after`: finished samples after which the others are aborted."""

    at: float
    application: int
    tokens: tuple[int, ...]
    decided_after: int
    at_once: int


def generate(random: Random, gpus: int, rate: float, seconds: float) -> Iterator[Arrival]:
    """Generate the requests of so many seconds. `rate`: a second, outside of bursts, which are a tenth of the time."""
    applications = range(APPLICATIONS_PER_GPU * gpus)
    total, weights = 0.0, []
    for rank in applications:
        total += (rank + 1) ** -POPULARITY
        weights.append(total)
    now = 0.0
    while True:
        burst = int(now / BURST_SECONDS) % 10 == 5
        now += random.expovariate(rate * (BURST_FACTOR if burst else 1.0))
        if now > seconds:
            return
        (n,) = random.choices(list(SAMPLES), list(SAMPLES.values()))
        tokens = tuple(max(8, round(random.lognormvariate(0, SIGMA) * ANSWER_TOKENS)) for _ in range(n))
        stops = n > 1 and random.random() < STOP_SHARE
        decided = max(2, round(n * random.uniform(*DECIDED_AFTER))) if stops else n
        at_once = min(MAX_AT_ONCE, n // 2) if stops else n
        (application,) = random.choices(applications, cum_weights=weights)
        yield Arrival(now, application, tokens, decided, at_once)
