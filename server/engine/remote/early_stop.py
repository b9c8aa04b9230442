"""Stops a streamed sample when its confidence falls below the threshold."""

from dataclasses import dataclass, replace

from cogitate.server.engine.remote.logprobs import parse_logprobs
from cogitate.server.engine.remote.parse import parse_partial
from cogitate.server.engine.remote.stream_parser import StreamParser
from cogitate.strategies.core.confidence_monitor import ConfidenceMonitor
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling


@dataclass(slots=True)
class ConfidenceStop:
    """Feeds the log-probabilities of one stream to a ConfidenceMonitor."""

    monitor: ConfidenceMonitor
    top: int
    """Alternatives per token."""
    is_stopped: bool = False
    _tokens_read: int = 0

    def should_stop(self, parser: StreamParser) -> bool:
        """Whether the tokens since the last call end the sample."""
        fresh = {name: values[self._tokens_read :] for name, values in parser.logprobs.items()}
        tokens = parse_logprobs(fresh, (), self.top)
        self._tokens_read += len(tokens)
        self.is_stopped = self.is_stopped or self.monitor.update(tokens)
        return self.is_stopped


def build_confidence_stop(sampling: Sampling) -> ConfidenceStop | None:
    """Build the stop that `sampling` asks for; None where it has no confidence threshold."""
    threshold = sampling.confidence_threshold
    return ConfidenceStop(ConfidenceMonitor(threshold), sampling.logprobs or 0) if threshold else None


def to_stopped_completion(parser: StreamParser, prompt: Prompt, sampling: Sampling) -> Completion:
    """Build the completion of a stopped sample. Without usage its tokens are counted by their log-probabilities."""
    partial = replace(parse_partial(parser.to_body(), prompt, sampling, chunks=parser.text_chunks), finish="unsure")
    return partial if partial.tokens_known else replace(partial, tokens_known=len(partial.logprobs) > 0)
