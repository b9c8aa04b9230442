"""Renames chat fields in errors to those of the Responses API, so that an error names the field that was sent."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from cogitate.server.errors import ApiError

RESPONSES_NAMES = {
    "messages": "input",
    "add_generation_prompt": "input",
    "continue_final_message": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "logprobs": "include",
}
CHAT_NAMES = re.compile(r"\b(max_tokens|max_completion_tokens|response_format|reasoning_effort)\b")


def rename_fields(error: ApiError) -> ApiError:
    """Copy the error with this API's field names. A copy, since chat requests may wait for the same job."""
    message = CHAT_NAMES.sub(lambda match: RESPONSES_NAMES[match[0]], error.message)
    name = RESPONSES_NAMES.get((error.param or "").split(".")[0])
    if name is None and message == error.message:
        return error
    converted = copy(error)
    converted.message = message.replace(f"'{error.param}'", f"'{name}'") if name else message
    converted.param = name or error.param
    return converted


@contextmanager
def rename_fields_in_errors() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise rename_fields(error) from error.__cause__
