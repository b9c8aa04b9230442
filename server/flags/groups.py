"""The groups of flags, in the order of `cogitate serve --help`."""

from pydantic import BaseModel

from cogitate.server.flags.engine import ModelSettings, UpstreamSettings
from cogitate.server.flags.http import AuthenticationSettings, HttpSettings
from cogitate.server.flags.operation import (
    CacheSettings,
    ConfigurationSettings,
    LimitSettings,
    ObservabilitySettings,
    SandboxSettings,
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
"""Titles are the classes' docstrings."""
