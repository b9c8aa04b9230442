"""Merges the sources of the settings: flags, environment variables, the file of --config, files of secrets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SecretsSettingsSource

from cogitate.server.config.environment import is_injected
from cogitate.server.config.file import read_config_file
from cogitate.server.config.vllm_flags import parse_object, with_underscores
from cogitate.server.flags.names import OLD_NAMES

SECRETS_DIR = Path("/run/secrets")
"""Where Docker mounts secrets."""
ENGINE_ARGS = ("engine_args", "reward_engine_args")
"""Settings that are vLLM's flags: a source replaces single flags of the next."""


class MissingSecretsDir(ValueError):
    """--secrets-dir is not a folder that can be read. The message is one line."""


class MergedSource(PydanticBaseSettingsSource):
    """All sources as one, the first that has a setting first.

    pydantic-settings' own merge replaces a JSON object that is given as text, and would mix the options of two presets.
    """

    def __init__(self, settings: type[BaseSettings], given: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._given = given

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("this source has no single fields")

    def __call__(self) -> dict[str, Any]:
        """Raises InvalidConfigFile or MissingSecretsDir."""
        environment = EnvSettingsSource(self.settings_cls)
        environment.env_vars = {
            name: value for name, value in environment.env_vars.items() if not is_injected(name, value)
        }
        named = self._read_old_names(environment.env_vars) | environment()
        merged = merge(self._given(), named)
        if config := merged.get("config"):
            merged = merge(merged, read_config_file(Path(config), self.settings_cls))
        return merge(merged, read_secrets(self.settings_cls, merged.get("secrets_dir")))

    def _read_old_names(self, variables: Mapping[str, str | None]) -> dict[str, Any]:
        prefix = self.config.get("env_prefix", "").lower()
        values = {name: variables.get(f"{prefix}{old}") for name, old in OLD_NAMES.items()}
        return {name: value for name, value in values.items() if value}


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of both; `first` wins, for JSON objects entry by entry."""
    merged = {**second, **first}
    for name in {*ENGINE_ARGS, "presets"} & set(first) & set(second):
        above, below = parse_object(first[name]), parse_object(second[name])
        if isinstance(above, Mapping) and isinstance(below, Mapping):
            merged[name] = merge_by_name(above, below) if name in ENGINE_ARGS else {**below, **above}
    return merged


def merge_by_name(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return vLLM's flags of both. A flag in `above` replaces the one in `below`, with its keys (`name.key`)."""
    values = {with_underscores(name): value for name, value in above.items()}
    replaced = {name.partition(".")[0] for name in values}
    others = {with_underscores(name): value for name, value in below.items()}
    return {name: value for name, value in others.items() if name.partition(".")[0] not in replaced} | values


def read_secrets(settings: type[BaseSettings], folder: object) -> dict[str, Any]:
    """Read the files of --secrets-dir, or of /run/secrets where that exists. Raises MissingSecretsDir."""
    path = Path(str(folder)).expanduser() if folder else SECRETS_DIR
    if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
        return SecretsSettingsSource(settings, secrets_dir=path)()
    if folder:
        raise MissingSecretsDir(f"--secrets-dir {folder} is not a folder that can be read")
    return {}
