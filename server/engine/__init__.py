"""The Backend port and its adapters: vLLM in this process (`vllm`, `reward`) and upstream replicas (`remote`)."""

from cogitate.server.engine.base import (
    Backend,
    Body,
    CannotStart,
    Conversation,
    Events,
    HasApplication,
    HasUpstreams,
    Load,
    ModelCard,
    ReportsUsage,
    TenantScoped,
    UpstreamState,
    WrongFlag,
    salt_verifiers,
)

__all__ = [
    "Backend",
    "Body",
    "CannotStart",
    "Conversation",
    "Events",
    "HasApplication",
    "HasUpstreams",
    "Load",
    "ModelCard",
    "ReportsUsage",
    "TenantScoped",
    "UpstreamState",
    "WrongFlag",
    "salt_verifiers",
]
