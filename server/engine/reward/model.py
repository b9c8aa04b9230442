"""A reward model in an engine of its own, beside the engine that decodes.

What a solution looks like to the model is `prm.py`'s, what its logits mean `formats.py`'s. Here they are fetched: of a
model with a head of its own by vLLM's pooling runner, of one that says its verdict by tokens as the log-probabilities
of exactly these, one step at a time over the engine's prefix cache.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from vllm import PoolingParams, SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs.engine import tokens_input
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.tokenizers import TokenizerLike, cached_tokenizer_from_config
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.output_processor import RequestOutputCollector

from cogitate.server.engine.reward.formats import FORMATS, RewardFormat, format_of
from cogitate.server.engine.reward.tokenize import Reader, Reading
from cogitate.server.engine.vllm.precision import cpu_precision
from cogitate.server.errors import Unready
from cogitate.strategies.core.ports import Ability, Ask, Verdict
from cogitate.strategies.core.types import Completion, Prompt

DEFAULTS: Mapping[str, object] = {
    # Enough for one batch of a 72B model. vLLM's own default is 0.92 of all memory, which the main engine has.
    "kv_cache_memory_bytes": 2 << 30,
}
POOLING_DEFAULTS: Mapping[str, object] = {
    # Step pooling needs the hidden states of the whole prompt in one forward pass: neither part of it may come later,
    # nor be skipped because its keys and values are cached. vLLM does not read the cache for such requests anyway.
    "enable_chunked_prefill": False,
    "enable_prefix_caching": False,
}
CPU_DEFAULTS: Mapping[str, object] = {"enforce_eager": True}
"""Compiling takes a minute and saves a millisecond."""

Output = Any
"""vLLM's: of a pooling request, or of a decode."""
GRACE = 15.0
"""Seconds for the engine's processes to leave by themselves. They take 5, which is when vLLM by default kills them."""


class RewardModel:
    """Scores each step of a solution. Belongs to the event loop it was opened in."""

    logprobs: None = None
    needs: frozenset[Ability] = frozenset()
    compares: bool = False

    def __init__(self, engine: AsyncLLM, reader: Reader, salt: str | None = None) -> None:
        """`salt`: who shares it shares what the prefix cache holds."""
        self.engine = engine
        self.salt = salt
        self.aggregation = reader.format.aggregation
        self._reader = reader
        self._longest: int = engine.model_config.max_model_len
        self._params = params_of(reader)

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """Cancelling it stops the engine's work on it. No score for a text without steps or longer than the context.

        Raises Unready where the engine has ended.
        """
        readings = await asyncio.to_thread(self._read, question.question, [solution.text for solution in solutions])
        try:
            logits = iter(await self._logits([reading for reading in readings if reading]))
        except EngineDeadError:
            raise Unready("The reward model has stopped; the server is going down.", code="engine_dead") from None
        return [self._verdict(reading, next(logits)) if reading else Verdict(()) for reading in readings]

    def salted(self, salt: str) -> "RewardModel":
        """The same for one tenant, whose questions no other's time of answering tells of."""
        return RewardModel(self.engine, self._reader, salt)

    @property
    def errored(self) -> bool:
        return bool(self.engine.errored)

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
        reading = self._reader.read(question, steps) if steps else None
        room = self._longest - (self._reader.format.source == "vocabulary")
        return reading if reading and len(reading.ids) <= room and len(reading.places) == len(steps) else None

    def _verdict(self, reading: Reading, logits: list[list[float]]) -> Verdict:
        scores = self._reader.format.scores(logits)
        return Verdict(scores if len(scores) == len(reading.places) else (), tokens=len(reading.ids))

    async def _logits(self, readings: Sequence[Reading]) -> list[list[list[float]]]:
        """[steps][labels] for each reading, in order."""
        if self._reader.format.source != "vocabulary":
            outputs = await self._outputs([reading.ids for reading in readings])
            return [self._rows(output, reading) for output, reading in zip(outputs, readings, strict=True)]
        prefixes = [reading.ids[: place + 1] for reading in readings for place in reading.places]
        said = iter([spoken(output, self._reader.labels) for output in await self._outputs(prefixes)])
        return [[next(said) for _ in reading.places] for reading in readings]

    def _rows(self, output: Output, reading: Reading) -> list[list[float]]:
        """The logits at the places, of a head's output."""
        data: list[list[float]] = output.outputs.data.tolist()
        if self._reader.format.source == "sequence":
            return [output.outputs.data.flatten().tolist()]
        return data if self._reader.tag is not None else [data[place] for place in reading.places]

    async def _outputs(self, prompts: Sequence[list[int]]) -> list[Output]:
        """What the engine has to say to each, in order. However it ends, nothing of it stays in the engine.

        A cancel inside AsyncLLM.add_request would leave the request there for ever (vllm #57061).
        """
        names = [f"prm-{uuid4().hex}" for _ in prompts]
        submission = asyncio.ensure_future(self._submit(names, prompts))
        try:
            waiting = await asyncio.shield(submission)
            return [await output.get() for output in waiting]
        finally:
            await asyncio.shield(asyncio.ensure_future(self._withdraw(names, submission)))

    async def _submit(self, names: Sequence[str], prompts: Sequence[list[int]]) -> list[RequestOutputCollector]:
        return [
            await self.engine.add_request(name, tokens_input(ids, cache_salt=self.salt), self._params)
            for name, ids in zip(names, prompts, strict=True)
        ]

    async def _withdraw(self, names: Sequence[str], submission: "asyncio.Future[list[RequestOutputCollector]]") -> None:
        """Aborts by name, which does nothing to a request that is done."""
        await asyncio.wait([submission])
        await self.engine.abort(names)


def params_of(reader: Reader) -> PoolingParams | SamplingParams:
    """What is asked of the engine for each prompt."""
    match reader.format.source:
        case "vocabulary":
            labels = reader.labels
            return SamplingParams(
                max_tokens=1,
                temperature=0.0,
                logprobs=len(labels),
                logprob_token_ids=labels,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
        case "sequence":
            return PoolingParams(task="classify", use_activation=False)
    return PoolingParams(task="token_classify", use_activation=False, step_tag_id=reader.tag)


def spoken(output: Output, labels: Sequence[int]) -> list[float]:
    """The log-probabilities of the labels as the next token, whose softmax is that of their logits."""
    (said,) = output.outputs
    reported = said.logprobs[0] if said.logprobs else {}
    return [reported[label].logprob for label in labels if label in reported]


async def open_reward_model(model: str, engine_args: Mapping[str, object], name: str | None = None) -> RewardModel:
    """Starts the model's engine: seconds to minutes. `engine_args` are AsyncEngineArgs' and overrule our defaults.

    `name`: that of its format, where its configuration does not tell. Raises ValueError for a model that does not tell,
    or does not fit, and for arguments that vLLM does not take, and what vLLM raises when the engine cannot start.
    """
    engine, reader = await asyncio.to_thread(start, model, engine_args, FORMATS[name] if name else None)
    # It asks the engine and keeps the answer. Left to the first request, it would hang there if the engine then died.
    await engine.get_supported_tasks()
    return RewardModel(engine, reader)


def start(model: str, engine_args: Mapping[str, object], form: RewardFormat | None) -> tuple[AsyncLLM, Reader]:
    """Blocks. No statistics: a second engine that keeps them takes the first one's out of Prometheus's registry."""
    decodes = form is not None and form.source == "vocabulary"
    config = arguments(model, engine_args, decodes=decodes).create_engine_config(UsageContext.ENGINE_CONTEXT)
    form = form or format_of(config.model_config.architectures)
    reader = reader_of(form, cached_tokenizer_from_config(config.model_config))
    return AsyncLLM.from_vllm_config(config, disable_log_stats=True), reader


def arguments(model: str, engine_args: Mapping[str, object], *, decodes: bool) -> AsyncEngineArgs:
    """`decodes`: its verdict is a token, where the prefix cache is what makes many steps cheap."""
    sized = "gpu_memory_utilization" in engine_args
    defaults = {**({} if sized else DEFAULTS), **({} if decodes else POOLING_DEFAULTS)}
    if current_platform.is_cpu():
        defaults |= {**CPU_DEFAULTS, **cpu_precision()}
    runner = "generate" if decodes else "pooling"
    try:
        return AsyncEngineArgs(**{**defaults, **engine_args, "model": model, "runner": runner})
    except TypeError as error:
        raise ValueError(f"vLLM does not take these arguments: {error}") from None


def reader_of(form: RewardFormat, tokenizer: TokenizerLike) -> Reader:
    """The tokeniser twice: its template and control tokens, and a copy that knows of no control token."""
    backend = tokenizer.backend_tokenizer
    spec = json.loads(backend.to_str())
    control = {token["content"]: token["id"] for token in spec["added_tokens"]}
    plain = type(backend).from_str(json.dumps(spec | {"added_tokens": [], "truncation": None, "padding": None}))

    def encode(text: str) -> list[tuple[int, int]]:
        encoded = plain.encode(text, add_special_tokens=False)
        return [(token, end) for token, (_, end) in zip(encoded.ids, encoded.offsets, strict=True)]

    def render(turns: list[dict[str, str]]) -> str:
        written: str = tokenizer.apply_chat_template(turns, tokenize=False)
        return written

    return Reader(form, render, control, encode, tokenizer.bos_token or "")
