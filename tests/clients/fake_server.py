"""A server that answers what the clients ask: a number, a tool call, JSON, or a story that does not end."""

import contextlib
from collections.abc import Iterator

from cogitate.strategies.core.scripted import Reply, ScriptedEngine
from cogitate.strategies.core.types import Prompt, Sampling, ToolCall
from tests.fakes.live_server import Live, live

JSON = '{"city": "Rome", "days": 3}'


def reply(prompt: Prompt, _: Sampling) -> Reply:
    if "weather" in prompt.question:
        return ToolCall("weather", '{"city": "Rome"}')
    if "JSON" in prompt.question:
        return JSON
    return "and so on " * 10_000 if "story" in prompt.question else "so it is \\boxed{42}"


@contextlib.contextmanager
def answering() -> Iterator[Live]:
    with live(ScriptedEngine(reply, pace=0.001)) as server:
        yield server
