"""A sample over a replica that is watched as it grows, to be left where it falls below its floor."""

from dataclasses import dataclass, replace

from cogitate.server.engine.remote import logprobs
from cogitate.server.engine.remote.parse import aborted
from cogitate.server.engine.remote.stream_parser import Assembly
from cogitate.strategies.core.types import Completion, Prompt, Sampling
from cogitate.strategies.voting.confidence import Watch


@dataclass(slots=True)
class Doubt:
    watch: Watch
    top: int
    """Alternatives per token."""
    fallen: bool = False
    _seen: int = 0
    """Tokens that were looked at."""

    def falls(self, assembly: Assembly) -> bool:
        """Whether what came since the last look is enough to leave it. Raises Lost."""
        fresh = {name: values[self._seen :] for name, values in assembly.logprobs.items()}
        tokens = logprobs.read(fresh, (), self.top)
        self._seen += len(tokens)
        self.fallen = self.fallen or self.watch.falls(tokens)
        return self.fallen


def doubt(sampling: Sampling) -> Doubt | None:
    return Doubt(Watch(sampling.floor), sampling.logprobs or 0) if sampling.floor else None


def unsure(assembly: Assembly, prompt: Prompt, sampling: Sampling) -> Completion:
    """What there was when it was left; where the upstream counted nothing, its log-probabilities tell the tokens."""
    made = replace(aborted(assembly.body(), prompt, sampling), finish="unsure")
    return made if made.counted else replace(made, completion_tokens=len(made.logprobs), counted=bool(made.logprobs))
