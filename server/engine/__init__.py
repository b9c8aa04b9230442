"""Where tokens come from: the Backend port, and its adapters."""

from cogitate.server.engine.base import (
    Backend,
    Body,
    CannotStart,
    Conversation,
    Load,
    ModelCard,
    Shared,
    salted,
)

__all__ = ["Backend", "Body", "CannotStart", "Conversation", "Load", "ModelCard", "Shared", "salted"]
