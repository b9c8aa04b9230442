"""Settings under `vllm serve`: those that only the launcher could honour stop the start with a line that names them."""

import os
import subprocess
import sys

import pytest

from cogitate.server.plugin.settings import LAUNCHER_SETTINGS
from cogitate.server.settings import Settings

PROGRAM = "from cogitate.server.plugin.settings import read_settings; print(read_settings().model_fields_set)"


def read(**variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **variables}  # noqa: TID251 of a process of its own
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "value"),
    [("API_KEYS_FILE", "/keys"), ("PORT", "9000"), ("SERVED_MODEL_NAME", "x"), ("ENGINE_LOG", "-"), ("MODEL", "x")],
)
def test_setting_of_the_launcher_is_named(name, value):
    result = read(**{f"COGITATE_{name}": value})
    assert result.returncode == 1
    assert f"COGITATE_{name} has no effect in `vllm serve`: use vLLM's own flags" in result.stderr


def test_settings_of_strategies_are_read():
    result = read(COGITATE_MAX_COST="5000", COGITATE_REDIS_URL="redis://127.0.0.1:6379/0")
    assert result.stdout.strip() in ("{'max_cost', 'redis_url'}", "{'redis_url', 'max_cost'}"), result.stderr


def test_every_name_is_a_setting_and_the_rest_is_honoured():
    assert set(Settings.model_fields) >= LAUNCHER_SETTINGS
    honoured = set(Settings.model_fields) - LAUNCHER_SETTINGS
    assert {"redis_url", "presets", "max_cost", "code_exec", "reward_model", "stall_seconds"} <= honoured
