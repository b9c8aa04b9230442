"""A request body that asks for no strategy, as the client sent it: vLLM's own handlers validate it.

Only the fields that this server's limits and its cache depend on are read, as leniently as vLLM's models read them: "8"
and 8.0 are 8. What is no value of the field's type counts as absent here, and is vLLM's to refuse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import TypeAdapter, ValidationError

from cogitate.server.protocol.json import dumps

OWN_FIELDS = frozenset({"strategy", "budget", "cache"})
"""This server's own fields, which no engine is sent."""
LIMIT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
    "/v1/messages": ("max_tokens",),
}
"""Path -> the fields that limit one answer, the first that is set wins."""
ID_PREFIXES = {"/v1/completions": "cmpl", "/v1/responses": "resp", "/v1/messages": "msg"}
T = TypeVar("T")
INT, FLOAT, BOOL = TypeAdapter(int), TypeAdapter(float), TypeAdapter(bool)


@dataclass(frozen=True, slots=True)
class PlainBody:
    """The JSON object of a request to one of vLLM's paths."""

    path: str
    content: Mapping[str, Any]
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """The client's headers that vLLM may read: without those of the connection and of authentication."""

    strategy: ClassVar[None] = None
    stream_options: ClassVar[None] = None
    """Read by vLLM alone."""

    @property
    def model(self) -> str:
        return str(self.content.get("model", ""))

    @property
    def budget(self) -> object:
        return self.content.get("budget")

    @property
    def cache(self) -> object:
        return self.content.get("cache", "default")

    @property
    def stream(self) -> bool:
        return read(BOOL, self.content.get("stream")) is True

    @property
    def seed(self) -> int | None:
        return read(INT, self.content.get("seed"))

    @property
    def temperature(self) -> float | None:
        return read(FLOAT, self.content.get("temperature"))

    @property
    def n(self) -> int:
        """Number of answers to each prompt."""
        return max(read(INT, self.content.get("n")) or 1, 1)

    @property
    def width(self) -> int:
        """Number of prompts, those that are embeddings among them."""
        prompts, embeddings = self.content.get("prompt"), self.content.get("prompt_embeds")
        batch = prompts if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int) else []
        return max(len(batch) + (len(embeddings) if isinstance(embeddings, list) else 0), 1)

    @property
    def limit_field(self) -> str:
        """The field that limits one answer: the one that is set, else the usual one."""
        names = LIMIT_FIELDS[self.path]
        return next((name for name in names if read(INT, self.content.get(name))), names[-1])

    @property
    def limit(self) -> int | None:
        """Maximum number of tokens in one answer; None where the client sets none."""
        return read(INT, self.content.get(self.limit_field)) or None

    @property
    def id_prefix(self) -> str:
        return ID_PREFIXES.get(self.path, "chatcmpl")

    def with_limit(self, tokens: int) -> "PlainBody":
        return PlainBody(self.path, {**self.content, self.limit_field: tokens}, self.headers)

    def with_n(self, n: int) -> "PlainBody":
        return PlainBody(self.path, {**self.content, "n": n}, self.headers)

    def to_engine(self, salt: str) -> bytes:
        """Build the body that vLLM gets: without our own fields, and with the tenant's salt where there is one."""
        body = {name: value for name, value in self.content.items() if name not in OWN_FIELDS}
        if isinstance(options := body.get("stream_options"), dict) and "include_progress" in options:
            body["stream_options"] = {k: v for k, v in options.items() if k != "include_progress"}
        if salt and body.get("cache_salt") is None:  # a client's own is there only where the operator allows it
            body["cache_salt"] = salt
        return dumps(body)

    def model_dump_json(self) -> str:
        """The content as JSON, as a pydantic request model's."""
        return dumps(self.content).decode()


def read(kind: TypeAdapter[T], value: object) -> T | None:
    """Read a value as vLLM's models do; None where it is none of that type."""
    try:
        return None if value is None else kind.validate_python(value)
    except ValidationError:
        return None
