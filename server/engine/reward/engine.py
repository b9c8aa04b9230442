"""Starts the vLLM engine of a reward model and builds the tokenizer for its format."""

import asyncio
import json
from collections.abc import Mapping

from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform
from vllm.tokenizers import TokenizerLike, cached_tokenizer_from_config
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM

from cogitate.server.engine.children import start_without_interrupts
from cogitate.server.engine.reward.formats import FORMATS, RewardFormat, find_format
from cogitate.server.engine.reward.tokenize import RewardTokenizer
from cogitate.server.engine.vllm.cpu_build import cpu_precision
from cogitate.server.engine.vllm.plugin_check import check_workers

DEFAULTS: Mapping[str, object] = {
    # Enough for one batch of a 72B model. vLLM's own default is 0.92 of all memory, which the main engine has.
    "kv_cache_memory_bytes": 2 << 30,
}
POOLING_DEFAULTS: Mapping[str, object] = {
    # Step pooling needs the hidden states of the entire prompt in one forward pass: no part of it may be computed
    # later, or skipped because its keys and values are cached. vLLM does not read the cache for such requests anyway.
    "enable_chunked_prefill": False,
    "enable_prefix_caching": False,
}
CPU_DEFAULTS: Mapping[str, object] = {
    # Compiling takes a minute and saves a millisecond per request.
    "enforce_eager": True,
}


async def start_reward_engine(
    model: str, engine_args: Mapping[str, object], format_name: str | None = None
) -> tuple[AsyncLLM, RewardTokenizer]:
    """Start the engine. Takes seconds to minutes.

    Args:
        model: Folder or Hugging Face id.
        engine_args: Fields of AsyncEngineArgs, which override the defaults above.
        format_name: A key of FORMATS; None: derived from the model's architecture.

    Raises:
        ValueError: The format cannot be derived or does not fit the tokenizer, or vLLM does not take an argument.
        CannotStart: The engine's processes have not loaded our plugin.
        Exception: An error of vLLM's, where the engine cannot start.
    """
    llm, tokenizer = await asyncio.to_thread(_start, model, engine_args, FORMATS[format_name] if format_name else None)
    await check_workers(llm)
    # AsyncLLM asks the engine for this once. Left to the first request, the call would hang if the engine then died.
    await llm.get_supported_tasks()
    return llm, tokenizer


async def start_generative_engine(model: str, engine_args: Mapping[str, object]) -> tuple[AsyncLLM, TokenizerLike]:
    """Start the engine of a generative reward model. Arguments and errors: `start_reward_engine`.

    Raises ValueError also where the model has no chat template.
    """
    llm, tokenizer = await asyncio.to_thread(_start_generative, model, engine_args)
    await check_workers(llm)
    await llm.get_supported_tasks()
    return llm, tokenizer


def _start_generative(model: str, engine_args: Mapping[str, object]) -> tuple[AsyncLLM, TokenizerLike]:
    config = build_arguments(model, engine_args, decodes=True).create_engine_config(UsageContext.ENGINE_CONTEXT)
    tokenizer = cached_tokenizer_from_config(config.model_config)
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError("a generative reward model needs a chat template, and this one has none")
    return launch(config), tokenizer


def _start(
    model: str, engine_args: Mapping[str, object], form: RewardFormat | None
) -> tuple[AsyncLLM, RewardTokenizer]:
    decodes = form is not None and form.source == "vocabulary"
    config = build_arguments(model, engine_args, decodes=decodes).create_engine_config(UsageContext.ENGINE_CONTEXT)
    form = form or find_format(config.model_config.architectures)
    tokenizer = build_tokenizer(form, cached_tokenizer_from_config(config.model_config))
    return launch(config), tokenizer


def launch(config: VllmConfig) -> AsyncLLM:
    """Start an engine, without statistics: with them it would remove the first engine's from Prometheus's registry."""
    with start_without_interrupts():
        return AsyncLLM.from_vllm_config(config, disable_log_stats=True)


def build_arguments(model: str, engine_args: Mapping[str, object], *, decodes: bool) -> AsyncEngineArgs:
    """Build the engine's arguments. Raises ValueError.

    `decodes`: whether the score is read from next-token probabilities, where the prefix cache makes many steps cheap.
    """
    has_size = "gpu_memory_utilization" in engine_args
    defaults = {**({} if has_size else DEFAULTS), **({} if decodes else POOLING_DEFAULTS)}
    if current_platform.is_cpu():
        defaults |= {**CPU_DEFAULTS, **cpu_precision()}
    runner = "generate" if decodes else "pooling"
    try:
        return AsyncEngineArgs(**{**defaults, **engine_args, "model": model, "runner": runner})
    except TypeError as error:
        raise ValueError(f"vLLM does not take these arguments: {error}") from None


def build_tokenizer(form: RewardFormat, tokenizer: TokenizerLike) -> RewardTokenizer:
    """Build the tokenizer of a reward format from the model's tokenizer, and a copy of it without control tokens.

    Raises ValueError.
    """
    backend = tokenizer.backend_tokenizer
    spec = json.loads(backend.to_str())
    control_tokens = {token["content"]: token["id"] for token in spec["added_tokens"]}
    plain = type(backend).from_str(json.dumps(spec | {"added_tokens": [], "truncation": None, "padding": None}))

    def encode(text: str) -> list[tuple[int, int]]:
        encoded = plain.encode(text, add_special_tokens=False)
        return [(token, end) for token, (_, end) in zip(encoded.ids, encoded.offsets, strict=True)]

    def render(turns: list[dict[str, str]]) -> str:
        rendered: str = tokenizer.apply_chat_template(turns, tokenize=False)
        return rendered

    return RewardTokenizer(form, render, control_tokens, encode, tokenizer.bos_token or "")
