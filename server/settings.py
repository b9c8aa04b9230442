"""The operator's configuration: flags first, then environment variables, the file of --config, files of secrets.

Read once, frozen, passed on. The only module that reads or writes the environment.
"""

import json
import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cogitate.server.config.environment import PREFIX, UnknownVariable, find_unknown_variables, is_injected
from cogitate.server.config.presets import check_preset_names
from cogitate.server.config.sources import MergedSource
from cogitate.server.config.upstreams import assign_keys, check_names, fill_api_key
from cogitate.server.config.vllm_flags import with_underscores
from cogitate.server.config.vote_priors import check_vote_priors
from cogitate.server.config.workers import check_workers
from cogitate.server.flags.engine import ModelSettings, UpstreamSettings
from cogitate.server.flags.http import AuthenticationSettings, HttpSettings
from cogitate.server.flags.names import OLD_NAMES, to_flag
from cogitate.server.flags.operation import (
    CacheSettings,
    ConfigurationSettings,
    LimitSettings,
    ObservabilitySettings,
    SandboxSettings,
)

MIN_SECRET_CHARACTERS = 32
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
LISTS = ("upstream", "upstream_abilities", "allowed_host", "allow_field", "served_model_name")


class Settings(
    ModelSettings,
    ConfigurationSettings,
    UpstreamSettings,
    HttpSettings,
    AuthenticationSettings,
    LimitSettings,
    CacheSettings,
    SandboxSettings,
    ObservabilitySettings,
    BaseSettings,
):
    """Every field is a flag of `cogitate serve` and an environment variable COGITATE_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (MergedSource(settings_cls, init_settings),)

    @model_validator(mode="before")
    @classmethod
    def _read_upstream_api_key(cls, values: dict[str, Any]) -> dict[str, Any]:
        return fill_api_key(values)

    @field_validator("engine_args", "reward_engine_args", "presets", mode="before")
    @classmethod
    def _parse_json(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"is not JSON ({error})") from None

    @field_validator("code_exec", mode="before")
    @classmethod
    def _read_off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads the word as a truth value

    @field_validator("engine_args")
    @classmethod
    def _check_engine_args(cls, values: dict[str, object]) -> dict[str, object]:
        named = {with_underscores(name): value for name, value in values.items()}
        for name in sorted(named.keys() & cls.model_fields.keys()):
            raise ValueError(f"{name} is a setting of Cogitate: give {'MODEL' if name == 'model' else to_flag(name)}")
        return named

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip() not in ("", "none"))
        return value

    _check_vote_priors = field_validator("vote_priors")(check_vote_priors)
    _check_preset_names = field_validator("presets")(check_preset_names)

    @model_validator(mode="after")
    def _check_authentication(self) -> "Settings":
        if self.api_keys_file and self.has_engine_key:
            raise ValueError(
                "--api-keys-file and vLLM's --api-key (or VLLM_API_KEY) would both ask for the Authorization header: "
                "give one of them"
            )
        has_key = self.api_keys_file is not None or self.has_engine_key
        if self.host not in LOOPBACK_HOSTS and not has_key and not self.insecure_no_auth:
            raise ValueError(
                f"other machines can reach --host {self.host}: give --api-keys-file, use 127.0.0.1, or allow it with "
                "--insecure-no-auth"
            )
        return self

    @model_validator(mode="after")
    def _check_environment(self) -> "Settings":
        """Reject a misspelt COGITATE_ variable, which would be ignored silently."""
        if close := [str(unknown) for unknown in list_unknown_variables() if unknown.is_close]:
            raise ValueError(close[0])
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> "Settings":
        if self.engine == "openai" and not self.upstream:
            raise ValueError("--engine openai needs --upstream URL, a base URL that ends in /v1")
        beside_own = self.engine == "vllm"
        check_names(self.upstream, beside_own=beside_own, model=self.model, names=self.served_model_name)
        if self.engine == "openai" and self.engine_args:
            raise ValueError("flags of vLLM (--engine-args, or `engine:` in a file) need --engine vllm")
        if self.engine == "openai" and self.reward_model:
            raise ValueError("--reward-model needs --engine vllm")
        check_workers(self.workers, self.engine, self.redis_url is not None, self.max_generations)
        if self.reward_format and not self.reward_model:
            raise ValueError("--reward-format needs --reward-model")
        self.upstream_keys  # noqa: B018  raises where the number of keys is wrong
        return self

    @property
    def has_engine_key(self) -> bool:
        """Whether vLLM's own application asks for a key."""
        return self.engine == "vllm" and bool(self.engine_args.get("api_key") or os.environ.get("VLLM_API_KEY"))

    @property
    def client_name(self) -> str | None:
        """The name of the model in responses, where the operator has set one."""
        return self.served_model_name[0] if self.served_model_name else None

    @property
    def upstream_keys(self) -> tuple[SecretStr | None, ...]:
        """The API key of each upstream, in the order of `upstream`. Raises ValueError for a wrong number of keys."""
        return assign_keys(self.upstream_api_key.get_secret_value() if self.upstream_api_key else "", self.upstream)

    @property
    def cache_url(self) -> str | None:
        """The Redis URL. Where it has no password, the password file's is filled in; the user name stays.

        Raises OSError where the file cannot be read.
        """
        if self.redis_url is None:
            return None
        url = self.redis_url.get_secret_value()
        parts = urlsplit(url)
        if self.redis_password_file and not parts.password:
            user, _, address = parts.netloc.rpartition("@")
            password = quote(self.redis_password_file.read_text().strip(), safe="")
            url = parts._replace(netloc=f"{user.removesuffix(':')}:{password}@{address}").geturl()
        return url

    @property
    def cache_secret(self) -> bytes | None:
        """The content of the cache's secret file. Raises ValueError where it is short, OSError where it is missing."""
        if self.cache_secret_file is None:
            return None
        secret = self.cache_secret_file.read_bytes().strip()
        if len(secret) < MIN_SECRET_CHARACTERS:
            raise ValueError(f"the secret in --cache-secret-file must have at least {MIN_SECRET_CHARACTERS} characters")
        return secret


def list_unknown_variables() -> list[UnknownVariable]:
    """List the environment variables COGITATE_* that are no settings, and that Kubernetes does not inject."""
    names = {f"{PREFIX}{name.upper()}" for name in (*Settings.model_fields, *OLD_NAMES.values())}
    return find_unknown_variables(os.environ, names)


def explain(error: ValidationError, given: Mapping[str, object] | None = None) -> str:
    """Return the first fault in one line that names the flag and, where it has another source, that source.

    `given`: the flags on the command line, by setting.
    """
    first = error.errors(include_input=False, include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return reason
    name, *path = map(str, first["loc"])
    origin = "" if name in (given or {}) else find_origin(name, (given or {}).get("config"))
    return f"{to_flag(name)}: {'.'.join(path)}{': ' if path else ''}{reason}{origin and f' (in {origin})'}"


def find_origin(name: str, config: object = None) -> str:
    """Return the variable or the file that a setting's value comes from; empty where there is none."""
    for each in (name, OLD_NAMES.get(name, name)):
        variable = f"{PREFIX}{each.upper()}"
        value = os.environ.get(variable)
        if value and not is_injected(variable, value):
            return variable
    return str(config or os.environ.get(f"{PREFIX}CONFIG") or "")


def keys_file() -> Path | None:
    """Return the API keys file that the environment names, for commands other than `serve`."""
    path = os.environ.get(f"{PREFIX}API_KEYS_FILE")
    return Path(path) if path else None


def user_cache() -> Path:
    """Return the folder where this user's programs cache files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def prepare_engine_environment(defaults: Mapping[str, str]) -> None:
    """Set environment variables that vLLM reads, unless the operator has set them. Call it before importing vLLM."""
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def share_metrics(folder: Path) -> None:
    """Name the folder in which prometheus_client shares this process's metrics with others."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def preload(*names: str) -> None:
    """Add shared libraries (allocator, OpenMP) to LD_PRELOAD for engine processes, as far as they are installed."""
    folders = [Path(sysconfig.get_path("data")) / "lib", Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib")]
    paths = [str(path) for name in names for folder in folders if (path := folder / name).exists()]
    os.environ["LD_PRELOAD"] = ":".join(filter(None, [os.environ.get("LD_PRELOAD"), *paths]))
