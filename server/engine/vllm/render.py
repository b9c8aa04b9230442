"""Conversations and raw prompts as the engine takes them, by vLLM's own renderer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.inputs import EngineInput

from cogitate.server.engine.vllm.errors import refused, translated
from cogitate.server.engine.vllm.load import Loaded
from cogitate.server.engine.vllm.special_tokens import inert, special_words
from cogitate.strategies.core.types import Message, Prompt

VllmRequest: TypeAlias = ChatCompletionRequest | CompletionRequest


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as the engine takes it, with the request that vLLM's parsers may have adjusted."""

    request: VllmRequest
    engine_input: EngineInput

    @property
    def ids(self) -> list[int]:
        ids: list[int] = self.engine_input["prompt_token_ids"]
        return ids


async def render(loaded: Loaded, prompt: Prompt, fields: Mapping[str, Any]) -> Rendered:
    """The prompt with the client's other fields. Raises ApiError."""
    try:
        if prompt.raw is not None:
            raw = prompt.raw if isinstance(prompt.raw, str) else list(prompt.raw)
            request: VllmRequest = CompletionRequest.model_validate({**fields, "prompt": raw})
            answer = await loaded.state.openai_serving_completion.render_completion_request(request)
        else:
            words = special_words(loaded.llm.get_tokenizer())
            messages = [inert(_wire(message), words) for message in prompt.messages]
            request = ChatCompletionRequest.model_validate({**fields, "messages": messages})
            answer = await loaded.state.openai_serving_chat.render_chat_request(request)
    except Exception as error:  # noqa: BLE001 vLLM raises a dozen kinds here; one table tells them apart
        raise translated(error) from error
    if isinstance(answer, ErrorResponse):
        raise refused(answer)
    (engine_input,) = answer if prompt.raw is not None else answer[1]
    return Rendered(request, engine_input)


def _wire(message: Message) -> dict[str, object]:
    content = list(message.content) if isinstance(message.content, tuple) else message.content
    return {"role": message.role, "content": content, **message.extra}


def with_ids(engine_input: EngineInput, ids: list[int]) -> EngineInput:
    """The same input with more tokens; its text is left out, since nothing re-tokenises it."""
    return {**{k: v for k, v in engine_input.items() if k != "prompt"}, "prompt_token_ids": ids}
