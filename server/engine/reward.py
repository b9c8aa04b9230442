"""A process reward model in an engine of its own: vLLM's pooling runner, beside the engine that decodes.

vLLM's step pooling hands back one row of logits for each step tag in the prompt. What a solution looks like to the
model, and what its logits mean, is `prm.py`'s.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from vllm import PoolingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs.engine import tokens_input
from vllm.platforms import current_platform
from vllm.tokenizers import TokenizerLike, cached_tokenizer_from_config
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.output_processor import RequestOutputCollector

from server.engine.precision import cpu_precision
from server.engine.prm import PrmFormat, Reader, format_of
from strategies.ports import Ability, Ask, Verdict
from strategies.types import Completion, Prompt

DEFAULTS: Mapping[str, object] = {
    # Step pooling needs the hidden states of the whole prompt in one forward pass: neither part of it may come later,
    # nor be skipped because its keys and values are cached. vLLM does not read the cache for such requests anyway.
    "enable_chunked_prefill": False,
    "enable_prefix_caching": False,
    # Enough for one batch of a 72B model. vLLM's own default is 0.92 of all memory, which the main engine has.
    "kv_cache_memory_bytes": 2 << 30,
}
CPU_DEFAULTS: Mapping[str, object] = {"enforce_eager": True}
"""Compiling takes a minute and saves a millisecond."""

GRACE = 15.0
"""Seconds for the engine's processes to leave by themselves. They take 5, which is when vLLM by default kills them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A solution as the model reads it."""

    ids: list[int]
    steps: int


class RewardModel:
    """Scores each step of a solution. Belongs to the event loop it was opened in."""

    logprobs: None = None
    needs: frozenset[Ability] = frozenset()
    compares: bool = False

    def __init__(self, engine: AsyncLLM, reader: Reader) -> None:
        self.engine = engine
        self._reader = reader
        self._longest: int = engine.model_config.max_model_len
        self._params = PoolingParams(task="token_classify", use_activation=False, step_tag_id=reader.tag)

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """Cancelling it stops the engine's work on it. No score for a text without steps or longer than the context.

        Raises whatever ended the engine, if it has ended.
        """
        readings = await asyncio.to_thread(self._read, question.question, [solution.text for solution in solutions])
        logits = iter(await self._logits([reading.ids for reading in readings if reading]))
        return [self._verdict(reading, next(logits)) if reading else Verdict(()) for reading in readings]

    async def close(self) -> None:
        """Stops the engine; what waits for it raises EngineDeadError."""
        if self.engine.output_handler:
            self.engine.output_handler.cancel()
        await self._drop()
        await asyncio.to_thread(self.engine.shutdown, GRACE)
        await self._drop()

    async def _drop(self) -> None:
        """Upstream's shutdown forgets who waits: it ends the task that would wake them."""
        waiting = self.engine.output_processor
        waiting.propagate_error(EngineDeadError())
        await self.engine.abort(list(waiting.external_req_ids))

    def _read(self, question: str, texts: Sequence[str]) -> list[Reading | None]:
        return [self._reading(question, self._reader.format.steps(text)) for text in texts]

    def _reading(self, question: str, steps: Sequence[str]) -> Reading | None:
        ids = self._reader.ids(question, steps)
        fits = len(ids) <= self._longest and 0 < len(steps) == ids.count(self._reader.tag)
        return Reading(ids, len(steps)) if fits else None

    def _verdict(self, reading: Reading, logits: list[list[float]]) -> Verdict:
        scores = self._reader.format.scores(logits)
        return Verdict(scores if len(scores) == reading.steps else (), tokens=len(reading.ids))

    async def _logits(self, prompts: Sequence[list[int]]) -> list[list[list[float]]]:
        """[steps][labels] for each prompt, in order. However it ends, nothing of it stays in the engine.

        A cancel inside AsyncLLM.add_request would leave the request there for ever (vllm #57061).
        """
        names = [f"prm-{uuid4().hex}" for _ in prompts]
        submission = asyncio.ensure_future(self._submit(names, prompts))
        try:
            waiting = await asyncio.shield(submission)
            return [(await output.get()).outputs.data.tolist() for output in waiting]
        finally:
            await asyncio.shield(asyncio.ensure_future(self._withdraw(names, submission)))

    async def _submit(self, names: Sequence[str], prompts: Sequence[list[int]]) -> list[RequestOutputCollector]:
        return [
            await self.engine.add_request(name, tokens_input(ids), self._params)
            for name, ids in zip(names, prompts, strict=True)
        ]

    async def _withdraw(self, names: Sequence[str], submission: "asyncio.Future[list[RequestOutputCollector]]") -> None:
        """Aborts by name, which does nothing to a request that is done."""
        await asyncio.wait([submission])
        await self.engine.abort(names)


async def open_reward_model(model: str, engine_args: Mapping[str, object]) -> RewardModel:
    """Starts the model's engine: seconds to minutes. `engine_args` are AsyncEngineArgs' and overrule our defaults.

    Raises ValueError for a model that is no process reward model and for arguments that vLLM does not take, and what
    vLLM raises when the engine cannot start.
    """
    engine, reader = await asyncio.to_thread(start, model, engine_args)
    # It asks the engine and keeps the answer. Left to the first request, it would hang there if the engine then died.
    await engine.get_supported_tasks()
    return RewardModel(engine, reader)


def start(model: str, engine_args: Mapping[str, object]) -> tuple[AsyncLLM, Reader]:
    """Blocks. No statistics: a second engine that keeps them takes the first one's out of Prometheus's registry."""
    config = arguments(model, engine_args).create_engine_config(UsageContext.ENGINE_CONTEXT)
    reader = reader_of(format_of(config.model_config.architectures), cached_tokenizer_from_config(config.model_config))
    return AsyncLLM.from_vllm_config(config, disable_log_stats=True), reader


def arguments(model: str, engine_args: Mapping[str, object]) -> AsyncEngineArgs:
    defaults = {**DEFAULTS, **CPU_DEFAULTS, **cpu_precision()} if current_platform.is_cpu() else DEFAULTS
    try:
        return AsyncEngineArgs(**{**defaults, **engine_args, "model": model, "runner": "pooling"})
    except TypeError as error:
        raise ValueError(f"vLLM does not take these arguments: {error}") from None


def reader_of(form: PrmFormat, tokenizer: TokenizerLike) -> Reader:
    """The tokeniser twice: its template and control tokens, and a copy that knows of no control token."""
    backend = tokenizer.backend_tokenizer
    spec = json.loads(backend.to_str())
    control = {token["content"]: token["id"] for token in spec["added_tokens"]}
    plain = type(backend).from_str(json.dumps(spec | {"added_tokens": [], "truncation": None, "padding": None}))

    def encode(text: str) -> list[int]:
        ids: list[int] = plain.encode(text, add_special_tokens=False).ids
        return ids

    return Reader(form, tokenizer.apply_chat_template(form.turns(), tokenize=False), control, encode)
