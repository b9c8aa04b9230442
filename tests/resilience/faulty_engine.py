"""A scripted engine whose faults can be changed while it runs."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from cogitate.strategies.core.ports import OnAbort, OnText, SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import Reply, ScriptedEngine
from cogitate.strategies.core.types import Completion, Sampling


@dataclass(slots=True)
class Knobs:
    """Settings of the engine, each of which a test can change at any time."""

    texts: list[str] = field(default_factory=lambda: ["so it is \\boxed{42} indeed"])
    """Replies, in turn."""
    repeat: int = 1
    """Copies of the text in one reply."""
    echo: bool = False
    """Reply with the last message instead of `texts`."""
    pace: float = 0.0
    """Seconds per token."""
    submit: float = 0.0
    """Maximum seconds that accepting a request takes, as inside vLLM's add_request; uniformly random."""
    fail: float = 0.0
    """Share of samples that fail."""
    prefix_cache: bool = False
    """Decode three times as fast where the same prompt was decoded before under the same cache salt."""
    leak: int = 0
    """Bytes that each sample leaks."""
    hang: bool = False
    """Generate no token and report no error."""


@dataclass
class FaultyEngine(ScriptedEngine):
    """The scripted engine with the faults of its knobs, and counters that tests read over the control port."""

    replies: object = ()
    knobs: Knobs = field(default_factory=Knobs)
    leaked: list[bytes] = field(default_factory=list)
    started: int = 0
    submitting: int = 0
    replies_made: int = 0
    failed: int = 0
    prefix_hit: bool = False
    """The current decode starts from a prompt in `prefixes`."""
    prefixes: set[tuple[str, str]] = field(default_factory=set)
    salts: Counter[str] = field(default_factory=Counter)
    """Number of decodes per cache salt."""
    salt: str = ""
    """Cache salt of the decode that begins now."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.pace = lambda call: self.knobs.pace / 3 if self.prefix_hit else self.knobs.pace

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        self.started += 1
        self.submitting += 1
        if self.knobs.leak:
            self.leaked.append(self.chance.randbytes(self.knobs.leak))
        try:
            if self.knobs.submit:
                await asyncio.sleep(self.chance.uniform(0, self.knobs.submit))
            while self.knobs.hang:  # noqa: ASYNC110 a knob has no event
                await asyncio.sleep(0.01)
        finally:
            self.submitting -= 1
        if self.chance.random() < self.knobs.fail:
            self.failed += 1
            raise SampleFailed("the fail knob is set")
        del self.calls[:-64]  # a soak test must not grow
        return await super().generate(prompt, sampling, on_text=on_text, on_abort=on_abort)

    def learn(self) -> None:
        """Tokenize the texts now instead of in the first decode."""
        for text in self.knobs.texts:
            self.vocabulary.encode(text * self.knobs.repeat)

    def record_salt(self, salt: str) -> None:
        self.salt = salt
        self.salts[salt] += 1

    def next_reply(self, call: int, prompt: Prompt, sampling: Sampling) -> Reply:
        text = prompt.messages[-1].text if prompt.messages else prompt.question
        prefix = self.salt, text
        self.prefix_hit = prefix in self.prefixes
        if self.knobs.prefix_cache:
            self.prefixes.add(prefix)
        if self.knobs.echo:
            return text
        self.replies_made += 1
        return self.knobs.texts[self.replies_made % len(self.knobs.texts)] * self.knobs.repeat
