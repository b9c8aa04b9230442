"""Parses an upstream's response, in any of the forms of `dialects`, into a Completion.

What cannot be an answer costs the sample: an error, another number of choices, content that is no text. What is not
known, such as a count of tokens, is unknown.
"""

from dataclasses import replace

from cogitate.server.engine import Body
from cogitate.server.engine.remote.dialects.choice import is_raw_text, list_choices, normalize_choice
from cogitate.server.engine.remote.dialects.finish_reason import to_finish
from cogitate.server.engine.remote.dialects.usage import MAX_EXTRA_TOKENS, ReportedUsage, parse_usage
from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.logprobs import parse_logprobs
from cogitate.server.engine.remote.request_body import LABEL_ALTERNATIVES
from cogitate.server.engine.remote.validate import are_counts, as_dict, as_list, as_text
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Finish, Sampling, ToolCall

ONLY_REASONING = "The upstream sent an empty answer, so the answer was read from its reasoning."
"""A warning to the client."""


def parse_choices(body: object, n: int) -> list[Body]:
    """Return exactly `n` choices, in OpenAI's form. Raises UpstreamFailed."""
    return list(map(normalize_choice, _find_choices(body, n)))


def _find_choices(body: object, n: int) -> list[Body]:
    response = as_dict(body)
    if response.get("error") or not response:
        raise UpstreamFailed("returned an error in place of a response")
    choices = list_choices(response)
    if len(choices) != n:
        raise UpstreamFailed("returned another number of choices than requested")
    return choices


def parse_single_choice(body: object) -> Body:
    """Return the one choice of a response. Raises UpstreamFailed."""
    (choice,) = parse_choices(body, 1)
    return choice


def parse_completion(body: object, prompt: Prompt, sampling: Sampling, *, chunks: int = 0) -> Completion:
    """Parse a complete response with one choice, streamed in `chunks` chunks with text. Raises UpstreamFailed."""
    choice, usage = parse_single_choice(body), parse_usage(as_dict(body).get("usage"), sampling.max_tokens)
    return _parse_complete(choice, usage, prompt, sampling, chunks=chunks)


def parse_batch(body: object, n: int, prompt: Prompt, sampling: Sampling) -> list[Completion | UpstreamFailed]:
    """Parse the `n` samples of one call; UpstreamFailed in place of an invalid one.

    Usage is reported for all together, so each sample's tokens are counted by its ids.

    Raises:
        UpstreamFailed: the ids do not add up to the usage, or the response is invalid as such.
    """
    limit = None if sampling.max_tokens is None else sampling.max_tokens * n
    choices, usage = _find_choices(body, n), parse_usage(as_dict(body).get("usage"), limit)
    lengths = [len(as_list(choice.get("token_ids"))) for choice in choices]
    if not usage.is_known or sum(lengths) != usage.completion:
        raise UpstreamFailed("did not report the tokens of each choice")

    def parse(choice: Body, tokens: int) -> Completion | UpstreamFailed:
        is_known = sampling.max_tokens is None or tokens <= sampling.max_tokens + MAX_EXTRA_TOKENS
        own = ReportedUsage(usage.prompt, tokens, usage.cached, is_known=is_known)
        try:
            return _parse_complete(normalize_choice(choice), own, prompt, sampling)
        except UpstreamFailed as error:
            return error

    return list(map(parse, choices, lengths))


def parse_partial(body: Body, prompt: Prompt, sampling: Sampling, *, chunks: int = 0) -> Completion:
    """Parse what an aborted call had returned; an empty completion with unknown tokens where that is invalid.

    `chunks`: the chunks with text, each of at least a token, which are counted where nothing better is known.
    """
    try:
        usage = parse_usage(body.get("usage"), sampling.max_tokens)
        choice = parse_single_choice(body)
        return count_tokens(_parse_choice(choice, usage, prompt, sampling, "abort"), chunks, sampling)
    except UpstreamFailed:
        return empty_completion(prompt)


def count_tokens(completion: Completion, chunks: int, sampling: Sampling) -> Completion:
    """Return the completion with the tokens that it has at least, where the upstream did not report how many it has.

    They are counted by their ids, by their log-probabilities or by the chunks of the stream, and remain unknown.
    """
    if completion.tokens_known:
        return completion
    count = max(len(completion.token_ids), len(completion.logprobs), chunks, completion.completion_tokens)
    limit = count if sampling.max_tokens is None else sampling.max_tokens
    return replace(completion, completion_tokens=min(count, limit))


def empty_completion(prompt: Prompt) -> Completion:
    """The completion of an aborted call of which nothing is known."""
    return Completion(prompt=prompt, text="", finish="abort", tokens_known=False)


def parse_token_ids(choice: Body) -> tuple[int, ...]:
    """Return the decoded tokens without the end-of-turn token; empty where the upstream does not report them."""
    ids = as_list(choice.get("token_ids"))
    if not are_counts(ids):
        raise UpstreamFailed("returned invalid token ids")
    ended = choice.get("finish_reason") in ("stop", "tool_calls") and not isinstance(choice.get("stop_reason"), str)
    return tuple(ids[:-1] if ended else ids)


def _parse_complete(
    choice: Body, usage: ReportedUsage, prompt: Prompt, sampling: Sampling, *, chunks: int = 0
) -> Completion:
    reason = choice["finish_reason"]
    if reason is None:
        is_full = sampling.max_tokens is not None and usage.completion >= sampling.max_tokens
        reason = "length" if is_full else "stop"
        choice = choice | {"finish_reason": reason}
    finish = to_finish(reason)
    if finish is None:
        raise UpstreamFailed("gave up its response")
    return count_tokens(_parse_choice(choice, usage, prompt, sampling, finish), chunks, sampling)


def _parse_choice(choice: Body, usage: ReportedUsage, prompt: Prompt, sampling: Sampling, finish: Finish) -> Completion:
    message = {"content": choice["text"]} if is_raw_text(choice) else choice["message"]
    if not message:
        raise UpstreamFailed("returned a choice without a message")
    tool_calls = tuple(map(_parse_tool_call, as_list(message.get("tool_calls"))))
    warnings: tuple[str, ...] = ()
    if finish == "stop" and not tool_calls and is_only_reasoning(message):
        message = move_reasoning(message)
        choice, warnings = choice | {"message": message}, (ONLY_REASONING,)
    reasoning = as_text(message.get("reasoning") or message.get("reasoning_content"), "reasoning")
    content = as_text(message.get("content"), "content")
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
        warnings=warnings,
        native=choice,
    )


def is_only_reasoning(message: Body) -> bool:
    """Whether all of a message is in its reasoning, as where an upstream's parser missed the end of the thoughts."""
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    has_more = any(as_text(message.get(name), name).strip() for name in ("content", "refusal"))
    return isinstance(reasoning, str) and bool(reasoning.strip()) and not has_more


def move_reasoning(message: Body) -> Body:
    """Return a message whose reasoning is its content."""
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    return message | {"content": reasoning, "reasoning": None, "reasoning_content": None}


def _parse_tool_call(call: Body) -> ToolCall:
    function = call["function"]
    if not function["name"]:
        raise UpstreamFailed("returned a tool call without a name")
    return ToolCall(function["name"], function["arguments"])


def _parse_labels(value: object, labels: tuple[str, ...]) -> dict[str, float]:
    """Return the log-probabilities of those labels that are among the first token's alternatives."""
    if not labels or not (first := parse_logprobs(value, (), LABEL_ALTERNATIVES)[:1]):
        return {}
    reported = {token.text: token.logprob for token in (*first[0].top, first[0])}
    return {label: reported[label] for label in labels if label in reported}
