"""Every field of /v1/chat/completions, with a value and the check of its effect."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fields import effects
from tests.fields.effects import Check
from tests.fields.prompts import (
    AGREEMENT,
    COLOURS,
    CONVERSATIONS,
    SCHEMA,
    TOOLS,
    WEATHER,
    WEATHER_TWICE,
    alternate,
    format_calls,
)
from tests.fields.requests import Server, Trial


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    value: object
    check: Check = effects.shapes_the_text
    context: Mapping[str, object] = field(default_factory=dict)
    case: str = ""
    """The form of the field, where there are several."""
    needs: tuple[str, ...] = ()
    """Fields without which it has no meaning: where they are refused, it is refused too."""

    @property
    def title(self) -> str:
        return f"{self.name}: {self.case}" if self.case else self.name

    def trial(self, server: Server, strategy: str | None) -> Trial:
        return Trial(server, strategy, self.name, self.value, self.context)


HOT = {"temperature": 2.0}
PARAGRAPHS = {"messages": COLOURS, "max_tokens": 16}
SPECIAL = {"logit_bias": {"1": 100}}
UNFINISHED = {"messages": alternate("What is the sea?", "The sea is a"), "add_generation_prompt": False}
CALLING = {"messages": WEATHER, "max_tokens": 40}
NEEDS_TOOLS = ("tools",)
NEEDS_LOGPROBS = ("logprobs",)
OFFERED = CALLING | {"tools": TOOLS}
TALKING = {
    "messages": alternate("Weather in Rome?", format_calls("Rome"), "What is the sea?", "Water.", "Weather in Paris?"),
    "tools": TOOLS,
    "max_tokens": 64,
}
TWO = {"temperature": 1.5, "max_tokens": 20}
JSON = {"max_tokens": 32}
FORM = {"type": "json_schema", "json_schema": {"name": "colour", "schema": SCHEMA}}
NEWS = {"type": "function", "function": {"name": "news"}}
TWICE = {"messages": WEATHER_TWICE, "max_tokens": 70, "tools": TOOLS}
STREAM = {"stream": True}

PROMPT = [
    Field("model", DEMO_MODEL_NAME, effects.selects_the_model),
    *(Field("messages", messages, case=case) for case, messages in CONVERSATIONS.items()),
    Field("chat_template_kwargs", {"enable_thinking": False}),
    Field("add_generation_prompt", False),
    Field("continue_final_message", True, context=UNFINISHED, needs=("add_generation_prompt",)),
    Field("echo", True, context=UNFINISHED | {"continue_final_message": True}),
]
SAMPLING = [
    Field("temperature", 0, context=HOT),
    Field("top_p", 1e-6, context=HOT),
    Field("top_k", 1, context=HOT),
    Field("min_p", 1.0, context=HOT),
    Field("seed", 7, effects.repeats, context={"temperature": 1.0}),
    Field("frequency_penalty", 1.0, context=PARAGRAPHS),
    Field("presence_penalty", 2.0, context=PARAGRAPHS),
    Field("repetition_penalty", 1.2, context={"messages": AGREEMENT, "max_tokens": 8}),
    Field("logit_bias", {"28": 100}, effects.binds_the_text),
    Field("allowed_token_ids", [28, 30], effects.binds_the_text),
    Field("bad_words", ["red"], effects.binds_the_text, context=PARAGRAPHS),
]
LENGTH = [
    Field("max_tokens", 5, effects.limits_the_answer),
    Field("max_completion_tokens", 5, effects.limits_the_answer, {"max_tokens": None}),
    Field("stop", " vast", effects.binds_the_text),
    Field("stop", ["planet", " vast"], effects.binds_the_text, case="several"),
    Field("stop", "\n\n", effects.binds_the_text, context=PARAGRAPHS, case="the end of a paragraph"),
    Field("stop", "\nred", effects.binds_the_text, context=PARAGRAPHS, case="within two paragraphs"),
    Field("stop_token_ids", [198], effects.binds_the_text, context=PARAGRAPHS),
    Field("include_stop_str_in_output", True, context={"stop": " vast"}),
    Field("min_tokens", 12, effects.prolongs_the_answer, context=PARAGRAPHS),
    Field("ignore_eos", True, effects.prolongs_the_answer, context=PARAGRAPHS),
]
ANSWER = [
    Field("n", 2, effects.returns_n_answers, context=TWO),
    Field("logprobs", True, effects.reports_logprobs),
    Field("top_logprobs", 2, effects.reports_logprobs, context={"logprobs": True}, needs=NEEDS_LOGPROBS),
    Field("return_token_ids", True, effects.reports_token_ids),
    Field("skip_special_tokens", False, context=SPECIAL),
    Field("spaces_between_special_tokens", False, effects.changes_nothing, SPECIAL | {"skip_special_tokens": False}),
    Field("response_format", {"type": "json_object"}, effects.is_json, JSON, case="json_object"),
    Field("response_format", FORM, effects.is_json, JSON, case="json_schema"),
    Field("response_format", {"type": "text"}, effects.changes_nothing, case="text"),
    Field("tools", TOOLS, effects.calls, CALLING),
    Field("tool_choice", "auto", effects.equals_the_default, OFFERED, case="auto", needs=NEEDS_TOOLS),
    Field("tool_choice", "none", effects.prevents_calls, OFFERED, case="none", needs=NEEDS_TOOLS),
    Field("tool_choice", "required", effects.forces_a_call, TALKING, case="required", needs=NEEDS_TOOLS),
    Field("tool_choice", NEWS, effects.calls_the_named_tool, OFFERED, case="named", needs=NEEDS_TOOLS),
    Field("parallel_tool_calls", False, effects.allows_one_call, TWICE, needs=NEEDS_TOOLS),
]
STREAMED = [
    Field("stream", True, effects.streams_the_same_answer),
    Field("n", 2, effects.returns_n_answers, TWO | STREAM, case="streamed"),
    Field(
        "stream",
        True,
        effects.streams_the_same_answer,
        {"logprobs": True, "top_logprobs": 1},
        case="with logprobs",
        needs=NEEDS_LOGPROBS,
    ),
    Field("stream", True, effects.streams_the_same_answer, OFFERED, case="with tools", needs=NEEDS_TOOLS),
    Field("stream", True, effects.streams_the_same_answer, {"stop": " vast"}, case="with stop", needs=("stop",)),
    Field(
        "stream",
        True,
        effects.streams_the_same_answer,
        JSON | {"response_format": FORM},
        case="with json_schema",
        needs=("response_format",),
    ),
    Field("stream_options", {"include_usage": True}, effects.reports_usage, STREAM, case="include_usage"),
    Field(
        "stream_options",
        {"continuous_usage_stats": True, "include_usage": True},
        effects.reports_usage_in_every_chunk,
        STREAM,
        case="continuous_usage_stats",
    ),
    Field("stream_options", {"include_progress": True}, effects.reports_progress, STREAM, case="include_progress"),
    Field(
        "stream_options",
        {"include_obfuscation": False},
        effects.leaves_the_stream_unchanged,
        STREAM,
        case="include_obfuscation",
    ),
]
THINKING = [
    Field("reasoning_effort", "none", effects.limits_the_candidates),
    Field("include_reasoning", False, effects.changes_nothing),
    Field("thinking_token_budget", 4, effects.changes_nothing),
]
BOOKKEEPING = [
    Field(name, value, effects.changes_nothing)
    for name, value in {
        "user": "ann",
        "metadata": {"team": "sea"},
        "store": False,
        "service_tier": "auto",
        "safety_identifier": "ann",
        "prompt_cache_key": "sea",
        "modalities": ["text"],
    }.items()
]
OURS = [
    Field("strategy", "no such strategy", effects.selects_the_strategy),
    Field("budget", {"tokens": 6}, effects.ends_the_search),
    Field("cache", "default", effects.controls_caching),
]
FIELDS = (*PROMPT, *SAMPLING, *LENGTH, *ANSWER, *STREAMED, *THINKING, *BOOKKEEPING, *OURS)
