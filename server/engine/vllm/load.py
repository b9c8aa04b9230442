"""Arguments -> a running AsyncLLM, and vLLM's own OpenAI handlers on top of it."""

import argparse
import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import State
from vllm.config import ModelConfig, VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.platforms import current_platform
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.async_llm import AsyncLLM

from cogitate.server.engine import CannotStart
from cogitate.server.engine.vllm.precision import cpu_precision

CPU_DEFAULTS: Mapping[str, object] = {
    # A seeded request whose prefill is chunked kills the CPU engine for everyone ("CPU Generator does not use offset").
    "enable_chunked_prefill": False,
    # Compiling decodes a third faster and starts minutes later; say enforce_eager: false to choose that.
    "enforce_eager": True,
    "max_num_seqs": 64,
    # Only whole blocks of a prompt are shared, and of vLLM's 128 tokens here most prompts have none.
    "block_size": 32,
}
CPU_CACHE = 2 << 30
"""Bytes for keys and values. vLLM itself would take 92 % of the machine's memory, and not start where less is free."""
LONGEST_REASON = 300
CPU_CONTEXT = 8192
"""Without chunked prefill a whole prompt is one batch, so the CPU build's default context is bounded."""
ANY_CONTEXT = (None, -1)
"""How vLLM writes a context that nobody has set, or set to "auto"."""


def parsed(model: str, name: str, engine_args: Mapping[str, object]) -> argparse.Namespace:
    """vLLM's own parser reads `engine_args`, so that every argument of `vllm serve` means here what it means there."""
    given = dict(engine_args)
    if current_platform.is_cpu():
        given = {**CPU_DEFAULTS, **cpu_precision(), **given}
        if "gpu_memory_utilization" not in given:
            given.setdefault("kv_cache_memory_bytes", CPU_CACHE)
    parser = make_arg_parser(FlexibleArgumentParser())
    many = {action.dest for action in parser._actions if action.nargs in ("*", "+")}
    words = [word for argument, value in given.items() for word in flag(argument, value, argument in many)]
    argv = ["--model", model, "--served-model-name", name, *words]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            args = parser.parse_args(argv)
            validate_parsed_serve_args(args)
    except (SystemExit, ValueError, TypeError) as error:
        reason = (said.getvalue() or str(error)).split("error: ")[-1].split("For further information")[0]
        raise CannotStart(f"--engine-args: {' '.join(reason.split())[:LONGEST_REASON]}") from None
    return args  # type: ignore[no-any-return]


def flag(name: str, value: object, many: bool) -> list[str]:
    """One argument as vLLM's command line writes it. `many`: it takes its list as several words, not as JSON."""
    dashed = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{dashed}" if value else f"--no-{dashed}"]
    if isinstance(value, list) and many:
        return [f"--{dashed}", *(item if isinstance(item, str) else json.dumps(item) for item in value)]
    return [f"--{dashed}", json.dumps(value) if isinstance(value, list | dict) else str(value)]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A running engine, and the state that vLLM's own server would keep beside it."""

    llm: AsyncLLM
    state: State
    args: argparse.Namespace


class Bounded(AsyncEngineArgs):  # type: ignore[misc]
    """The CPU build's: unless the operator says more, of the model's own context what one batch holds."""

    max_num_batched_tokens: int | None

    def create_model_config(self) -> ModelConfig:
        config = super().create_model_config()
        if not self.enable_chunked_prefill:
            if self.max_model_len in ANY_CONTEXT:
                config.max_model_len = min(config.max_model_len, self.max_num_batched_tokens or CPU_CONTEXT)
            self.max_num_batched_tokens = self.max_num_batched_tokens or max(CPU_CONTEXT, config.max_model_len)
        return config


def configured(args: argparse.Namespace) -> VllmConfig:
    """Reads the model's configuration, and no weights. Raises CannotStart for a bad model."""
    arguments = Bounded if current_platform.is_cpu() else AsyncEngineArgs
    try:
        return arguments.from_cli_args(args).create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    except (ValueError, OSError) as error:
        raise CannotStart(f"vLLM cannot serve {args.model}: {cause(error)}") from error


def launched(args: argparse.Namespace) -> AsyncLLM:
    """Blocks until the weights are loaded and the engine's process is ready. Raises CannotStart for a bad model."""
    return AsyncLLM.from_vllm_config(
        configured(args), usage_context=UsageContext.OPENAI_API_SERVER, disable_log_stats=args.disable_log_stats
    )


def cause(error: Exception) -> str:
    """What is wrong, in one line: of a validation error its reason, without pydantic's frame around it."""
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return str(error).strip().split("\n")[0]


async def handlers(llm: AsyncLLM, args: argparse.Namespace) -> State:
    state: Any = State()
    await init_app_state(llm, state, args, await llm.get_supported_tasks())
    return state  # type: ignore[no-any-return]
