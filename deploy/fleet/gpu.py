"""One GPU: sequences that run at once, a queue, one prefill at a time, a prefix cache."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.fleet.costs import EngineCosts
from deploy.fleet.workload import PROMPT_TOKENS, QUESTION_TOKENS


@dataclass(slots=True, eq=False)
class Call:
    """One upstream call. `tokens`: of each of its sequences."""

    request: object
    application: int
    tokens: tuple[int, ...]
    gpu: "Gpu"
    is_done: bool = False
    """It has ended, or was aborted, or its GPU has failed."""
    decode_began: float = 0.0
    step: float = 0.0
    """Seconds of a decode step, by the sequences that run when it is admitted; 0 until then."""

    def count_decoded(self, now: float) -> int:
        """Return the tokens that it has decoded by now."""
        if not self.step or now < self.decode_began:
            return 0
        steps = int((now - self.decode_began) / self.step)
        return sum(min(steps, tokens) for tokens in self.tokens)


@dataclass(slots=True, eq=False)
class Gpu:
    """A GPU. It runs calls in the order in which they come, as many as it has slots for."""

    costs: EngineCosts
    schedule: Callable[[float, Callable[[Call], None], Call], None]
    """Calls a function with a call, at a time of the simulation."""
    on_end: Callable[[Call], None]
    """Called with each call when its longest sequence ends, also with one that is done before."""
    running: dict[Call, None] = field(default_factory=dict)
    queue: deque[Call] = field(default_factory=deque)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    _sequences: int = 0
    _prefill_ends: float = 0.0
    _cache: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def add(self, call: Call, now: float) -> None:
        """Queue a call, and run it as soon as there is room."""
        self.queue.append(call)
        self._admit(now)

    def remove(self, call: Call, now: float) -> None:
        """End a call: its sequences make room for others."""
        call.is_done = True
        if call in self.running:
            del self.running[call]
            self._sequences -= len(call.tokens)
            self._admit(now)

    def _admit(self, now: float) -> None:
        while self.queue and (not self.running or self._sequences < self.costs.slots):
            call = self.queue.popleft()
            if call.is_done:
                continue
            self.running[call] = None
            self._sequences += len(call.tokens)
            self._prefill_ends = max(now, self._prefill_ends) + self._prefill(call)
            call.decode_began = self._prefill_ends + self.costs.latency
            call.step = self.costs.step + self.costs.step_per_sequence * self._sequences
            self.schedule(call.decode_began + call.step * max(call.tokens), self.on_end, call)

    def _prefill(self, call: Call) -> float:
        """Return the seconds of the prefill, and store the prompt."""
        is_cached = call.application in self._cache
        self.prompt_tokens += PROMPT_TOKENS + QUESTION_TOKENS
        self.cached_tokens += PROMPT_TOKENS if is_cached else 0
        self._cache[call.application] = None
        self._cache.move_to_end(call.application)
        if len(self._cache) > self.costs.cached_prompts:
            self._cache.popitem(last=False)
        return (QUESTION_TOKENS + (0 if is_cached else PROMPT_TOKENS)) / self.costs.prefill_tokens_per_second
