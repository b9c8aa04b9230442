"""Writes the decodes of one search to its trace."""

from dataclasses import dataclass, field, replace

from cogitate.strategies.core.early_decodes import EarlyDecode
from cogitate.strategies.core.events import Aborted, Role, Sampled, Started
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.trace import Trace
from cogitate.strategies.core.types import Completion


@dataclass(slots=True)
class Recorder:
    """Records the beginning and the end of each decode, and how deep the search is."""

    trace: Trace
    depth: int = 0
    """The most tokens that were decoded one after another."""
    _prompts: dict[tuple[str, int, int], tuple[int, Prompt]] = field(default_factory=dict)
    """The number of each distinct prompt. The prompts are retained, since they are told apart by identity."""

    def start(
        self,
        index: int,
        role: Role,
        prompt: Prompt,
        *,
        parent: int | None,
        seed: int | None,
        early: EarlyDecode | None = None,
    ) -> Started:
        """Record that a decode was submitted. `early`: where it was before it was known to be needed."""
        start = Started(
            index=index,
            role=role,
            parent=parent,
            model=prompt.model,
            seed=seed,
            prompt=self._number(prompt),
            seconds=early.seconds if early else self.trace.seconds,
            depth=early.depth if early else self.depth,
        )
        self.trace.emit(start)
        return start

    def end(self, start: Started, made: Completion, *, is_aborted: bool = False) -> Completion:
        """Record what a decode has made, and return it with its number. The search is as deep as its end."""
        depth = start.depth + made.completion_tokens
        self.depth = max(self.depth, depth)
        event = Aborted if is_aborted or made.finish == "unsure" else Sampled
        made = replace(made, index=start.index)
        self.trace.emit(event(start.role, made, depth, start))
        return made

    def drop(self, start: Started, made: Completion) -> None:
        """Record a decode that nobody took. Nothing waits for it: the search is not deeper for it."""
        depth = min(self.depth, start.depth + made.completion_tokens)
        self.trace.emit(Aborted(start.role, replace(made, index=start.index), depth, start))

    def reuse(self, index: int, sample: Completion) -> Completion:
        """Record a sample of an earlier search as one of this search, and return it."""
        sample = replace(sample, index=index)
        self.trace.emit(Sampled("candidate", sample))
        return sample

    def _number(self, prompt: Prompt) -> int:
        place = prompt.model, id(prompt.messages), id(prompt.raw)
        known = self._prompts.get(place)
        if known is None:
            known = self._prompts[place] = len(self._prompts), prompt
        return known[0]
