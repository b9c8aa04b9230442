"""What a fake upstream returns, how fast, and how it fails."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal[
    "none",
    "500",
    "429",  # with Retry-After
    "hang",  # sends nothing
    "hang_body",  # sends the head only
    "reset",  # resets the connection during the body
    "reset_first",  # ... before the head
    "cut",  # ends a stream without finish_reason and [DONE], a body before its last byte
    "error_in_200",
    "malformed",
    "extra_choices",
    "absurd_usage",
    "huge",  # announces a gigabyte
    "endless",  # sends a gigabyte without announcing it
    "gzip_bomb",
    "redirect",
    "dribble",  # sends one byte per second
    "deep",  # JSON with 10,000 levels
    "invalid_utf8",
]
STORY = "First, 6 times 7 is 42. Then 42 plus 30 is 72. The answer is \\boxed{72}."


@dataclass(slots=True, kw_only=True)
class Script:
    """May be changed while the server runs."""

    texts: Sequence[str] = (STORY,)
    """Returned in turn; a seed that was sent before gets the text that it got then."""
    reasoning: str | None = None
    calls: Sequence[tuple[str, str]] = ()
    """Name and arguments of the tool calls, returned where the request has tools."""
    latency: float = 0.0
    """Seconds until the first byte."""
    sigma: float = 0.0
    """Above 0 the latency is lognormal with `latency` as its median."""
    pace: float = 0.0
    """Seconds per token."""
    fault: Fault = "none"
    model: str = "fake"
    vllm: bool = True
    """Has /tokenize, continues token ids and reports usage in chunks, as vLLM does."""
    no_tokens: bool = False
    """/tokenize returns invalid ids."""
    usage: bool = True
    overcount: int = 0
    """Tokens added to the usage that were not decoded."""
    logprobs: bool = True
    seeds: bool = True
    key: str | None = None
    """The bearer token that clients must send."""
    refusal: tuple[int, str] | None = None
    """Status and message of the response to every completion."""
    redirect_url: str = "http://127.0.0.1:9/v1"
    """Base URL of the location that the fault `redirect` returns."""
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    _calls_by_seed: dict[int, int] = field(default_factory=dict, repr=False)

    def delay(self) -> float:
        return self.latency * self.rng.lognormvariate(0, self.sigma) if self.sigma else self.latency

    def text(self, call: int, seed: int | None) -> str:
        if seed is not None and self.seeds and len(self.texts) > 1:
            call = self._calls_by_seed.setdefault(seed, call)
        return self.texts[call % len(self.texts)]
