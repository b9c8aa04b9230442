"""Fields that chat and completion requests share.

Request models are closed and bounded: an unknown field is an error, so that none is dropped silently. Next to OpenAI's
fields are vLLM's sampling fields; `strategy`, `budget` and `cache` are this server's own.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cogitate.server.protocol.messages import RequestModel, StrategyField
from cogitate.server.protocol.validation import contradiction

JSON = Any
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class StreamOptions(RequestModel):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None
    include_progress: bool | None = None
    """This server's own: send a chunk for each event of the search."""


class BudgetOptions(RequestModel):
    """Limits of a search. When one is reached, the best answer so far is returned and marked."""

    seconds: float | None = Field(default=None, gt=0, le=86_400)
    tokens: int | None = Field(default=None, ge=1, le=2**31)


class SampledRequest(RequestModel):
    """Base of chat and completion requests."""

    model: Annotated[str, Field(max_length=512)]
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

    # vLLM's sampling fields
    top_k: Annotated[int, Field(ge=-1, le=2**20)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    min_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=128)] | None = None
    allowed_token_ids: Annotated[list[TokenId], Field(min_length=1, max_length=1024)] | None = None
    bad_words: Annotated[list[Stop], Field(max_length=128)] | None = None
    echo: bool | None = None
    return_token_ids: bool | None = None

    # this server's own fields
    strategy: StrategyField | None = None
    budget: BudgetOptions | None = None
    cache: Literal["default", "no-store", "refresh"] = "default"

    @model_validator(mode="after")
    def _check_dependencies(self) -> "SampledRequest":
        if self.stream_options and not self.stream:
            raise contradiction("stream_options", "It needs stream to be true")
        if self.min_tokens and self.limit and self.min_tokens > self.limit:
            raise contradiction("min_tokens", "It is above max_tokens")
        return self

    @property
    def limit(self) -> int | None:
        """Maximum number of tokens in the answer; None where the client sets none."""
        return self.max_tokens

    @property
    def stop_strings(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def constrains_text(self) -> bool:
        """Whether the request restricts the text or its end, so that nothing may be appended to what was decoded."""
        return bool(self.stop or self.stop_token_ids or self.bad_words or self.allowed_token_ids or self.logit_bias)

    @property
    def needs_engine_stream(self) -> bool:
        """Whether it asks for what only the engine's own stream has: token ids, or usage with every chunk."""
        continuous = self.stream_options is not None and self.stream_options.continuous_usage_stats
        return bool(continuous or self.return_token_ids)

    def value_of(self, name: str) -> object:
        """Value of a field; None for a field that this kind of request does not have."""
        return self.__dict__.get(name)

    def to_upstream(self) -> Mapping[str, JSON]:
        """Build the body for a plain OpenAI server: without our own fields and those that the client left out."""
        body = self.model_dump(exclude_unset=True, exclude_none=True, by_alias=True, exclude=FIELDS_NOT_SENT_UPSTREAM)
        if options := body.get("stream_options"):
            options.pop("include_progress", None)
        return body


FIELDS_NOT_SENT_UPSTREAM = {"strategy", "budget", "cache", "best_of", "suffix"}
"""This server's own fields, and those of OpenAI that are accepted without effect."""
FIELDS_NOT_SENT_UPSTREAM |= {"store", "service_tier", "safety_identifier", "prompt_cache_key", "modalities"}
