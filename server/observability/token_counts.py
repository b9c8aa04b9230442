"""Tokens of a search for the metrics, each counted once: prompts by the prefix cache, decoded tokens by their fate."""

from dataclasses import dataclass

from cogitate.strategies.core.events import Aborted, Sampled
from cogitate.strategies.core.trace import Trace, Usage
from cogitate.strategies.decisions.decide import Bill


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The sum of all fields is what was read and decoded."""

    hit: int
    """Of prompts, in the engine's prefix cache."""
    miss: int
    """Of prompts, computed; what reward models read is among them."""
    kept: int
    """Decoded by what ran to its end, whether or not it is the answer."""
    aborted: int = 0
    """Decoded by what was stopped."""
    verdict: int = 0
    """Decoded for verdicts, also for those that were stopped."""


def count_search(trace: Trace, spent: Usage) -> TokenCounts:
    """`spent`: the trace's usage."""
    aborted = verdict = 0
    for event in trace:
        if not isinstance(event, Sampled | Aborted) or event.completion.reused:
            continue
        if event.role == "verifier":
            verdict += event.completion.completion_tokens
        elif isinstance(event, Aborted):
            aborted += event.completion.completion_tokens
    miss, kept = max(spent.prompt - spent.cached, 0), spent.completion - aborted - verdict
    return TokenCounts(spent.cached, miss, kept, aborted, verdict)


def count_decision(bill: Bill) -> TokenCounts:
    hit = min(bill.cached_tokens, bill.prompt_tokens)
    kept = bill.completion_tokens - bill.aborted_tokens
    return TokenCounts(hit, bill.prompt_tokens - hit, kept, bill.aborted_tokens)
