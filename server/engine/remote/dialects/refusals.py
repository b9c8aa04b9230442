"""Learns which fields of our own an upstream refuses, and sends its calls without them.

OpenAI's newer models refuse `max_tokens` and any `temperature`; others refuse `stream_options`, `seed` or `logprobs`.
Where a 400 or 422 says so by the field's name, the call is repeated without the field, or with the limit under its
other name, and so are all later calls. What the client itself asked for is never left out: it gets the upstream's 400.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from cogitate.server.engine.error_message import is_context_too_long
from cogitate.server.engine.remote.validate import as_dict, as_list

LIMIT_NAMES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""Two names of one field."""
RUNNING_USAGE = "continuous_usage_stats"
HINTS = ("chat_template_kwargs", "thinking_token_budget", "reasoning_effort", "parallel_tool_calls")
OPTIONAL_FIELDS = ("stream_options", "temperature", "top_p", "seed", "logprobs", "top_logprobs", "cache_salt", *HINTS)
"""Fields that a call can do without."""
PART_OF = {"include_usage": "stream_options", "top_logprobs": "top_logprobs"}
CLIENT_FIELDS = frozenset({"temperature", "top_p", "seed", "n", "logprobs", "top_logprobs", *HINTS})
"""Where the client sent one of these, the upstream has to honour it."""
N_ABOVE_ONE = r"""['"`]n['"`]|\bn\s*(?:=|>|:|is\b|must\b|above\b|greater\b)"""
"""How prose names the field `n`."""
MAX_STRINGS = 64
MAX_TEXT_CHARACTERS = 4096
REFUSAL = re.compile(
    r"unsupported|\bnot\s+(?:\w+\s+){0,2}(?:support|allow|permit|accept|recogni|implement|available|defined|known)"
    r"|n't\s+(?:support|allow|permit|accept|recogni|take|have)|not\s+(?:take|have)\b|unknown|unrecogni[sz]ed|unexpected"
    r"|\bextra\b|forbidden|no such|\bcannot\b|can't be|may not be|must not|should not|deprecated|\bonly\b"
    r"|invalid (?:request )?(?:parameter|argument|field|key|property|name)|must be (?:set to )?(?:1\b|the default|null)"
    r"|disabled|removed|\binstead\b",
    re.IGNORECASE,
)
RANGE = re.compile(
    r"too (?:large|big|high|low|small)|at (?:most|least)|less than|exceed|greater|maximum|minimum|between|up to|range",
    re.IGNORECASE,
)
"""A value is wrong, and the field is not refused."""
REFUSAL_CODES = re.compile(r"unsupported|unknown|extra|unrecogni")


@dataclass(slots=True)
class RefusedFields:
    """What one upstream has refused."""

    left_out: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    refuses_n: bool = False
    """It takes no `n` above 1, so every sample is a call of its own."""

    def adapt(self, body: bytes, required: frozenset[str]) -> bytes:
        """Return a call's body as the upstream takes it."""
        if not (self.left_out or self.renamed) or not body:
            return body
        fields: dict[str, Any] = orjson.loads(body)
        for name in self.left_out - required:
            fields.pop(name, None)
        if RUNNING_USAGE in self.left_out:
            as_dict(fields.get("stream_options")).pop(RUNNING_USAGE, None)
        if "logprobs" not in fields:
            fields.pop("top_logprobs", None)
        for name, other in self.renamed.items():
            if name in fields and "messages" in fields:
                fields[other] = fields.pop(name)
        return orjson.dumps(fields)

    def learn(self, error: bytes, body: bytes, required: frozenset[str]) -> bool:
        """Read a refusal of a call with this body; returns whether the call should be repeated, adapted."""
        fields = as_dict(orjson.loads(body)) if body else {}
        refusal = parse_refusal(error)
        if refusal is None:
            return False
        name = refusal.find_name(fields)
        if name == "n":
            self.refuses_n = True
        if name in LIMIT_NAMES:
            return self._rename(name, refusal, fields)
        if name is None or name in required or name == "n":
            return False
        self.left_out.add(name)  # It may be there already: of calls that begin together, each is refused.
        return True

    def _rename(self, name: str, refusal: "Refusal", fields: dict[str, Any]) -> bool:
        other = LIMIT_NAMES[name]
        if name in self.renamed:
            return True
        if other in self.renamed or "messages" not in fields:
            return False
        if not (refusal.is_definite or other in refusal.text):
            return False
        self.renamed[name] = other
        return True


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upstream's reason for refusing a call."""

    text: str
    named: tuple[str, ...]
    """The fields that it names outside its prose."""
    is_definite: bool
    """It says that a field is not taken, not that its value is wrong."""

    def find_name(self, fields: dict[str, Any]) -> str | None:
        """Return which of a call's fields is refused: the one that is named, else the first in the prose."""
        options = as_dict(fields.get("stream_options"))
        present = [name for name in (*LIMIT_NAMES, *OPTIONAL_FIELDS, "n") if name in fields]
        present += [name for name in (RUNNING_USAGE, "include_usage") if name in options]
        for name in reversed(self.named):
            if name in present:
                return self._accept(PART_OF.get(name, name))
        places = {name: place for name in present if (place := self._find(name)) is not None}
        if not places:
            return None
        first = min(places, key=lambda name: (places[name], -len(name)))
        return self._accept(PART_OF.get(first, first))

    def _find(self, name: str) -> int | None:
        found = re.search(N_ABOVE_ONE if name == "n" else rf"(?<!\w){name}(?!\w)", self.text)
        return found.start() if found else None

    def _accept(self, name: str) -> str | None:
        return name if self.is_definite or name in LIMIT_NAMES or name == "n" else None


def parse_refusal(error: bytes) -> Refusal | None:
    """Parse an error body in any form; None where it says that the prompt is too long."""
    try:
        payload = orjson.loads(error)
    except orjson.JSONDecodeError:
        payload = error.decode(errors="replace")
    named: list[str] = []
    texts: list[str] = []
    codes: list[str] = []
    for name, text in _walk(payload):
        (named if name in ("param", "loc") else codes if name in ("code", "type") else texts).append(text)
    prose = " ".join(texts)[:MAX_TEXT_CHARACTERS]
    if is_context_too_long(f"{' '.join(codes)} {prose}"):
        return None
    is_definite = any(map(REFUSAL_CODES.search, codes)) or bool(REFUSAL.search(prose) and not RANGE.search(prose))
    fields = [part for place in named for part in place.split(".")]
    return Refusal(prose, tuple(fields), is_definite)


def _walk(payload: object) -> Iterator[tuple[str, str]]:
    """Yield the texts of an error body with the names of their fields, but not what FastAPI repeats of the request."""
    stack: list[tuple[str, object]] = [("", payload)]
    for _ in range(MAX_STRINGS):
        if not stack:
            return
        name, value = stack.pop()
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            stack += [(key, each) for key, each in reversed(value.items()) if key not in ("input", "ctx", "url")]
        else:
            stack += [(name, each) for each in reversed(as_list(value))]
