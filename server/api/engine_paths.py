"""Paths of vLLM's application that stay open where API keys divide users.

Ours have limits by key. The others here decode nothing, or nothing that reaches another user. All that is not listed is
refused: it generates without limits by key, or acts on the server.
"""

import re
from functools import cache

from starlette.routing import compile_path

from cogitate.server.api.routers import list_paths

OPEN_WITH_KEYS = frozenset(
    {
        "/classify",
        "/detokenize",
        "/docs",
        "/docs/oauth2-redirect",
        "/load",
        "/openapi.json",
        "/ping",
        "/pooling",
        "/redoc",
        "/rerank",
        "/score",
        "/tokenize",
        "/tokenizer_info",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/chat/completions/render",
        "/v1/completions/render",
        "/v1/embeddings",
        "/v1/messages/render",
        "/v1/rerank",
        "/v1/responses/render",
        "/v1/score",
        "/v2/embed",
        "/v2/rerank",
        "/version",
    }
)


def is_open_with_keys(path: str) -> bool:
    """Whether a path may be used where keys divide users: a path of ours, or one that is listed."""
    return path in OPEN_WITH_KEYS or any(pattern.match(path) for pattern in _own_paths())


@cache
def _own_paths() -> tuple[re.Pattern[str], ...]:
    return tuple(compile_path(path)[0] for path in list_paths())
