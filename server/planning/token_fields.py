"""Checks token ids against the model's vocabulary, and `min_tokens` against the answer's limit."""

from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest
from cogitate.server.protocol.completion import AnyRequest


def check_token_fields(request: AnyRequest, card: ModelCard, limit: int) -> None:
    """Raises BadRequest for a token id beyond the vocabulary, and for `min_tokens` above `limit`, the answer's."""
    if card.vocab_size is not None:
        _check_ids(request, card.vocab_size)
    check_min_tokens(request.min_tokens or 0, min(limit, card.max_model_len))


def check_min_tokens(min_tokens: int, limit: int) -> None:
    """Raises BadRequest where no answer of at most `limit` tokens has so many."""
    if min_tokens > limit:
        message = f"min_tokens is {min_tokens}, and the answer may have {limit} tokens: lower it, or raise max_tokens."
        raise BadRequest(message, param="min_tokens")


def _check_ids(request: AnyRequest, vocab_size: int) -> None:
    fields = {
        "logit_bias": map(int, request.logit_bias or ()),
        "allowed_token_ids": iter(request.allowed_token_ids or ()),
        "stop_token_ids": iter(request.stop_token_ids or ()),
    }
    for name, ids in fields.items():
        if any(token >= vocab_size for token in ids):
            message = f"{name} has a token id beyond the model's vocabulary of {vocab_size} tokens."
            raise BadRequest(message, param=name)
