"""A server over a scripted engine that returns a number, a tool call, JSON or an endless story, by the question."""

import contextlib
from collections.abc import Iterator

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import Reply, ScriptedEngine
from cogitate.strategies.core.types import Sampling, ToolCall
from tests.fakes.live_server import Live, live

JSON = '{"city": "Rome", "days": 3}'


def reply(prompt: Prompt, _: Sampling) -> Reply:
    """Return the engine's reply to a question, which is recognised by a word in it."""
    if "weather" in prompt.question:
        return ToolCall("weather", '{"city": "Rome"}')
    if "JSON" in prompt.question:
        return JSON
    return "and so on " * 10_000 if "story" in prompt.question else "so it is \\boxed{42}"


@contextlib.contextmanager
def run_fake_server() -> Iterator[Live]:
    """Run the server until the context ends."""
    with live(ScriptedEngine(reply, pace=0.001)) as server:
        yield server
