"""The scripted engine with faults that can be turned on and off while it runs."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from cogitate.strategies.core.ports import OnAbort, OnText, SampleFailed
from cogitate.strategies.core.scripted import Reply, ScriptedEngine
from cogitate.strategies.core.types import Completion, Prompt, Sampling


@dataclass(slots=True)
class Knobs:
    texts: list[str] = field(default_factory=lambda: ["so it is \\boxed{42} indeed"])
    """Said in turn."""
    times: int = 1
    """Says each so many times over."""
    echo: bool = False
    """Says the last message again, instead."""
    pace: float = 0.0
    """Seconds a token."""
    submit: float = 0.0
    """Most seconds that taking a request in may last, as inside vLLM's add_request."""
    fail: float = 0.0
    """The share of samples that fail."""
    remembers: bool = False
    """It is three times as fast where it has decoded from this prompt before, under this salt."""
    leak: int = 0
    """Bytes that each sample leaves behind."""
    hang: bool = False
    """No sequence makes a token, and nothing says so."""


@dataclass
class FaultyEngine(ScriptedEngine):
    replies: object = ()
    knobs: Knobs = field(default_factory=Knobs)
    leaked: list[bytes] = field(default_factory=list)
    started: int = 0
    submitting: int = 0
    said: int = 0
    failed: int = 0
    knows: bool = False
    remembered: set[tuple[str, str]] = field(default_factory=set)
    salts: Counter[str] = field(default_factory=Counter)
    """Decodes by their cache salt."""
    salt: str = ""
    """The salt of the decode that begins now."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.pace = lambda call: self.knobs.pace / 3 if self.knows else self.knobs.pace

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
            raise SampleFailed("the script says so")
        del self.calls[:-64]  # nobody looks far back, and a soak must stay flat
        return await super().generate(prompt, sampling, on_text=on_text, on_abort=on_abort)

    def learn(self) -> None:
        """Takes what it will say apart now, and not as it says it for the first time."""
        for text in self.knobs.texts:
            self.vocabulary.encode(text * self.knobs.times)

    def record_salt(self, salt: str) -> None:
        self.salt = salt
        self.salts[salt] += 1

    def next_reply(self, call: int, prompt: Prompt, sampling: Sampling) -> Reply:
        known = self.salt, prompt.messages[-1].text
        self.knows = known in self.remembered
        if self.knobs.remembers:
            self.remembered.add(known)
        if self.knobs.echo:
            return prompt.messages[-1].text
        self.said += 1
        return self.knobs.texts[self.said % len(self.knobs.texts)] * self.knobs.times
