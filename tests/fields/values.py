"""Values of every request field of the three endpoints, and the pairs and triples of fields made from them."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from tests.fields.requests import Body

Values = Mapping[str, Sequence[object]]
OURS = frozenset({"strategy"})
"""Fields that are the columns of the test, not pairs."""
FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": FUNCTION}]
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
NAMED = {"type": "function", "function": {"name": "weather"}}
UNKNOWN = {"type": "function", "function": {"name": "nothing"}}
USER = {"role": "user", "content": "What is the sea?"}

SAMPLING: Values = {
    "temperature": [0, 0.05, 1.5],
    "top_p": [0.1],
    "top_k": [-1, 1],
    "min_p": [0.5],
    "n": [1, 2, 3],
    "seed": [7],
    "frequency_penalty": [1.0],
    "presence_penalty": [-1.0],
    "repetition_penalty": [1.3],
    "logit_bias": [{"5": 100}, {"5": -100}],
    "stop": ["a", ["x", "\n\n"]],
    "stop_token_ids": [[5]],
    "ignore_eos": [True],
    "include_stop_str_in_output": [True],
    "skip_special_tokens": [False],
    "stream": [True],
    "user": ["ann"],
}
"""Fields that all three endpoints have."""
TOKENS: Values = {
    "max_tokens": [1, 6],
    "min_tokens": [1, 5, 50],
    "allowed_token_ids": [[5], [5, 6]],
    "bad_words": [["a"]],
    "spaces_between_special_tokens": [False],
    "echo": [True],
    "return_token_ids": [True],
    "budget": [{"tokens": 1}, {"seconds": 60}],
    "cache": ["no-store", "refresh"],
    "stream_options": [{"include_usage": True}, {"continuous_usage_stats": True}, {"include_progress": True}],
}
BOOKKEEPING: Values = {
    "metadata": [{"a": "b"}],
    "store": [False],
    "service_tier": ["auto"],
    "safety_identifier": ["ann"],
    "prompt_cache_key": ["sea"],
}
CHAT: Values = {
    **SAMPLING,
    **TOKENS,
    **BOOKKEEPING,
    "messages": [[USER, {"role": "assistant", "content": "The sea is"}], [{"role": "system", "content": "Be brief."}]],
    "max_completion_tokens": [1, 6],
    "logprobs": [True, False],
    "top_logprobs": [0, 2],
    "response_format": [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    ],
    "tools": [TOOLS, []],
    "tool_choice": ["none", "auto", "required", NAMED, UNKNOWN],
    "parallel_tool_calls": [True, False],
    "reasoning_effort": ["none", "max"],
    "include_reasoning": [False],
    "thinking_token_budget": [0, 4],
    "add_generation_prompt": [False],
    "continue_final_message": [True],
    "chat_template_kwargs": [{"enable_thinking": False}, {"documents": [{"text": "x"}]}],
    "modalities": [["text"]],
}
COMPLETIONS: Values = {
    **SAMPLING,
    **TOKENS,
    "prompt": [["a", "b"], [5, 6], [[5], [6, 7]]],
    "best_of": [1],
    "suffix": [""],
    "logprobs": [0, 2],
}
RESPONSES: Values = {
    **{name: values for name, values in SAMPLING.items() if name != "n"},
    **{name: TOKENS[name] for name in ("budget", "cache")},
    **BOOKKEEPING,
    "store": [True, False],
    "input": [[USER, {"role": "assistant", "content": "The sea is", "status": "incomplete"}]],
    "instructions": ["Be brief."],
    "max_output_tokens": [1, 6],
    "include": [["message.output_text.logprobs"]],
    "top_logprobs": [0, 2],
    "tools": [[{"type": "function", **FUNCTION}], []],
    "tool_choice": [
        "none",
        "auto",
        "required",
        {"type": "function", "name": "weather"},
        UNKNOWN["function"] | {"type": "function"},
    ],  # type: ignore[operator]
    "parallel_tool_calls": [True, False],
    "text": [{"format": {"type": "json_object"}}, {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}],
    "reasoning": [{"effort": "none"}, {"effort": "max"}],
    "stream_options": [{"include_obfuscation": False}, {"include_progress": True}],
    "truncation": ["disabled"],
    "max_tool_calls": [1],
    "previous_response_id": ["x"],
    "conversation": ["x"],
    "background": [True],
    "prompt": [{"id": "x"}],
    "include_reasoning": [False],
    "chat_template_kwargs": [{"enable_thinking": False}],
}
ENDPOINTS: Mapping[str, tuple[Values, Body, frozenset[str]]] = {
    "chat/completions": (CHAT, {"messages": [USER]}, frozenset(ChatRequest.model_fields)),
    "completions": (COMPLETIONS, {"prompt": "The sea is"}, frozenset(CompletionRequest.model_fields)),
    "responses": (RESPONSES, {"input": "What is the sea?"}, frozenset(ResponsesRequest.model_fields)),
}
"""Endpoint -> its values, the fields that every body needs, and all fields of its request model."""


def list_settings(values: Values) -> list[tuple[str, object]]:
    """Return every field with each of its values."""
    return [(name, value) for name, choices in values.items() for value in choices]


def build_pairs(values: Values) -> Iterator[Body]:
    """Yield every pair of values of two fields."""
    for (first, a), (second, b) in itertools.combinations(list_settings(values), 2):
        if first != second:
            yield {first: a, second: b}


def draw_triples(values: Values, count: int, seed: int) -> Iterator[Body]:
    """Yield `count` random triples of values of three fields."""
    chance = random.Random(seed)
    for _ in range(count):
        yield {name: chance.choice(values[name]) for name in chance.sample(sorted(values), 3)}
