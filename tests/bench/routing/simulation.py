"""Runs a workload over the load balancer and simulated replicas, in virtual time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from cogitate.server.engine.remote import Timeouts, UpstreamConfig
from cogitate.server.engine.remote.load_balancer import Affinity, LoadBalancer
from cogitate.server.engine.remote.prefix_chain import chain_parts
from cogitate.server.engine.remote.upstream_response import UpstreamRequest, UpstreamResponse
from cogitate.server.evaluation import virtual_time
from tests.bench.routing.simulated_replica import Part, SimulatedTransport, Work
from tests.bench.routing.workloads import Chat, Workload, next_pause

WARM_UP = 0.25
"""The part of the requests that fills the caches, and is not counted."""


@dataclass(slots=True)
class Simulation:
    """One run. The replicas of all balancers, which share nothing else, are the same simulated ones."""

    balancers: Sequence[LoadBalancer]
    random: Random
    """Writes the requests, and decides when they come."""
    gateways: Random
    """Decides to which balancer a request comes. Another one, so that requests are the same for all policies."""
    works: dict[bytes, Work] = field(default_factory=dict)
    requests: list[tuple[Work, ...]] = field(default_factory=list)
    """The calls of each request that has ended, in the order of their ends."""

    def __post_init__(self) -> None:
        for same in zip(*(balancer.replicas for balancer in self.balancers), strict=True):
            transport = SimulatedTransport(works=self.works)
            for replica in same:
                replica.transport = transport

    async def run(self, workload: Workload, number: int) -> None:
        """Run so many chats to their ends."""
        loop, count = asyncio.get_running_loop(), len(self.balancers[0].replicas)
        chats = workload.write(self.random, count)
        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                await asyncio.sleep(next_pause(self.random, loop.time(), workload.rate * count))
                group.create_task(self._chat(next(chats)))

    async def _chat(self, chat: Chat) -> None:
        prompt: tuple[Part, ...] = ()
        for turn in chat:
            await asyncio.sleep(turn.pause)
            prompt += turn.added
            balancer = self.gateways.choice(self.balancers)
            affinity = balancer.assign(chain_parts([part.text for part in prompt]))
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(self._call(balancer, affinity, prompt, answer)) for answer in turn.answers]
            self.requests.append(tuple(call.result() for call in calls))
            prompt += turn.answers[:1]

    async def _call(self, balancer: LoadBalancer, affinity: Affinity, prompt: tuple[Part, ...], answer: Part) -> Work:
        key, work = b"%d" % len(self.works), Work(prompt, answer, asyncio.get_running_loop().time())
        self.works[key] = work
        request = UpstreamRequest("chat/completions", key, balancer.deadline())
        await balancer.fetch(request, affinity, UpstreamResponse.read_body)
        return work


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run, after its warm-up."""

    hit_rate: float
    """Cached tokens of all tokens of prompts; those of further samples count too."""
    p95: float
    """Seconds of a request, until its last sample has ended."""
    p95_first_token: float
    """Seconds until the first token of a call."""


def simulate(
    policy: type[LoadBalancer], workload: Workload, upstreams: int, seed: int, *, gateways: int = 1, chats: int = 0
) -> Figures:
    """Run a workload once. `chats`: how many; 0: as many as the workload has."""

    async def run() -> list[tuple[Work, ...]]:
        configs = [UpstreamConfig(f"http://10.0.{at // 250}.{at % 250 + 1}:8000/v1") for at in range(upstreams)]
        simulation = Simulation([policy(configs, Timeouts()) for _ in range(gateways)], Random(seed), Random(seed))
        await simulation.run(workload, chats or workload.count_chats(upstreams))
        return simulation.requests

    requests = virtual_time.run(run())
    counted = requests[int(WARM_UP * len(requests)) :]
    calls = [call for request in counted for call in request]
    return Figures(
        sum(call.cached_tokens for call in calls) / sum(call.prompt_tokens for call in calls),
        percentile([max(call.ended for call in request) - request[0].began for request in counted]),
        percentile([call.first_token - call.began for call in calls]),
    )


def percentile(values: list[float], part: float = 0.95) -> float:
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]
