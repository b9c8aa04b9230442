"""Starts vLLM: arguments -> a running AsyncLLM."""

import argparse
import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from pydantic import ValidationError
from vllm.config import ModelConfig, VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.async_llm import AsyncLLM

from cogitate.server.config.environment import MIN_CLOSE_RATIO
from cogitate.server.engine import CannotStart, WrongFlag
from cogitate.server.engine.children import start_without_interrupts
from cogitate.server.engine.vllm.cpu_build import cpu_precision
from cogitate.server.engine.vllm.frontend_args import check_frontend_args, load_parser_plugins
from cogitate.server.engine.vllm.vllm_imports import make_arg_parser, validate_parsed_serve_args
from cogitate.server.flags.names import to_flag
from cogitate.server.settings import Settings

CPU_DEFAULTS: Mapping[str, object] = {
    # A seeded request whose prefill is chunked kills the CPU engine for every client. vLLM's GPUModelRunner, which the
    # CPU runner inherits, drops the token sampled after a partial prefill and rewinds the request's generator with
    # `set_offset`; a CPU generator raises "CPU Generator does not use offset". No issue in vLLM's tracker describes it.
    "enable_chunked_prefill": False,
    # Compiling decodes a third faster and delays the start by minutes; `enforce_eager: false` chooses that.
    "enforce_eager": True,
    "max_num_seqs": 64,
    # Only full blocks of a prompt are shared, and most prompts are shorter than vLLM's 128 tokens.
    "block_size": 32,
}
CPU_KV_CACHE_BYTES = 2 << 30
"""vLLM itself would take 92 % of the machine's memory, and not start where less is free."""
CPU_CONTEXT_TOKENS = 8192
"""Without chunked prefill an entire prompt is one batch, so the CPU build's default context is bounded."""
UNSET_CONTEXT = (None, -1)
"""Values of max_model_len where the operator has set none, or "auto"."""
MAX_REASON_CHARACTERS = 300


def parse_arguments(
    model: str, name: str, engine_args: Mapping[str, object], aliases: Sequence[str] = ()
) -> argparse.Namespace:
    """Parse `engine_args` with vLLM's own parser: every argument of `vllm serve` has its meaning there.

    Raises CannotStart for arguments that vLLM does not take.
    """
    check_frontend_args(engine_args)
    values = dict(engine_args)
    if current_platform.is_cpu():
        values = {**CPU_DEFAULTS, **cpu_precision(), **values}
        if "gpu_memory_utilization" not in values:
            values.setdefault("kv_cache_memory_bytes", CPU_KV_CACHE_BYTES)
    parser = make_arg_parser(FlexibleArgumentParser())
    flags = [word for name, value in values.items() for word in build_flag(name, value, find_kind(parser, name))]
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            args = parser.parse_args(["--model", model, "--served-model-name", name, *aliases, *flags])
            validate_parsed_serve_args(args)
    except (SystemExit, ValueError, TypeError) as error:
        raise explain_refusal(output.getvalue() or str(error), parser) from None
    load_parser_plugins(args)
    return args  # type: ignore[no-any-return]


def explain_refusal(output: str, parser: argparse.ArgumentParser) -> CannotStart:
    """Return the error for what vLLM's parser printed, with the nearest flag where it does not know one."""
    reason = " ".join(output.split("error: ")[-1].split("For further information")[0].split())[:MAX_REASON_CHARACTERS]
    unknown = reason.removeprefix("unrecognized arguments: ")
    if unknown != reason:
        ours = [to_flag(name) for name in Settings.model_fields]
        flags = [*parser._option_string_actions, *ours]
        near = get_close_matches(unknown.split("=")[0].split()[0], flags, 1, MIN_CLOSE_RATIO)
        return WrongFlag(f"{reason.split('=')[0]}{f'; did you mean {near[0]}?' if near else ''}")
    if "ignored explicit argument" in reason:
        reason += "; MODEL comes before vLLM's flags"
    return CannotStart(f"--engine-args: {reason}")


class FlagKind(NamedTuple):
    """How vLLM's parser takes the values of a flag."""

    variadic: bool = False
    """A list is one word for each item, not JSON."""
    repeated: bool = False
    """A list is one flag for each item."""


def find_kind(parser: argparse.ArgumentParser, name: str) -> FlagKind:
    action = parser._option_string_actions.get(f"--{name.replace('_', '-')}")
    return FlagKind(action is not None and action.nargs in ("*", "+"), isinstance(action, argparse._AppendAction))


def build_flag(name: str, value: object, kind: FlagKind = FlagKind()) -> list[str]:  # noqa: B008 immutable
    """Return one argument as command-line words. A tuple has the values of a flag that is given several times."""
    base, dot, key = name.partition(".")
    dashed = f"{base.replace('_', '-')}{dot}{key}"
    if isinstance(value, tuple) or (isinstance(value, list) and kind.repeated):
        return [word for item in value for word in build_flag(name, item, kind)]
    if isinstance(value, bool):
        return [f"--{dashed}" if value else f"--no-{dashed}"]
    if isinstance(value, list) and kind.variadic:
        return [f"--{dashed}", *(item if isinstance(item, str) else json.dumps(item) for item in value)]
    return [f"--{dashed}={json.dumps(value) if isinstance(value, list | dict) else value}"]


class BoundedContextArgs(AsyncEngineArgs):  # type: ignore[misc]
    """Engine arguments of the CPU build: the default context is at most one batch."""

    max_num_batched_tokens: int | None

    def create_model_config(self) -> ModelConfig:
        config = super().create_model_config()
        if not self.enable_chunked_prefill:
            if self.max_model_len in UNSET_CONTEXT:
                config.max_model_len = min(config.max_model_len, self.max_num_batched_tokens or CPU_CONTEXT_TOKENS)
            self.max_num_batched_tokens = self.max_num_batched_tokens or max(CPU_CONTEXT_TOKENS, config.max_model_len)
        return config


def build_config(args: argparse.Namespace) -> VllmConfig:
    """Read the model's configuration, without its weights. Raises CannotStart for a model that vLLM cannot serve."""
    arguments = BoundedContextArgs if current_platform.is_cpu() else AsyncEngineArgs
    try:
        return arguments.from_cli_args(args).create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    except (ValueError, OSError) as error:
        raise CannotStart(f"vLLM cannot serve {args.model}: {error_reason(error)}") from error


def launch(args: argparse.Namespace) -> AsyncLLM:
    """Start the engine. Blocks until the weights are loaded. Raises CannotStart for a model that vLLM cannot serve."""
    config = build_config(args)
    with start_without_interrupts():
        return AsyncLLM.from_vllm_config(
            config,
            usage_context=UsageContext.OPENAI_API_SERVER,
            enable_log_requests=args.enable_log_requests,
            aggregate_engine_logging=args.aggregate_engine_logging,
            disable_log_stats=args.disable_log_stats,
        )


def error_reason(error: Exception) -> str:
    """Return an error's message in one line; of a validation error the reason alone, without pydantic's frame."""
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return str(error).strip().split("\n")[0]
