"""Removes from an upstream's error message what it repeats of the request: its texts, and the key that was sent.

A message is redacted before it is shortened, since a part of a key or a prompt is still one. Texts are found in the
message by blocks of characters, as they are and as JSON escapes them, so that any run of them of twice the block's size
is removed, however the upstream cuts the text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

from cogitate.server.engine.remote.validate import as_dict

MARK = "[redacted]"
MAX_SCANNED_CHARACTERS = 16_384
"""Of a message; the rest is dropped."""
BLOCK_CHARACTERS = 8
MIN_TEXT_CHARACTERS = 4
"""Shorter texts are removed only as part of longer ones: they are words of any message."""
KEY_BLOCK_CHARACTERS = 4
MAX_SHORT_TEXTS = 1000
MAX_PLACES = 8
PROMPT_FIELDS = ("messages", "prompt", "input", "instructions", "system", "suffix", "tools", "functions", "user")
NAMES = frozenset({"role", "type", "model", "object", "required"})
"""Fields whose values are words of the API, not of the client."""
CREDENTIALS = re.compile(r"""(?i)\b(?:bearer|basic)\s+[^\s"',;]+|\b(?:sk|pk|key|gsk|xai)-[\w-]{8,}""")


@dataclass(frozen=True, slots=True)
class Redactor:
    """Redacts messages about one request."""

    key: str | None
    body: bytes

    def __call__(self, text: str) -> str:
        """Return a message without them. Backslashes are dropped: it may be escaped several times."""
        text = text[:MAX_SCANNED_CHARACTERS].replace("\\", "")
        if self.key:
            text = remove_runs(text, [self.key], KEY_BLOCK_CHARACTERS)
        text = CREDENTIALS.sub(MARK, text)
        prompts = list(find_prompt_texts(self.body))
        short = {prompt for prompt in prompts if len(prompt) < 2 * BLOCK_CHARACTERS}
        for prompt in sorted(islice(short, MAX_SHORT_TEXTS), key=len, reverse=True):
            text = text.replace(prompt, MARK)
        return remove_runs(text, prompts, BLOCK_CHARACTERS)


def find_prompt_texts(body: bytes) -> Iterator[str]:
    """Yield the texts of a request's body, each as it is and as JSON escapes it, without backslashes."""
    try:
        fields = as_dict(orjson.loads(body)) if body else {}
    except orjson.JSONDecodeError:
        return
    for text in _find_strings([fields.get(name) for name in PROMPT_FIELDS]):
        if len(text) >= MIN_TEXT_CHARACTERS:
            forms = (text, orjson.dumps(text).decode()[1:-1], json.dumps(text)[1:-1])
            yield from dict.fromkeys(form.replace("\\", "") for form in forms)


def _find_strings(value: object) -> Iterator[str]:
    stack = [value]
    while stack:
        match stack.pop():
            case str() as text:
                yield text
            case list() as items:
                stack += items
            case dict() as fields:
                stack += [each for name, each in fields.items() if name not in NAMES]


def remove_runs(text: str, sources: Iterable[str], size: int) -> str:
    """Replace each run of `2 * size - 1` or more characters that a source has too."""
    places = _find_blocks(text, sources, size)
    parts: list[str] = []
    start = at = 0
    while at + size <= len(text):
        runs = [_extend(text, at, size, *place) for place in places.get(text[at : at + size], ())]
        first, end = max(runs, key=lambda run: run[1] - run[0], default=(at, at))
        if end - first < 2 * size - 1:
            at += 1
            continue
        parts += [text[start : max(first, start)], MARK]
        start = at = end
    return "".join([*parts, text[start:]]).replace(MARK + MARK, MARK) if parts else text


def _find_blocks(text: str, sources: Iterable[str], size: int) -> dict[str, list[tuple[str, int]]]:
    """Return the sources' blocks that the text has too, each with some of its places. Every run has one."""
    wanted = {text[at : at + size] for at in range(len(text) - size + 1)}
    places: dict[str, list[tuple[str, int]]] = {}
    for source in sources:
        for at in range(0, len(source) - size + 1, size):
            block = source[at : at + size]
            if block in wanted and len(found := places.setdefault(block, [])) < MAX_PLACES:
                found.append((source, at))
    return places


def _extend(text: str, at: int, size: int, source: str, place: int) -> tuple[int, int]:
    """Return the start and the end of the longest run around a block that text and source share."""
    first, end, offset = at, at + size, place - at
    while first > 0 and first + offset > 0 and text[first - 1] == source[first + offset - 1]:
        first -= 1
    while end < len(text) and end + offset < len(source) and text[end] == source[end + offset]:
        end += 1
    return first, end
