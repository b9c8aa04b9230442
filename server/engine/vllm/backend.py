"""The Backend port over vLLM, which is imported as it is opened: that takes seconds, and the server listens by then."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogitate.server.engine import Body, CannotStart, Conversation, Load, ModelCard
from cogitate.server.errors import Unready
from cogitate.server.protocol.chat import AnyRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.types import Prompt

if TYPE_CHECKING:
    from cogitate.server.engine.reward.model import RewardModel
    from cogitate.server.engine.vllm.engine import RunningEngine

HEARTBEAT = 0.5
"""Seconds between two looks at whether the engine still lives."""


@dataclass(slots=True)
class VllmBackend:
    """`engine_args` are vLLM's own; so are `reward_engine_args`, for the reward model served beside."""

    model: str
    name: str
    engine_args: Mapping[str, object] = field(default_factory=dict)
    reward_model: str | None = None
    reward_engine_args: Mapping[str, object] = field(default_factory=dict)
    reward_format: str | None = None
    _running: "RunningEngine | None" = None
    _reward: "RewardModel | None" = None

    async def open(self) -> None:
        """Raises CannotStart."""
        try:
            await asyncio.to_thread(_import)
        except ImportError as error:
            raise CannotStart(f"vLLM is not installed ({error}): pip install 'cogitate[cpu]' or [gpu]") from error
        from cogitate.server.engine.model_fingerprint import Recipe
        from cogitate.server.engine.reward.model import open_reward_model
        from cogitate.server.engine.vllm.engine import start

        reward = None
        if self.reward_model:
            reward = Recipe(self.reward_model, self.reward_engine_args, self.reward_format)
            try:
                self._reward = await open_reward_model(self.reward_model, self.reward_engine_args, self.reward_format)
            except ValueError as error:
                raise CannotStart(f"--reward-model: {error}") from error
        self._running = await start(self.model, self.name, self.engine_args, reward)

    async def close(self) -> None:
        if self._reward is not None:
            await self._reward.close()
        if self._running is not None:
            await self._running.close()

    async def failed(self) -> str:
        while True:  # vLLM has a flag, and no event
            if self.running.errored:
                return "the engine's process died"
            if self._reward and self._reward.errored:
                return "the reward model's process died"
            await asyncio.sleep(HEARTBEAT)

    @property
    def running(self) -> "RunningEngine":
        if self._running is None:
            raise Unready("The model is still loading.")
        return self._running

    @property
    def card(self) -> ModelCard:
        return self.running.card

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return {"reward": self._reward} if self._reward else {}

    def load(self) -> Load:
        return self._running.load if self._running else Load(0, 0)

    def pulse(self) -> object:
        return self._running.pulse if self._running else None

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str) -> Conversation:
        return await self.running.converse(request, prompt, salt)

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str) -> Body | AsyncIterator[str]:
        return await self.running.answer(request, salt)


def _import() -> None:
    import cogitate.server.engine.vllm.engine  # noqa: F401
    from cogitate.server.engine.vllm.cpu_build import hide_while_inspecting

    hide_while_inspecting()
