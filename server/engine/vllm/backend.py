"""The Backend port over vLLM's AsyncLLM."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from vllm.config import ModelConfig
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest, ChatCompletionResponse
from vllm.entrypoints.serve.engine.protocol import ErrorResponse

from server.api.openai import ChatRequest
from server.engine import Body, Load, ModelCard
from server.engine.reward import RewardModel, open_reward_model
from server.engine.vllm.chat import VllmConversation
from server.engine.vllm.errors import refused, translated
from server.engine.vllm.loading import Loaded, handlers, parsed, start
from server.errors import Unready
from strategies.ports import Verifier
from strategies.types import Prompt

HEARTBEAT = 0.5
"""Seconds between two looks at whether the engine still lives."""


@dataclass(slots=True)
class VllmBackend:
    model: str
    name: str
    engine_args: Mapping[str, object] = field(default_factory=dict)
    reward_model: str | None = None
    reward_engine_args: Mapping[str, object] = field(default_factory=dict)
    _loaded: Loaded | None = None
    _card: ModelCard | None = None
    _reward: RewardModel | None = None

    @property
    def card(self) -> ModelCard:
        if self._card is None:
            raise Unready("The model is still loading.")
        return self._card

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return {"reward": self._reward} if self._reward else {}

    @property
    def loaded(self) -> Loaded:
        if self._loaded is None:
            raise Unready("The model is still loading.")
        return self._loaded

    async def open(self) -> None:
        args = await asyncio.to_thread(parsed, self.model, self.name, self.engine_args)
        llm = await asyncio.to_thread(start, args)
        self._loaded = Loaded(llm, await handlers(llm, args), args)
        if self.reward_model:
            self._reward = await open_reward_model(self.reward_model, self.reward_engine_args)
        config = llm.model_config
        self._card = ModelCard(self.name, fingerprint(config), config.max_model_len, int(time.time()))

    async def close(self) -> None:
        if self._reward is not None:
            await self._reward.close()
        if self._loaded is not None:
            await asyncio.to_thread(self._loaded.llm.shutdown, 1.0)

    async def failed(self) -> str:
        while not self.loaded.llm.errored:
            await asyncio.sleep(HEARTBEAT)
        return "the engine's process died"

    def load(self) -> Load:
        if self._loaded is None:
            return Load(0, 0)
        states = self._loaded.llm.output_processor.request_states.values()
        waiting = sum(state.is_prefilling for state in states)
        return Load(len(states) - waiting, waiting)

    async def converse(self, request: ChatRequest, prompt: Prompt) -> VllmConversation:
        conversation = VllmConversation(self.loaded, self._wire(request))
        rendered = await conversation.rendered(prompt.messages)
        conversation.prompt_tokens = len(rendered.ids)
        return conversation

    async def answer(self, request: ChatRequest) -> Body | AsyncIterator[str]:
        serving, wire = self.loaded.state.openai_serving_chat, self._wire(request)
        try:
            answer = await serving.create_chat_completion(wire)
        except Exception as error:  # noqa: BLE001 vLLM raises a dozen kinds here; one table tells them apart
            raise translated(error) from error
        if isinstance(answer, ErrorResponse):
            raise refused(answer)
        if isinstance(answer, ChatCompletionResponse):
            return answer.model_dump()  # type: ignore[no-any-return]
        return answer  # type: ignore[no-any-return]

    def _wire(self, request: ChatRequest) -> ChatCompletionRequest:
        try:
            return ChatCompletionRequest.model_validate({**request.forwarded(), "model": self.name})
        except ValueError as error:
            raise translated(error) from error


def fingerprint(config: ModelConfig) -> str:
    """Tells one model from another by what vLLM loaded: its name, revision, number format and architecture."""
    said = (config.model, config.revision, str(config.dtype), config.quantization, config.hf_config.to_dict())
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
