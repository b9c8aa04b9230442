"""Log-probabilities as upstreams report them, chats and raw completions each in their own way -> ours."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.validate import is_logprob, mapping, sequence
from cogitate.strategies.core.logprobs import TokenLogprob


def read(reported: object, token_ids: Sequence[int], top: int) -> tuple[TokenLogprob, ...]:
    """Each token with its `top` best alternatives; nothing where the upstream reported nothing. Raises Lost."""
    said = mapping(reported)
    tokens = _chat(sequence(said.get("content")), top) if "content" in said else _raw(said, top)
    if len(tokens) != len(token_ids):
        return tokens
    return tuple(
        TokenLogprob(id, token.text, token.logprob, token.top) for id, token in zip(token_ids, tokens, strict=True)
    )


def _chat(entries: Sequence[object], top: int) -> tuple[TokenLogprob, ...]:
    return tuple(
        _token(entry.get("token"), entry.get("logprob"), _best(map(_pair, sequence(entry.get("top_logprobs"))), top))
        for entry in map(mapping, entries)
    )


def _raw(said: Mapping[str, Any], top: int) -> tuple[TokenLogprob, ...]:
    tokens, logprobs = sequence(said.get("tokens")), sequence(said.get("token_logprobs"))
    tops = sequence(said.get("top_logprobs")) or [{}] * len(tokens)
    if not len(tokens) == len(logprobs) == len(tops):
        raise Lost("sent log-probabilities that do not fit its answer")
    return tuple(
        _token(token, logprob, _best(mapping(others).items(), top))
        for token, logprob, others in zip(tokens, logprobs, tops, strict=True)
    )


def _pair(entry: object) -> tuple[object, object]:
    said = mapping(entry)
    return said.get("token"), said.get("logprob")


def _best(pairs: Iterable[tuple[object, object]], top: int) -> tuple[TokenLogprob, ...]:
    """The likeliest first. Some servers add the chosen token to those that were asked for."""
    if not top:
        return ()
    found = [_token(token, logprob) for token, logprob in pairs]
    return tuple(sorted(found, key=lambda token: -token.logprob)[:top])


def _token(token: object, logprob: object, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    if not isinstance(token, str) or not is_logprob(logprob):
        raise Lost("sent a log-probability that is none")
    return TokenLogprob(0, token, min(float(logprob), 0.0), top)
