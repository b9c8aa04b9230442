"""Converts a decoded sequence to a Completion."""

from collections.abc import Sequence
from dataclasses import replace

from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.server.engine.vllm.decode import DecodedSequence, to_logprobs
from cogitate.server.engine.vllm.sampling_params import encode_single
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Finish, Sampling
from cogitate.strategies.thinking.tags import CLOSE_TAG, OPEN_TAG, is_thinking

FINISHES: dict[str | None, Finish] = {
    "stop": "stop",
    "length": "length",
    "repetition": "stop",
    "unsure": "unsure",
}
"""Our finish reason for each of vLLM's with which a sequence has ended properly."""


def to_completion(
    loaded: LoadedEngine, prompt: Prompt, sampling: Sampling, sequence: DecodedSequence, prompt_ids: Sequence[int]
) -> Completion:
    """Convert a sequence. A stop string of the client is not part of its text, a stop string of `sampling` is."""
    text, stopped_by = sequence.text, None
    if isinstance(sequence.stop_reason, str):
        stopped_by = sequence.stop_reason
        if sampling.stop and stopped_by not in sampling.stop:
            text = text.removesuffix(stopped_by)
    ids = sequence.content_ids
    completion = Completion(
        prompt=prompt,
        text=text,
        finish=FINISHES.get(sequence.finish_reason, "abort"),
        stopped_by=stopped_by,
        token_ids=ids,
        prompt_tokens=sequence.prompt_tokens,
        completion_tokens=len(sequence.token_ids),
        cached_tokens=sequence.cached_tokens,
        logprobs=() if sampling.labels else to_logprobs(ids, sequence.logprobs, sampling.logprobs or 0),
        labels=_read_labels(loaded, sampling.labels, sequence),
    )
    return _with_tags(loaded, completion, sequence, prompt_ids, sampling.until) if sampling.until else completion


def _with_tags(
    loaded: LoadedEngine, completion: Completion, sequence: DecodedSequence, prompt_ids: Sequence[int], until: str
) -> Completion:
    """Set the tag that ended the completion, and whether it ends inside the model's thinking."""
    opens, closes = encode_single(loaded, OPEN_TAG), encode_single(loaded, CLOSE_TAG)
    stopped_by = until if sequence.stop_reason in encode_single(loaded, until) else completion.stopped_by
    thinking = is_thinking([*prompt_ids, *completion.token_ids], opens, closes)
    return replace(completion, stopped_by=stopped_by, thinking=thinking)


def _read_labels(loaded: LoadedEngine, labels: tuple[str, ...], sequence: DecodedSequence) -> dict[str, float]:
    """Return the log-probability of each label that is one token, as the first token."""
    if not labels or not sequence.logprobs:
        return {}
    reported = sequence.logprobs[0]
    tokens = {label: encode_single(loaded, label) for label in labels}
    return {label: reported[ids[0]].logprob for label, ids in tokens.items() if ids and ids[0] in reported}
