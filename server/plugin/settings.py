"""The settings of the plugin: COGITATE_* variables, without those that only `cogitate serve` can honour."""

from cogitate.server.flags.engine import UpstreamSettings
from cogitate.server.flags.http import AuthenticationSettings, HttpSettings
from cogitate.server.flags.operation import ObservabilitySettings
from cogitate.server.settings import Settings

HONOURED = frozenset({"max_body_bytes", "receive_seconds", "send_seconds", "drain_seconds"})
"""Settings of HTTP that hold for the routes of strategies here too."""
LAUNCHER_SETTINGS = frozenset(
    {
        *UpstreamSettings.model_fields,
        *AuthenticationSettings.model_fields,
        *HttpSettings.model_fields,
        "model",
        "engine",
        "served_model_name",
        "engine_args",
        *ObservabilitySettings.model_fields,
    }
    - HONOURED
)


class SettingNotHonoured(Exception):
    """A variable of the environment sets what vLLM's own flags decide here. The message is one line."""


def read_settings() -> Settings:
    """Read the environment. Raises SettingNotHonoured, or pydantic's ValidationError."""
    settings = Settings()
    for name in sorted(settings.model_fields_set & LAUNCHER_SETTINGS):
        raise SettingNotHonoured(
            f"COGITATE_{name.upper()} has no effect in `vllm serve`: use vLLM's own flags, or start `cogitate serve`."
        )
    return settings
