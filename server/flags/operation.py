"""Flags of the process: where its configuration is, its limits, cache, sandbox and log."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


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
