"""Every field of /v1/chat/completions, a value for it, and the check that shows by its effect that it was honoured."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fields import effects
from tests.fields.effects import Check
from tests.fields.prompts import AGREEMENT, COLOURS, SCHEMA, TALKS, TOOLS, WEATHER, WEATHER_TWICE, called, said
from tests.fields.requests import Server, Trial


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    value: object
    check: Check = effects.shapes_the_text
    beside: Mapping[str, object] = field(default_factory=dict)
    case: str = ""
    """Which of its forms this is, where there are several."""
    needs: tuple[str, ...] = ()
    """Fields that it has no meaning without: where they are refused, so is it."""

    @property
    def title(self) -> str:
        return f"{self.name}: {self.case}" if self.case else self.name

    def trial(self, server: Server, strategy: str | None) -> Trial:
        return Trial(server, strategy, self.name, self.value, self.beside)


HOT = {"temperature": 2.0}
PARAGRAPHS = {"messages": COLOURS, "max_tokens": 16}
SPECIAL = {"logit_bias": {"1": 100}}
UNFINISHED = {"messages": said("What is the sea?", "The sea is a"), "add_generation_prompt": False}
CALLING = {"messages": WEATHER, "max_tokens": 40}
TOOLS_TOO = ("tools",)
LOGPROBS_TOO = ("logprobs",)
OFFERED = CALLING | {"tools": TOOLS}
TALKING = {
    "messages": said("Weather in Rome?", called("Rome"), "What is the sea?", "Water.", "Weather in Paris?"),
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
    Field("model", DEMO_MODEL_NAME, effects.is_the_model_that_answers),
    *(Field("messages", messages, case=case) for case, messages in TALKS.items()),
    Field("chat_template_kwargs", {"enable_thinking": False}),
    Field("add_generation_prompt", False),
    Field("continue_final_message", True, beside=UNFINISHED, needs=("add_generation_prompt",)),
    Field("echo", True, beside=UNFINISHED | {"continue_final_message": True}),
]
SAMPLING = [
    Field("temperature", 0, beside=HOT),
    Field("top_p", 1e-6, beside=HOT),
    Field("top_k", 1, beside=HOT),
    Field("min_p", 1.0, beside=HOT),
    Field("seed", 7, effects.repeats, beside={"temperature": 1.0}),
    Field("frequency_penalty", 1.0, beside=PARAGRAPHS),
    Field("presence_penalty", 2.0, beside=PARAGRAPHS),
    Field("repetition_penalty", 1.2, beside={"messages": AGREEMENT, "max_tokens": 8}),
    Field("logit_bias", {"28": 100}, effects.binds_the_text),
    Field("allowed_token_ids", [28, 30], effects.binds_the_text),
    Field("bad_words", ["red"], effects.binds_the_text, beside=PARAGRAPHS),
]
LENGTH = [
    Field("max_tokens", 5, effects.limits_the_answer),
    Field("max_completion_tokens", 5, effects.limits_the_answer),
    Field("stop", " vast", effects.binds_the_text),
    Field("stop", ["planet", " vast"], effects.binds_the_text, case="several"),
    Field("stop", "\n\n", effects.binds_the_text, beside=PARAGRAPHS, case="the end of a paragraph"),
    Field("stop", "\nred", effects.binds_the_text, beside=PARAGRAPHS, case="within two paragraphs"),
    Field("stop_token_ids", [198], effects.binds_the_text, beside=PARAGRAPHS),
    Field("include_stop_str_in_output", True, beside={"stop": " vast"}),
    Field("min_tokens", 12, effects.prolongs_the_answer, beside=PARAGRAPHS),
    Field("ignore_eos", True, effects.prolongs_the_answer, beside=PARAGRAPHS),
]
ANSWER = [
    Field("n", 2, effects.gives_so_many_answers, beside=TWO),
    Field("logprobs", True, effects.reports_logprobs),
    Field("top_logprobs", 2, effects.reports_logprobs, beside={"logprobs": True}, needs=LOGPROBS_TOO),
    Field("return_token_ids", True, effects.tells_the_tokens),
    Field("skip_special_tokens", False, beside=SPECIAL),
    Field("spaces_between_special_tokens", False, effects.changes_nothing, SPECIAL | {"skip_special_tokens": False}),
    Field("response_format", {"type": "json_object"}, effects.is_json, JSON, case="json_object"),
    Field("response_format", FORM, effects.is_json, JSON, case="json_schema"),
    Field("response_format", {"type": "text"}, effects.changes_nothing, case="text"),
    Field("tools", TOOLS, effects.calls, CALLING),
    Field("tool_choice", "auto", effects.chooses_the_form, OFFERED, case="auto", needs=TOOLS_TOO),
    Field("tool_choice", "none", effects.calls_nothing, OFFERED, case="none", needs=TOOLS_TOO),
    Field("tool_choice", "required", effects.must_call, TALKING, case="required", needs=TOOLS_TOO),
    Field("tool_choice", NEWS, effects.calls_by_name, OFFERED, case="named", needs=TOOLS_TOO),
    Field("parallel_tool_calls", False, effects.calls_once, TWICE, needs=TOOLS_TOO),
]
STREAMED = [
    Field("stream", True, effects.spells_the_whole_answer),
    Field("n", 2, effects.gives_so_many_answers, TWO | STREAM, case="streamed"),
    Field(
        "stream",
        True,
        effects.spells_the_whole_answer,
        {"logprobs": True, "top_logprobs": 1},
        case="with logprobs",
        needs=LOGPROBS_TOO,
    ),
    Field("stream", True, effects.spells_the_whole_answer, OFFERED, case="with tools", needs=TOOLS_TOO),
    Field("stream", True, effects.spells_the_whole_answer, {"stop": " vast"}, case="with stop", needs=("stop",)),
    Field(
        "stream",
        True,
        effects.spells_the_whole_answer,
        JSON | {"response_format": FORM},
        case="with json_schema",
        needs=("response_format",),
    ),
    Field("stream_options", {"include_usage": True}, effects.tells_the_usage, STREAM, case="include_usage"),
    Field(
        "stream_options",
        {"continuous_usage_stats": True, "include_usage": True},
        effects.tells_the_usage_as_it_grows,
        STREAM,
        case="continuous_usage_stats",
    ),
    Field("stream_options", {"include_progress": True}, effects.tells_the_progress, STREAM, case="include_progress"),
    Field(
        "stream_options",
        {"include_obfuscation": False},
        effects.changes_nothing_of_the_stream,
        STREAM,
        case="include_obfuscation",
    ),
]
THINKING = [
    Field("reasoning_effort", "none", effects.bounds_the_candidates),
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
    Field("strategy", "no such strategy", effects.chooses_the_strategy),
    Field("budget", {"tokens": 6}, effects.ends_the_search),
    Field("cache", "default", effects.decides_what_is_kept),
]
FIELDS = (*PROMPT, *SAMPLING, *LENGTH, *ANSWER, *STREAMED, *THINKING, *BOOKKEEPING, *OURS)
