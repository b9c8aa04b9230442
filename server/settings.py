"""What the operator decided: flags first, then the environment. Read once, frozen, passed on.

The only module that touches the environment.
"""

import json
import os
import re
import sysconfig
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cogitate.strategies import STRATEGIES, AnyStrategy
from cogitate.strategies.core.ports import Ability

ENVIRONMENT_ONLY = frozenset({"upstream_api_key"})
"""Secrets, which a command line would show to everybody on the machine."""
PREFIX = "COGITATE_"
LEAST_SECRET = 32
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Settings(BaseSettings):
    """Every field is a flag of `cogitate serve` and an environment variable COGITATE_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    model: str | None = Field(default=None, description="A Hugging Face id or a folder; default: the demo model")
    engine: Literal["vllm", "openai"] = Field(
        default="vllm", description="Where tokens come from: vLLM in this process, or OpenAI-compatible upstreams"
    )
    upstream: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="With --engine openai: a base URL that ends in /v1; repeatable, one for each replica"
    )
    upstream_api_key: SecretStr | None = Field(
        default=None, description="The upstreams' key, or one for each, separated by commas"
    )
    upstream_timeout: float = Field(default=600, gt=0, description="Seconds for one upstream answer, retries included")
    upstream_idle_timeout: float = Field(
        default=60, gt=0, description="Seconds that an upstream's stream may be silent"
    )
    upstream_connect_timeout: float = Field(default=5, gt=0, description="Seconds to connect to an upstream")
    upstream_abilities: Annotated[frozenset[Ability] | None, NoDecode] = Field(
        default=None, description="What the upstreams can do, of continue,logprobs,seed,n; or none; default: found out"
    )
    served_model_name: str | None = Field(default=None, description="The name clients use; default: MODEL")
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    allowed_host: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="A name that a proxy in front of a loopback --host sends as Host; repeatable"
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0: any free one")
    redis_url: SecretStr | None = Field(default=None, description="redis://...; default: a cache in this process")
    redis_password_file: Path | None = Field(default=None, description="File with Redis' password, if not in the URL")
    cache_secret_file: Path | None = Field(
        default=None,
        description="File with a secret of 32 characters or more, the same for all servers of one Redis: what is kept "
        "there is signed and named with it; default: anybody who can write to Redis can write answers",
    )
    cache_ttl: int = Field(default=3600, ge=1, description="Seconds that a finished answer is kept")
    kept_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="Bytes of finished answers, and as many of traces, that are kept in this process",
    )
    api_keys_file: Path | None = Field(default=None, description="Keys; without it only a loopback --host is accepted")
    insecure_no_auth: bool = Field(
        default=False, description="Serve a --host that others can reach without keys: whoever reaches it may use it"
    )
    engine_args: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict, description="JSON: any of vLLM's own arguments, such as tensor_parallel_size"
    )
    reward_model: str | None = Field(default=None, description="A reward model, served as verifier `reward`")
    reward_format: Literal["qwen", "qwen_rm", "rlhflow", "math_shepherd", "skywork_prm", "outcome"] | None = Field(
        default=None, description="What it was trained to read; default: as its configuration tells"
    )
    reward_engine_args: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict, description="JSON: vLLM's arguments for the reward model"
    )
    presets: Annotated[dict[str, AnyStrategy], NoDecode] = Field(
        default_factory=dict,
        description='JSON: strategies with options under names of yours, {"careful": {"name": "self_consistency", '
        '"n": 32}}; clients ask for NAME@careful',
    )
    max_concurrent_requests: int = Field(default=256, ge=1, description="Requests in flight before clients get a 429")
    max_generations: int | None = Field(
        default=None,
        ge=1,
        description="Generations at once, shared fairly by tenants and requests; default: the engine's",
    )
    max_waiting_generations: int = Field(
        default=4096, ge=0, description="Generations that may wait beyond those before clients get a 429"
    )
    max_cost: int = Field(default=1_000_000, ge=1, description="Completion tokens that one request may cost at most")
    code_exec: str = Field(
        default="off",
        pattern=r"^(off|bwrap|landlock|remote:/.+)$",
        description="What holds programs that models write: off, bwrap, landlock or remote:/path/to.sock; no default "
        "but off, and no weaker one in its place",
    )
    max_body_bytes: int = Field(
        default=2 * 1024 * 1024, ge=1024, description="The largest body; raise it for images as data: URLs"
    )
    receive_seconds: float = Field(default=30, gt=0, description="What a client has to send its body")
    send_seconds: float = Field(default=30, gt=0, description="How long a stream waits for a client that reads nothing")
    stall_seconds: float = Field(
        default=30,
        gt=0,
        description="How long an engine with work may make no token until it is not ready; after three times as long "
        "the process ends, for its supervisor to start another",
    )
    drain_seconds: float = Field(default=30, ge=0, description="What SIGTERM leaves to requests in flight")
    engine_log: Path | None = Field(
        default=None, description="File for the engine's own log; - for stderr; default: engine.log in the user's cache"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Our own log")

    @field_validator("engine_args", "reward_engine_args", "presets", mode="before")
    @classmethod
    def _json(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"is not JSON ({error})") from None

    @field_validator("upstream", "upstream_abilities", "allowed_host", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip() not in ("", "none"))
        return value

    @field_validator("presets")
    @classmethod
    def _named(cls, presets: dict[str, AnyStrategy]) -> dict[str, AnyStrategy]:
        for name in presets:
            if name in STRATEGIES or not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
                raise ValueError(f"a preset cannot be called {name[:64]!r}")
        return presets

    @model_validator(mode="after")
    def _closed(self) -> "Settings":
        if self.host not in LOOPBACK and self.api_keys_file is None and not self.insecure_no_auth:
            words = "give --api-keys-file, or keep to 127.0.0.1 (or say --insecure-no-auth)"
            raise ValueError(f"host {self.host} can be reached by others: {words}")
        return self

    @model_validator(mode="after")
    def _known(self) -> "Settings":
        """A setting that is misspelt must not be silently missing."""
        known = {f"{PREFIX}{name.upper()}": name for name in type(self).model_fields}
        for name in os.environ:
            if name.startswith(PREFIX) and name not in known:
                near = get_close_matches(name, known, 1)
                raise ValueError(f"{name} is no setting{f'; did you mean {near[0]}?' if near else ''}")
        return self

    @model_validator(mode="after")
    def _paired(self) -> "Settings":
        if self.engine == "openai" and not self.upstream:
            raise ValueError("--engine openai needs --upstream URL, a base URL that ends in /v1")
        if self.engine == "vllm" and self.upstream:
            raise ValueError("--upstream needs --engine openai")
        if self.engine == "openai" and self.reward_model:
            raise ValueError("--reward-model needs --engine vllm")
        if self.reward_format and not self.reward_model:
            raise ValueError("--reward-format needs --reward-model")
        self.upstream_keys  # noqa: B018  as many keys as upstreams
        return self

    @property
    def upstream_keys(self) -> tuple[SecretStr | None, ...]:
        """The key of each upstream, in their order."""
        said = self.upstream_api_key.get_secret_value() if self.upstream_api_key else ""
        keys = [SecretStr(key.strip()) if key.strip() else None for key in said.split(",")]
        if len(keys) not in (1, len(self.upstream)):
            raise ValueError("COGITATE_UPSTREAM_API_KEY holds neither one key nor one for each --upstream")
        return tuple(keys * len(self.upstream) if len(keys) == 1 else keys)

    @property
    def cache_url(self) -> str | None:
        """The Redis URL, with the password from the file where it has none; the user stays."""
        if self.redis_url is None:
            return None
        url = self.redis_url.get_secret_value()
        parts = urlsplit(url)
        if self.redis_password_file and not parts.password:
            user, _, place = parts.netloc.rpartition("@")
            password = quote(self.redis_password_file.read_text().strip(), safe="")
            url = parts._replace(netloc=f"{user.removesuffix(':')}:{password}@{place}").geturl()
        return url

    @property
    def cache_secret(self) -> bytes | None:
        """What the file holds. ValueError where that is too little, OSError where there is none."""
        if self.cache_secret_file is None:
            return None
        secret = self.cache_secret_file.read_bytes().strip()
        if len(secret) < LEAST_SECRET:
            raise ValueError(f"the cache's secret must have {LEAST_SECRET} characters or more")
        return secret


def keys_file() -> Path | None:
    """The keys file that the environment names."""
    named = os.environ.get("COGITATE_API_KEYS_FILE")
    return Path(named) if named else None


def user_cache() -> Path:
    """Where this user's programs keep their caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def prepare_engine_environment(defaults: Mapping[str, str]) -> None:
    """What vLLM reads from the environment, where the operator has not said otherwise. Before vLLM is imported."""
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def preload(*names: str) -> None:
    """Have engine processes load these shared libraries first, where they exist (allocator, OpenMP)."""
    folders = [Path(sysconfig.get_path("data")) / "lib", Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib")]
    found = [str(path) for name in names for folder in folders if (path := folder / name).exists()]
    already = os.environ.get("LD_PRELOAD", "")
    os.environ["LD_PRELOAD"] = ":".join(filter(None, [already, *found]))
