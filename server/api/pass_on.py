"""Chooses between vLLM's own route and ours, by the body."""

from collections.abc import Collection
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogitate.server.planning.selects_strategy import selects_strategy


@dataclass(frozen=True, slots=True)
class PassOn:
    """ASGI application in place of a route of vLLM's. What asks for no strategy goes to that route as it came."""

    vllm: ASGIApp
    ours: ASGIApp
    suffixes: Collection[str]
    """Names of strategies and presets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages = await read_body(receive)
        body = b"".join(message.get("body", b"") for message in messages)
        is_ours = selects_strategy(body, scope["headers"], self.suffixes)
        await (self.ours if is_ours else self.vllm)(scope, replay(messages, receive), send)


async def read_body(receive: Receive) -> list[Message]:
    """Receive a request's messages up to the end of its body, or to the client's disconnection."""
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def replay(messages: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that begins with messages that were received already."""
    rest = iter(messages)

    async def receive_again() -> Message:
        message = next(rest, None)
        return await receive() if message is None else message

    return receive_again
