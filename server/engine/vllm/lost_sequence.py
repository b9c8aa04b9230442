"""Says why vLLM ended a sequence with an error, where the request's own fields are the reason."""

from vllm.entrypoints.openai.completion.protocol import CompletionRequest

from cogitate.server.engine.vllm.render import VllmRequest
from cogitate.server.errors import BadRequest
from cogitate.strategies.core.ports import SampleFailed

MASKING_FIELDS = ("allowed_token_ids", "min_tokens", "bad_words")
"""Fields that exclude tokens, as a grammar does: together they may leave none, and vLLM then ends the sequence."""


class NoTokenLeft(SampleFailed, BadRequest):
    """A grammar and another field leave no token. The client receives it where the request has no other result."""


def explain_error(request: VllmRequest, finish_reason: str | None) -> SampleFailed:
    """Build the failure of a sequence that ended with this reason."""
    grammar = find_grammar(request)
    masking = next((name for name in MASKING_FIELDS if getattr(request, name, None)), None)
    if finish_reason == "error" and grammar and masking:
        return NoTokenLeft(f"{grammar} and {masking} leave no token to decode: omit {masking}.", param=masking)
    return SampleFailed(f"the engine ended a sequence with {finish_reason}")


def find_grammar(request: VllmRequest) -> str | None:
    """Return the field by which a grammar constrains the sequence; None where none does."""
    if isinstance(request, CompletionRequest):
        return None
    if request.tools and request.tool_choice not in (None, "none", "auto"):
        return "tool_choice"
    return "response_format" if request.response_format and request.response_format.type != "text" else None
