"""A chat's fields by their names here, so that every error names the field as the client wrote it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from cogitate.server.errors import ApiError

NAMES = {
    "messages": "input",
    "add_generation_prompt": "input",
    "continue_final_message": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "logprobs": "include",
}
WORDS = re.compile(r"\b(max_tokens|max_completion_tokens|response_format|reasoning_effort)\b")


def rename_fields(error: ApiError) -> ApiError:
    """The same error in this API's words; the chats that wait for the same job keep theirs."""
    message = WORDS.sub(lambda found: NAMES[found[0]], error.message)
    name = NAMES.get((error.param or "").split(".")[0])
    if name is None and message == error.message:
        return error
    told = copy(error)
    told.message = message.replace(f"'{error.param}'", f"'{name}'") if name else message
    told.param = name or error.param
    return told


@contextmanager
def rename_fields_in_errors() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise rename_fields(error) from error.__cause__
