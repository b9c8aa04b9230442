"""Finish reasons: OpenAI's names, and the other names that upstreams have for them."""

from collections.abc import Mapping

from cogitate.strategies.core.types import Finish

MAX_REASON_CHARACTERS = 64
UNSET = frozenset({"", "null", "none", "undefined", "unspecified", "finish_reason_unspecified", "in_progress"})
"""What some upstreams send in place of null, in every chunk before the last."""
OPENAI_NAMES: Mapping[str, frozenset[str]] = {
    "stop": frozenset(
        {"stop", "eos", "eos_token", "end", "end_turn", "end_of_turn", "end_of_text", "endoftext", "endofturn"}
        | {"stop_sequence", "stop_token", "stop_str", "stop_word", "stop_words", "stopped", "complete", "completed"}
        | {"finish", "finished", "done", "normal", "success", "eot", "eog"}
    ),
    "length": frozenset(
        {"length", "max_tokens", "max_token", "max_length", "max_new_tokens", "max_output_tokens", "token_limit"}
        | {"max_completion_tokens", "model_length", "context_length", "max_context_length", "limit", "truncated"}
        | {"model_context_window_exceeded", "context_window_exceeded", "context_length_exceeded", "incomplete"}
    ),
    "tool_calls": frozenset({"tool_calls", "tool_call", "tool_use", "tool", "tools"}),
    "function_call": frozenset({"function_call"}),
    "content_filter": frozenset(
        {"content_filter", "content_filtered", "contentfilter", "filter", "filtered", "safety", "moderation", "flagged"}
        | {"recitation", "refusal", "blocklist", "prohibited_content", "spii", "sensitive", "guardrail_intervened"}
        | {"guardrails", "blocked", "language", "image_safety"}
    ),
    "repetition": frozenset({"repetition"}),
}
SYNONYMS = {synonym: name for name, synonyms in OPENAI_NAMES.items() for synonym in synonyms}
FAILURES = frozenset(
    {"error", "failed", "failure", "abort", "aborted", "cancel", "cancelled", "canceled", "interrupted", "timeout"}
    | {"network_error", "server_error", "internal_error", "malformed_function_call", "insufficient_system_resource"}
)
"""The upstream gave up: what it sent is no answer."""
CUT_OFF: frozenset[str] = frozenset({"length", "content_filter"})


def to_openai_name(value: object) -> str | None:
    """Return OpenAI's name of a finish reason; None where none is given. A reason that is not known counts as `stop`.

    A failure keeps its name: see `to_finish`.
    """
    if not isinstance(value, str):
        return None
    name = value[:MAX_REASON_CHARACTERS].strip().lower().replace("-", "_").replace(" ", "_")
    if name in UNSET:
        return None
    return SYNONYMS.get(name, name if name in FAILURES else "stop")


def later_reason(first: str | None, second: str | None) -> str | None:
    """Return the reason of a choice that has two: the more specific one, else the later one."""
    if second is None or (second == "stop" and first is not None):
        return first
    return second


def to_finish(name: str) -> Finish | None:
    """Return how a complete choice ended, by OpenAI's name of the reason; None where the upstream gave it up.

    A filtered text is cut off, as one that reached its limit.
    """
    if name in FAILURES:
        return None
    return "length" if name in CUT_OFF else "stop"
