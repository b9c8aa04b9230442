"""Request body of `POST /v1/completions`: a raw prompt, without a chat template."""

from typing import Annotated, Literal, cast

from pydantic import Field

from cogitate.server.protocol.chat import ChatRequest, SampledRequest, TokenId
from cogitate.strategies.core.prompt import Prompt


class CompletionRequest(SampledRequest):
    """A raw prompt: text or token ids, one or several."""

    prompt: (
        Annotated[str, Field(min_length=1, max_length=1_000_000)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=128)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=128)]
    )
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def strategy_prompt(self) -> Prompt:
        """The one prompt that a strategy answers."""
        only = self.prompt[0] if self.is_batch else self.prompt
        return Prompt((), raw=only if isinstance(only, str) else tuple(cast("list[int]", only)))

    @property
    def alternatives(self) -> int | None:
        """Number of alternatives for each token; None: no log-probabilities."""
        return self.logprobs

    @property
    def is_batch(self) -> bool:
        """Whether `prompt` is a list of prompts."""
        return isinstance(self.prompt, list) and not isinstance(self.prompt[0], int)

    @property
    def width(self) -> int:
        """Number of prompts."""
        return len(self.prompt) if self.is_batch else 1


AnyRequest = ChatRequest | CompletionRequest
