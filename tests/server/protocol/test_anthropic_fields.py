"""Every field and every content block of the official client's types is taken, or refused by name."""

import re
from typing import Any, get_args, get_type_hints

import pytest
from anthropic.types import beta, message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count_params
from anthropic.types.beta import message_create_params as beta_create_params
from pydantic import BaseModel, ValidationError
from typing_extensions import is_typeddict

from cogitate.server.protocol.anthropic import REFUSED, CountTokensRequest, MessagesRequest
from cogitate.server.protocol.validation import to_bad_request
from tests.server.api.messages_client import request

IN_HEADERS = {"betas", "user_profile_id", "workspace_id"}
"""Arguments that the client sends as headers."""
BODIES = [
    (message_create_params.MessageCreateParamsNonStreaming, MessagesRequest),
    (beta_create_params.MessageCreateParamsNonStreaming, MessagesRequest),
    (message_count_tokens_params.MessageCountTokensParams, CountTokensRequest),
    (beta_count_params.MessageCountTokensParams, CountTokensRequest),
]
TAKEN = {"text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result"}


@pytest.mark.parametrize(("params", "model"), BODIES)
def test_every_field_of_the_clients_types_is_known(params: type, model: type[BaseModel]) -> None:
    fields = set(params.__annotations__) | {
        name for base in params.__mro__ for name in vars(base).get("__annotations__", ())
    }
    assert len(fields) > 8
    assert fields - IN_HEADERS - model.model_fields.keys() - REFUSED.keys() == set()


def find_type(block: Any) -> str:  # noqa: ANN401 a typed dictionary
    """The value of a block's `type`."""
    found = re.search(r"'(\w+)'", str(get_type_hints(block, include_extras=True)["type"]))
    assert found
    return found[1]


def test_every_content_block_is_taken_or_refused_by_name() -> None:
    types = {find_type(block) for block in get_args(beta.BetaContentBlockParam) if is_typeddict(block)}
    assert types > TAKEN
    for kind in types - TAKEN:
        with pytest.raises(ValidationError) as raised:
            request(messages=[{"role": "user", "content": [{"type": kind}]}])
        error = to_bad_request(raised.value)
        assert error.param == "messages.0.content.0" and "its type must be one of text, image" in error.message
