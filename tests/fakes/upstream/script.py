"""What a fake upstream says, how fast, and what is wrong with it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal[
    "none",
    "500",
    "429",  # with Retry-After
    "hang",  # nothing comes
    "hang_body",  # the header comes, and nothing more
    "reset",  # the connection is reset amid the body
    "reset_first",  # ... before the header
    "cut",  # a stream ends without its finish and [DONE], a body before its last byte
    "error_in_200",
    "malformed",
    "extra_choices",
    "absurd_usage",
    "huge",  # more than anyone should read
    "endless",  # the same, and it does not say so before
    "gzip_bomb",
    "redirect",
    "dribble",  # one byte a second
    "deep",  # JSON nested ten thousand times
    "invalid_utf8",
]
STORY = "First, 6 times 7 is 42. Then 42 plus 30 is 72. The answer is \\boxed{72}."


@dataclass(slots=True, kw_only=True)
class Script:
    """Changed at will while the server runs."""

    texts: Sequence[str] = (STORY,)
    """Said in turn; with a seed, the one the seed chooses."""
    reasoning: str | None = None
    calls: Sequence[tuple[str, str]] = ()
    """Tool calls, name and arguments, made when the request brings tools."""
    latency: float = 0.0
    """Seconds until the first byte."""
    sigma: float = 0.0
    """Above 0 the latency is lognormal, with `latency` its median."""
    pace: float = 0.0
    """Seconds a token."""
    fault: Fault = "none"
    model: str = "fake"
    vllm: bool = True
    """Tokenises, continues by token ids and reports usage as it goes, as vLLM does."""
    no_tokens: bool = False
    """Tokenises into nothing that could be tokens."""
    usage: bool = True
    overcount: int = 0
    """Tokens that it bills above those it decoded."""
    logprobs: bool = True
    seeds: bool = True
    key: str | None = None
    """What a client must send as its bearer token."""
    refusal: tuple[int, str] | None = None
    """A status and a message for every chat."""
    elsewhere: str = "http://127.0.0.1:9/v1"
    """Where a redirect leads."""
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    def delay(self) -> float:
        return self.latency * self.rng.lognormvariate(0, self.sigma) if self.sigma else self.latency

    def text(self, call: int, seed: int | None) -> str:
        return self.texts[(call if seed is None or not self.seeds else seed) % len(self.texts)]
