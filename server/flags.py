"""The flags of `cogitate serve`, by the groups in its help.

Each is also an environment variable, COGITATE_<FLAG>, and a key of the file of --config.

The docstring of a class is the title of its group, the description of a field is the flag's help. Checks of values are
in settings.py.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import NoDecode

from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Ability

ENVIRONMENT_ONLY = frozenset({"upstream_api_key"})
"""Secrets, which have no flag: every user of the machine can read a command line."""
OLD_NAMES = {"cache_bytes": "kept_bytes"}
"""Former names, accepted as flags and environment variables without being documented."""
SharedField = Literal[
    "kv_transfer_params",
    "cache_salt",
    "request_id",
    "vllm_xargs",
    "mm_processor_kwargs",
    "media_io_kwargs",
    "prompt_embeds",
    "chat_template",
]
"""Fields of a request that reach past it: into other tenants' cache entries, files or templates."""


class ConfigurationSettings(BaseModel):
    """configuration"""

    config: Path | None = Field(
        default=None,
        description="YAML file with any of these flags by its name, and vLLM's under `engine:`. Flags and environment "
        "variables win over it",
    )
    secrets_dir: Path | None = Field(
        default=None,
        description="Folder with a file for each secret setting, named like its variable, such as "
        "cogitate_upstream_api_key (default: /run/secrets, if there is one)",
    )


class ModelSettings(BaseModel):
    """model and engine"""

    model: str | None = Field(default=None, description="Hugging Face id or folder (default: a small demo model)")
    engine: Literal["vllm", "openai"] = Field(
        default="vllm", description="vllm: run the model in this server; openai: use OpenAI-compatible upstreams"
    )
    served_model_name: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Names that clients use, separated by spaces; responses have the first (default: MODEL)",
    )
    engine_args: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict,
        description='Flags of `vllm serve` as JSON, such as {"tensor_parallel_size": 2}. They may also be given as '
        "flags: --tensor-parallel-size 2",
    )
    presets: Annotated[dict[str, AnyStrategy], NoDecode] = Field(
        default_factory=dict,
        description='Named strategies with options as JSON, such as {"careful": {"name": "self_consistency", '
        '"n": 32}}. Clients select one by the model name NAME@careful',
    )
    vote_priors: Path | None = Field(
        default=None,
        description="File of priors that `cogitate eval --prior-out` learned; votes stop by that of NAME@PRESET, or of "
        "NAME (default: a uniform prior)",
    )
    reward_model: str | None = Field(default=None, description="Reward model to load, offered as verifier `reward`")
    reward_format: (
        Literal["qwen", "qwen_rm", "rlhflow", "math_shepherd", "skywork_prm", "outcome", "generative"] | None
    ) = Field(default=None, description="Input format of the reward model (default: detected from its configuration)")
    reward_engine_args: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict, description="vLLM engine arguments of the reward model as JSON"
    )
    stall_seconds: float = Field(
        default=30,
        gt=0,
        description="Time without a new token, while requests are running, after which the server is not ready. After "
        "three times as long the process exits, so that its supervisor restarts it",
    )


class UpstreamSettings(BaseModel):
    """upstreams"""

    upstream: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Base URL of an upstream, ending in /v1. Repeatable: one for each replica. NAME=URL names its "
        "model; several names are several models, also beside the one of --engine vllm. Every address of a DNS name, "
        "such as a headless Service of Kubernetes, is a replica; the name is read every 5 seconds. With https the name "
        "is one replica",
    )
    upstream_api_key: SecretStr | None = Field(
        default=None,
        description="API key of all upstreams, or one for each, separated by commas, or NAME=KEY for each name",
    )
    upstream_api_key_file: Path | None = Field(
        default=None,
        description="File with the API keys of upstreams, as in the environment variable COGITATE_UPSTREAM_API_KEY: "
        "one for all, one for each, separated by commas, or NAME=KEY for each name",
    )
    upstream_timeout: float = Field(
        default=600, gt=0, description="Seconds for one upstream response, retries included"
    )
    upstream_idle_timeout: float = Field(default=60, gt=0, description="Seconds between two chunks of a stream")
    upstream_connect_timeout: float = Field(default=5, gt=0, description="Seconds to connect to an upstream")
    upstream_abilities: Annotated[frozenset[Ability] | None, NoDecode] = Field(
        default=None,
        description="What the upstreams support: a comma-separated list of continue, logprobs, seed and n, or none "
        "(default: probed at start-up)",
    )


class HttpSettings(BaseModel):
    """HTTP"""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 for any free port")
    workers: int = Field(
        default=1,
        ge=1,
        le=128,
        description="Processes that share the port, with --engine openai. More than one need --redis-url. "
        "--max-generations is divided among them; the other limits of the server, and --cache-bytes, are each one's",
    )
    allowed_host: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Further Host name to accept on a loopback --host, such as that of a proxy. Repeatable",
    )
    max_body_bytes: int = Field(
        default=2 * 1024 * 1024,
        ge=1024,
        description="Maximum size of a request body. Raise it for images as data: URLs",
    )
    receive_seconds: float = Field(default=30, gt=0, description="Time for a client to send its request body")
    send_seconds: float = Field(default=30, gt=0, description="Time for a client to read the next chunk of a stream")
    linger_seconds: float = Field(
        default=0,
        ge=0,
        description="Time after SIGTERM in which the server is not ready but still accepts requests, so that a load "
        "balancer can notice; --drain-seconds follow",
    )
    drain_seconds: float = Field(
        default=30, ge=0, description="Time for requests in flight to finish after SIGTERM; new ones get a 503"
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port of a second listener on --host with /metrics and /health alone, which asks for no key; 0 for "
        "any free port",
    )


class AuthenticationSettings(BaseModel):
    """authentication"""

    api_keys_file: Path | None = Field(
        default=None,
        description="API keys file, as written by `cogitate keys new`. Without it --host must be a loopback address",
    )
    insecure_no_auth: bool = Field(
        default=False, description="Allow a --host that other machines can reach without API keys"
    )
    allow_field: Annotated[tuple[SharedField, ...], NoDecode] = Field(
        default=(),
        description="With --api-keys-file: field of vLLM's requests that reaches past one request, to accept although "
        "tenants share the engine. Repeatable",
    )


class LimitSettings(BaseModel):
    """limits"""

    max_concurrent_requests: int = Field(
        default=256, ge=1, description="Maximum number of requests in flight; more get a 429"
    )
    max_generations: int | None = Field(
        default=None,
        ge=1,
        description="Maximum number of concurrent generations, shared fairly between tenants and requests "
        "(default: the engine's capacity)",
    )
    max_waiting_generations: int = Field(
        default=4096, ge=0, description="Maximum number of queued generations; requests beyond it get a 429"
    )
    max_cost: int = Field(
        default=1_000_000, ge=1, description="Maximum number of completion tokens that one request may cost"
    )


class CacheSettings(BaseModel):
    """cache"""

    redis_url: SecretStr | None = Field(
        default=None, description="Redis that several servers share, as redis://... (default: a cache in this process)"
    )
    redis_password_file: Path | None = Field(
        default=None, description="File with the Redis password, if it is not in the URL"
    )
    cache_secret_file: Path | None = Field(
        default=None,
        description="File with a secret of at least 32 characters, the same for all servers of one Redis, that signs "
        "entries and hides their names. Without it anyone who can write to Redis can forge responses",
    )
    cache_ttl: int = Field(default=3600, ge=1, description="Seconds that a response stays in the cache")
    cache_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="Maximum size of the in-process response cache, of the traces in memory, and of stored responses",
    )


class SandboxSettings(BaseModel):
    """sandbox"""

    code_exec: str = Field(
        default="off",
        pattern=r"^(off|bwrap|landlock|remote:/.+)$",
        description="Sandbox for model-written programs: off, bwrap, landlock, or remote:SOCKET. "
        "The server never falls back to a weaker one",
    )


class ObservabilitySettings(BaseModel):
    """logs"""

    engine_log: Path | None = Field(
        default=None,
        description="File for vLLM's own log; - for stderr (default: engine.log in the user's cache folder)",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Level of the server's log"
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Lines of the server's log; each request is one, with its id"
    )


GROUPS: tuple[type[BaseModel], ...] = (
    ModelSettings,
    ConfigurationSettings,
    UpstreamSettings,
    HttpSettings,
    AuthenticationSettings,
    LimitSettings,
    CacheSettings,
    SandboxSettings,
    ObservabilitySettings,
)
"""The groups of flags in `cogitate serve --help`, in order. Titles are the classes' docstrings."""


def to_flag(name: str) -> str:
    """Return the flag of a setting."""
    return f"--{name.replace('_', '-')}"
