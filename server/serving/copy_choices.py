"""Returns the engine's one choice as n equal ones, where greedy decoding would decode the same n times.

The usage is the engine's: what was decoded, once.
"""

import orjson

from cogitate.server.engine import Body, Events
from cogitate.server.protocol.json import dumps

DATA = "data: "
END = "\n\n"


def copy_choices(body: Body, copies: int) -> Body:
    """Return the body with each choice `copies` times; those of one prompt have consecutive indices, as in OpenAI's."""
    choices = [_with_index(choice, copies, at) for choice in body["choices"] for at in range(copies)]
    return body | {"choices": choices}


async def copy_events(events: Events, copies: int) -> Events:
    """Yield the events of a stream, each with choices `copies` times. Closing it closes `events`."""
    try:
        async for event in events:
            for copy in copy_event(event, copies):
                yield copy
    finally:
        await events.aclose()  # the reader may have left: `async for` does not close what it iterates over


def copy_event(event: str, copies: int) -> list[str]:
    """Return the event with each choice `copies` times, one event a copy; an event without choices as it is."""
    content = event.removeprefix(DATA)
    chunk: Body = orjson.loads(content) if content.startswith("{") else {}
    if not chunk.get("choices"):
        return [event]
    bodies = [
        chunk | {"choices": [_with_index(choice, copies, at) for choice in chunk["choices"]]} for at in range(copies)
    ]
    return [f"{DATA}{dumps(body).decode()}{END}" for body in bodies]


def _with_index(choice: Body, copies: int, at: int) -> Body:
    return choice | {"index": choice["index"] * copies + at}
