"""A sample as JSON in the cache. What is read from there is checked like any input: a broken entry is a miss."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, TypeAdapter, ValidationError, model_validator

from cogitate.server.protocol.json import dumps
from cogitate.strategies.core.logprobs import NO_LOGPROBS, Logprobs
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, ToolCall

MAX_SAMPLES = 256
"""Samples of one question: the largest n of a strategy."""
MAX_ENTRY_BYTES = 1 << 20
"""Samples of one question, encoded."""
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
NO_PROMPT = Prompt(())
"""Stands for the prompt of a stored sample, which is known by its identity, until it is used."""


class Columns(BaseModel):
    """Log-probabilities in the columns of `Logprobs`. JSON has no infinity: null stands for minus infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    starts: list[NonNegativeInt]
    ids: list[Int64]
    values: list[float | None]
    texts: list[str | None]

    @model_validator(mode="after")
    def _check(self) -> Self:
        size = len(self.ids)
        if not size == len(self.values) == len(self.texts):
            raise ValueError("the columns differ in length")
        ascending = all(a < b for a, b in zip(self.starts, [*self.starts[1:], size], strict=False))
        if not ascending or (self.starts[0] if self.starts else size):
            raise ValueError("the starts are no offsets of tokens")
        return self

    @classmethod
    def of(cls, logprobs: Logprobs) -> dict[str, object]:
        return {
            "starts": logprobs.starts.tolist(),
            "ids": logprobs.ids.tolist(),
            "values": logprobs.values.tolist(),
            "texts": logprobs.texts,
        }

    def to_logprobs(self) -> Logprobs:
        logprobs = Logprobs()
        values = [float("-inf") if value is None else value for value in self.values]
        logprobs.extend(self.starts, self.ids, values, self.texts)
        return logprobs


class StoredSample(BaseModel):
    """One complete sample. `created`: Unix time; `prompt`: the identity of its prompt among those of the request."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    created: int
    prompt: str
    text: str
    finish: Literal["stop", "length"]
    stopped_by: str | None
    token_ids: list[NonNegativeInt]
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt
    tokens_known: bool
    content: str | None
    tool_calls: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
    warnings: list[str]
    logprobs: Columns | None
    native: dict[str, Any] | None
    """The engine's own record, which that engine reads as the untrusted response that it was made from."""

    def to_completion(self) -> Completion:
        return Completion(
            prompt=NO_PROMPT,
            text=self.text,
            finish=self.finish,
            stopped_by=self.stopped_by,
            token_ids=tuple(self.token_ids),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            tokens_known=self.tokens_known,
            content=self.content,
            tool_calls=tuple(ToolCall(name, arguments) for name, arguments in self.tool_calls),
            warnings=tuple(self.warnings),
            logprobs=self.logprobs.to_logprobs() if self.logprobs else NO_LOGPROBS,
            native=self.native,
        )


_SAMPLES = TypeAdapter(list[StoredSample])


def encode_sample(prompt: str, sample: Completion, created: int) -> bytes | None:
    """Encode a sample; None where it cannot be: a text that is no Unicode, a record that is no JSON."""
    logprobs = sample.logprobs
    content = {
        "created": created,
        "prompt": prompt,
        "text": sample.text,
        "finish": sample.finish,
        "stopped_by": sample.stopped_by,
        "token_ids": sample.token_ids,
        "prompt_tokens": sample.prompt_tokens,
        "completion_tokens": sample.completion_tokens,
        "tokens_known": sample.tokens_known,
        "content": sample.content,
        "tool_calls": [[call.name, call.arguments] for call in sample.tool_calls],
        "warnings": sample.warnings,
        "logprobs": Columns.of(logprobs) if isinstance(logprobs, Logprobs) and logprobs else None,
        "native": sample.native,
    }
    try:
        return dumps(content)
    except TypeError:
        return None


def join_samples(encoded: Iterable[bytes]) -> bytes:
    """Join encoded samples to one entry: the first ones, as many as the limits allow."""
    parts, size = list[bytes](), 2
    for part in encoded:
        size += len(part) + 1
        if len(parts) == MAX_SAMPLES or size > MAX_ENTRY_BYTES:
            break
        parts.append(part)
    return b"[" + b",".join(parts) + b"]"


def parse_samples(entry: bytes, vocab_size: int | None) -> Sequence[StoredSample]:
    """Parse an entry; empty where it is broken, or has tokens that the model does not have."""
    try:
        samples = _SAMPLES.validate_python(orjson.loads(entry))
    except (orjson.JSONDecodeError, ValidationError):
        return ()
    limit = vocab_size or 2**31
    is_valid = len(samples) <= MAX_SAMPLES and all(max(each.token_ids, default=0) < limit for each in samples)
    return samples if is_valid else ()
