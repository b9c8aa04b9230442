"""A backend over an engine that `vllm serve` has started."""

from argparse import Namespace
from dataclasses import fields

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.logger import init_logger
from vllm.platforms import current_platform

from cogitate.server.engine import CannotStart
from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.server.engine.vllm.backend import VllmBackend
from cogitate.server.engine.vllm.plugin_check import check_this_process, check_workers
from cogitate.server.settings import Settings

TEMPLATE_ARGUMENTS = frozenset(
    {"chat_template", "chat_template_content_format", "default_chat_template_kwargs", "tool_call_parser"}
    | {"enable_auto_tool_choice", "exclude_tools_when_tool_choice_none", "tool_parser_plugin", "lora_modules"}
)
"""Arguments of vLLM's server, beside the engine's, that shape responses."""

NEEDS_REDIS = (
    "cogitate: with %d API servers, cancelling, traces and cached answers reach only the process that got the request: "
    "set COGITATE_REDIS_URL to share them"
)
log = init_logger("vllm.cogitate")
"""A logger of vLLM's, whose handlers it has."""


def warn_of_separate_processes(args: Namespace, settings: Settings) -> None:
    """Write to vLLM's log what several API servers do not share without a Redis."""
    if (args.api_server_count or 1) > 1 and settings.redis_url is None:
        log.warning(NEEDS_REDIS, args.api_server_count)


async def build_attached_backend(loaded: LoadedEngine, settings: Settings) -> VllmBackend:
    """Build the backend. Raises CannotStart for an engine that strategies would kill, or that lacks our plugin."""
    check_this_process()
    check_chunked_prefill(loaded)
    await check_workers(loaded.llm)
    names = TEMPLATE_ARGUMENTS | {field.name for field in fields(AsyncEngineArgs)}
    given = {name: str(value) for name, value in vars(loaded.args).items() if name in names and value is not None}
    return VllmBackend(
        loaded.args.model,
        (loaded.args.served_model_name or [loaded.args.model])[0],
        given,
        settings.reward_model,
        settings.reward_engine_args,
        settings.reward_format,
        loaded=loaded,
    )


def check_chunked_prefill(loaded: LoadedEngine) -> None:
    """Raises CannotStart on the CPU build with chunked prefill: a seeded request would end the engine."""
    if current_platform.is_cpu() and loaded.llm.vllm_config.scheduler_config.enable_chunked_prefill:
        raise CannotStart(
            "strategies seed their samples, and vLLM's CPU engine dies of a seeded request whose prefill is chunked: "
            "add --no-enable-chunked-prefill"
        )
