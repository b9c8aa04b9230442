"""Parses an upstream's response into a Completion. A missing, mistyped or impossible value costs the sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.logprobs import parse_logprobs
from cogitate.server.engine.remote.request_body import LABEL_ALTERNATIVES
from cogitate.server.engine.remote.validate import are_counts, as_dict, as_list, as_text, is_count
from cogitate.strategies.core.types import Completion, Finish, Prompt, Sampling, ToolCall

FINISH_REASONS: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "function_call": "stop",
    "repetition": "stop",
}
OVER_LIMIT_MESSAGE = "reported more tokens than max_tokens"


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """The token counts of a response; `is_known`: the upstream reported them."""

    prompt: int = 0
    completion: int = 0
    cached: int | None = None
    is_known: bool = False


def parse_choices(body: object, n: int) -> list[Body]:
    """Return exactly `n` choices. Raises UpstreamFailed."""
    response = as_dict(body)
    if response.get("error") or not response:
        raise UpstreamFailed("returned an error in place of a response")
    choices = response.get("choices")
    if not isinstance(choices, list) or len(choices) != n or not all(isinstance(choice, dict) for choice in choices):
        raise UpstreamFailed("returned another number of choices than requested")
    return choices


def parse_single_choice(body: object) -> Body:
    """Return the one choice of a response. Raises UpstreamFailed."""
    (choice,) = parse_choices(body, 1)
    return choice


def parse_completion(body: object, prompt: Prompt, sampling: Sampling) -> Completion:
    """Parse a complete response with one choice. Raises UpstreamFailed."""
    choice, usage = parse_single_choice(body), parse_usage(as_dict(body).get("usage"), sampling.max_tokens)
    return _parse_complete(choice, usage, prompt, sampling)


def parse_batch(body: object, n: int, prompt: Prompt, sampling: Sampling) -> list[Completion | UpstreamFailed]:
    """Parse the `n` samples of one call; UpstreamFailed in place of an invalid one.

    Usage is reported for all together, so each sample's tokens are counted by its ids.

    Raises:
        UpstreamFailed: the ids do not add up to the usage, or the response is invalid as such.
    """
    limit = None if sampling.max_tokens is None else sampling.max_tokens * n
    choices, usage = parse_choices(body, n), parse_usage(as_dict(body).get("usage"), limit)
    lengths = [len(as_list(choice.get("token_ids"))) for choice in choices]
    if not usage.is_known or sum(lengths) != usage.completion:
        raise UpstreamFailed("did not report the tokens of each choice")

    def parse(choice: Body, tokens: int) -> Completion | UpstreamFailed:
        if sampling.max_tokens is not None and tokens > sampling.max_tokens:
            return UpstreamFailed(OVER_LIMIT_MESSAGE)
        own = ReportedUsage(usage.prompt, tokens, usage.cached, is_known=True)
        try:
            return _parse_complete(choice, own, prompt, sampling)
        except UpstreamFailed as error:
            return error

    return list(map(parse, choices, lengths))


def parse_partial(body: Body, prompt: Prompt, sampling: Sampling) -> Completion:
    """Parse what an aborted call had returned; an empty completion with unknown tokens where that is invalid."""
    try:
        usage = parse_usage(body.get("usage"), sampling.max_tokens)
        return _parse_choice(parse_single_choice(body), usage, prompt, sampling, "abort")
    except UpstreamFailed:
        return empty_completion(prompt)


def empty_completion(prompt: Prompt) -> Completion:
    """The completion of an aborted call of which nothing is known."""
    return Completion(prompt=prompt, text="", finish="abort", tokens_known=False)


def parse_usage(usage: object, max_tokens: int | None) -> ReportedUsage:
    """Parse `usage`. Raises UpstreamFailed where a count is impossible or over `max_tokens`."""
    if usage is None:
        return ReportedUsage()
    counts = as_dict(usage)
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens", 0)
    cached = as_dict(counts.get("prompt_tokens_details")).get("cached_tokens")
    if not (is_count(prompt) and is_count(completion) and is_count(cached or 0)) or (cached or 0) > prompt:
        raise UpstreamFailed("returned an invalid usage")
    if max_tokens is not None and completion > max_tokens:
        raise UpstreamFailed(OVER_LIMIT_MESSAGE)
    return ReportedUsage(prompt, completion, cached, is_known=True)


def parse_token_ids(choice: Body) -> tuple[int, ...]:
    """Return the decoded tokens without the end-of-turn token; empty where the upstream does not report them."""
    ids = as_list(choice.get("token_ids"))
    if not are_counts(ids):
        raise UpstreamFailed("returned invalid token ids")
    ended = choice.get("finish_reason") in ("stop", "tool_calls") and not isinstance(choice.get("stop_reason"), str)
    return tuple(ids[:-1] if ended else ids)


def _parse_complete(choice: Body, usage: ReportedUsage, prompt: Prompt, sampling: Sampling) -> Completion:
    finish = FINISH_REASONS.get(as_text(choice.get("finish_reason"), "a finish_reason"))
    if finish is None:
        raise UpstreamFailed("returned an unfinished response")
    return _parse_choice(choice, usage, prompt, sampling, finish)


def _parse_choice(choice: Body, usage: ReportedUsage, prompt: Prompt, sampling: Sampling, finish: Finish) -> Completion:
    message = as_dict(choice.get("message")) if "text" not in choice else {"content": choice["text"]}
    if not message:
        raise UpstreamFailed("returned a choice without a message")
    reasoning = as_text(message.get("reasoning") or message.get("reasoning_content"), "reasoning")
    content = as_text(message.get("content"), "content")
    tool_calls = tuple(map(_parse_tool_call, as_list(message.get("tool_calls"))))
    ids = parse_token_ids(choice)
    stopped_by = choice.get("stop_reason") if isinstance(choice.get("stop_reason"), str) else None
    if stopped_by is not None and sampling.stop and stopped_by not in sampling.stop:
        content = content.removesuffix(stopped_by)
    wants_logprobs = sampling.logprobs is not None and not sampling.labels
    return Completion(
        prompt=prompt,
        text=reasoning + content,
        finish=finish,
        stopped_by=stopped_by,
        token_ids=ids,
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        cached_tokens=usage.cached,
        logprobs=parse_logprobs(choice.get("logprobs"), ids, sampling.logprobs or 0) if wants_logprobs else (),
        labels=_parse_labels(choice.get("logprobs"), sampling.labels),
        content=content if reasoning or tool_calls else None,
        tool_calls=tool_calls,
        tokens_known=usage.is_known,
        native=choice,
    )


def _parse_tool_call(value: Any) -> ToolCall:  # noqa: ANN401 JSON
    function = as_dict(as_dict(value).get("function"))
    name, arguments = as_text(function.get("name"), "a tool name"), as_text(function.get("arguments"), "arguments")
    if not name:
        raise UpstreamFailed("returned a tool call without a name")
    return ToolCall(name, arguments)


def _parse_labels(value: object, labels: tuple[str, ...]) -> dict[str, float]:
    """Return the log-probabilities of those labels that are among the first token's alternatives."""
    if not labels or not (first := parse_logprobs(value, (), LABEL_ALTERNATIVES)[:1]):
        return {}
    reported = {token.text: token.logprob for token in (*first[0].top, first[0])}
    return {label: reported[label] for label in labels if label in reported}
