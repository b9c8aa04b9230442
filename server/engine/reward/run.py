"""Runs requests on the vLLM engine of a reward model, and ends it."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from vllm import PoolingParams, SamplingParams
from vllm.inputs.engine import tokens_input
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.output_processor import RequestOutputCollector

Output = Any
"""vLLM's PoolingRequestOutput or RequestOutput."""
SHUTDOWN_SECONDS = 15.0
"""Time that the engine's processes have to exit. They take 5 s, which is also when vLLM kills them by default."""


class RewardEngine:
    """A reward model's engine. Belongs to the event loop in which it was opened."""

    def __init__(self, llm: AsyncLLM, salt: str | None = None) -> None:
        """`salt`: requests share the engine's prefix cache with requests of the same salt only."""
        self.llm = llm
        self.salt = salt

    @property
    def is_dead(self) -> bool:
        return bool(self.llm.errored)

    async def close(self) -> None:
        """Stop the engine. Calls that wait for it raise EngineDeadError."""
        if self.llm.output_handler:
            self.llm.output_handler.cancel()
        await self._fail_pending_requests()
        await asyncio.to_thread(self.llm.shutdown, SHUTDOWN_SECONDS)
        await self._fail_pending_requests()

    async def _fail_pending_requests(self) -> None:
        """Raise EngineDeadError in pending requests: AsyncLLM.shutdown ends the task that would do so."""
        processor = self.llm.output_processor
        processor.propagate_error(EngineDeadError())
        await self.llm.abort(list(processor.external_req_ids))

    async def run(self, prompts: Sequence[list[int]], params: PoolingParams | SamplingParams) -> list[Output]:
        """Return the engine's output for each prompt, in order. However the call ends, no request stays in the engine.

        A cancellation inside AsyncLLM.add_request would leave the request there (vllm #57061).
        """
        ids = [f"prm-{uuid4().hex}" for _ in prompts]
        submission = asyncio.ensure_future(self._submit(ids, prompts, params))
        try:
            collectors = await asyncio.shield(submission)
            return [await collector.get() for collector in collectors]
        finally:
            await asyncio.shield(asyncio.ensure_future(self._abort(ids, submission)))

    async def _submit(
        self, ids: Sequence[str], prompts: Sequence[list[int]], params: PoolingParams | SamplingParams
    ) -> list[RequestOutputCollector]:
        return [
            await self.llm.add_request(request_id, tokens_input(prompt, cache_salt=self.salt or None), params)
            for request_id, prompt in zip(ids, prompts, strict=True)
        ]

    async def _abort(self, ids: Sequence[str], submission: "asyncio.Future[list[RequestOutputCollector]]") -> None:
        """Abort by id, which has no effect on finished requests."""
        await asyncio.wait([submission])
        await self.llm.abort(ids)
