"""Renders messages and raw prompts to engine inputs with vLLM's own renderer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.inputs import EngineInput

from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.server.engine.vllm.errors import parse_error_response, to_api_error
from cogitate.server.engine.vllm.special_tokens import escape_special_tokens, special_token_texts
from cogitate.strategies.core.prompt import Message, Prompt

VllmRequest: TypeAlias = ChatCompletionRequest | CompletionRequest


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """An engine input and its request, which vLLM's parsers may have adjusted."""

    request: VllmRequest
    engine_input: EngineInput

    @property
    def ids(self) -> list[int]:
        ids: list[int] = self.engine_input["prompt_token_ids"]
        return ids


async def render(loaded: LoadedEngine, prompt: Prompt, fields: Mapping[str, Any]) -> RenderedPrompt:
    """Render a prompt with the client's other fields. Raises ApiError."""
    try:
        if prompt.raw is not None:
            raw = prompt.raw if isinstance(prompt.raw, str) else list(prompt.raw)
            request: VllmRequest = CompletionRequest.model_validate({**fields, "prompt": raw})
            result = await loaded.state.openai_serving_completion.render_completion_request(request)
        else:
            special = special_token_texts(loaded.llm.get_tokenizer())
            messages = [escape_special_tokens(_to_dict(message), special) for message in prompt.messages]
            variables = escape_special_tokens(fields.get("chat_template_kwargs"), special)
            body = {**fields, "messages": messages, "chat_template_kwargs": variables}
            request = ChatCompletionRequest.model_validate(body)
            result = await loaded.state.openai_serving_chat.render_chat_request(request)
    except Exception as error:  # noqa: BLE001 vLLM raises a dozen types here; to_api_error has the table
        raise to_api_error(error) from error
    if isinstance(result, ErrorResponse):
        raise parse_error_response(result)
    (engine_input,) = result if prompt.raw is not None else result[1]
    # Many decodes begin with this input, each at a time of its own: vLLM would count its latency from the rendering.
    engine_input.pop("arrival_time", None)
    return RenderedPrompt(request, engine_input)


def _to_dict(message: Message) -> dict[str, object]:
    content = list(message.content) if isinstance(message.content, tuple) else message.content
    return {"role": message.role, "content": content, **message.extra}


def with_ids(engine_input: EngineInput, ids: list[int]) -> EngineInput:
    """Return the input with other token ids, without its text, which nothing tokenizes again."""
    return {**{k: v for k, v in engine_input.items() if k != "prompt"}, "prompt_token_ids": ids}
