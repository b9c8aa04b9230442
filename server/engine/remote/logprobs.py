"""Parses the log-probabilities of upstreams, which chats and raw completions report in different formats.

JSON has no minus infinity: some upstreams send null in its place, and vLLM sends -9999. An alternative without a
log-probability is left out; a token that was decoded counts with the least one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cogitate.server.engine.remote.validate import as_dict, as_list, is_logprob
from cogitate.strategies.core.confidence_monitor import MIN_LOGPROB
from cogitate.strategies.core.logprobs import TokenLogprob

CLAMPED_LOGPROB = -9999.0
"""What vLLM, and others after it, send for minus infinity."""


class InvalidLogprobs(Exception):
    """The log-probabilities of a choice are not what they should be, so none of them is used."""


def parse_logprobs(value: object, token_ids: Sequence[int], top: int) -> tuple[TokenLogprob, ...]:
    """Return each token with its `top` likeliest alternatives; empty where the upstream reported none that are valid.

    Token ids are set where there are as many as tokens.
    """
    reported = as_dict(value)
    is_chat = "content" in reported
    try:
        tokens = _parse_chat(as_list(reported.get("content")), top) if is_chat else _parse_raw(reported, top)
    except InvalidLogprobs:
        return ()
    if len(tokens) != len(token_ids):
        return tokens
    return tuple(
        TokenLogprob(id, token.text, token.logprob, token.top) for id, token in zip(token_ids, tokens, strict=True)
    )


def _parse_chat(entries: Sequence[object], top: int) -> tuple[TokenLogprob, ...]:
    return tuple(
        _parse_token(
            entry.get("token"), entry.get("logprob"), _likeliest(map(_to_pair, as_list(entry.get("top_logprobs"))), top)
        )
        for entry in map(as_dict, entries)
    )


def _parse_raw(reported: Mapping[str, Any], top: int) -> tuple[TokenLogprob, ...]:
    tokens, logprobs = as_list(reported.get("tokens")), as_list(reported.get("token_logprobs"))
    tops = as_list(reported.get("top_logprobs")) or [{}] * len(tokens)
    if not len(tokens) == len(logprobs) == len(tops):
        raise InvalidLogprobs
    return tuple(
        _parse_token(token, logprob, _likeliest(as_dict(alternatives).items(), top))
        for token, logprob, alternatives in zip(tokens, logprobs, tops, strict=True)
    )


def _to_pair(entry: object) -> tuple[object, object]:
    reported = as_dict(entry)
    return reported.get("token"), reported.get("logprob")


def _likeliest(pairs: Iterable[tuple[object, object]], top: int) -> tuple[TokenLogprob, ...]:
    """Return the `top` likeliest, best first. Some servers report the chosen token as one more."""
    if not top:
        return ()
    tokens = [_parse_token(token, logprob) for token, logprob in pairs if logprob is not None]
    return tuple(sorted(tokens, key=lambda token: -token.logprob)[:top])


def _parse_token(token: object, logprob: object, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    if logprob is None or logprob == CLAMPED_LOGPROB:
        logprob = MIN_LOGPROB
    if not isinstance(token, str) or not is_logprob(logprob):
        raise InvalidLogprobs
    return TokenLogprob(0, token, min(float(logprob), 0.0), top)
