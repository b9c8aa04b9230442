"""A body for each of vLLM's request models, and a value for each of its fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME

MESSAGES = [{"role": "user", "content": "Name a colour."}]
WEATHER = {"name": "weather", "description": "Tells it.", "parameters": {"type": "object", "properties": {}}}
COMMON: Mapping[str, Mapping[str, Any]] = {
    "allowed_token_ids": {"allowed_token_ids": [28, 29, 30]},
    "background": {"background": False},
    "bad_words": {"bad_words": ["the"]},
    "cache_salt": {"cache_salt": "mine"},
    "chat_template": {"chat_template": "{{ messages[0].content }}"},
    "chat_template_kwargs": {"chat_template_kwargs": {"anything": [1]}},
    "documents": {"documents": [{"title": "a", "text": "b"}]},
    "ec_transfer_params": {"ec_transfer_params": {"a": 1}},
    "echo": {"echo": True},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "ignore_eos": {"ignore_eos": True},
    "include_reasoning": {"include_reasoning": False},
    "include_stop_str_in_output": {"include_stop_str_in_output": True, "stop": ["e"]},
    "kv_transfer_params": {"kv_transfer_params": {"a": 1}},
    "length_penalty": {"length_penalty": 0.5},
    "logit_bias": {"logit_bias": {"28": 5.0}},
    "logprob_token_ids": {"logprob_token_ids": [28, 29]},
    "max_tokens": {"max_tokens": 3},
    "media_io_kwargs": {"media_io_kwargs": {"image": {"a": 1}}},
    "metadata": {"metadata": {"a": "b"}},
    "min_p": {"min_p": 0.1},
    "min_tokens": {"min_tokens": 4},
    "mm_processor_kwargs": {"mm_processor_kwargs": {"a": 1}},
    "mm_payload": {"mm_payload": "none"},
    "n": {"n": 2, "temperature": 0.7, "seed": 7},
    "parallel_tool_calls": {"parallel_tool_calls": False},
    "presence_penalty": {"presence_penalty": 0.5},
    "priority": {"priority": 0},
    "prompt_embeds": {"prompt_embeds": "bm90IGEgdGVuc29y"},
    "prompt_logprobs": {"prompt_logprobs": 1},
    "reasoning_effort": {"reasoning_effort": "max"},
    "repetition_detection": {"repetition_detection": {"max_pattern_size": 4, "min_pattern_size": 1, "min_count": 2}},
    "repetition_penalty": {"repetition_penalty": 1.2},
    "request_id": {"request_id": "mine"},
    "response_format": {"response_format": {"type": "json_object"}},
    "return_mm_kwargs": {"return_mm_kwargs": False},
    "return_prompt_text": {"return_prompt_text": True},
    "return_token_ids": {"return_token_ids": True},
    "return_token_offsets": {"return_token_offsets": True},
    "return_tokens_as_token_ids": {"return_tokens_as_token_ids": True},
    "routed_experts_prompt_start": {"routed_experts_prompt_start": 0},
    "seed": {"seed": 7, "temperature": 0.7},
    "service_tier": {"service_tier": "default"},
    "session_id": {"session_id": "mine"},
    "skip_special_tokens": {"skip_special_tokens": False},
    "spaces_between_special_tokens": {"spaces_between_special_tokens": False},
    "stop": {"stop": ["e"]},
    "stop_token_ids": {"stop_token_ids": [28]},
    "stream": {"stream": True},
    "stream_interval": {"stream_interval": 2, "stream": True},
    "stream_options": {"stream": True, "stream_options": {"include_usage": True}},
    "structured_outputs": {"structured_outputs": {"choice": ["red", "blue"]}},
    "temperature": {"temperature": 0.0},
    "thinking_token_budget": {"thinking_token_budget": 5},
    "top_k": {"top_k": 5},
    "top_p": {"top_p": 0.5},
    "truncate_prompt_tokens": {"truncate_prompt_tokens": 8},
    "truncation_side": {"truncation_side": "left"},
    "use_beam_search": {"use_beam_search": True, "n": 2},
    "user": {"user": "mine"},
    "vllm_xargs": {"vllm_xargs": {"a": "b"}},
    "watermarking": {"watermarking": False},
}
"""Field -> the fields that are sent to see its effect."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of vLLM's routes that generate."""

    title: str
    path: str
    model: str
    """Dotted path of vLLM's request model."""
    base: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]

    def build(self, field: str) -> dict[str, Any]:
        """Return a body with the field. Raises KeyError for a field that has no value here."""
        added = self.own.get(field) or COMMON.get(field) or {field: self.base[field]}
        return {**self.base, **added}


KINDS = (
    Kind(
        "chat",
        "/v1/chat/completions",
        "vllm.entrypoints.openai.chat_completion.protocol.ChatCompletionRequest",
        {"model": DEMO_MODEL_NAME, "messages": MESSAGES, "max_tokens": 4, "temperature": 0},
        {
            "add_generation_prompt": {"add_generation_prompt": False},
            "add_special_tokens": {"add_special_tokens": True},
            "continue_final_message": {
                "messages": [*MESSAGES, {"role": "assistant", "content": "It is"}],
                "continue_final_message": True,
                "add_generation_prompt": False,
            },
            "logprobs": {"logprobs": True},
            "max_completion_tokens": {"max_completion_tokens": 3},
            "tool_choice": {"tools": [{"type": "function", "function": WEATHER}], "tool_choice": "none"},
            "tools": {"tools": [{"type": "function", "function": WEATHER}]},
            "top_logprobs": {"logprobs": True, "top_logprobs": 2},
        },
    ),
    Kind(
        "completions",
        "/v1/completions",
        "vllm.entrypoints.openai.completion.protocol.CompletionRequest",
        {"model": DEMO_MODEL_NAME, "prompt": "One, two,", "max_tokens": 4, "temperature": 0},
        {
            "add_special_tokens": {"add_special_tokens": False},
            "logprobs": {"logprobs": 2},
            "suffix": {"suffix": "end"},
        },
    ),
    Kind(
        "responses",
        "/v1/responses",
        "vllm.entrypoints.openai.responses.protocol.ResponsesRequest",
        {"model": DEMO_MODEL_NAME, "input": "Name a colour.", "max_output_tokens": 4, "temperature": 0},
        {
            "enable_response_messages": {"enable_response_messages": True},
            "include": {"include": ["message.output_text.logprobs"], "top_logprobs": 1},
            "instructions": {"instructions": "Be brief."},
            "max_tool_calls": {"max_tool_calls": 1},
            "previous_input_messages": {"previous_input_messages": []},
            "previous_response_id": {"previous_response_id": "resp_0"},
            "prompt": {"prompt": {"id": "pmpt_0"}},
            "prompt_cache_key": {"prompt_cache_key": "mine"},
            "reasoning": {"reasoning": {"effort": "low"}},
            "store": {"store": False},
            "text": {"text": {"format": {"type": "text"}}},
            "tool_choice": {"tool_choice": "none"},
            "tools": {"tools": []},
            "top_logprobs": {"top_logprobs": 1},
            "truncation": {"truncation": "disabled"},
        },
    ),
    Kind(
        "messages",
        "/v1/messages",
        "vllm.entrypoints.anthropic.protocol.AnthropicMessagesRequest",
        {"model": DEMO_MODEL_NAME, "messages": MESSAGES, "max_tokens": 4, "temperature": 0},
        {
            "output_config": {"output_config": {"effort": "low"}},
            "stop_sequences": {"stop_sequences": ["e"]},
            "system": {"system": "Be brief."},
            "thinking": {"thinking": {"type": "disabled"}},
            "tool_choice": {
                "tools": [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}],
                "tool_choice": {"type": "none"},
            },
            "tools": {"tools": [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]},
        },
    ),
)
