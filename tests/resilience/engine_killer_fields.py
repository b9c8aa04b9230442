"""Request fields that crash inference engines: a strategy rejects each before it reaches the engine."""

from typing import Any

Fields = dict[str, Any]
VOCABULARY = 49_152
"""Size of SmolLM2's vocabulary."""
CONTEXT = 2048


def tool(parameters: object) -> Fields:
    return {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}],
        "tool_choice": "required",
    }


def schema(content: object) -> Fields:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": content}}}


CHAT: dict[str, Fields] = {
    "logit_bias beyond the vocabulary": {"logit_bias": {str(VOCABULARY): 1}},
    "logit_bias far beyond": {"logit_bias": {"99999999999": 1}},
    "logit_bias of no token": {"logit_bias": {"x": 1}},
    "logit_bias below 0": {"logit_bias": {"-1": 1}},
    "2,000 logit_bias": {"logit_bias": {str(at): 1 for at in range(2000)}},
    "logit_bias beyond 100": {"logit_bias": {"1": 101}},
    "2,000 allowed tokens": {"allowed_token_ids": list(range(2000))},
    "allowed tokens beyond the vocabulary": {"allowed_token_ids": [VOCABULARY]},
    "no allowed token": {"allowed_token_ids": []},
    "stop tokens beyond the vocabulary": {"stop_token_ids": [VOCABULARY + 1000]},
    "stop tokens below 0": {"stop_token_ids": [-1]},
    "200 stop tokens": {"stop_token_ids": list(range(200))},
    "min_tokens above max_tokens": {"min_tokens": 9, "max_tokens": 8},
    "max_tokens 0": {"max_tokens": 0},
    "max_tokens -1": {"max_tokens": -1},
    "max_tokens beyond the context": {"max_tokens": 10**7},
    "top_k -2": {"top_k": -2},
    "top_p 0": {"top_p": 0},
    "top_p 1.5": {"top_p": 1.5},
    "min_p -1": {"min_p": -1},
    "temperature 1e308": {"temperature": 1e308},
    "temperature -1": {"temperature": -1},
    "a presence penalty of 1e308": {"presence_penalty": 1e308},
    "a frequency penalty of -3": {"frequency_penalty": -3},
    "a repetition penalty of 0": {"repetition_penalty": 0},
    "a repetition penalty of -1": {"repetition_penalty": -1},
    "a seed of 2**70": {"seed": 2**70},
    "prompt_logprobs": {"prompt_logprobs": -1},
    "top_logprobs 21": {"logprobs": True, "top_logprobs": 21},
    "n 129": {"n": 129},
    "an empty stop": {"stop": [""]},
    "17 stops": {"stop": ["x"] * 17},
    "a stop of 10,000 characters": {"stop": ["x" * 10_000]},
    "bad_words without a word": {"bad_words": [""]},
    "a chat template": {"chat_template": "{{ 9**9**9 }}"},
    "a chat template's arguments": {"chat_template_kwargs": {"tools": [1]}},
    "prompt embeddings": {"prompt_embeds": "AAAA"},
    "a cache salt": {"cache_salt": "x"},
    "a priority": {"priority": -1},
    "a request id": {"request_id": "x"},
    "vllm_xargs": {"vllm_xargs": {"x": 1}},
    "kv_transfer_params": {"kv_transfer_params": {"x": 1}},
    "a raw grammar": {"structured_outputs": {"grammar": "root ::= root root"}},
    "a raw regex": {"guided_regex": "(a+)+$"},
    "logits processors": {"logits_processors": ["os.system"]},
    "media arguments": {"mm_processor_kwargs": {"x": 1}},
    "a schema that is none": schema({"type": "magic"}),
    "a schema that refers to itself alone": schema({"$ref": "#"}),
    "a schema that refers outside": schema({"$ref": "http://127.0.0.1:9/x"}),
    "a schema with a pattern that is none": schema({"type": "string", "pattern": "("}),
    "a tool's parameters that are none": tool({"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}}),
    "no messages": {"messages": []},
    "a prompt as long as the context": {"messages": [{"role": "user", "content": "a " * CONTEXT}]},
}
RAW: dict[str, Fields] = {
    "a token beyond the vocabulary": {"prompt": [VOCABULARY]},
    "a token far beyond": {"prompt": [2**31 - 1]},
    "a token below 0": {"prompt": [-1]},
    "an empty prompt": {"prompt": ""},
    "no token": {"prompt": []},
    "a context full of tokens": {"prompt": [1] * CONTEXT},
    "129 prompts": {"prompt": ["x"] * 129},
    "best_of": {"prompt": "x", "best_of": 3},
    "logprobs 21": {"prompt": "x", "logprobs": 21},
}
