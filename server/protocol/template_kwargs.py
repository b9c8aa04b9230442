"""The field `chat_template_kwargs`: variables of the model's chat template, bounded."""

import re
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field

MAX_VARIABLES = 64
MAX_BYTES = 100_000
"""Of all variables as JSON."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
RENDERER_ARGUMENTS = frozenset(
    {
        "add_generation_prompt",
        "chat_template",
        "continue_final_message",
        "conversation",
        "max_length",
        "messages",
        "padding",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)
"""Names that Hugging Face's apply_chat_template takes for its own arguments: they replace the prompt, or its tokens."""


def _check_variables(value: object) -> object:
    """Checked as a whole, so that an error names the field."""
    if not isinstance(value, dict):
        return value
    for name in value:
        if not (isinstance(name, str) and VARIABLE.fullmatch(name)):
            raise ValueError("its keys must be names of variables, such as enable_thinking")
        if name in RENDERER_ARGUMENTS:
            raise ValueError(f"{name} is no variable of a chat template: omit it, or use the field of that name")
    if len(orjson.dumps(value, default=str)) > MAX_BYTES:
        raise ValueError(f"it must have at most {MAX_BYTES} bytes as JSON")
    return value


TemplateKwargs = Annotated[dict[str, Any], Field(max_length=MAX_VARIABLES), BeforeValidator(_check_variables)]
"""Name of a variable -> any JSON value."""
