"""The file of --config: YAML with every flag by its name, and vLLM's flags under `engine:`.

model: Qwen/Qwen3-8B
port: 8000
presets:
  careful: {name: self_consistency, n: 32}
engine:
  tensor-parallel-size: 2
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic_settings import BaseSettings, YamlConfigSettingsSource

NOT_IN_FILE = frozenset({"config"})


class InvalidConfigFile(ValueError):
    """The file cannot be read, or has a key that is no setting. The message is one line that names the file."""


def read_config_file(path: Path, settings: type[BaseSettings]) -> dict[str, object]:
    """Read a file into values by setting. A key without a value is not set. Raises InvalidConfigFile."""
    if not path.expanduser().is_file():
        raise InvalidConfigFile(f"--config {path}: there is no such file")
    try:
        content: object = YamlConfigSettingsSource(settings, path).yaml_data
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise InvalidConfigFile(f"--config {path}: {describe_fault(error)}") from None
    names = set(settings.model_fields) - NOT_IN_FILE
    try:
        return rename_engine(to_settings(check_mapping(content), names))
    except InvalidConfigFile as error:
        raise InvalidConfigFile(f"--config {path}: {error}") from None


def describe_fault(error: Exception) -> str:
    """Return the reason and the line number of a YAML error, or an operating system's reason."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1} is not YAML: {error.problem}"
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    return "it is not a YAML mapping of flags to values"


def check_mapping(content: object) -> Mapping[object, object]:
    if not isinstance(content, Mapping):
        raise InvalidConfigFile("it is not a YAML mapping of flags to values")
    return content


def to_settings(content: Mapping[object, object], names: Collection[str]) -> dict[str, object]:
    """Return the values under the names of settings: dashes become underscores. Raises InvalidConfigFile."""
    values: dict[str, object] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0].replace('_', '-')}?" if near else "; vLLM's flags stand under `engine:`"
            raise InvalidConfigFile(f"{key} is not a flag of `cogitate serve`{hint}")
        if name in values:
            raise InvalidConfigFile(f"{key} is given twice")
        if value is not None:
            values[name] = value
    return values


def rename_engine(values: dict[str, object]) -> dict[str, object]:
    """Move a mapping under `engine` to `engine_args`; a word there is the setting --engine."""
    engine = values.get("engine")
    if not isinstance(engine, Mapping):
        return values
    if "engine_args" in values:
        raise InvalidConfigFile("vLLM's flags stand under `engine:` and under `engine-args:`; keep one")
    del values["engine"]
    return values | {"engine_args": {str(name): value for name, value in engine.items() if value is not None}}
