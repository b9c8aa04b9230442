"""The chain of a prompt's prefixes: what requests have in common whose prompts begin alike.

A replica that has seen a prefix has it in its prefix cache. Each message ends a prefix, and so does each block of a
long one: a question that follows a document within one message shares the document's blocks.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest

BLOCK_BYTES = 4096
"""About a thousand tokens."""
MAX_PREFIXES = 64
"""Longer prompts are told apart by their first ones."""
OPENING_MESSAGES = 2
"""The first messages of a chat, such as system and question, or system and document, identify its conversation."""


@dataclass(frozen=True, slots=True)
class PrefixChain:
    """The prefixes of one prompt, shortest first."""

    digests: tuple[bytes, ...]
    sizes: tuple[int, ...]
    """Bytes of each prefix."""
    opening: bytes
    """Digest of how the conversation begins, which stays the same in its later turns."""
    anchor: bytes
    """Digest of the shortest prefix with half of the opening: a long system prompt or document, a short one with the
    question after it. It stays the same in later turns, too."""

    @property
    def size(self) -> int:
        """Bytes of the prompt, or of its longest prefix."""
        return self.sizes[-1]


def build_prefix_chain(request: AnyRequest | ResponsesRequest, salt: str = "") -> PrefixChain:
    """Build the chain of a request's prompt. `salt`: the tenant's, whose prefixes no other tenant shares."""
    if isinstance(request, CompletionRequest):
        return chain_parts([orjson.dumps(request.prompt)], salt)
    chat = request if isinstance(request, ChatRequest) else request.to_chat()
    tools = [tool.model_dump(mode="json") for tool in chat.tools or ()]
    parts = [orjson.dumps([message.role, message.content, message.extra]) for message in chat.prompt.messages]
    return chain_parts([orjson.dumps(tools) + parts[0], *parts[1:]] if tools else parts, salt)


def chain_parts(parts: list[bytes], salt: str = "") -> PrefixChain:
    """Build the chain of a prompt that consists of these parts, at least one."""
    hasher = hashlib.blake2b(salt.encode(), digest_size=16)
    digests: list[bytes] = []
    sizes: list[int] = []
    size, opening, opening_size = 0, b"", 0
    for number, part in enumerate(parts):
        for block in split_blocks(part):
            hasher.update(block)
            size += len(block)
            if len(digests) < MAX_PREFIXES:
                digests.append(hasher.digest())
                sizes.append(size)
        if number < OPENING_MESSAGES:
            opening, opening_size = hasher.digest(), size
        elif len(digests) == MAX_PREFIXES:
            break
    anchor = next((digest for digest, each in zip(digests, sizes, strict=True) if 2 * each >= opening_size), opening)
    return PrefixChain(tuple(digests), tuple(sizes), opening, anchor)


def split_blocks(part: bytes) -> Iterator[bytes]:
    """Split into blocks, the last of which may be shorter."""
    for at in range(0, len(part), BLOCK_BYTES):
        yield part[at : at + BLOCK_BYTES]
