"""An upstream's answer -> a Completion. What is missing, of the wrong kind or absurd loses the sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.engine.remote import logprobs
from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.request_body import VERDICT_ALTERNATIVES
from cogitate.server.engine.remote.validate import are_counts, is_count, mapping, sequence, text
from cogitate.strategies.core.types import Call, Completion, Finish, Prompt, Sampling

FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "function_call": "stop",
    "repetition": "stop",
}
TOO_MANY = "counted more tokens than it was allowed"


@dataclass(frozen=True, slots=True)
class Usage:
    prompt: int = 0
    completion: int = 0
    cached: int | None = None
    counted: bool = False


def only_choice(body: object) -> Body:
    """The one choice of an answer. Raises Lost."""
    (choice,) = choices(body, 1)
    return choice


def choices(body: object, n: int) -> list[Body]:
    """Exactly so many. Raises Lost."""
    said = mapping(body)
    if said.get("error") or not said:
        raise Lost("reported an error in place of an answer")
    sent = said.get("choices")
    if not isinstance(sent, list) or len(sent) != n or not all(isinstance(choice, dict) for choice in sent):
        raise Lost("did not send the answers that were asked for")
    return sent


def completed(body: object, prompt: Prompt, sampling: Sampling) -> Completion:
    """A whole answer. Raises Lost."""
    choice, spent = only_choice(body), usage(mapping(body).get("usage"), sampling.max_tokens)
    return _finished(choice, spent, prompt, sampling)


def several(body: object, n: int, prompt: Prompt, sampling: Sampling) -> list[Completion | Lost]:
    """The answers of one call, each with the tokens that it tells: together those that were counted, or none is taken.

    Raises Lost; one answer alone that cannot be believed is Lost in its place.
    """
    limit = None if sampling.max_tokens is None else sampling.max_tokens * n
    sent, spent = choices(body, n), usage(mapping(body).get("usage"), limit)
    lengths = [len(sequence(choice.get("token_ids"))) for choice in sent]
    if not spent.counted or sum(lengths) != spent.completion:
        raise Lost("did not tell how many tokens each answer took")

    def read(choice: Body, tokens: int) -> Completion | Lost:
        if sampling.max_tokens is not None and tokens > sampling.max_tokens:
            return Lost(TOO_MANY)
        try:
            return _finished(choice, Usage(spent.prompt, tokens, spent.cached, counted=True), prompt, sampling)
        except Lost as loss:
            return loss

    return list(map(read, sent, lengths))


def _finished(choice: Body, spent: Usage, prompt: Prompt, sampling: Sampling) -> Completion:
    finish = FINISHES.get(text(choice.get("finish_reason"), "a reason to finish"))
    if finish is None:
        raise Lost("did not finish its answer")
    return _completion(choice, spent, prompt, sampling, finish)


def aborted(body: Body, prompt: Prompt, sampling: Sampling) -> Completion:
    """What there was of an answer when it was aborted."""
    try:
        spent = usage(body.get("usage"), sampling.max_tokens)
        return _completion(only_choice(body), spent, prompt, sampling, "abort")
    except Lost:
        return Completion(prompt=prompt, text="", finish="abort", counted=False)


def usage(said: object, limit: int | None) -> Usage:
    """What the upstream counted. Raises Lost for what cannot be."""
    if said is None:
        return Usage()
    counts = mapping(said)
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens", 0)
    cached = mapping(counts.get("prompt_tokens_details")).get("cached_tokens")
    if not (is_count(prompt) and is_count(completion) and is_count(cached or 0)) or (cached or 0) > prompt:
        raise Lost("counted tokens that cannot be")
    if limit is not None and completion > limit:
        raise Lost(TOO_MANY)
    return Usage(prompt, completion, cached, counted=True)


def _completion(choice: Body, spent: Usage, prompt: Prompt, sampling: Sampling, finish: Finish) -> Completion:
    message = mapping(choice.get("message")) if "text" not in choice else {"content": choice["text"]}
    if not message:
        raise Lost("sent an answer without a message")
    reasoning = text(message.get("reasoning") or message.get("reasoning_content"), "reasoning")
    content = text(message.get("content"), "content")
    calls = tuple(map(_call, sequence(message.get("tool_calls"))))
    ids = token_ids(choice)
    stopped_by = choice.get("stop_reason") if isinstance(choice.get("stop_reason"), str) else None
    if stopped_by is not None and sampling.stop and stopped_by not in sampling.stop:
        content = content.removesuffix(stopped_by)
    wants = sampling.logprobs is not None and not sampling.labels
    return Completion(
        prompt=prompt,
        text=reasoning + content,
        finish=finish,
        stopped_by=stopped_by,
        token_ids=ids,
        prompt_tokens=spent.prompt,
        completion_tokens=spent.completion,
        cached_tokens=spent.cached,
        logprobs=logprobs.read(choice.get("logprobs"), ids, sampling.logprobs or 0) if wants else (),
        labels=_labels(choice.get("logprobs"), sampling.labels),
        content=content if reasoning or calls else None,
        calls=calls,
        counted=spent.counted,
        native=choice,
    )


def token_ids(choice: Body) -> tuple[int, ...]:
    """The decoded tokens, without the one that ended the turn; nothing where the upstream does not tell."""
    ids = sequence(choice.get("token_ids"))
    if not are_counts(ids):
        raise Lost("sent tokens that are none")
    ended = choice.get("finish_reason") in ("stop", "tool_calls") and not isinstance(choice.get("stop_reason"), str)
    return tuple(ids[:-1] if ended else ids)


def _call(said: Any) -> Call:  # noqa: ANN401 JSON
    function = mapping(mapping(said).get("function"))
    name, arguments = text(function.get("name"), "a tool's name"), text(function.get("arguments"), "arguments")
    if not name:
        raise Lost("sent a tool call without a name")
    return Call(name, arguments)


def _labels(reported: object, labels: tuple[str, ...]) -> dict[str, float]:
    """The log-probabilities of those labels that are among the next token's alternatives."""
    if not labels or not (first := logprobs.read(reported, (), VERDICT_ALTERNATIVES)[:1]):
        return {}
    found = {token.text: token.logprob for token in (*first[0].top, first[0])}
    return {label: found[label] for label in labels if label in found}
