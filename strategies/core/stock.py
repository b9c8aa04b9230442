"""Independent samples of prompts that outlive a search: a later search of the same prompt goes on from them.

Sampling without a seed is memoryless, so that n samples of which k were drawn by an earlier search are distributed as n
new ones. Samples that were cut off by their own limit are kept for that reason, and these are not: samples under a
confidence threshold or of a request with a budget, which are a selection, and samples with a seed, which must be those
of one search. Aborted ones are not kept either: an early stop prefers short samples a little, as within one search.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cogitate.strategies.core.events import Sampled
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.trace import Trace
from cogitate.strategies.core.types import Completion


@dataclass(slots=True)
class SampleStock:
    """The samples of earlier searches, by the identity of their prompt, and those that this search drew."""

    earlier: dict[str, list[Completion]] = field(default_factory=dict)
    drawn: list[Completion] = field(default_factory=list)

    def take(self, prompts: Sequence[Prompt]) -> tuple[list[Completion], Sequence[Prompt]]:
        """Return a sample of an earlier search for each prompt that has one, and the other prompts.

        Each sample is taken once.
        """
        if not self.earlier:
            return [], prompts
        names = {id(prompt): identify(prompt) for prompt in {id(prompt): prompt for prompt in prompts}.values()}
        taken, missing = list[Completion](), list[Prompt]()
        for prompt in prompts:
            if found := self.earlier.get(names[id(prompt)]):
                taken.append(replace(found.pop(0), prompt=prompt, reused=True))
            else:
                missing.append(prompt)
        return taken, missing

    def add(self, sample: Completion) -> None:
        """Keep a sample of this search, if it came to its end or to the client's limit."""
        if sample.finish in ("stop", "length"):
            self.drawn.append(sample)


def identify(prompt: Prompt) -> str:
    """Return what tells a prompt from the others of its request: a digest of its texts and its model."""
    turns = [text for message in prompt.messages for text in (message.role, message.text)]
    parts = repr((prompt.model, turns, prompt.prefix, prompt.raw))
    return hashlib.sha256(parts.encode(errors="surrogatepass")).hexdigest()[:32]


def count_reused(trace: Trace) -> int:
    """Return how many of a search's candidates an earlier search drew."""
    return sum(isinstance(event, Sampled) and event.completion.reused for event in trace)
