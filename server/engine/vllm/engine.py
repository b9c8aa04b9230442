"""A loaded engine, and what it is asked."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from vllm.config import ModelConfig
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest, ChatCompletionResponse
from vllm.entrypoints.openai.completion.protocol import CompletionRequest as VllmCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionResponse
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.version import __version__ as VLLM_VERSION

from cogitate.server.engine import Body, Load, ModelCard
from cogitate.server.engine.model_fingerprint import Recipe, fingerprint
from cogitate.server.engine.vllm.errors import refused, translated
from cogitate.server.engine.vllm.load import Loaded, handlers, launched, parsed
from cogitate.server.engine.vllm.render import VllmRequest
from cogitate.server.engine.vllm.request import VllmConversation
from cogitate.server.engine.vllm.responses import respond
from cogitate.server.errors import ApiError
from cogitate.server.protocol.chat import AnyRequest, ChatRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.types import Prompt

SHUTDOWN_SECONDS = 15.0
"""A clean exit takes the engine's process about 5 s; killed, it may leave a worker behind."""


@dataclass(frozen=True, slots=True)
class RunningEngine:
    loaded: Loaded
    card: ModelCard

    @property
    def errored(self) -> bool:
        return bool(self.loaded.llm.errored)

    @property
    def load(self) -> Load:
        states = self.loaded.llm.output_processor.request_states.values()
        waiting = sum(state.is_prefilling for state in states)
        return Load(len(states) - waiting, waiting)

    @property
    def pulse(self) -> object:
        """vLLM's frontend hears of every token, also of those that are handed on only when all are there."""
        states = self.loaded.llm.output_processor.request_states
        tokens = [(name, state.detokenizer.num_output_tokens()) for name, state in states.items() if state.detokenizer]
        return tuple(tokens) or None

    async def close(self) -> None:
        await asyncio.to_thread(self.loaded.llm.shutdown, SHUTDOWN_SECONDS)

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str) -> VllmConversation:
        try:
            conversation = VllmConversation(self.loaded, self._wire(request, salt), salt)
            conversation.prompt_tokens = len((await conversation.rendered(prompt)).ids)
        except ApiError as error:
            raise _about(request, error) from None
        return conversation

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str) -> Body | AsyncIterator[str]:
        state = self.loaded.state
        try:
            if isinstance(request, ResponsesRequest):
                return await respond(self.loaded, request, self.card.name, salt)
            if isinstance(request, ChatRequest):
                answer = await state.openai_serving_chat.create_chat_completion(self._wire(request, salt))
            else:
                answer = await state.openai_serving_completion.create_completion(self._wire(request, salt))
        except Exception as error:  # noqa: BLE001 vLLM raises a dozen kinds here; one table tells them apart
            raise _about(request, translated(error)) from error
        if isinstance(answer, ErrorResponse):
            raise _about(request, refused(answer))
        if isinstance(answer, ChatCompletionResponse | CompletionResponse):
            return dict(answer.model_dump())
        lines: AsyncIterator[str] = answer
        return lines

    def _wire(self, request: AnyRequest, salt: str) -> VllmRequest:
        kind = ChatCompletionRequest if isinstance(request, ChatRequest) else VllmCompletionRequest
        try:
            wire: VllmRequest = kind.model_validate(
                {**request.forwarded(), "model": self.card.name, "cache_salt": salt}
            )
            return wire
        except ValueError as error:
            raise translated(error) from error


def _about(request: AnyRequest | ResponsesRequest, error: ApiError) -> ApiError:
    """What is wrong with a chat's messages is wrong with a completion's prompt."""
    if error.param == "messages" and isinstance(request, CompletionRequest):
        error.param = "prompt"
    return error


async def start(
    model: str, name: str, engine_args: Mapping[str, object], reward: Recipe | None = None
) -> RunningEngine:
    """Loads the model in processes of its own; minutes for a large one. Raises CannotStart.

    `reward`: the reward model beside it, whose scores shape answers too.
    """
    args = await asyncio.to_thread(parsed, model, name, engine_args)
    llm = await asyncio.to_thread(launched, args)
    config = llm.model_config
    card = ModelCard(
        name,
        await asyncio.to_thread(revision, config, Recipe(model, engine_args), reward),
        config.max_model_len,
        int(time.time()),
        capacity=llm.vllm_config.scheduler_config.max_num_seqs,
    )
    return RunningEngine(Loaded(llm, await handlers(llm, args), args), card)


def revision(config: ModelConfig, recipe: Recipe, reward: Recipe | None) -> str:
    """Tells one set of answers from another: by the models, what they are loaded with and what vLLM made of it."""
    made = (str(config.dtype), config.quantization, config.max_model_len, config.get_diff_sampling_param())
    return fingerprint(VLLM_VERSION, made, recipe.shape, reward and reward.shape)
