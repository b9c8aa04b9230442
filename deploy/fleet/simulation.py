"""A discrete-event simulation of gateways and GPUs. Replicas are selected by the gateway's own function."""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cogitate.server.engine.remote import Timeouts, UpstreamConfig
from cogitate.server.engine.remote.prefix_chain import PrefixChain
from cogitate.server.engine.remote.replica import Replica
from cogitate.server.engine.remote.replica_selection import select_replica
from deploy.fleet.costs import EngineCosts, GatewayCosts
from deploy.fleet.gpu import Call, Gpu
from deploy.fleet.workload import PROMPT_TOKENS, QUESTION_TOKENS, Arrival

BYTES_PER_TOKEN = 4
TIMEOUTS = Timeouts()


@dataclass(slots=True)
class Gateway:
    """One process: what it does takes its turn. Its replicas are its own view of the GPUs."""

    replicas: list[Replica]
    available: list[Replica] = field(default_factory=list)
    free_at: float = 0.0
    busy: float = 0.0

    def work(self, now: float, seconds: float) -> float:
        """Take a turn, and return the time at which it ends."""
        self.free_at = max(now, self.free_at) + seconds
        self.busy += seconds
        return self.free_at


@dataclass(slots=True, eq=False)
class Request:
    """A request in progress."""

    arrival: Arrival
    gateway: Gateway
    chain: PrefixChain
    current: Replica | None = None
    started: int = 0
    finished: int = 0
    useful_tokens: int = 0
    calls: dict[Call, Replica] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that was answered. `at`: when; `samples`: n; `seconds`: from its arrival; `tokens`: of its answers."""

    at: float
    samples: int
    seconds: float
    tokens: int


class Simulation:
    """Runs requests through gateways and GPUs."""

    def __init__(self, gpus: int, gateways: int, gateway_costs: GatewayCosts, engine: EngineCosts, random: Random):
        self.now, self.costs, self.random = 0.0, gateway_costs, random
        self.gpus = [Gpu(engine, self.schedule, self._end_call) for _ in range(gpus)]
        upstreams = [
            UpstreamConfig(f"http://10.{at // 62500}.{at // 250 % 250}.{at % 250 + 1}:8000/v1") for at in range(gpus)
        ]
        self.gateways = [
            Gateway([Replica(each, TIMEOUTS, lambda *_: None) for each in upstreams]) for _ in range(gateways)
        ]
        for gateway in self.gateways:
            gateway.available = list(gateway.replicas)
        self.gpu_of = {each: gpu for one in self.gateways for each, gpu in zip(one.replicas, self.gpus, strict=True)}
        self.finished: list[Finished] = []
        self.wasted_tokens = 0
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []

    def schedule(self, at: float, action: Callable[[Any], None], argument: object) -> None:
        """Call `action` with `argument` at a time; of one time, in the order in which they were scheduled."""
        heapq.heappush(self._events, (at, next(self._numbers), action, argument))

    def run(self, arrivals: Iterable[Arrival], failures: Iterable[tuple[float, int]] = ()) -> None:
        """Run all requests to their ends. `failures`: when, and which GPU."""
        for at, number in failures:
            self.schedule(at, self._fail, self.gpus[number])
        pending = iter(arrivals)
        self._schedule_next(pending)
        while self._events:
            self.now, _, action, argument = heapq.heappop(self._events)
            action(argument)
            if action == self._arrive:
                self._schedule_next(pending)

    def _schedule_next(self, pending: Iterator[Arrival]) -> None:
        if arrival := next(pending, None):
            self.schedule(arrival.at, self._arrive, arrival)

    def _arrive(self, arrival: Arrival) -> None:
        request = Request(arrival, self.random.choice(self.gateways), build_chain(arrival, next(self._numbers)))
        done = request.gateway.work(self.now, self.costs.request + self.costs.selection)
        self.schedule(done, self._dispatch, request)

    def _dispatch(self, request: Request) -> None:
        """Start what may run at once: one call for all samples, or one for each where a stop rule may end them."""
        arrival = request.arrival
        if arrival.at_once == len(arrival.tokens):
            request.started = len(arrival.tokens)
            self._start(request, arrival.tokens)
            return
        while request.started < len(arrival.tokens) and len(request.calls) < arrival.at_once:
            request.started += 1
            self._start(request, arrival.tokens[request.started - 1 : request.started])

    def _start(self, request: Request, tokens: tuple[int, ...]) -> None:
        gateway = request.gateway
        replica = select_replica(request.chain, gateway.available, request.current)
        if replica is not request.current:
            replica.prefixes.add(request.chain)
        request.current = request.current or replica
        replica.sequences += len(tokens)
        call = Call(request, request.arrival.application, tokens, self.gpu_of[replica])
        request.calls[call] = replica
        call.gpu.add(call, self.now)

    def _stop(self, call: Call) -> Request:
        """Take a call off its GPU and its request."""
        request = call.request
        assert isinstance(request, Request)
        request.calls.pop(call).sequences -= len(call.tokens)
        call.gpu.remove(call, self.now)
        return request

    def _end_call(self, call: Call) -> None:
        if call.is_done:
            return
        request = self._stop(call)
        request.useful_tokens += sum(call.tokens)
        done = request.gateway.work(self.now, self.costs.sample * len(call.tokens))
        self.schedule(done, self._receive, (request, len(call.tokens)))

    def _receive(self, received: tuple[Request, int]) -> None:
        request, samples = received
        arrival = request.arrival
        was_finished = request.finished >= arrival.decided_after
        request.finished += samples
        if was_finished:
            return
        if request.finished < arrival.decided_after:
            self._dispatch(request)
            return
        for call in list(request.calls):
            self.wasted_tokens += call.count_decoded(self.now)
            self._stop(call)
        seconds = self.now - arrival.at
        self.finished.append(Finished(self.now, len(arrival.tokens), seconds, request.useful_tokens))

    def _fail(self, gpu: Gpu) -> None:
        """Lose a GPU: every gateway ejects it, and repeats its calls elsewhere."""
        for gateway in self.gateways:
            gateway.available = [each for each in gateway.available if self.gpu_of[each] is not gpu]
        lost = [*gpu.running, *(call for call in gpu.queue if not call.is_done)]
        gpu.queue.clear()
        for call in lost:
            self.wasted_tokens += call.count_decoded(self.now)
            request = self._stop(call)
            if request.current is not None and self.gpu_of[request.current] is gpu:
                request.current = None
            self._start(request, call.tokens)


def build_chain(arrival: Arrival, number: int) -> PrefixChain:
    """Build the chain of an application's prompt and a question, without their text."""
    application, question = b"%08d" % arrival.application, b"%08d" % number
    size = BYTES_PER_TOKEN * PROMPT_TOKENS
    return PrefixChain(
        (application, question), (size, size + BYTES_PER_TOKEN * QUESTION_TOKENS), question, anchor=application
    )
