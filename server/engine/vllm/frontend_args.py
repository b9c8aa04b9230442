"""Flags of vLLM's API server under `cogitate serve`: who honours each, and why some are refused.

Every flag of vLLM's `FrontendArgs`, and those that its parser adds, is in one of the three tables (a test looks).
Flags of the engine itself mean what they mean in `vllm serve`, but for `shutdown_timeout`, which is its launcher's.
"""

import argparse
from collections.abc import Mapping

from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager
from vllm.utils.argparse_utils import FlexibleArgumentParser

from cogitate.server.engine import CannotStart
from cogitate.server.engine.vllm.vllm_imports import make_arg_parser

BY_VLLM = frozenset(
    {
        "allow_credentials",
        "allowed_headers",
        "allowed_methods",
        "allowed_origins",
        "anthropic_disabled_thinking_effort",
        "api_key",
        "chat_template",
        "chat_template_content_format",
        "cohere_format",
        "cohere_is_reasoning_model",
        "default_chat_template_kwargs",
        "disable_fastapi_docs",
        "enable_auto_tool_choice",
        "enable_flash_late_interaction",
        "enable_force_include_usage",
        "enable_log_deltas",
        "enable_log_outputs",
        "enable_offline_docs",
        "enable_per_request_metrics",
        "enable_prompt_tokens_details",
        "enable_request_id_headers",
        "enable_scale_out",
        "enable_server_load_tracking",
        "enable_tokenizer_info_endpoint",
        "exclude_tools_when_tool_choice_none",
        "fingerprint_mode",
        "fingerprint_value",
        "log_error_stack",
        "lora_modules",
        "max_log_len",
        "middleware",
        "reasoning_effort_map",  # since 0.33
        "response_role",
        "return_tokens_as_token_ids",
        "root_path",
        "sse_keep_alive_interval",
        "tokens_only",
        "tool_call_parser",
        "tool_parser_plugin",
        "tool_server",
        "tool_strict_level",
        "trust_request_chat_template",
        "trust_request_mm_kwargs",
    }
)
"""Honoured by vLLM's application and handlers, which answer here too."""
BY_LAUNCHER: Mapping[str, str] = {
    "host": "--host",
    "port": "--port",
    "config": "--config, with vLLM's flags under `engine:`",
    "enable_ssl_refresh": "the launcher loads changed certificates",
    "ssl_ca_certs": "the launcher's listener",
    "ssl_certfile": "the launcher's listener",
    "ssl_cert_reqs": "the launcher's listener",
    "ssl_ciphers": "the launcher's listener",
    "ssl_keyfile": "the launcher's listener",
    "uds": "the launcher's listener",
}
"""Honoured by our launcher."""
_MANY = "it starts several processes: use `VLLM_PLUGINS=cogitate vllm serve`, which takes it"
_LISTENER = "the launcher has a listener and parser of its own"
REFUSED: Mapping[str, str] = {
    "api_server_count": _MANY,
    "data_parallel_supervisor_port": _MANY,
    "dp_supervisor_probe_failure_threshold": _MANY,
    "dp_supervisor_probe_interval_s": _MANY,
    "dp_supervisor_probe_timeout_s": _MANY,
    "headless": _MANY,
    "grpc": "this server speaks HTTP: use `vllm serve --grpc`",
    "grpc_port": "this server speaks HTTP: use `vllm serve`",
    "h11_max_header_count": f"{_LISTENER}, which allows 64 KiB of headers",
    "h11_max_incomplete_event_size": f"{_LISTENER}, which allows 64 KiB of headers",
    "uvicorn_log_level": "use --log-level",
    "disable_uvicorn_access_log": "this server writes no access log",
    "disable_access_log_for_endpoints": "this server writes no access log",
    "shutdown_timeout": "use --drain-seconds",
}
"""Refused by name, with the remedy."""


def check_frontend_args(values: Mapping[str, object]) -> None:
    """Raises CannotStart for an argument that `cogitate serve` cannot honour."""
    for name in values:
        if reason := REFUSED.get(name.replace("-", "_")):
            raise CannotStart(f"--{name.replace('_', '-')}: {reason}")


def load_parser_plugins(args: argparse.Namespace) -> None:
    """Import the parsers that the operator adds, as vLLM's launcher does before it builds anything.

    Raises CannotStart where a file cannot be imported.
    """
    try:
        if args.tool_parser_plugin:
            ToolParserManager.import_tool_parser(args.tool_parser_plugin)
        if args.reasoning_parser_plugin:
            ReasoningParserManager.import_reasoning_parser(args.reasoning_parser_plugin)
    except (ImportError, OSError, SyntaxError) as error:
        raise CannotStart(f"a parser plugin cannot be imported: {error}") from error


def list_frontend_flags() -> frozenset[str]:
    """Return the names of all flags of vLLM's API server, without those of its engine."""
    from vllm.engine.arg_utils import AsyncEngineArgs

    every = {action.dest for action in make_arg_parser(FlexibleArgumentParser())._actions}
    engine = {action.dest for action in AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())._actions}
    return frozenset(every - engine - {"help", "model_tag"})
