"""Bodies of the routes that list what is served, and of those that report a state."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    id: str
    """The model's name, or `NAME@STRATEGY` for the same model under a strategy or preset."""
    object: Literal["model"] = "model"
    created: int = 0
    """Seconds since 1970."""
    owned_by: str = ""
    max_model_len: NonNegativeInt | None = None
    """Tokens of the model's context; an adapter has that of its model."""


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class StrategyCard(BaseModel):
    """One strategy: what it does, where it helps, and what options it takes."""

    name: str
    summary: str
    paper: str
    when: str
    """What it is for."""
    when_not: str
    """What it is not for."""
    cost: str
    """Its price in answers, each of at most max_tokens."""
    version: int
    """Part of the cache key: it rises when the strategy would answer differently."""
    schema_: dict[str, Any] = Field(alias="schema")
    """JSON schema of its options."""


class StrategyList(BaseModel):
    object: Literal["list"] = "list"
    data: list[StrategyCard]


class Status(BaseModel):
    status: Literal["live", "ready"]


class LimitUsage(BaseModel):
    """What is counted in a window that is open, beside its limit."""

    used: int
    limit: int | None
    """null: there is none."""
    reset_seconds: float
    """Until the window ends."""


class GenerationsUsage(BaseModel):
    in_flight: int
    """In this process."""
    limit: int | None


class KeyUsage(BaseModel):
    """What a key has used, and its limits. Without keys nothing is counted."""

    object: Literal["usage"] = "usage"
    tenant: str
    key: str
    """Identifies the key: the first 8 hex digits of its SHA-256."""
    requests_per_minute: LimitUsage
    """Counted where the key has this limit."""
    tokens_per_minute: LimitUsage
    """Decoded tokens; of requests that run, the most that they may decode where the key has this limit."""
    tokens_per_day: LimitUsage
    generations: GenerationsUsage
    max_cost: int | None


class Cancellation(BaseModel):
    id: str
    object: Literal["request"] = "request"
    cancelled: Literal[True] = True


class AnswerNow(BaseModel):
    id: str
    object: Literal["request"] = "request"
    asked: Literal[True] = True
